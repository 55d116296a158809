"""Follows queued runs to what Azure ML holds, and ties it back to the release.

A job's own word is not enough: an environment is called registered when the version with the rebuild's tag has been
seen in each workspace.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from functools import cache, partial
from itertools import batched
from random import Random

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
from shared.errors import NotThere, OutOfTime, RebuilderError, Transient
from shared.ledger import Ledger
from shared.ledger_entries import FollowingEntry, environment_key, following_key, rebuild_key, release_key
from shared.limits import LOOK_UPS_PER_RECORD, REGISTRATION_PATIENCE, TURN_TIME
from shared.log import alert, event
from shared.ports import AzureDevOps, AzureML, Clock, RegisteredVersion, Sought
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
            OutOfTime: there is more to look at; what was seen is recorded.
        """
        until = self._clock.now() + TURN_TIME
        for target in self._targets:
            if pipeline not in (None, target.pipeline):
                continue
            try:
                outcome = self._azure_devops.pipeline(target).outcome(run)
            except NotThere:
                continue
            rebuild = self._ledger.read(rebuild_key(target.name, outcome.parameters.get("rebuild", "none")))
            if rebuild and run in {*(mine.id for mine in rebuild.runs), *(e.run for e in rebuild.environments)}:
                self._look(target, rebuild, until, again=run)

    def all(self, until: datetime | None = None) -> None:
        """Look at every rebuild whose runs are not over, one at least; what was seen is recorded.

        One that cannot be looked at holds up no other.

        Args:
            until: when to leave the rest to the next time; None for three minutes from now.
        """
        until = until or self._clock.now() + TURN_TIME
        following = [(target, rebuild) for target in self._targets for rebuild in self._ledger.following(target.name)]
        for number, (target, rebuild_id) in enumerate(_drawn(following, until)):
            try:
                if number:
                    self._check(until)
                self._look(target, self._ledger.get(rebuild_key(target.name, rebuild_id)), until)
            except OutOfTime as stop:
                event("following_goes_on", target=target.name, why=stop)
                return
            except RebuilderError as problem:
                alert("rebuild_not_followed", target=target.name, rebuild=rebuild_id, why=problem)

    def _look(self, target: Target, rebuild: RebuildEntry, until: datetime, again: int | None = None) -> None:
        """Look at the runs of a rebuild, and record what was seen before more is looked at.

        Args:
            target: its target.
            rebuild: the rebuild.
            until: when to leave the rest to the next look.
            again: the only run that is looked at; a person may have run its failed jobs again.
        """
        before = rebuild.environments
        look = cache(lambda run: self._outcome(target, run))  # each run once
        portion = max(LOOK_UPS_PER_RECORD // len(target.workspaces), 1)
        problem: RebuilderError | None = None
        begun = False
        runs = {again} if again else {e.run for e in before if e.run and not e.is_settled}
        for run in _drawn(runs, until):
            mine = (e for e in rebuild.environments if e.run == run)
            paths = {e.path for e in mine if not e.is_settled or (again and may_succeed_yet(e))}
            rebuild = self._followed_in_older_runs(rebuild, paths, look)
            seen: dict[str, RebuiltEnvironment] = {}
            for some in batched(_drawn(paths, until), portion, strict=False):
                if begun:
                    self._check(until)
                begun = True
                now_seen, lacking = self._environments(target, rebuild, some, look)
                seen |= now_seen
                known = rebuild.environments
                rebuild = self._recorded(rebuild, self._retries.told(rebuild, seen))
                for waiting, why in begun_to_wait(known, rebuild.environments).items():
                    alert("run_waits", target=target.name, rebuild=rebuild.id, run=waiting, why=why)
                problem = problem or lacking
        if problem:
            raise problem
        if not _is_over(rebuild):
            return
        self._settle(target, rebuild)
        if rebuild.environments != before:
            _tell(rebuild, self._clock.now())
        self._ledger.delete(following_key(target.name, rebuild.id))
        # A run may have been recorded since it was read: then that is seen here, or its worker sets the mark once more.
        if not _is_over(self._ledger.read(rebuild_key(target.name, rebuild.id)) or rebuild):
            self._ledger.create(following_key(target.name, rebuild.id), FollowingEntry(rebuild.id))

    def _check(self, until: datetime) -> None:
        if self._clock.now() >= until:
            raise OutOfTime("what is left is looked at the next time")

    def _followed_in_older_runs(self, rebuild: RebuildEntry, paths: set[str], look: Look) -> RebuildEntry:
        older = older_runs([e for e in rebuild.environments if e.path in paths and not e.is_settled], look)
        if not older:
            return rebuild
        for run, first in sorted(set(older.values())):
            event("run_is_duplicate", target=rebuild.target, rebuild=rebuild.id, run=run, older=first)
        key, now = rebuild_key(rebuild.target, rebuild.id), self._clock.now()
        return self._ledger.update(key, lambda e: followed_in(e, older, look, now) if e else e) or rebuild

    def _environments(
        self, target: Target, rebuild: RebuildEntry, paths: Collection[str], look: Look
    ) -> tuple[dict[str, RebuiltEnvironment], RebuilderError | None]:
        """Return what is to be seen of some environments now, and the first problem of those that show nothing."""
        seen: dict[str, RebuiltEnvironment] = {}
        ended = []
        for environment in rebuild.environments:
            if environment.path not in paths or environment.run is None:
                continue
            outcome = look(environment.run)
            job = outcome.jobs.get(environment.path)
            if not outcome.completed and (job is None or job.state != "completed"):
                seen[environment.path] = on_its_way(environment, job, outcome)
            else:
                ended.append((environment, job, outcome))
        problem: RebuilderError | None = None
        held = self._held(target, rebuild, [environment for environment, _, _ in ended])
        for environment, job, outcome in ended:
            versions = held[environment.path]
            now = replace(environment, workspaces=tuple(_registrations(versions)))
            unknown = [found for found in versions.values() if isinstance(found, RebuilderError)]
            # Where a job did not succeed, its own error says more than a workspace that cannot be looked at.
            told = [one for one in unknown if has_succeeded(job) or isinstance(one, Transient)]
            missing = next((workspace for workspace, found in versions.items() if found is None), None)
            if told:
                problem = problem or told[0]
            elif not unknown and missing is None:
                seen[environment.path] = moved_on(now, EnvironmentState.REGISTERED, None)
            elif not has_succeeded(job):
                seen[environment.path] = not_registered(now, job, outcome)
            else:
                lacking = f"its job succeeded, but {missing} has no version with the tag of rebuild {rebuild.id}"
                if self._is_patient(outcome):
                    problem = problem or NotRegisteredYet(lacking)
                else:
                    seen[environment.path] = failed(now, lacking)
        return seen, problem

    def _is_patient(self, outcome: RunOutcome) -> bool:
        return outcome.finished is None or self._clock.now() - outcome.finished < REGISTRATION_PATIENCE

    def _outcome(self, target: Target, run: int) -> RunOutcome:
        try:
            return self._azure_devops.pipeline(target).outcome(run)
        except NotThere:
            return RunOutcome({}, completed=True, problem=f"run {run} is not there any more")

    def _held(
        self, target: Target, rebuild: RebuildEntry, environments: Iterable[RebuiltEnvironment]
    ) -> dict[str, dict[Workspace, RegisteredVersion | RebuilderError | None]]:
        """What each workspace holds of environments by this rebuild, or an earlier one of the same files, by path.

        A job that failed or is gone may have registered something before: each workspace counts by itself.
        """
        asked = [
            (e.path, Sought(workspace, e.name, REBUILD_TAG, (rebuild.id, *e.earlier)))
            for e in environments
            for workspace in target.workspaces
        ]
        held: dict[str, dict[Workspace, RegisteredVersion | RebuilderError | None]] = {}
        for (path, sought), found in zip(asked, self._azure_ml.registered(sought for _, sought in asked), strict=True):
            held.setdefault(path, {})[sought.workspace] = found
        return held

    def _recorded(self, rebuild: RebuildEntry, seen: dict[str, RebuiltEnvironment]) -> RebuildEntry:
        """Record what was seen: first in the environments' records, since what is settled is not looked at again."""

        def carry(entry: EnvironmentRecord | None, environment: RebuiltEnvironment) -> EnvironmentRecord | None:
            # A later rebuild may have taken the environment over meanwhile: then this is not what it carries.
            if entry is None or entry.rebuild != rebuild.id:
                return entry
            versions = {held.workspace: held.version for held in environment.workspaces}
            return replace(entry, registered={**entry.registered, **versions})

        self._ledger.update_many(
            {
                environment_key(rebuild.target, path): partial(carry, environment=environment)
                for path, environment in news(rebuild, seen).items()
                if environment.workspaces
            }
        )
        now = self._clock.now()
        key = rebuild_key(rebuild.target, rebuild.id)
        return self._ledger.change(key, rebuild, lambda entry: entry.seen(news(entry, seen), now))

    def _settle(self, target: Target, rebuild: RebuildEntry) -> None:
        """Write into the releases that their rebuild is finished."""
        if rebuild.state is RebuildState.FINISHED:
            settled = partial(self._settled, rebuild=rebuild)
            self._ledger.update_many({release_key(target.name, release): settled for release in rebuild.releases})

    def _settled(self, entry: ReleaseEntry | None, rebuild: RebuildEntry) -> ReleaseEntry | None:
        if entry is None or entry.rebuild != rebuild.id or entry.state is not ReleaseState.PLANNED:
            return entry
        return entry.settled(f"rebuild {rebuild.id} finished", self._clock.now())


def _registrations(versions: Mapping[Workspace, RegisteredVersion | RebuilderError | None]) -> Iterator[Registration]:
    for workspace, version in versions.items():
        if isinstance(version, RegisteredVersion):
            tags = {masked(key): masked(value) for key, value in version.tags.items()}
            context = masked(version.context) if version.context else None
            yield Registration(str(workspace), version.version, tags, context)


def _drawn[I: (int, str, tuple[Target, str])](items: Iterable[I], moment: datetime) -> list[I]:
    """The items in an order that is another one at each moment: what the time did not reach is reached another time."""
    listed = sorted(items, key=str)
    return Random(moment.isoformat()).sample(listed, len(listed))  # noqa: S311 (nobody gains by foretelling it)


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
