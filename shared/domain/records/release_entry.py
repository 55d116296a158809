"""What the ledger remembers of a release, and how one state becomes the next.

The values are immutable; every change goes through the state table and leaves a line of history.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from shared.domain.planning.plan import Plan
from shared.domain.releases import Release, ReleaseId
from shared.domain.signals import Source
from shared.domain.states import RELEASE_MOVES, ReleaseState, moved


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
        waiting_since: when it began to wait for a plan, the last time that it did.
        plan: the latest plan that dealt with it.
        rebuild: the rebuild that carries it out, if the plan led to one.
        reruns: the rebuilds that persons asked for, in order.
        whole: what was heard of it has been planned for all environments, and not only for those that a person named.
        news: something that may change its plan came while it was being rebuilt: it is planned again afterwards.
        history: what happened to it.
    """

    target: str
    id: ReleaseId
    state: ReleaseState
    source: Source
    signalled: datetime
    reason: str | None = None
    release: Release | None = None
    waiting_since: datetime | None = None
    plan: str | None = None
    rebuild: str | None = None
    reruns: tuple[str, ...] = ()
    whole: bool = False
    news: bool = False
    history: tuple[Step, ...] = ()

    @classmethod
    def new(cls, target: str, release: ReleaseId, source: Source, at: datetime) -> "ReleaseEntry":
        """The entry of a release that was just heard of."""
        return cls(target, release, ReleaseState.SIGNALLED, source, at, history=(Step(at, f"signalled by {source}"),))

    def confirmed(self, release: Release, at: datetime, *, by_hand: bool = False) -> "ReleaseEntry":
        """The feed has it; somebody told of it, or (`by_hand`) a person asked for it."""
        release = self._dated(release, at)
        whole = self.whole and by_hand
        return self._to(
            ReleaseState.CONFIRMED, at, "confirmed on the feed", release=release, waiting_since=at, whole=whole
        )

    def reread(self, release: Release, at: datetime) -> "ReleaseEntry":
        """The feed says something else of it than before: another view, or another file."""
        what = f"read again on the feed: {len(release.files)} files, in {', '.join(release.views) or 'no view'}"
        news = self.news or self.state is ReleaseState.PLANNED
        return replace(self, release=self._dated(release, at), news=news, history=(*self.history, Step(at, what)))

    def has(self, files: tuple[str, ...], at: datetime) -> "ReleaseEntry":
        """Its files as an installer is offered them; as long as they change, no hashes of them are written."""
        if self.release is None or set(self.release.files) == set(files):
            return self
        what = f"{len(files)} files are offered to installers, and not {len(self.release.files)}"
        release = replace(self.release, files=files, files_since=at)
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
        if self.rebuild and not acts and not plan.attempt:
            # It goes on showing by which rebuild it was rebuilt, until there is another one.
            return self._to(state, at, f"nothing new to do by plan {plan.id}", whole=True, news=False)
        reruns = (*self.reruns, plan.id) if plan.attempt == len(self.reruns) + 1 else self.reruns
        return self._to(
            state,
            at,
            what,
            plan=plan.id,
            rebuild=plan.id if acts else None,
            reruns=reruns,
            whole=self.whole or not plan.asked_for,
            news=False,
        )

    def unplanned(self, why: str, since: datetime, at: datetime) -> "ReleaseEntry":
        """Its plan was overtaken before it changed anything: it waits as if since then to be planned again."""
        reruns = self.reruns[:-1] if self.plan and self.reruns[-1:] == (self.plan,) else self.reruns
        rebuild = None if self.rebuild == self.plan else self.rebuild
        changes = {"waiting_since": since, "rebuild": rebuild, "reruns": reruns, "whole": False}
        return self._to(ReleaseState.CONFIRMED, at, why, **changes)

    def again(self) -> "ReleaseEntry":
        """It is to be planned anew when its rebuild is over."""
        return replace(self, news=True) if self.state is ReleaseState.PLANNED else self

    def settled(self, why: str, at: datetime) -> "ReleaseEntry":
        """Nothing is left to do, unless the feed has said something new meanwhile."""
        if self.news:
            what = f"{why}; planned again, since there was news of it meanwhile"
            return self._to(ReleaseState.CONFIRMED, at, what, waiting_since=at, news=False, whole=False)
        return self._to(ReleaseState.SETTLED, at, why)

    def noted(self, what: str, at: datetime) -> "ReleaseEntry":
        """Something happened that does not change its state."""
        return replace(self, history=(*self.history, Step(at, what)))

    def _dated(self, release: Release, at: datetime) -> Release:
        """A release with the time since which it has had these files."""
        same = self.release and self.release.files == release.files
        return replace(release, files_since=(self.release.files_since if self.release and same else None) or at)

    def _to(self, state: ReleaseState, at: datetime, what: str, **changes: object) -> "ReleaseEntry":
        return replace(
            self,
            state=moved(RELEASE_MOVES, self.state, state),
            history=(*self.history, Step(at, what)),
            **{"reason": None, **changes},  # type: ignore[arg-type]
        )
