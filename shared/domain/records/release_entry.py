"""What the ledger remembers of a release, and how one state becomes the next.

The values are immutable; every change goes through the state table and leaves a line of history.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from shared.domain.due import Due, DueRelease, DueRerun
from shared.domain.planning.plan import Plan
from shared.domain.records.history import Happened, HistoryLine
from shared.domain.releases import Release, ReleaseId
from shared.domain.signals import Source
from shared.domain.states import RELEASE_MOVES, ReleaseState, moved

# One that is parked too: its mark may be left by a worker that died while it parked.
_PLANNABLE = frozenset({ReleaseState.CONFIRMED, ReleaseState.PLANNED, ReleaseState.SETTLED, ReleaseState.PARKED})


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
        told_of: somebody told of it; otherwise persons have asked for reruns of it and nothing else.
        due_since: the moment from which it waits for its decision; None while it does not.
        plan: the latest plan that dealt with it.
        rebuild: the rebuild that carries it out, if a plan led to one.
        reruns: the reruns that were done.
        history: what happened to it.
    """

    target: str
    id: ReleaseId
    state: ReleaseState
    source: Source
    signalled: datetime
    reason: str | None = None
    release: Release | None = None
    told_of: bool = False
    due_since: datetime | None = None
    plan: str | None = None
    rebuild: str | None = None
    reruns: tuple[DueRerun, ...] = ()
    history: tuple[HistoryLine, ...] = ()

    @classmethod
    def new(cls, target: str, release: ReleaseId, source: Source, at: datetime) -> "ReleaseEntry":
        """The entry of a release that was just heard of."""
        first = HistoryLine(at, Happened.SIGNALLED, f"signalled by {source}")
        return cls(target, release, ReleaseState.SIGNALLED, source, at, history=(first,))

    @property
    def next_rerun(self) -> int:
        """The number of the next rerun."""
        return max((rerun.number for rerun in self.reruns), default=0) + 1

    @property
    def waits(self) -> bool:
        """Whether it waits for its decision: no plan has been carried out, or the latest was overtaken."""
        return self.state is ReleaseState.CONFIRMED or (self.state is ReleaseState.PLANNED and self.rebuild is None)

    def is_open(self, mark: DueRelease | DueRerun) -> bool:
        """Tell whether what a mark says is still to be done."""
        return self.due_since == mark.since if isinstance(mark, DueRelease) else mark not in self.reruns

    def confirmed(self, release: Release, at: datetime, *, by_hand: bool = False) -> "ReleaseEntry":
        """The feed has it; somebody told of it, so that it is due, or (`by_hand`) a person asked for a rerun."""
        release = self._dated(release, at)
        due = {} if by_hand else {"told_of": True, "due_since": at}
        return self._to(ReleaseState.CONFIRMED, Happened.CONFIRMED, at, "confirmed on the feed", release=release, **due)

    def reread(self, release: Release, at: datetime, *, due: bool = False) -> "ReleaseEntry":
        """The feed says something else of it than before: another view, or another file. Perhaps it is due anew."""
        what = f"read again on the feed: {len(release.files)} files, in {', '.join(release.views) or 'no view'}"
        since = at if due and self.due_since is None else self.due_since
        changed = replace(self, release=self._dated(release, at), told_of=self.told_of or due, due_since=since)
        return changed._noted(Happened.READ_AGAIN, at, what)

    def read_back(self, found: Release, source: Source, at: datetime, *, by_hand: bool) -> "ReleaseEntry":
        """The entry after the feed was asked because somebody told of it, or (`by_hand`) asked for a rerun.

        It is due if it is told of for the first time, perhaps after persons asked for reruns alone; and if the feed has
        more of it than before, a view or a file, since it may then pass where it was held.
        """
        if self.state in (ReleaseState.PARKED, ReleaseState.REFUSED):
            return self.signalled_again(source, at).confirmed(found, at, by_hand=by_hand)
        if self.state is ReleaseState.SIGNALLED:
            return self.confirmed(found, at, by_hand=by_hand)
        more = self.release is None or _brings_more(self.release, found)
        if more if self.told_of else not by_hand:
            due = self.state is not ReleaseState.SETTLED
            return self.reread(found, at, due=True) if due else self.confirmed(found, at)
        differs = self.state is ReleaseState.CONFIRMED and self.release != found
        return self.reread(found, at) if more or differs else self

    def not_ours(self, reason: str, source: Source, at: datetime, *, rerun: int) -> "ReleaseEntry":
        """The entry after the feed was asked and it is no release of ours, or not any more."""
        if self.state is ReleaseState.PARKED:
            return self.signalled_again(source, at).refused(reason, at)
        if self.state in (ReleaseState.SIGNALLED, ReleaseState.CONFIRMED):
            return self.refused(reason, at)
        return self.noted(f"rerun {rerun} not done: {reason}", at) if rerun else self

    def has(self, files: tuple[str, ...], at: datetime) -> "ReleaseEntry":
        """Its files as an installer is offered them; as long as they change, no hashes of them are written."""
        if self.release is None or set(self.release.files) == set(files):
            return self
        what = f"{len(files)} files are offered to installers, and not {len(self.release.files)}"
        release = replace(self.release, files=files, files_since=at)
        return replace(self, release=release)._noted(Happened.READ_AGAIN, at, what)

    def signalled_again(self, source: Source, at: datetime) -> "ReleaseEntry":
        """Somebody asks for it anew: it is looked up on the feed again."""
        return self._to(ReleaseState.SIGNALLED, Happened.SIGNALLED, at, f"signalled by {source}")

    def refused(self, reason: str, at: datetime) -> "ReleaseEntry":
        """It is not one of ours, or not there any more."""
        what = f"refused: {reason}"
        return self._to(ReleaseState.REFUSED, Happened.REFUSED, at, what, reason=reason, due_since=None)

    def parked(self, reason: str, at: datetime) -> "ReleaseEntry":
        """Beyond what we can do by ourselves. Whether it is due is kept for the person who requeues it."""
        return self._to(ReleaseState.PARKED, Happened.PARKED, at, f"parked: {reason}", reason=reason)

    def requeued(self, at: datetime) -> "ReleaseEntry":
        """A person asks for what was parked; where nothing of it is due any more, it is settled.

        What was told of and never planned is due, even if another person dismisses it at the same time.
        """
        since = self.due_since or (at if self.told_of and not self.plan else None)
        state = ReleaseState.CONFIRMED if since or not self.plan else ReleaseState.SETTLED
        return self._to(state, Happened.REQUEUED, at, "requeued by a person", due_since=since)

    def planned(self, plan: Plan, at: datetime) -> "ReleaseEntry":
        """A plan deals with it: it leads to a rebuild, or there is nothing (more) to do.

        A rebuild of it that goes on is not forgotten for a plan that has nothing to add.
        """
        if self.state not in _PLANNABLE or self.release is None:
            return self
        acts = plan.delivers and plan.acts_on(self.id)
        if acts:
            what = f"planned at {plan.commit[:8]} as rebuild {plan.id}"
            return self._to(ReleaseState.PLANNED, Happened.PLANNED, at, what, plan=plan.id, rebuild=plan.id)
        going = self.state is ReleaseState.PLANNED and self.rebuild is not None
        what = f"nothing new to do by plan {plan.id}" if self.rebuild else f"settled by plan {plan.id}"
        state = ReleaseState.PLANNED if going else ReleaseState.SETTLED
        return self._to(state, Happened.SETTLED, at, what, plan=plan.id)

    def overtaken(self, rebuild: str, why: str, at: datetime) -> "ReleaseEntry":
        """Its rebuild was superseded before it changed anything; it is still due."""
        if self.rebuild != rebuild:
            return self
        what = f"rebuild {rebuild} superseded: {why}"
        return replace(self, plan=None, rebuild=None)._noted(Happened.SUPERSEDED, at, what)

    def done(self, mark: Due, plan: Plan) -> "ReleaseEntry":
        """What a mark says was done by a plan. What the feed has said since the plan is still to be decided."""
        match mark:
            case DueRelease() if mark.since == self.due_since and self.release in plan.releases:
                return replace(self, due_since=None)
            case DueRerun() if mark not in self.reruns:
                return replace(self, reruns=(*self.reruns, mark))
        return self

    def due_again(self, since: datetime) -> "ReleaseEntry":
        """It waits from a moment on, unless it waits already."""
        return self if self.due_since else replace(self, due_since=since)

    def settled(self, why: str, at: datetime) -> "ReleaseEntry":
        """Its rebuild is over."""
        return self._to(ReleaseState.SETTLED, Happened.SETTLED, at, why)

    def noted(self, what: str, at: datetime) -> "ReleaseEntry":
        """Something happened that does not change its state."""
        return self._noted(Happened.NOTE, at, what)

    def dismissed(self, who: str, why: str, at: datetime) -> "ReleaseEntry":
        """A person says that nothing shall be done about it. It stays parked, and due no more."""
        return replace(self, due_since=None)._noted(Happened.DISMISSED, at, f"dismissed by {who}: {why}")

    def _dated(self, release: Release, at: datetime) -> Release:
        """A release with the time since which it has had these files."""
        same = self.release and self.release.files == release.files
        return replace(release, files_since=(self.release.files_since if self.release and same else None) or at)

    def _noted(self, kind: Happened, at: datetime, what: str) -> "ReleaseEntry":
        return replace(self, history=(*self.history, HistoryLine(at, kind, what)))

    def _to(self, state: ReleaseState, kind: Happened, at: datetime, what: str, **changes: object) -> "ReleaseEntry":
        return replace(
            self,
            state=moved(RELEASE_MOVES, self.state, state),
            **{"reason": None, **changes},  # type: ignore[arg-type]
        )._noted(kind, at, what)


def _brings_more(known: Release, found: Release) -> bool:
    """Tell whether the feed has more than before: what it takes away changes nothing that was planned."""
    return not (set(found.views) <= set(known.views) and set(found.files) <= set(known.files))
