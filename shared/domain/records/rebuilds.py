"""What the ledger remembers of rebuilds, and how one state becomes the next.

The values are immutable; every change goes through the state table and leaves a line of history.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from shared.domain.planning.plan import Plan
from shared.domain.records.release_entry import Step
from shared.domain.releases import ReleaseId
from shared.domain.states import (
    ENVIRONMENT_MOVES,
    REBUILD_MOVES,
    SETTLED_ENVIRONMENT,
    EnvironmentState,
    RebuildState,
    moved,
)
from shared.errors import Conflict
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
        workspaces: where Azure ML holds it, seen there.
    """

    path: str
    name: str
    state: EnvironmentState = EnvironmentState.PLANNED
    reason: str | None = None
    run: int | None = None
    workspaces: tuple[Registration, ...] = ()

    @property
    def is_settled(self) -> bool:
        """Whether nothing more happens to it in this rebuild."""
        return self.state in SETTLED_ENVIRONMENT

    def to(self, state: EnvironmentState, **changes: object) -> "RebuiltEnvironment":
        """The environment in its next state."""
        return replace(self, state=moved(ENVIRONMENT_MOVES, self.state, state), **changes)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the rebuild pipeline, from the claim to queue it on.

    Attributes:
        batch: which of the rebuild's batches of environments it rebuilds, from 1.
        attempt: how often that batch was tried with it, from 1; a later attempt has only what failed before.
        environments: the paths it rebuilds.
        claimed: when a worker claimed the right to queue it.
        id: the run's id in Azure DevOps (the build's id too), once it is queued.
        url: where a person can look at it.
    """

    batch: int
    attempt: int
    environments: tuple[str, ...]
    claimed: datetime | None = None
    id: int | None = None
    url: str | None = None

    @property
    def key(self) -> tuple[int, int]:
        """What tells it apart within its rebuild."""
        return self.batch, self.attempt

    def __str__(self) -> str:
        return f"batch {self.batch}, attempt {self.attempt}"


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
        reason: why it failed or is parked.
        created: when it was planned.
        was_parked: others may have gone on while it was parked.
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
    was_parked: bool = False
    history: tuple[Step, ...] = ()

    @classmethod
    def of(cls, plan: Plan, at: datetime) -> "RebuildEntry":
        """The rebuild that a plan leads to."""
        paths = [environment.path for environment in plan.environments]
        chunks = [paths[start : start + ENVIRONMENTS_PER_RUN] for start in range(0, len(paths), ENVIRONMENTS_PER_RUN)]
        return cls(
            id=plan.id,
            target=plan.target,
            state=RebuildState.PLANNED,
            base=plan.commit,
            releases=tuple(release.id for release in plan.releases if plan.acts_on(release.id)),
            environments=tuple(RebuiltEnvironment(e.path, e.name) for e in plan.environments),
            runs=tuple(Run(batch, 1, tuple(chunk)) for batch, chunk in enumerate(chunks, start=1)),
            created=at,
            history=(Step(at, f"planned against {plan.commit[:8]}"),),
        )

    @property
    def is_underway(self) -> bool:
        """Whether it holds its target's turn, or needs it again: a turn ends when all runs are queued."""
        if self.state is RebuildState.QUEUED:
            return any(run.id is None for run in self.runs)
        return self.state in (RebuildState.PLANNED, RebuildState.PROPOSED, RebuildState.COMMITTED)

    def committed(self, commit: str, what: str, at: datetime) -> "RebuildEntry":
        """Its edits are on the branch. Said twice, by two workers or after a lost answer, it is the same."""
        if self.commit == commit:
            return self
        return self._to(
            RebuildState.COMMITTED,
            at,
            what,
            commit=commit,
            environments=tuple(e.to(EnvironmentState.COMMITTED) for e in self.environments),
        )

    def claimed(self, run: Run, at: datetime | None) -> "RebuildEntry":
        """A worker is about to queue a run, or (None) it is not any more."""
        return replace(self, runs=self._runs(run.key, claimed=at))

    def run_of(self, key: tuple[int, int]) -> Run:
        """The run of a batch and attempt.

        Raises:
            Conflict: there is none any more.
        """
        for run in self.runs:
            if run.key == key:
                return run
        raise Conflict(f"rebuild {self.id} has no run {key} any more: look again")

    def run_queued(self, run: Run, number: int, url: str | None, what: str, at: datetime) -> "RebuildEntry":
        """A run is in the pipeline's queue; the rebuild is queued when all of them are. Said twice it is the same."""
        if self.run_of(run.key).id is not None:
            return self
        runs = self._runs(run.key, id=number, url=url)
        mine = self.run_of(run.key).environments
        changed = replace(
            self,
            runs=runs,
            environments=tuple(
                e.to(EnvironmentState.QUEUED, run=number) if e.path in mine else e for e in self.environments
            ),
            history=(*self.history, Step(at, what)),
        )
        if changed.state is not RebuildState.QUEUED and all(r.id is not None for r in runs):
            return replace(changed, state=moved(REBUILD_MOVES, changed.state, RebuildState.QUEUED))
        return changed

    def retried(self, failed: Run, reasons: Mapping[str, str], at: datetime) -> "RebuildEntry":
        """The next attempt of a batch is due, with the environments that failed. Said twice it is the same.

        Args:
            failed: the run that is over.
            reasons: why each of them failed, by path.
            at: when that was seen.
        """
        following = Run(failed.batch, failed.attempt + 1, tuple(sorted(reasons)))
        if any(run.key == following.key for run in self.runs):
            return self
        return replace(
            self,
            runs=(*self.runs, following),
            environments=tuple(
                e.to(EnvironmentState.COMMITTED, run=None, reason=f"attempt {failed.attempt} failed: {reasons[e.path]}")
                if e.path in reasons
                else e
                for e in self.environments
            ),
            history=(*self.history, Step(at, f"{failed} failed for {len(reasons)} of its environments: tried again")),
        )

    def given_over(self, run: Run, successors: Mapping[str, str], at: datetime) -> "RebuildEntry":
        """Later rebuilds have taken environments over before a run was queued: it goes without them.

        Args:
            run: the run, not queued yet.
            successors: the later rebuild, by path.
            at: when that was seen.
        """
        left = tuple(path for path in run.environments if path not in successors)
        runs = tuple(replace(r, environments=left) if r.key == run.key else r for r in self.runs)
        changed = replace(self, runs=tuple(r for r in runs if r.environments))
        if self.state is RebuildState.COMMITTED and all(r.id is not None for r in changed.runs):
            changed = replace(changed, state=moved(REBUILD_MOVES, self.state, RebuildState.QUEUED))
        return changed.seen(
            {
                e.path: e.to(EnvironmentState.SUPERSEDED, reason=f"rebuild {successors[e.path]} carries it now")
                for e in self.environments
                if e.path in successors
            },
            at,
        )

    def seen(self, environments: Mapping[str, RebuiltEnvironment], at: datetime) -> "RebuildEntry":
        """What was seen of environments; the rebuild is finished when all of them are settled."""
        history = list(self.history)
        now = []
        for present in self.environments:
            following = environments.get(present.path, present)
            if following != present:
                history.append(Step(at, _told(following)))
            now.append(following)
        changed = replace(self, environments=tuple(now), history=tuple(history))
        if self.state is RebuildState.QUEUED and all(e.is_settled for e in now):
            return changed._to(RebuildState.FINISHED, at, "finished")
        return changed

    def superseded(self, why: str, at: datetime) -> "RebuildEntry":
        """Somebody moved the branch before it changed anything."""
        if self.state is RebuildState.SUPERSEDED:
            return self
        return self._ended(RebuildState.SUPERSEDED, EnvironmentState.SUPERSEDED, why, at)

    def failed(self, reason: str, at: datetime) -> "RebuildEntry":
        """It cannot be carried out any further; what runs already goes on, and is followed."""
        if self.state is RebuildState.FAILED:
            return self
        if all(run.id is None for run in self.runs):
            return self._ended(RebuildState.FAILED, EnvironmentState.FAILED, reason, at)
        is_queued = self.state is RebuildState.QUEUED  # and a later attempt cannot be
        return replace(
            self,
            state=self.state if is_queued else moved(REBUILD_MOVES, self.state, RebuildState.QUEUED),
            runs=tuple(run for run in self.runs if run.id is not None),
            environments=tuple(
                e.to(EnvironmentState.FAILED, reason=reason) if e.run is None and not e.is_settled else e
                for e in self.environments
            ),
            history=(*self.history, Step(at, f"queued in part: {reason}")),
        )

    def parked(self, reason: str, at: datetime) -> "RebuildEntry":
        """Beyond what we can do by ourselves; nothing is known to be wrong with its environments."""
        if self.state is RebuildState.PARKED:
            return self
        return self._to(RebuildState.PARKED, at, f"parked: {reason}", reason=reason, was_parked=True)

    def resumed(self, at: datetime) -> "RebuildEntry":
        """It was parked, and somebody asks for it again."""
        state = RebuildState.COMMITTED if self.commit else RebuildState.PLANNED
        return self._to(state, at, "resumed", reason=None)

    def _ended(self, state: RebuildState, each: EnvironmentState, reason: str, at: datetime) -> "RebuildEntry":
        return self._to(
            state,
            at,
            f"{state}: {reason}",
            reason=reason,
            environments=tuple(
                e.to(each, reason=reason) if each in ENVIRONMENT_MOVES[e.state] else e for e in self.environments
            ),
        )

    def _runs(self, key: tuple[int, int], **changes: object) -> tuple[Run, ...]:
        return tuple(replace(r, **changes) if r.key == key else r for r in self.runs)  # type: ignore[arg-type]

    def _to(self, state: RebuildState, at: datetime, what: str, **changes: object) -> "RebuildEntry":
        return replace(
            self,
            state=moved(REBUILD_MOVES, self.state, state),
            history=(*self.history, Step(at, what)),
            **changes,  # type: ignore[arg-type]
        )


def _told(environment: RebuiltEnvironment) -> str:
    where = ", ".join(f"{r.version} in {r.workspace}" for r in environment.workspaces)
    return f"{environment.name}: {environment.state}" + (
        f" as {where}" if where else f": {environment.reason}" if environment.reason else ""
    )
