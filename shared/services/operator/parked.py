"""What is parked: shown to a person, who has it done after all or dismisses it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from shared import messages
from shared.domain.due import Due, DueEnvironment, DueLook
from shared.domain.signals import ParkedSignal
from shared.domain.states import RebuildState, ReleaseState
from shared.domain.targets import Target
from shared.errors import Busy, InvalidInput, NotKnown
from shared.ledger import Ledger
from shared.ledger_entries import Key, ParkedEntry, parked_key, rebuild_key, release_key
from shared.limits import DISMISSAL_CHARACTERS, STANDSTILL
from shared.log import event
from shared.ports import Clock, Queue
from shared.services.records.due import DueMarks
from shared.services.records.park import NO_TARGET


@dataclass(frozen=True, slots=True)
class ParkedThing:
    """One thing that is parked.

    Attributes:
        id: by which it is requeued or dismissed.
        target: the target that it concerns, or None.
        entry: what is known of it.
    """

    id: str
    target: str | None
    entry: ParkedEntry

    @property
    def key(self) -> Key[ParkedEntry]:
        """Where its entry lies."""
        return parked_key(self.target or NO_TARGET, self.id)

    def shown(self) -> dict[str, Any]:
        """What a person should know of it, as plain data for JSON."""
        return {
            "id": self.id,
            "target": self.target,
            "at": self.entry.at.isoformat(timespec="seconds").replace("+00:00", "Z"),
            "what": self.entry.what,
            "why": self.entry.why,
            "rebuild": self.entry.rebuild,
            "releases": [str(release) for release in self.entry.releases],
            "due": [_shown(mark) for mark in self.entry.marks],
        }


class Parked:
    """Lists, requeues, dismisses and clears away."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        signals: Queue,
        due: DueMarks,
        targets: Iterable[Target],
        clock: Clock,
        suspended: bool,
    ) -> None:
        self._ledger = ledger
        self._signals = signals
        self._due = due
        self._targets = [*(target.name for target in targets), NO_TARGET]
        self._clock = clock
        self._suspended = suspended

    def all(self) -> list[ParkedThing]:
        """Everything that is parked, oldest first. What cannot be read is reported and left out."""
        return sorted(self._things(), key=lambda thing: (thing.entry.at, thing.id))

    def requeue(self, wanted: str | None = None) -> list[ParkedThing]:
        """Have something done after all; it stays listed until that has begun, some minutes at most.

        Args:
            wanted: the id of one thing, or None for all.

        Raises:
            NotKnown: nothing of this id is parked.
            Busy: work is suspended.
            Transient: the storage does not answer.
        """
        if self._suspended:
            raise Busy("work is suspended (REBUILDER_SUSPENDED); nothing is requeued until that is taken back")
        things = self._wanted(wanted)
        for thing in things:
            self._signals.send(messages.encode(ParkedSignal(thing.target or NO_TARGET, thing.id)))
            event("requeue_accepted", target=thing.target, id=thing.id, what=thing.entry.what)
        return things

    def dismiss(self, wanted: str, who: str, why: str) -> list[ParkedThing]:
        """Forget something that is parked: nothing shall be done about it.

        Args:
            wanted: its id.
            who: the person who says so, for the history.
            why: likewise.

        Raises:
            NotKnown: nothing of this id is parked.
            InvalidInput: who or why is too long.
        """
        if max(len(who), len(why)) > DISMISSAL_CHARACTERS:
            raise InvalidInput(f"`by` and `why` have at most {DISMISSAL_CHARACTERS} characters")
        things, now = self._wanted(wanted), self._clock.now()
        for thing in things:
            target = thing.target or NO_TARGET
            for release in thing.entry.releases:
                self._ledger.update(
                    release_key(target, release),
                    lambda e: e.dismissed(who, why, now) if e and e.state is ReleaseState.PARKED else e,
                )
            if thing.entry.rebuild:
                self._ledger.update(
                    rebuild_key(target, thing.entry.rebuild),
                    lambda e: e.dismissed(who, why, now) if e and e.state is RebuildState.PARKED else e,
                )
            self._forget(thing)
            event("dismissed", target=thing.target, id=thing.id, what=thing.entry.what, by=who, why=why)
        return things

    def clear(self) -> None:
        """Remove entries of what has gone on by itself."""
        for thing in self._things():
            with self._ledger.passing_over_damage():
                if self._is_over(thing) and self._forget(thing):
                    event("parked_cleared", target=thing.target, id=thing.id, what=thing.entry.what)

    def _forget(self, thing: ParkedThing) -> bool:
        """Delete an entry, unless the thing was parked again meanwhile."""
        return self._ledger.discard(thing.key, lambda entry: entry == thing.entry)

    def count(self) -> int:
        """How many things are parked."""
        return sum(len(self._ledger.parked(target)) for target in self._targets)

    def _wanted(self, wanted: str | None) -> list[ParkedThing]:
        things = [thing for thing in self.all() if wanted in (None, thing.id)]
        if wanted is not None and not things:
            raise NotKnown(f"nothing is parked as {wanted!r}")
        return things

    def _is_over(self, thing: ParkedThing) -> bool:
        """Tell whether what is parked has been done by now, since somebody told of it or asked for it again."""
        entry = thing.entry
        # A young entry may belong to a worker that is about to park its releases.
        if thing.target is None or self._clock.now() - entry.at < STANDSTILL:
            return False
        if not (entry.marks or entry.releases or entry.rebuild):
            return False
        rebuild = self._ledger.read(rebuild_key(thing.target, entry.rebuild)) if entry.rebuild else None
        if entry.rebuild and (rebuild is None or rebuild.is_underway or rebuild.state is RebuildState.PARKED):
            return False
        if any(self._due.is_undone(thing.target, mark) for mark in entry.marks):
            return False
        found = [self._ledger.read(release_key(thing.target, release)) for release in entry.releases]
        return all(e is not None and e.state not in (ReleaseState.SIGNALLED, ReleaseState.PARKED) for e in found)

    def _things(self) -> Iterator[ParkedThing]:
        for target in self._targets:
            for found in self._ledger.parked(target):
                if entry := self._ledger.readable(parked_key(target, found)):
                    yield ParkedThing(found, None if target == NO_TARGET else target, entry)


def _shown(mark: Due) -> str:
    match mark:
        case DueEnvironment():
            return f"a rebuild of {mark.path}"
        case DueLook():
            return "a look at what is held"
        case _:
            return f"{mark.kind} {mark.release}"
