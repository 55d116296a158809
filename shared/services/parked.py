"""What is parked: shown to a person, and taken up again when the person says so."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from shared.domain.records.release_entry import ReleaseEntry
from shared.domain.states import RebuildState, ReleaseState
from shared.domain.targets import Target
from shared.errors import Busy, NotKnown
from shared.ledger import Key, Ledger, ParkedEntry, parked_key, rebuild_key, release_key
from shared.limits import STANDSTILL
from shared.log import event
from shared.ports import Clock, Queue
from shared.services.parking import NO_TARGET


@dataclass(frozen=True, slots=True)
class ParkedThing:
    """One thing that is parked.

    Attributes:
        id: by which it is released.
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
        """The whole of it, as plain data for JSON."""
        return {
            "id": self.id,
            "target": self.target,
            "at": self.entry.at.isoformat(timespec="seconds").replace("+00:00", "Z"),
            "what": self.entry.what,
            "why": self.entry.why,
            "messages": [{"queue": message.queue, "text": message.text} for message in self.entry.messages],
        }


class Parked:
    """Lists, releases and clears away."""

    def __init__(
        self, *, ledger: Ledger, queues: Mapping[str, Queue], targets: Iterable[Target], clock: Clock, suspended: bool
    ) -> None:
        self._ledger = ledger
        self._queues = queues
        self._targets = [*(target.name for target in targets), NO_TARGET]
        self._clock = clock
        self._suspended = suspended

    def all(self) -> list[ParkedThing]:
        """Everything that is parked, oldest first. What cannot be read is reported and left out."""
        return sorted(self._things(), key=lambda thing: (thing.entry.at, thing.id))

    def release(self, wanted: str | None = None) -> list[ParkedThing]:
        """Send the messages that take something up again, and forget that it was parked.

        Args:
            wanted: the id of one thing, or None for all.

        Returns:
            What was sent. A process that ends on the way leaves an entry that may be released once more.

        Raises:
            NotKnown: nothing of this id is parked.
            Busy: work is suspended.
            Transient: the storage does not answer; what was not sent is still there.
        """
        if self._suspended:
            raise Busy("work is suspended (REBUILDER_SUSPENDED); nothing is released until that is taken back")
        things = [thing for thing in self.all() if wanted in (None, thing.id)]
        if wanted is not None and not things:
            raise NotKnown(f"nothing is parked as {wanted!r}")
        for thing in things:
            for message in thing.entry.messages:
                self._queues[message.queue].send(message.text)
            # What is parked again at once keeps its new entry.
            self._ledger.discard(thing.key, thing.entry)
            event("parked_released", target=thing.target, id=thing.id, what=thing.entry.what)
        return things

    def clear(self) -> None:
        """Remove entries of what has gone on by itself."""
        for thing in self._things():
            with self._ledger.passing_over_damage():
                if self._is_over(thing) and self._ledger.discard(thing.key, thing.entry):
                    event("parked_cleared", target=thing.target, id=thing.id, what=thing.entry.what)

    def count(self) -> int:
        """How many things are parked."""
        return sum(len(self._ledger.parked(target)) for target in self._targets)

    def _is_over(self, thing: ParkedThing) -> bool:
        entry = thing.entry
        # A young entry may belong to a worker that is about to park its releases.
        if thing.target is None or self._clock.now() - entry.at < STANDSTILL:
            return False
        if not entry.releases and entry.rebuild is None:
            return False
        rebuild = self._ledger.read(rebuild_key(thing.target, entry.rebuild)) if entry.rebuild else None
        if rebuild and (rebuild.state is RebuildState.PARKED or rebuild.is_underway):
            return False
        return all(_is_done(self._ledger.read(release_key(thing.target, release))) for release in entry.releases)

    def _things(self) -> Iterator[ParkedThing]:
        for target in self._targets:
            for found in self._ledger.parked(target):
                if entry := self._ledger.readable(parked_key(target, found)):
                    yield ParkedThing(found, None if target == NO_TARGET else target, entry)


def _is_done(entry: ReleaseEntry | None) -> bool:
    """Whether nothing of a release waits to be taken up: it is refused, or planned for whoever may need it."""
    if entry is None or entry.state is ReleaseState.REFUSED:
        return entry is not None
    return entry.whole and entry.state in (ReleaseState.PLANNED, ReleaseState.SETTLED)
