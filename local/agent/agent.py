"""Takes runs out of the pipeline queue, one after the other, and runs their stages and jobs."""

import queue
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from local.agent.expressions import Unknown, evaluate, is_true
from local.agent.job import JobContext, JobRunner
from local.agent.machine import Machine
from local.agent.pipeline import JobPlan, StagePlan
from local.agent.record import Record, Timeline
from local.agent.tasks import KINDS
from local.azure_devops.pipelines import Build

# What a job is called that is the only one of its phase: `jobs:` of YAML are phases, whose jobs a matrix multiplies.
DEFAULT_JOB = "__default"

# How long a cancelled step may take to end, in seconds.
_PATIENCE = 15


@dataclass(frozen=True, slots=True)
class Place:
    """What the agent has to know of the organisation.

    Attributes:
        project: the project's name.
        collection: address of the organisation.
        clone_url: of the repository.
    """

    project: str
    collection: str
    clone_url: str


class Agent:
    """One agent with two places for jobs.

    Attributes:
        finished: called with each run that is over.
    """

    def __init__(self, *, machine: Machine, place: Place, folder: Path, parallel: int = 2) -> None:
        self._machine = machine
        self._place = place
        self._folder = folder
        self._parallel = parallel
        self._waiting: queue.Queue[Build | None] = queue.Queue()
        self._thread = threading.Thread(target=self._work, name="agent", daemon=True)
        self._running: Build | None = None
        self._stopping = False
        self.finished: list[Callable[[Build], None]] = []

    def start(self) -> None:
        """Begin to work."""
        self._machine.prepare()
        self._thread.start()

    def stop(self) -> None:
        """Cancel what runs now, and wait until its processes have ended."""
        self._stopping = True
        self._waiting.put(None)
        if running := self._running:
            running.cancelled.set()
        if self._thread.is_alive():
            self._thread.join(_PATIENCE)

    @property
    def is_working(self) -> bool:
        """Whether a run is under way, of which the service tells nobody anything yet."""
        return self._running is not None

    def take(self, build: Build) -> None:
        """Put a run into this agent's queue."""
        build.timeline = Timeline(self._folder / "runs" / str(build.id), build.checks)
        self._waiting.put(build)

    def _work(self) -> None:
        while (build := self._waiting.get()) is not None:
            if self._stopping:
                return
            if build.cancelled.is_set():
                self._close(build, "canceled")
                continue
            self._running = build
            build.status, build.started = "inProgress", datetime.now(UTC)
            result = self._run(build)
            self._running = None
            if self._stopping:
                return  # nobody listens any more
            self._close(build, result)

    def _close(self, build: Build, result: str) -> None:
        build.status, build.result, build.finished = "completed", result, datetime.now(UTC)
        for tell in self.finished:
            tell(build)

    def _run(self, build: Build) -> str:
        timeline = build.timeline
        assert timeline is not None
        variables = self._variables(build)
        results: dict[str, str] = {}
        for stage in build.stages:
            record = timeline.add("Stage", stage.label, stage.name, None)
            try:
                results[stage.name] = self._stage(build, timeline, stage, record, variables, results)
            except Unknown as problem:
                record.issues.append(("error", str(problem)))
                record.end("failed")
                results[stage.name] = "failed"
        if build.cancelled.is_set():
            return "canceled"
        return "failed" if "failed" in results.values() else "succeeded"

    def _stage(
        self,
        build: Build,
        timeline: Timeline,
        stage: StagePlan,
        record: Record,
        variables: Mapping[str, str],
        before: Mapping[str, str],
    ) -> str:
        if not _goes(stage.condition, stage.depends, before, build):
            record.end("skipped")
            return "skipped"
        record.begin()
        results: dict[str, str] = {}
        # The record of each phase is there before that of its job, which a phase that does not run never gets.
        phases = {job.name: timeline.add("Phase", job.label, f"{stage.name}.{job.name}", record) for job in stage.jobs}
        variables = {**variables, "System.StageName": stage.name, "System.StageAttempt": "1"}
        waiting = list(stage.jobs)
        with ThreadPoolExecutor(self._parallel) as pool:
            while waiting:
                ready = [job for job in waiting if all(name in results for name in job.depends)]
                if not ready:
                    raise Unknown(f"jobs wait for each other or for one that is not there: {waiting[0].name}")
                done = pool.map(
                    lambda job: self._job(build, timeline, job, phases[job.name], variables, results), ready
                )
                results.update(zip((job.name for job in ready), done, strict=True))
                waiting = [job for job in waiting if job.name not in results]
        result = "failed" if "failed" in results.values() else "canceled" if build.cancelled.is_set() else "succeeded"
        record.end(result)
        return result

    def _job(
        self,
        build: Build,
        timeline: Timeline,
        job: JobPlan,
        phase: Record,
        variables: Mapping[str, str],
        before: Mapping[str, str],
    ) -> str:
        if not _goes(job.condition, job.depends, before, build):
            phase.end("canceled" if build.cancelled.is_set() else "skipped")
            return phase.result or ""
        phase.begin()
        record = timeline.add("Job", job.label, f"{phase.identifier}.{DEFAULT_JOB}", phase)
        folder = self._folder / "work" / str(build.id) / job.name
        token = self._machine.access_token()
        context = JobContext(
            plan=job,
            machine=self._machine,
            timeline=timeline,
            folder=folder,
            variables={
                **variables,
                "Agent.JobName": job.label,
                "System.JobName": DEFAULT_JOB,
                "System.JobDisplayName": job.label,
                "System.PhaseName": job.name,
                "System.PhaseAttempt": "1",
                "System.JobAttempt": "1",
                "Agent.BuildDirectory": str(folder),
                "Pipeline.Workspace": str(folder),
                "Build.SourcesDirectory": str(folder / "s"),
                "Agent.TempDirectory": str(folder / "temp"),
                **job.variables,
            },
            clone_url=self._place.clone_url,
            commit=build.commit,
            tags=build.tags,
            cancelled=build.cancelled,
            secret_variables={"System.AccessToken": token},
            secrets=[token],
        )
        record.begin()
        try:
            result = JobRunner(context, record, KINDS).run()
        except Exception as problem:  # noqa: BLE001
            # The agent's own fault: shown on the job, and never taken for the environment's.
            record.issues.append(("error", f"the agent failed: {problem!r}"))
            result = "failed"
        record.end("canceled" if build.cancelled.is_set() and result != "failed" else result)
        phase.end(record.result or result)
        return result

    def _variables(self, build: Build) -> dict[str, str]:
        return {
            "Build.BuildId": str(build.id),
            "Build.BuildNumber": f"{build.queued:%Y%m%d}.{build.id}",
            "Build.DefinitionName": build.definition.name,
            "Build.Reason": "Manual",
            "Build.Repository.Name": build.definition.repository.name,
            "Build.SourceBranch": build.branch,
            "Build.SourceVersion": build.commit,
            "System.CollectionUri": f"{self._place.collection}/",
            "System.DefinitionId": str(build.definition.id),
            "System.TeamProject": self._place.project,
            "Agent.OS": "Linux",
        }


def _goes(condition: str, depends: tuple[str, ...], before: Mapping[str, str], build: Build) -> bool:
    """Whether a job or stage runs after those that it depends on."""
    status = {
        "succeeded": lambda: not build.cancelled.is_set() and all(before.get(name) == "succeeded" for name in depends),
        "always": lambda: True,
    }
    return is_true(evaluate(condition, {}, status))
