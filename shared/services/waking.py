"""Lets a release wait for a plan, and tells its target."""

from datetime import timedelta

from shared import messages
from shared.domain.records.release_entry import ReleaseEntry
from shared.ledger import Ledger, WaitingEntry, waiting_key
from shared.ports import Clock, Queue


class Waking:
    """Marks releases that wait, so that a target's next turn finds them.

    The mark comes first, then the message: a crash between them is healed by whoever repeats the step, and the timer.
    """

    def __init__(self, *, ledger: Ledger, rebuilds: Queue, clock: Clock, settle_time: timedelta) -> None:
        self._ledger = ledger
        self._rebuilds = rebuilds
        self._clock = clock
        self._settle_time = settle_time

    def wake(self, entry: ReleaseEntry) -> None:
        """Let a confirmed release wait. Said again it is the same mark, and one more message that finds nothing."""
        now = self._clock.now()
        since = entry.waiting_since or now
        waiting = WaitingEntry(since, entry.id)
        self._ledger.create(waiting_key(entry.target, waiting), waiting)
        left = max(since + self._settle_time - now, timedelta())
        self._rebuilds.send(messages.encode(messages.Turn(entry.target)), left)
