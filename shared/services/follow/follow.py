"""Follows queued runs to what Azure ML holds, and ties it back to the release.

A job's own word is not enough: an environment is called registered when the version with the rebuild's tag has been
seen in each workspace.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from functools import cache, partial

from shared.domain.files.credentials import masked
from shared.domain.records.duplicate_runs import Look, followed_in, older_runs
from shared.domain.records.environment_record import EnvironmentRecord
from shared.domain.records.pipeline_contract import REBUILD_TAG
from shared.domain.records.rebuilds import RebuildEntry, RebuiltEnvironment, Registration
from shared.domain.records.release_entry import ReleaseEntry
from shared.domain.records.run_outcomes import (
    RunOutcome,
    begun_to_wait,
    failed,
    has_succeeded,
    may_succeed_yet,
    moved_on,
    news,
    not_registered,
    on_its_way,
)
from shared.domain.states import EnvironmentState, RebuildState, ReleaseState
from shared.domain.targets import Target, Workspace
from shared.errors import NotThere, Permanent, RebuilderError, Transient
from shared.ledger import Ledger
from shared.ledger_entries import FollowingEntry, environment_key, following_key, rebuild_key, release_key
from shared.limits import REGISTRATION_PATIENCE
from shared.log import alert, event
from shared.ports import AzureDevOps, AzureML, Clock, RegisteredVersion
from shared.services.follow.retries import Retries
from shared.services.records.due import DueMarks


class NotRegisteredYet(Transient):
    """A job succeeded and Azure ML does not show its version yet."""


class Follow:
    """Brings a rebuild from `queued` to `finished`."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        due: DueMarks,
        azure_devops: AzureDevOps,
        azure_ml: AzureML,
        targets: Iterable[Target],
        clock: Clock,
        attempts: int,
    ) -> None:
        self._ledger = ledger
        self._retries = Retries(ledger=ledger, due=due, clock=clock, attempts=attempts)
        self._azure_devops = azure_devops
        self._azure_ml = azure_ml
        self._targets = tuple(targets)
        self._clock = clock

    def run(self, run: int, pipeline: int | None) -> None:
        """A run is said to be over: look at it, and at the rebuild that it belongs to.

        Args:
            run: its id.
            pipeline: its pipeline's id, if it is known.

        Raises:
            Transient: a service does not answer, or Azure ML does not show yet what was registered.
        """
        for target in self._targets:
            if pipeline not in (None, target.pipeline):
                continue
            try:
                outcome = self._azure_devops.pipeline(target).outcome(run)
            except NotThere:
                continue
            rebuild = self._ledger.read(rebuild_key(target.name, outcome.parameters.get("rebuild", "none")))
            if rebuild and run in {*(mine.id for mine in rebuild.runs), *(e.run for e in rebuild.environments)}:
                self._look(target, rebuild, again=run)

    def all(self) -> None:
        """Look at every rebuild whose runs are not over. One that cannot be looked at holds up no other."""
        for target in self._targets:
            for rebuild_id in self._ledger.following(target.name):
                try:
                    rebuild = self._ledger.get(rebuild_key(target.name, rebuild_id))
                    self._look(target, rebuild)
                except RebuilderError as problem:
                    alert("rebuild_not_followed", target=target.name, rebuild=rebuild_id, why=problem)

    def _look(self, target: Target, rebuild: RebuildEntry, again: int | None = None) -> None:
        """Look at the runs of a rebuild, and record what one shows before the next is looked at.

        Args:
            target: its target.
            rebuild: the rebuild.
            again: the only run that is looked at; a person may have run its failed jobs again.
        """
        before = rebuild.environments
        look = cache(lambda run: self._outcome(target, run))  # each run once
        key, now = rebuild_key(target.name, rebuild.id), self._clock.now()
        missing = None
        for run in [again] if again else sorted({e.run for e in before if e.run and not e.is_settled}):
            mine = (e for e in rebuild.environments if e.run == run)
            paths = {e.path for e in mine if not e.is_settled or (again and may_succeed_yet(e))}
            rebuild = self._followed_in_older_runs(rebuild, paths, look)
            seen, lacking = self._environments(target, rebuild, paths, look)
            seen = self._retries.told(rebuild, seen)
            rebuild = self._ledger.change(key, rebuild, lambda e, seen=seen: e.seen(news(e, seen), now))  # type: ignore[misc]
            missing = missing or lacking
        for run, why in begun_to_wait(before, rebuild.environments).items():
            alert("run_waits", target=target.name, rebuild=rebuild.id, run=run, why=why)
        if missing:
            raise NotRegisteredYet(missing)
        if not _is_over(rebuild):
            return
        self._finish(target, rebuild)
        if rebuild.environments != before:
            _tell(rebuild, now)
        self._ledger.delete(following_key(target.name, rebuild.id))
        # A run may have been recorded since it was read: then that is seen here, or its worker sets the mark once more.
        if not _is_over(self._ledger.read(key) or rebuild):
            self._ledger.create(following_key(target.name, rebuild.id), FollowingEntry(rebuild.id))

    def _followed_in_older_runs(self, rebuild: RebuildEntry, paths: set[str], look: Look) -> RebuildEntry:
        older = older_runs([e for e in rebuild.environments if e.path in paths and not e.is_settled], look)
        if not older:
            return rebuild
        for run, first in sorted(set(older.values())):
            event("run_is_duplicate", target=rebuild.target, rebuild=rebuild.id, run=run, older=first)
        key, now = rebuild_key(rebuild.target, rebuild.id), self._clock.now()
        return self._ledger.update(key, lambda e: followed_in(e, older, look, now) if e else e) or rebuild

    def _environments(
        self, target: Target, rebuild: RebuildEntry, paths: set[str], look: Look
    ) -> tuple[dict[str, RebuiltEnvironment], str | None]:
        """Return what is to be seen of some environments now, and what Azure ML does not show yet."""
        seen: dict[str, RebuiltEnvironment] = {}
        missing = None
        for environment in rebuild.environments:
            if environment.path not in paths or environment.run is None:
                continue
            outcome = look(environment.run)
            job = outcome.jobs.get(environment.path)
            if not outcome.completed and (job is None or job.state != "completed"):
                seen[environment.path] = on_its_way(environment, job, outcome)
                continue
            found, lacking = self._registered(target, rebuild, environment, succeeded=has_succeeded(job))
            if lacking is None:
                seen[environment.path] = moved_on(found, EnvironmentState.REGISTERED, None)
            elif not has_succeeded(job):
                seen[environment.path] = not_registered(found, job, outcome)
            elif self._is_patient(outcome):
                missing = lacking
            else:
                seen[environment.path] = failed(found, lacking)
        return seen, missing

    def _is_patient(self, outcome: RunOutcome) -> bool:
        return outcome.finished is None or self._clock.now() - outcome.finished < REGISTRATION_PATIENCE

    def _outcome(self, target: Target, run: int) -> RunOutcome:
        try:
            return self._azure_devops.pipeline(target).outcome(run)
        except NotThere:
            return RunOutcome({}, completed=True, problem=f"run {run} is not there any more")

    def _registered(
        self, target: Target, rebuild: RebuildEntry, environment: RebuiltEnvironment, *, succeeded: bool
    ) -> tuple[RebuiltEnvironment, str | None]:
        """The environment with every workspace that holds it, and what a workspace lacks.

        A job that failed or is gone may have registered something before: each workspace counts by itself.
        """
        registrations = []
        lacking = None
        for workspace in target.workspaces:
            try:
                version = self._version(workspace, environment, rebuild)
            except Permanent:
                if succeeded:
                    raise
                version = None  # the job's own error says more
            if version is None:
                lacking = (
                    lacking or f"its job succeeded, but {workspace} has no version with the tag of rebuild {rebuild.id}"
                )
            else:
                tags = {masked(key): masked(value) for key, value in version.tags.items()}
                context = masked(version.context) if version.context else None
                registrations.append(Registration(str(workspace), version.version, tags, context))
        return replace(environment, workspaces=tuple(registrations)), lacking

    def _version(
        self, workspace: Workspace, environment: RebuiltEnvironment, rebuild: RebuildEntry
    ) -> RegisteredVersion | None:
        """The version that this rebuild has registered, or an earlier one of the same files."""
        for rebuild_id in (rebuild.id, *environment.earlier):
            if found := self._azure_ml.registered(workspace, environment.name, (REBUILD_TAG, rebuild_id)):
                return found
        return None

    def _finish(self, target: Target, rebuild: RebuildEntry) -> None:
        """Write what became of it into the releases and the environments."""
        versions = {
            environment.path: {held.workspace: held.version for held in environment.workspaces}
            for environment in rebuild.environments
            if environment.workspaces
        }

        def carry(entry: EnvironmentRecord | None) -> EnvironmentRecord | None:
            # A later rebuild may have taken the environment over meanwhile: then this is not what it carries.
            if entry is None or entry.rebuild != rebuild.id:
                return entry
            return replace(entry, registered={**entry.registered, **versions[entry.path]})

        self._ledger.update_many({environment_key(target.name, path): carry for path in versions})
        if rebuild.state is RebuildState.FINISHED:
            settled = partial(self._settled, rebuild=rebuild)
            self._ledger.update_many({release_key(target.name, release): settled for release in rebuild.releases})

    def _settled(self, entry: ReleaseEntry | None, rebuild: RebuildEntry) -> ReleaseEntry | None:
        if entry is None or entry.rebuild != rebuild.id or entry.state is not ReleaseState.PLANNED:
            return entry
        return entry.settled(f"rebuild {rebuild.id} finished", self._clock.now())


def _is_over(rebuild: RebuildEntry) -> bool:
    """Tell whether there is nothing to follow (any more)."""
    return not rebuild.is_underway and all(e.is_settled or e.run is None for e in rebuild.environments)


def _tell(rebuild: RebuildEntry, now: datetime) -> None:
    states = [environment.state for environment in rebuild.environments]
    event(
        "rebuild_finished",
        target=rebuild.target,
        rebuild=rebuild.id,
        registered=states.count(EnvironmentState.REGISTERED),
        failed=states.count(EnvironmentState.FAILED),
        seconds=int((now - rebuild.began).total_seconds()),
    )
