"""Parks what we cannot do by ourselves, so that a person can see it and have it taken up again.

First the entry with the messages that take it up again is written, then a release is called parked: a process that ends
between the two leaves an entry that can be released without harm.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import replace

from shared import messages
from shared.domain.files.wording import one_line
from shared.domain.records.release_entry import ReleaseEntry
from shared.domain.releases import ReleaseId
from shared.domain.signals import ReleaseSignal, Signal, Source
from shared.domain.states import ReleaseState
from shared.ledger import Key, Ledger, ParkedEntry, ParkedMessage, parked_key, release_key
from shared.log import event
from shared.messages import REBUILDS, SIGNALS, Turn
from shared.ports import Clock

# The first part of the keys of what concerns no single target.
NO_TARGET = "_"


class Parking:
    """Writes the entries, and parks releases."""

    def __init__(self, *, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock

    def release(self, entry: ReleaseEntry, why: str, signal: ReleaseSignal | None = None) -> ReleaseEntry:
        """Park a release that is not visible, or may not be asked for.

        Args:
            entry: the release, signalled or parked already; one that has gone on since is left alone.
            why: for a person.
            signal: what asked for it: a person's rerun is taken up as one.

        Returns:
            The release as it is afterwards.
        """
        message = wish(entry.target, entry.id, signal)
        self.put(entry.target, f"release {entry.id}", why, [message], [entry.id])
        return self.state(entry.target, entry.id, why, ReleaseState.SIGNALLED) or entry

    def state(
        self, target: str, release: ReleaseId, why: str, state: ReleaseState, rebuild: str | None = None
    ) -> ReleaseEntry | None:
        """Call a release parked, if it is still in a state and belongs to a rebuild; the entry is written already."""
        now = self._clock.now()

        def park(present: ReleaseEntry | None) -> ReleaseEntry | None:
            if present is None or present.state is not state or (rebuild and present.rebuild != rebuild):
                return present
            return present.parked(why, now)

        return self._ledger.update(release_key(target, release), park)

    def put(
        self,
        target: str,
        what: str,
        why: str,
        taken_up_by: Iterable[Signal | Turn],
        releases: Iterable[ReleaseId] = (),
        rebuild: str | None = None,
    ) -> None:
        """Write the entry. The same thing parked twice is one entry, which says what was in the way the last time."""
        sent = tuple(_untried(message) for message in taken_up_by)
        entry = ParkedEntry(self._clock.now(), why, one_line(what), sent, tuple(releases), rebuild)
        key = key_of(target, sent)
        self._ledger.update(key, lambda _: entry)
        event("parked", target=target, entry=key.path, what=what, why=why)


def key_of(target: str, sent: Iterable[ParkedMessage]) -> Key[ParkedEntry]:
    """Where an entry lies: its id is made of its messages."""
    content = "\n".join(sorted(f"{message.queue} {message.text}" for message in sent))
    return parked_key(target, hashlib.sha256(content.encode()).hexdigest()[:12])


def wish(target: str, release: ReleaseId, signal: ReleaseSignal | None = None) -> ReleaseSignal:
    """The signal by which a person asks for a parked release: always the same, whoever told of it first.

    A release that is parked is looked up on the feed again and waits anew, or resumes its parked rebuild.
    """
    asked = ReleaseSignal(release.feed, release.package, release.version, Source.PERSON, target=target)
    return replace(asked, attempt=signal.attempt, environments=signal.environments) if signal else asked


def _untried(message: Signal | Turn) -> ParkedMessage:
    queue = REBUILDS if isinstance(message, Turn) else SIGNALS
    return ParkedMessage(queue, messages.encode(replace(message, tries=0)))
