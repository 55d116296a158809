"""The lease of a target: one plan at a time is carried out."""

from datetime import timedelta

from shared.ledger import Ledger
from shared.ledger_entries import LeaseEntry, lease_key
from shared.ports import Clock

# Datetimes count microseconds: the least by which one moment is later than another.
_LATER = timedelta(microseconds=1)


class Lease:
    """Takes, reads and ends leases. A lease does not expire: a worker that finds it taken carries its plan on."""

    def __init__(self, *, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock

    def present(self, target: str) -> LeaseEntry | None:
        """The lease, if a plan holds it.

        Raises:
            DamagedEntry: the entry cannot be read.
        """
        entry = self._ledger.read(lease_key(target))
        return entry if entry and entry.plan else None

    def take(self, target: str, plan: str) -> None:
        """Take the lease for a recorded plan, unless another plan has it."""

        def take(present: LeaseEntry | None) -> LeaseEntry:
            if present is None:
                return LeaseEntry(plan, self._clock.now())
            if present.plan:
                return present
            # Rebuilds are ordered by this moment, so it rises even where a worker's clock is behind.
            return LeaseEntry(plan, max(self._clock.now(), present.since + _LATER))

        self._ledger.update(lease_key(target), take)

    def is_of(self, target: str, plan: str) -> bool:
        """Tell whether a plan still has the lease.

        Read an entry, ask this, then write the entry by its ETag: so nobody who was held up overwrites what came later.
        """
        present = self.present(target)
        return present is not None and present.plan == plan

    def end(self, target: str, plan: str) -> None:
        """End a plan's lease."""

        def end(present: LeaseEntry | None) -> LeaseEntry | None:
            return LeaseEntry(None, present.since) if present and present.plan == plan else present

        self._ledger.update(lease_key(target), end)
