"""The due marks of a target, and the message that says no more than that it has some.

A mark is due while its blob is there and its cause is not done: both are needed. The cause (a release's entry, an
environment's record, the latest look) keeps a late repetition from doing again what was done. The blob is what a
target's next turn finds, and what is taken away when its work is parked.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from shared import messages
from shared.domain.due import Due, DueEnvironment, DueLook, DueRelease, DueRerun
from shared.domain.planning.plan import Plan
from shared.domain.records.release_entry import ReleaseEntry
from shared.domain.releases import Release, ReleaseId
from shared.domain.states import ReleaseState
from shared.errors import DamagedEntry
from shared.ledger import Ledger
from shared.ledger_entries import Key, due_key, environment_key, look_key, release_key
from shared.limits import CLOCK_TOLERANCE
from shared.ports import Clock, Queue

type _Causes = Mapping[Key[Any], Any]


@dataclass(slots=True)
class Hand:
    """What a target has to do now.

    Attributes:
        marks: the marks.
        releases: what the feed says of the releases among them.
    """

    marks: list[Due] = field(default_factory=list)
    releases: dict[ReleaseId, Release] = field(default_factory=dict)


class DueMarks:
    """Sets marks, finds those that are due, and removes those that are done."""

    def __init__(self, *, ledger: Ledger, rebuilds: Queue, clock: Clock, settle_time: timedelta) -> None:
        self._ledger = ledger
        self._rebuilds = rebuilds
        self._clock = clock
        self._settle_time = settle_time

    def mark(self, target: str, *marks: Due) -> None:
        """Set marks, then tell the target. Said twice it is the same marks, and one more message that finds nothing."""
        if marks:
            self._ledger.create_many({due_key(target, mark): mark for mark in marks})
            self.wake(target, min(self._moment(mark) for mark in marks) - self._clock.now())

    def mark_release(self, entry: ReleaseEntry) -> None:
        """Set the mark of a release that is due."""
        if entry.due_since:
            self.mark(entry.target, DueRelease(entry.id, entry.due_since))

    def settles(self, entry: ReleaseEntry) -> bool:
        """Tell whether a release is confirmed and waits for its settle time to be over: what is planned comes later."""
        if entry.state is not ReleaseState.CONFIRMED or entry.due_since is None:
            return False
        return self._clock.now() < entry.due_since + self._settle_time

    def wake(self, target: str, delay: timedelta = timedelta()) -> None:
        """Tell a target that it has something due."""
        self._rebuilds.send(messages.encode(messages.Turn(target)), max(delay, timedelta()))

    def in_hand(self, target: str) -> Hand:
        """Return what is due now. With the first due release all that wait are taken.

        A mark whose cause is done is left over and deleted; one whose cause cannot be read stays and is passed over.
        """
        hand, now, early = Hand(), self._clock.now(), timedelta.max
        settled = False
        marks = self._ledger.due(target)
        causes = self._ledger.read_many(self._causes(target, marks))
        for mark in marks:
            left = self._moment(mark) - now
            if left > timedelta() and not (settled and isinstance(mark, DueRelease)):
                early = min(early, left)
                continue
            with self._ledger.passing_over_damage():
                if not self._is_undone(target, mark, causes):
                    self._ledger.delete(due_key(target, mark))
                    continue
                settled = settled or isinstance(mark, DueRelease)
                hand.marks.append(mark)
                if (entry := self._release(target, mark, causes)) and entry.release:
                    hand.releases[entry.id] = entry.release
        if early < CLOCK_TOLERANCE:  # another clock: the message that is meant for this moment came too early
            self.wake(target, early)
        return hand

    def oldest(self, target: str) -> datetime | None:
        """Return when the mark that has been due for longest was due, or None if none is due."""
        moments = [self._moment(mark) for mark in self._ledger.due(target)]
        return min((moment for moment in moments if moment <= self._clock.now()), default=None)

    def are_due(self, target: str, marks: Collection[Due]) -> bool:
        """Tell whether all of some marks are there and undone. What cannot be read is not known to be done."""
        there = self._ledger.read_many(due_key(target, mark) for mark in marks)
        causes = self._ledger.read_many(self._causes(target, marks))
        return all(
            (said := there.get(due_key(target, mark))) is not None
            and (isinstance(said, DamagedEntry) or self._may_be_undone(target, mark, causes))
            for mark in marks
        )

    def _may_be_undone(self, target: str, mark: Due, causes: _Causes) -> bool:
        try:
            return self._is_undone(target, mark, causes)
        except DamagedEntry:
            return True

    def is_undone(self, target: str, mark: Due) -> bool:
        """Tell whether the cause of a mark is not done, whether the mark is there or not."""
        return self._is_undone(target, mark, self._ledger.read_many(self._causes(target, [mark])))

    def close(self, plan: Plan, allowed: Callable[[], bool]) -> None:
        """Record that a plan's marks are done. A release of which the feed said something new meanwhile stays due.

        Args:
            plan: the plan.
            allowed: asked after each entry is read and before it is written.
        """
        for mark in plan.marks:
            if isinstance(mark, DueLook):
                self.looked(plan.target, mark)
        asked: dict[ReleaseId, list[DueRelease | DueRerun]] = {}
        for mark in plan.marks:
            if isinstance(mark, DueRelease | DueRerun):
                asked.setdefault(mark.release, []).append(mark)

        def done(entry: ReleaseEntry | None) -> ReleaseEntry | None:
            for mark in asked[entry.id] if entry else ():
                entry = entry.done(mark, plan) if entry else None
            return entry

        entries = self._ledger.update_many({release_key(plan.target, release): done for release in asked}, allowed)
        closed = []
        for mark in plan.marks:
            if isinstance(mark, DueRelease | DueRerun):
                known = entries.get(release_key(plan.target, mark.release))
                if known is None or known.is_open(mark):
                    continue
            closed.append(mark)
        self.drop(plan.target, closed, allowed)
        for release in plan.arriving:
            self.again(plan.target, release)

    def drop(self, target: str, marks: Iterable[Due], allowed: Callable[[], bool]) -> None:
        """Delete marks and leave their causes undone: a person may requeue them."""
        self._ledger.discard_many((due_key(target, mark) for mark in marks), allowed)

    def again(self, target: str, release: ReleaseId) -> None:
        """Let a release whose files have just changed be due again, a settle time after they did."""

        def due_again(entry: ReleaseEntry | None) -> ReleaseEntry | None:
            since = entry.release.files_since if entry and entry.release else None
            return entry.due_again(since) if entry and since else entry

        with self._ledger.passing_over_damage():
            entry = self._ledger.update(release_key(target, release), due_again)
            mark = DueRelease(entry.id, entry.due_since) if entry and entry.due_since else None
            # Told once: a plan that is closed again with every try would make a crowd of messages.
            if mark and self._ledger.create(due_key(target, mark), mark):
                self.wake(target, self._moment(mark) - self._clock.now())

    def looked(self, target: str, look: DueLook) -> None:
        """Record a look, unless a later one is known."""

        def later(known: DueLook | None) -> DueLook:
            return known if known and known.hour > look.hour else look

        with self._ledger.passing_over_damage():
            self._ledger.update(look_key(target), later)

    def _moment(self, mark: Due) -> datetime:
        """Return the moment from which a mark is due."""
        match mark:
            case DueRelease():
                return mark.since + self._settle_time
            case DueEnvironment():
                return mark.at
            case DueLook():
                return mark.hour
            case DueRerun():
                return datetime.min.replace(tzinfo=UTC)

    def _causes(self, target: str, marks: Iterable[Due]) -> list[Key[Any]]:
        """The entries that tell whether marks are undone."""
        keys: list[Key[Any]] = []
        for mark in marks:
            if isinstance(mark, DueRelease | DueRerun):
                keys.append(release_key(target, mark.release))
            elif isinstance(mark, DueEnvironment):
                keys.append(environment_key(target, mark.path))
        return keys

    def _release(self, target: str, mark: Due, causes: _Causes) -> ReleaseEntry | None:
        if isinstance(mark, DueRelease | DueRerun):
            entry: ReleaseEntry | None = _readable(causes.get(release_key(target, mark.release)))
            return entry
        return None

    def _is_undone(self, target: str, mark: Due, causes: _Causes) -> bool:
        match mark:
            case DueRelease() | DueRerun():
                entry = self._release(target, mark, causes)
                known = entry is not None and entry.release is not None and entry.state is not ReleaseState.REFUSED
                return known and entry is not None and entry.is_open(mark)
            case DueEnvironment():
                record = _readable(causes.get(environment_key(target, mark.path)))
                return record is not None and record.rebuild == mark.rebuild
            case DueLook():
                look = self._ledger.readable(look_key(target))
                return look is None or mark.hour > look.hour or (mark.hour == look.hour and mark.commit != look.commit)


def _readable(cause: Any) -> Any:
    """Return a mark's cause.

    Raises:
        DamagedEntry: it cannot be read.
    """
    if isinstance(cause, DamagedEntry):
        raise cause
    return cause
