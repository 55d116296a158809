"""What the ledger remembers of rebuilds, and how one state becomes the next.

The values are immutable; every change goes through the state table and leaves a line of history.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from shared.domain.planning.plan import Plan
from shared.domain.records.history import Happened, HistoryLine
from shared.domain.releases import ReleaseId
from shared.domain.states import (
    ENVIRONMENT_MOVES,
    REBUILD_MOVES,
    SETTLED_ENVIRONMENT,
    EnvironmentState,
    IllegalMove,
    RebuildState,
    moved,
)
from shared.limits import ENVIRONMENTS_PER_RUN


@dataclass(frozen=True, slots=True)
class Registration:
    """An environment as one workspace holds it.

    Attributes:
        workspace: the workspace, as `resource group/name`.
        version: the version that carries the rebuild's tag.
        tags: its tags.
        context: address of its build context.
        state: `registered`, or `image built` with evidence.
    """

    workspace: str
    version: str
    tags: dict[str, str]
    context: str | None = None
    state: EnvironmentState = EnvironmentState.REGISTERED


@dataclass(frozen=True, slots=True)
class RebuiltEnvironment:
    """One environment in a rebuild.

    Attributes:
        path: its YAML file.
        name: its name.
        state: how far it has come.
        reason: why it failed or waits.
        run: the id of the pipeline run that rebuilds it.
        attempt: which attempt this rebuild is for it, from 1; what a release or a person causes begins anew.
        earlier: rebuilds before this one of the same files: a version that they have registered counts.
        workspaces: where Azure ML holds it, seen there.
    """

    path: str
    name: str
    state: EnvironmentState = EnvironmentState.PLANNED
    reason: str | None = None
    run: int | None = None
    attempt: int = 1
    earlier: tuple[str, ...] = ()
    workspaces: tuple[Registration, ...] = ()

    @property
    def is_settled(self) -> bool:
        """Tell whether nothing more happens to it in this rebuild."""
        return self.state in SETTLED_ENVIRONMENT

    def to(self, state: EnvironmentState, **changes: object) -> "RebuiltEnvironment":
        """The environment in its next state."""
        return replace(self, state=moved(ENVIRONMENT_MOVES, self.state, state), **changes)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the rebuild pipeline, from the claim to queue it on.

    Attributes:
        batch: which of the rebuild's batches of environments it rebuilds, from 1.
        environments: the paths it rebuilds.
        claimed: when a worker claimed the right to queue it.
        id: the run's id in Azure DevOps (the build's id too), once it is queued.
        url: where a person can look at it.
    """

    batch: int
    environments: tuple[str, ...]
    claimed: datetime | None = None
    id: int | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class RebuildEntry:
    """One plan being carried out.

    Attributes:
        id: its identity: the plan's.
        target: the target.
        state: how far it has come as a whole.
        base: the commit that it was planned against.
        releases: the releases that it carries.
        environments: what it rebuilds.
        runs: its pipeline runs.
        commit: the commit that its runs build, once there is one.
        reason: why it is parked or superseded.
        created: when its target's lease was taken for it: later than for any rebuild of the target before it.
        history: what happened to it.
    """

    id: str
    target: str
    state: RebuildState
    base: str
    releases: tuple[ReleaseId, ...]
    environments: tuple[RebuiltEnvironment, ...]
    runs: tuple[Run, ...]
    created: datetime
    commit: str | None = None
    reason: str | None = None
    history: tuple[HistoryLine, ...] = ()

    @classmethod
    def of(cls, plan: Plan, created: datetime, at: datetime) -> "RebuildEntry":
        """The rebuild that a plan leads to. An environment with a blocker has failed before it begins."""
        planned = plan.environments if plan.delivers else ()
        environments = [RebuiltEnvironment(e.path, e.name) for e in planned]
        for owed in plan.owed:
            fresh = RebuiltEnvironment(owed.path, owed.name, attempt=owed.attempt, earlier=owed.earlier)
            environments.append(fresh.to(EnvironmentState.FAILED, reason=owed.blocker) if owed.blocker else fresh)
        environments.sort(key=lambda environment: environment.path)
        paths = [environment.path for environment in environments if not environment.is_settled]
        chunks = [paths[start : start + ENVIRONMENTS_PER_RUN] for start in range(0, len(paths), ENVIRONMENTS_PER_RUN)]
        return cls(
            id=plan.id,
            target=plan.target,
            state=RebuildState.PLANNED,
            base=plan.commit,
            releases=tuple(release.id for release in plan.releases if plan.delivers and plan.acts_on(release.id)),
            environments=tuple(environments),
            runs=tuple(Run(batch, tuple(chunk)) for batch, chunk in enumerate(chunks, start=1)),
            created=created,
            history=(HistoryLine(at, Happened.PLANNED, f"planned against {plan.commit[:8]}"),),
        )

    @property
    def is_underway(self) -> bool:
        """Tell whether it needs its target's lease, which ends when all of its runs are queued."""
        return self.state in (RebuildState.PLANNED, RebuildState.PROPOSED, RebuildState.COMMITTED)

    @property
    def began(self) -> datetime:
        """When it was planned, by the clock of the worker that did so: no run of it is older."""
        return self.history[0].at

    @property
    def is_dismissed(self) -> bool:
        """A person has said that nothing shall be done about it."""
        return any(line.kind is Happened.DISMISSED for line in self.history)

    @property
    def parked_at(self) -> datetime | None:
        """When it was parked, if it was."""
        return next((line.at for line in self.history if line.kind is Happened.PARKED), None)

    def committed(self, commit: str, what: str, at: datetime) -> "RebuildEntry":
        """Its edits are on the branch. Said twice, by two workers or after a lost answer, it is the same."""
        if self.commit == commit:
            return self
        return self._to(
            RebuildState.COMMITTED,
            Happened.COMMITTED,
            at,
            what,
            commit=commit,
            environments=tuple(e if e.is_settled else e.to(EnvironmentState.COMMITTED) for e in self.environments),
        )

    def claimed(self, batch: int, at: datetime | None) -> "RebuildEntry":
        """A worker is about to queue a run, or (None) it is not any more."""
        return replace(self, runs=self._runs(batch, claimed=at))

    def run_of(self, batch: int) -> Run:
        """The run of a batch."""
        return next(run for run in self.runs if run.batch == batch)

    def run_queued(self, batch: int, number: int, url: str | None, what: str, at: datetime) -> "RebuildEntry":
        """A run is in the pipeline's queue. Said twice it is the same."""
        if self.run_of(batch).id is not None:
            return self
        if self.state not in (RebuildState.COMMITTED, RebuildState.PARKED):
            raise IllegalMove(f"a rebuild that is {self.state} queues no run")
        mine = self.run_of(batch).environments
        return replace(
            self,
            runs=self._runs(batch, id=number, url=url),
            environments=tuple(
                e.to(EnvironmentState.QUEUED, run=number) if e.path in mine else e for e in self.environments
            ),
            history=(*self.history, HistoryLine(at, Happened.RUN_QUEUED, what, number)),
        )

    def queued(self, at: datetime) -> "RebuildEntry":
        """All of its runs are queued; it is finished at once where there is nothing to run."""
        if self.state is not RebuildState.COMMITTED or any(run.id is None for run in self.runs):
            return self
        return replace(self, state=moved(REBUILD_MOVES, self.state, RebuildState.QUEUED)).seen({}, at)

    def seen(self, environments: Mapping[str, RebuiltEnvironment], at: datetime) -> "RebuildEntry":
        """What was seen of environments; the rebuild is finished when all of them are settled."""
        history = list(self.history)
        now = []
        for present in self.environments:
            following = environments.get(present.path, present)
            if following != present:
                history.append(HistoryLine(at, Happened.ENVIRONMENT, _told(following), following.run))
            now.append(following)
        changed = replace(self, environments=tuple(now), history=tuple(history))
        if self.state is RebuildState.QUEUED and all(e.is_settled for e in now):
            return changed._to(RebuildState.FINISHED, Happened.FINISHED, at, "finished")
        return changed

    def superseded(self, why: str, at: datetime) -> "RebuildEntry":
        """Another rebuild takes its place; what runs already stays with it, and is followed."""
        if self.state is RebuildState.SUPERSEDED:
            return self
        environments = tuple(
            e if e.is_settled or e.run else e.to(EnvironmentState.SUPERSEDED, reason=why) for e in self.environments
        )
        what = f"superseded: {why}"
        return self._to(RebuildState.SUPERSEDED, Happened.SUPERSEDED, at, what, reason=why, environments=environments)

    def parked(self, reason: str, at: datetime) -> "RebuildEntry":
        """Beyond what we can do by ourselves; nothing is known to be wrong with its environments."""
        if self.state is RebuildState.PARKED:
            return self
        return self._to(RebuildState.PARKED, Happened.PARKED, at, f"parked: {reason}", reason=reason)

    def dismissed(self, who: str, why: str, at: datetime) -> "RebuildEntry":
        """A person says that nothing shall be done about it; it stays parked."""
        line = HistoryLine(at, Happened.DISMISSED, f"dismissed by {who}: {why}")
        return replace(self, history=(*self.history, line))

    def _runs(self, batch: int, **changes: object) -> tuple[Run, ...]:
        return tuple(replace(r, **changes) if r.batch == batch else r for r in self.runs)  # type: ignore[arg-type]

    def _to(self, state: RebuildState, kind: Happened, at: datetime, what: str, **changes: object) -> "RebuildEntry":
        return replace(
            self,
            state=moved(REBUILD_MOVES, self.state, state),
            history=(*self.history, HistoryLine(at, kind, what)),
            **changes,  # type: ignore[arg-type]
        )


def _told(environment: RebuiltEnvironment) -> str:
    where = ", ".join(f"{r.version} in {r.workspace}" for r in environment.workspaces)
    return f"{environment.name}: {environment.state}" + (
        f" as {where}" if where else f": {environment.reason}" if environment.reason else ""
    )
