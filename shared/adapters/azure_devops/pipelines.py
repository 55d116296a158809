"""The rebuild pipeline of a target (REST: "Pipelines - Runs", "Build - Builds").

A run's id is its build's id; only the list of builds can be filtered by definition, branch and time.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from azure.devops.connection import Connection
from azure.devops.v7_1.pipelines.models import (
    RepositoryResourceParameters,
    RunPipelineParameters,
    RunResourcesParameters,
)

from shared.adapters.azure_devops.connection import client, translated
from shared.domain.records.run_outcomes import JobOutcome, RunOutcome
from shared.domain.targets import Target
from shared.errors import AccessDenied, NotThere, Permanent, PipelineRejected
from shared.limits import RUN_PAGES, RUNS_PER_LOOKUP
from shared.ports import PipelineRun

# Who queues a run needs two permissions: the second one for parameters that take any value (release notes of Azure
# DevOps, sprint 237). The service names one of them, and neither where it is granted nor the other one.
_LACKING = "TF215106"
# Runs that were queued so close to a page's last one may be on either side of its end.
_SAME_MOMENT = timedelta(milliseconds=1)


class AzurePipeline:
    """The pipeline of a target."""

    def __init__(self, connection: Connection, target: Target) -> None:
        self._connection = connection
        self._target = target

    def runs_since(self, moment: datetime) -> Sequence[PipelineRun]:
        """The runs of this pipeline on the target's branch that were queued since then, newest first."""
        target = self._target
        return runs_since(self._connection, target.project, target.pipeline, target.ref, moment)

    def queue(self, commit: str, parameters: Mapping[str, str]) -> PipelineRun:
        """Queue a run of the branch, pinned to a commit."""
        target = self._target
        itself = RepositoryResourceParameters(ref_name=target.ref, version=commit)
        wish = RunPipelineParameters(
            resources=RunResourcesParameters(repositories={"self": itself}), template_parameters=dict(parameters)
        )
        try:
            with translated(f"queueing pipeline {target.pipeline}"):
                run = client(self._connection, "pipelines").run_pipeline(wish, target.project, target.pipeline)
                url = _page(self._connection, self._target.project, int(run.id))
                return PipelineRun(int(run.id), dict(parameters), url)
        except NotThere as problem:
            raise PipelineRejected(str(problem)) from problem
        except AccessDenied as problem:
            if _LACKING not in str(problem):
                raise  # not signed in
            raise AccessDenied(
                f"{problem} It needs `Queue builds` and `Edit queue build configuration` there: Pipelines, pipeline "
                f"{target.pipeline} of project {target.project}, Manage security."
            ) from problem

    def outcome(self, run: int) -> RunOutcome:
        """Look at a run: its build, and the records of its timeline."""
        build_client = client(self._connection, "build")
        with translated(f"looking at run {run}"):
            build = build_client.get_build(self._target.project, run)
        try:
            with translated(f"reading the timeline of run {run}"):
                timeline = build_client.get_build_timeline(self._target.project, run)
        except NotThere:
            timeline = None  # it has not begun
        with translated(f"looking at run {run}"):
            return self._outcome(run, build, timeline)

    def _outcome(self, run: int, build: Any, timeline: Any) -> RunOutcome:
        if not build.definition or int(build.definition.id) != self._target.pipeline:
            raise NotThere(f"run {run} is not one of pipeline {self._target.pipeline}")
        records = list(timeline.records or ()) if timeline else []
        return RunOutcome(
            parameters=dict(build.template_parameters or {}),
            completed=str(build.status) == "completed",
            result=str(build.result) if build.result else None,
            jobs={str(record.name): _job(record, records) for record in records if record.type == "Job"},
            problem=_first_error(record for record in records if record.type not in ("Job", "Task")),
            finished=build.finish_time,
            waits=None if str(build.status) == "completed" else _waits(records),
            url=_page(self._connection, self._target.project, run),
        )


def runs_since(
    connection: Connection, project: str, pipeline: int, ref: str, moment: datetime
) -> Sequence[PipelineRun]:
    """The runs of a pipeline on a branch (`refs/heads/…`) that were queued since then, newest first.

    The SDK loses the header that continues a list, so each page ends where the one before began.

    Raises:
        Permanent: there are more than we read.
    """
    found: dict[int, PipelineRun] = {}
    until: datetime | None = None
    for _ in range(RUN_PAGES):
        with translated(f"looking for runs of pipeline {pipeline}"):
            builds = client(connection, "build").get_builds(
                project,
                definitions=[pipeline],
                branch_name=ref,
                min_time=moment,
                max_time=until,
                query_order="queueTimeDescending",
                top=RUNS_PER_LOOKUP,
            )
            before = len(found)
            for build in builds:
                found.setdefault(int(build.id), _seen(connection, project, build))
            if len(builds) < RUNS_PER_LOOKUP:
                return list(found.values())
            if len(found) == before:
                raise Permanent(
                    f"pipeline {pipeline} has had more than {RUNS_PER_LOOKUP} runs at {builds[-1].queue_time}: "
                    "the list of its runs does not go on"
                )
            until = builds[-1].queue_time + _SAME_MOMENT
    raise Permanent(f"pipeline {pipeline} has had more than {len(found)} runs since {moment}: not all were read")


def _seen(connection: Connection, project: str, build: Any) -> PipelineRun:
    return PipelineRun(
        id=int(build.id),
        parameters=dict(build.template_parameters or {}),
        url=_page(connection, project, int(build.id)),
        cancelled=str(build.result) == "canceled" or str(build.status) == "cancelling",
    )


def _page(connection: Connection, project: str, run: int) -> str:
    """The run's page for people; the SDK's models lose the link that the service sends."""
    return f"{connection.base_url.rstrip('/')}/{quote(project)}/_build/results?buildId={run}"


# What a person has to give before a run goes on; other checks decide by themselves.
_GIVEN = {"Approval": "approval", "Authorization": "permission"}


def _waits(records: Iterable[Any]) -> str | None:
    """What a run waits for, by the timeline's records of its checks.

    Unverified against the service, whose documentation names the fields and not their values: a stage that is held up
    has a record of type `Checkpoint`, and below it one for each check, of type `Checkpoint.Approval`,
    `Checkpoint.Authorization`, `Checkpoint.ExclusiveLock` and so on, which is `completed` once the check has passed.
    """
    open_now = [
        str(record.type).rpartition(".")[2]
        for record in records
        if str(record.type).startswith("Checkpoint.") and record.state != "completed"
    ]
    asked = [_GIVEN[check] for check in open_now if check in _GIVEN]
    return next(iter([*asked, *open_now]), None)


def _job(record: Any, records: Iterable[Any]) -> JobOutcome:
    """A job's record together with those of its steps (REST: "Build - Timeline")."""
    steps = [one for one in records if one.type == "Task" and one.parent_id == record.id]
    steps.sort(key=lambda step: step.order or 0)
    return JobOutcome(
        state=str(record.state),
        result=str(record.result) if record.result else None,
        steps=tuple(str(step.name) for step in steps if step.result in ("succeeded", "succeededWithIssues")),
        problem=_first_error([step for step in steps if step.result == "failed"]) or _first_error([record]),
    )


def _first_error(records: Iterable[Any]) -> str | None:
    """The first line of the first error that records carry."""
    for record in records:
        for issue in record.issues or ():
            if issue.type == "error" and issue.message:
                return str(issue.message).strip().splitlines()[0]
    return None
