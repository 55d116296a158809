"""Parks what cannot be done, so that a person can see it and have it done later.

First the entry is written that says what to requeue, then a rebuild or a release is called parked, then what was due is
taken away: a process that ends in between leaves an entry that can be requeued without harm.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import replace

from shared import messages
from shared.domain.due import Due, DueEnvironment, DueLook
from shared.domain.files.wording import one_line
from shared.domain.planning.plan import Plan
from shared.domain.records.rebuilds import RebuildEntry
from shared.domain.records.release_entry import ReleaseEntry
from shared.domain.releases import ReleaseId
from shared.domain.signals import ReleaseSignal, Signal, Source
from shared.domain.states import RebuildState, ReleaseState
from shared.errors import DamagedEntry
from shared.ledger import Ledger
from shared.ledger_entries import ParkedEntry, parked_key, plan_key, rebuild_key, release_key
from shared.limits import SHOWN_RELEASES
from shared.log import alert
from shared.ports import Clock
from shared.services.records.due import DueMarks
from shared.services.records.lease import Lease

# The first part of the keys of what concerns no single target.
NO_TARGET = "_"


class Park:
    """Parks signals, due marks and rebuilds."""

    def __init__(self, *, ledger: Ledger, due: DueMarks, lease: Lease, clock: Clock) -> None:
        self._ledger = ledger
        self._due = due
        self._lease = lease
        self._clock = clock

    def signal(self, target: str, what: str, why: str, signal: Signal) -> None:
        """Park a signal that is about no release of a target."""
        text = messages.encode(replace(signal, tries=0))
        self._record(target, what, why, ParkedEntry(self._clock.now(), why, what, (text,)))

    def release(self, target: str, release: ReleaseId, why: str, signal: ReleaseSignal) -> None:
        """Park a signal of a release, and the release if nothing else is known of it.

        Whoever told of it, requeued it is a person's wish; a person's rerun stays that rerun.
        """
        wish = ReleaseSignal(
            release.feed,
            release.package,
            release.version,
            Source.PERSON,
            target=target,
            rerun=signal.rerun,
            environments=signal.environments,
        )
        entry = self._ledger.readable(release_key(target, release))
        unknown = entry is None or entry.state in (ReleaseState.SIGNALLED, ReleaseState.PARKED)
        what = f"release {release}" if unknown else f"a signal of {release}"
        releases = (release,) if unknown else ()
        self._record(
            target, what, why, ParkedEntry(self._clock.now(), why, what, (messages.encode(wish),), (), releases)
        )
        self._releases(target, (release,), why, lambda entry: entry.state is ReleaseState.SIGNALLED)

    def turn(self, target: str, why: str) -> None:
        """Park what a target was about to do: the plan that has the lease, or else all that is due."""
        try:
            lease = self._lease.present(target)
        except DamagedEntry:
            lease = None
        if lease and lease.plan:
            self.plan(target, lease.plan, why)
        else:
            self._marks(target, tuple(self._due.in_hand(target).marks), why, lambda: True)

    def plan(self, target: str, plan_id: str, why: str) -> None:
        """Park a plan that has the lease, and end the lease. What was done of it stays.

        A rebuild that is over keeps the lease: nothing of it can be parked, and its marks are closed by the next turn.
        """
        rebuild = self._ledger.readable(rebuild_key(target, plan_id))
        plan = self._ledger.readable(plan_key(target, plan_id))
        if plan is None or (rebuild is None and self._ledger.holds(rebuild_key(target, plan_id))):
            # It can be neither parked nor continued until its entry is mended.
            what = f"rebuild {plan_id}"
            self._record(target, what, why, ParkedEntry(self._clock.now(), why, what, rebuild=plan_id))
        elif rebuild is None:
            self._marks(target, plan.marks, why, lambda: self._lease.is_of(target, plan_id))
        elif not self._rebuild(plan, rebuild, why):
            return
        self._lease.end(target, plan_id)

    def _rebuild(self, plan: Plan, rebuild: RebuildEntry, why: str) -> bool:
        """Park a rebuild; tells whether it is parked then."""
        if not (rebuild.is_underway or rebuild.state is RebuildState.PARKED):
            return False
        target, now = plan.target, self._clock.now()
        what = f"rebuild {rebuild.id} of {_named(rebuild.releases) or f'{len(rebuild.environments)} environments'}"
        entry = ParkedEntry(now, why, what, releases=rebuild.releases, rebuild=rebuild.id)
        self._record(target, what, why, entry)
        key = rebuild_key(target, rebuild.id)
        parked = self._ledger.change(key, rebuild, lambda e: e.parked(why, now) if e.is_underway else e)
        if parked.state is not RebuildState.PARKED:
            return False
        self._releases(
            target, rebuild.releases, why, lambda e: e.state is ReleaseState.PLANNED and e.rebuild == plan.id
        )
        self._due.drop(target, plan.marks, lambda: self._lease.is_of(target, plan.id))
        return True

    def _marks(self, target: str, marks: tuple[Due, ...], why: str, allowed: Callable[[], bool]) -> None:
        if not marks:
            return
        releases = tuple(dict.fromkeys(m.release for m in marks if not isinstance(m, DueEnvironment | DueLook)))
        paths = tuple(mark.path for mark in marks if isinstance(mark, DueEnvironment))
        what = _named(releases) or _named(paths) or "a look at what is held"
        if not self._are_named(target, marks):
            self._record(target, what, why, ParkedEntry(self._clock.now(), why, what, (), marks, releases))
        self._releases(target, releases, why, lambda entry: entry.waits)
        self._due.drop(target, marks, allowed)

    def _are_named(self, target: str, marks: tuple[Due, ...]) -> bool:
        """Tell whether an entry names these marks already, whose writer died before it had taken all of them away."""
        keys = (parked_key(target, found) for found in self._ledger.parked(target))
        return any(set(marks) <= set(entry.marks) for key in keys if (entry := self._ledger.readable(key)))

    def _releases(
        self, target: str, releases: Iterable[ReleaseId], why: str, if_: Callable[[ReleaseEntry], bool]
    ) -> None:
        """Call releases parked whose present entry allows that."""
        now = self._clock.now()

        def park(entry: ReleaseEntry | None) -> ReleaseEntry | None:
            return entry.parked(why, now) if entry and if_(entry) else entry

        self._ledger.update_many({release_key(target, release): park for release in releases})

    def _record(self, target: str, what: str, why: str, entry: ParkedEntry) -> None:
        """Write the entry. The same thing parked twice is one entry, which says what went wrong the last time."""
        identity = entry.rebuild or f"{entry.signals} {entry.marks}"
        key = parked_key(target, hashlib.sha256(identity.encode()).hexdigest()[:12])
        self._ledger.update(key, lambda _: replace(entry, what=one_line(what)))
        alert("parked", target=target, entry=key.path, what=what, why=why)


def _named(what: Iterable[object]) -> str:
    names = [str(one) for one in what]
    rest = f" and {len(names) - SHOWN_RELEASES} more" if len(names) > SHOWN_RELEASES else ""
    return ", ".join(names[:SHOWN_RELEASES]) + rest
