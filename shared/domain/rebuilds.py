"""What the ledger remembers of releases and rebuilds, and how one state becomes the next.

The values are immutable; every change goes through the state table and leaves a line of history.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from shared.domain.plan import Plan
from shared.domain.releases import Release, ReleaseId
from shared.domain.signals import Source
from shared.domain.states import (
    ENVIRONMENT_MOVES,
    REBUILD_MOVES,
    RELEASE_MOVES,
    SETTLED_ENVIRONMENT,
    EnvironmentState,
    RebuildState,
    ReleaseState,
    moved,
)
from shared.limits import ENVIRONMENTS_PER_RUN


@dataclass(frozen=True, slots=True)
class Step:
    """One line of history: when, and what was seen or done."""

    at: datetime
    what: str


@dataclass(frozen=True, slots=True)
class ReleaseEntry:
    """One release as one target sees it.

    Attributes:
        target: the target.
        id: the release.
        state: how far it has come.
        source: who told of it first.
        signalled: when that was.
        reason: why it is refused or parked.
        release: what the feed said, once it is confirmed.
        plan: the latest plan that dealt with it.
        rebuild: the rebuild that carries it out, if the plan led to one.
        reruns: the rebuilds that persons asked for, in order.
        provisional: that plan was made while the rules could not be followed, and is made anew once they can.
        history: what happened to it.
    """

    target: str
    id: ReleaseId
    state: ReleaseState
    source: Source
    signalled: datetime
    reason: str | None = None
    release: Release | None = None
    plan: str | None = None
    rebuild: str | None = None
    reruns: tuple[str, ...] = ()
    provisional: bool = False
    history: tuple[Step, ...] = ()

    @classmethod
    def new(cls, target: str, release: ReleaseId, source: Source, at: datetime) -> "ReleaseEntry":
        """The entry of a release that was just heard of."""
        return cls(target, release, ReleaseState.SIGNALLED, source, at, history=(Step(at, f"signalled by {source}"),))

    def confirmed(self, release: Release, at: datetime) -> "ReleaseEntry":
        """The feed has it."""
        return self._to(ReleaseState.CONFIRMED, at, "confirmed on the feed", release=release)

    def reread(self, release: Release, at: datetime) -> "ReleaseEntry":
        """The feed says something else of it than before, such as another view."""
        what = f"read again on the feed: in {', '.join(release.views) or 'no view'}"
        return replace(self, release=release, history=(*self.history, Step(at, what)))

    def signalled_again(self, source: Source, at: datetime) -> "ReleaseEntry":
        """Somebody asks for it anew: it is looked up on the feed again."""
        return self._to(ReleaseState.SIGNALLED, at, f"signalled by {source}")

    def refused(self, reason: str, at: datetime) -> "ReleaseEntry":
        """It is not one of ours, or not there any more."""
        return self._to(ReleaseState.REFUSED, at, f"refused: {reason}", reason=reason)

    def parked(self, reason: str, at: datetime) -> "ReleaseEntry":
        """Beyond what we can do by ourselves."""
        return self._to(ReleaseState.PARKED, at, f"parked: {reason}", reason=reason)

    def planned(self, plan: Plan, at: datetime) -> "ReleaseEntry":
        """A plan takes it up: it leads to a rebuild, or there is nothing to do and it is settled."""
        acts = plan.writes and plan.acts_on(self.id)
        state = ReleaseState.PLANNED if acts else ReleaseState.SETTLED
        what = f"planned at {plan.commit[:8]} as rebuild {plan.id}" if acts else f"settled by plan {plan.id}"
        reruns = (*self.reruns, plan.id) if plan.attempt == len(self.reruns) + 1 else self.reruns
        rebuild = plan.id if acts else None
        return self._to(state, at, what, plan=plan.id, rebuild=rebuild, reruns=reruns, provisional=plan.provisional)

    def unplanned(self, why: str, at: datetime) -> "ReleaseEntry":
        """Its rebuild was overtaken before it changed anything: it waits to be planned again."""
        reruns = self.reruns[:-1] if self.rebuild and self.reruns[-1:] == (self.rebuild,) else self.reruns
        return self._to(ReleaseState.CONFIRMED, at, why, rebuild=None, reruns=reruns)

    def settled(self, why: str, at: datetime) -> "ReleaseEntry":
        """Nothing is left to do."""
        return self._to(ReleaseState.SETTLED, at, why)

    def noted(self, what: str, at: datetime) -> "ReleaseEntry":
        """Something happened that does not change its state."""
        return replace(self, history=(*self.history, Step(at, what)))

    def _to(self, state: ReleaseState, at: datetime, what: str, **changes: object) -> "ReleaseEntry":
        return replace(
            self,
            state=moved(RELEASE_MOVES, self.state, state),
            history=(*self.history, Step(at, what)),
            **{"reason": None, **changes},  # type: ignore[arg-type]
        )


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
        number: its number within the rebuild, from 1.
        environments: the paths it rebuilds.
        claimed: when a worker claimed the right to queue it.
        id: the run's id in Azure DevOps (the build's id too), once it is queued.
        url: where a person can look at it.
    """

    number: int
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
        reason: why it failed or is parked.
        created: when it was planned.
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
            runs=tuple(Run(number, tuple(chunk)) for number, chunk in enumerate(chunks, start=1)),
            created=at,
            history=(Step(at, f"planned against {plan.commit[:8]}"),),
        )

    @property
    def is_underway(self) -> bool:
        """Whether it still holds its target's turn: that ends when its runs are queued."""
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

    def claimed(self, number: int, at: datetime | None) -> "RebuildEntry":
        """A worker is about to queue a run, or (None) it is not any more."""
        return replace(self, runs=self._runs(number, claimed=at))

    def run_queued(self, number: int, run: int, url: str | None, what: str, at: datetime) -> "RebuildEntry":
        """A run is in the pipeline's queue; the rebuild is queued when all of them are. Said twice it is the same."""
        if any(r.number == number and r.id is not None for r in self.runs):
            return self
        runs = self._runs(number, id=run, url=url)
        mine = next(r.environments for r in runs if r.number == number)
        changed = replace(
            self,
            runs=runs,
            environments=tuple(
                e.to(EnvironmentState.QUEUED, run=run) if e.path in mine else e for e in self.environments
            ),
            history=(*self.history, Step(at, what)),
        )
        if all(r.id is not None for r in runs):
            return replace(changed, state=moved(REBUILD_MOVES, changed.state, RebuildState.QUEUED))
        return changed

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
        return self._to(
            RebuildState.QUEUED,
            at,
            f"queued in part: {reason}",
            environments=tuple(
                e.to(EnvironmentState.FAILED, reason=reason) if e.run is None else e for e in self.environments
            ),
        )

    def parked(self, reason: str, at: datetime) -> "RebuildEntry":
        """Beyond what we can do by ourselves; nothing is known to be wrong with its environments."""
        if self.state is RebuildState.PARKED:
            return self
        return self._to(RebuildState.PARKED, at, f"parked: {reason}", reason=reason)

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

    def _runs(self, number: int, **changes: object) -> tuple[Run, ...]:
        return tuple(replace(r, **changes) if r.number == number else r for r in self.runs)  # type: ignore[arg-type]

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


@dataclass(frozen=True, slots=True)
class CarriedEntry:
    """What an environment carries by our doing.

    Attributes:
        path: the environment's YAML file.
        name: its name.
        versions: the version that we wrote last, by package.
        rebuild: the rebuild that did so last.
        commit: its commit.
        registered: the version that Azure ML held last by our doing, by workspace.
    """

    path: str
    name: str
    versions: dict[str, str]
    rebuild: str
    commit: str
    registered: dict[str, str] = field(default_factory=dict)

    def with_rebuild(self, plan: Plan, rebuild: RebuildEntry) -> "CarriedEntry":
        """The entry after a rebuild's commit."""
        return replace(
            self,
            versions={**self.versions, **versions_of(plan, self.path)},
            rebuild=rebuild.id,
            commit=rebuild.commit or rebuild.base,
        )


def versions_of(plan: Plan, path: str) -> dict[str, str]:
    """The versions, by package, that an environment gets by a plan."""
    spellings = {release.id: release.spelling for release in plan.releases}
    return {
        verdict.release.package: spellings[verdict.release]
        for verdict in plan.verdicts
        if verdict.path == path and verdict.decision.acts
    }
