"""Takes a target's turn: plans what is due, and carries the plan out until its runs are queued.

There is one way from "due" to "done": record the plan, take the lease, look at its marks again, commit, queue the
runs, remove the marks. Every step looks, then acts, then records. Killed at any point, the next message of the target
goes on: the lease names the plan, the branch shows whether our commit is there, and the pipeline whether our run is.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from shared.domain.due import DueLook, DueRelease, DueRerun
from shared.domain.planning.plan import Plan
from shared.domain.records.environment_record import carrying
from shared.domain.records.rebuilds import RebuildEntry
from shared.domain.records.release_entry import ReleaseEntry
from shared.domain.releases import Release, ReleaseId
from shared.domain.states import RebuildState
from shared.domain.targets import Target
from shared.errors import DamagedEntry, NotKnown, OutOfTime, Permanent, Transient
from shared.ledger import Ledger
from shared.ledger_entries import LeaseEntry, environment_key, plan_key, rebuild_key, release_key
from shared.limits import PLANS_PER_MESSAGE, TURN_TIME
from shared.log import event
from shared.messages import Turn
from shared.ports import AzureDevOps, Clock
from shared.services.planning.draft import Draft, Drafter
from shared.services.planning.snapshots import Snapshots
from shared.services.rebuild.commit import Commit
from shared.services.rebuild.queue_runs import QueueRuns
from shared.services.records.due import DueMarks, Hand
from shared.services.records.held import Held
from shared.services.records.lease import Lease
from shared.services.records.park import Park


class Rebuild:
    """Brings what is due to a queued rebuild, or to `settled` where there is nothing to do."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        due: DueMarks,
        lease: Lease,
        park: Park,
        azure_devops: AzureDevOps,
        targets: Iterable[Target],
        snapshots: Snapshots,
        clock: Clock,
        settle_time: timedelta,
    ) -> None:
        self._ledger = ledger
        self._due = due
        self._lease = lease
        self._park = park
        self._azure_devops = azure_devops
        self._targets = {target.name: target for target in targets}
        self._drafter = Drafter(
            ledger=ledger, azure_devops=azure_devops, snapshots=snapshots, clock=clock, settle_time=settle_time
        )
        self._commit = Commit(ledger=ledger, azure_devops=azure_devops, snapshots=snapshots, clock=clock)
        self._queue_runs = QueueRuns(ledger=ledger, azure_devops=azure_devops, clock=clock)
        self._held = Held(ledger)
        self._clock = clock

    def turn(self, message: Turn) -> None:
        """Do all that a target has due.

        Raises:
            Transient: a service does not answer, or the branch moves faster than we plan.
            OutOfTime: there is more to do; what was done is recorded.
            NotKnown: no target of this name is configured.
        """
        target = self._targets.get(message.target)
        if target is None:
            raise NotKnown(f"no target {message.target!r} is configured")
        until = self._clock.now() + TURN_TIME
        self._carry_on(target, until)
        for _ in range(PLANS_PER_MESSAGE):
            if self._clock.now() >= until:
                raise OutOfTime(f"the turn of {target.name} goes on with the next message")
            plan = self._plan(target)
            if plan is None:
                return
            self._lease.take(target.name, plan.id)
            self._carry_on(target, until)  # this plan, or that of a worker who was faster
        if self._due.in_hand(target.name).marks:
            raise Transient(f"branch {target.branch} of {target.repository} moves faster than plans are made")

    # Planning

    def _plan(self, target: Target) -> Plan | None:
        """Plan what is due, and record the plan; None if nothing is, or if a look finds nothing new."""
        hand = self._due.in_hand(target.name)
        if not hand.marks:
            return None
        looks = [mark for mark in hand.marks if isinstance(mark, DueLook)]
        held = self._looked_at(target, hand, looks)
        plan = self._with_arriving(
            target, self._drafter.plan(target, [*hand.releases.values(), *held.values()], hand.marks, held)
        )
        if len(looks) == len(hand.marks) and not self._finds_something(plan):
            for look in looks:
                self._due.looked(target.name, look)
            self._due.drop(target.name, plan.marks, lambda: True)
            for release in plan.arriving:
                self._due.again(target.name, release)
            return None
        plan = self._unused(plan)
        self._ledger.create(plan_key(target.name, plan.id), plan)
        event(
            "plan_made",
            target=target.name,
            plan=plan.id,
            commit=plan.commit,
            releases=len(plan.releases),
            rebuilds=len(plan.environments) + len(plan.owed),
            edits=len(plan.edits),
        )
        return plan

    def _looked_at(self, target: Target, hand: Hand, looks: list[DueLook]) -> dict[ReleaseId, Release]:
        """Return what is held and decided again: all of it for a look, else what another release may let go on."""
        if not looks and not any(isinstance(mark, DueRelease) for mark in hand.marks):
            return {}
        commits = {look.commit for look in looks}
        return {r.id: r for r in self._held.releases(target.name, looks=commits, besides=hand.releases.values())}

    def _with_arriving(self, target: Target, draft: Draft) -> Plan:
        """The plan with the files that are there by now; those that were not told of are noted."""
        noted = {}
        for release, files in draft.arriving.items():
            now = self._clock.now()
            entry = self._change_release(target.name, release, lambda e, files=files, now=now: e.has(files, now))  # type: ignore[misc]
            noted[release] = entry.release
        releases = tuple(noted.get(release.id) or release for release in draft.plan.releases)
        return replace(draft.plan, releases=releases, arriving=tuple(draft.arriving))

    def _finds_something(self, plan: Plan) -> bool:
        """Tell whether a plan that nothing but a look asks for says more of some release than what is known."""
        entries = (self._ledger.readable(release_key(plan.target, release.id)) for release in plan.releases)
        return any(entry is not None and self._held.says_more(plan, entry) for entry in entries)

    def _unused(self, plan: Plan) -> Plan:
        """A plan that equals one of other marks, or one whose rebuild is over, gets an identity of its own."""
        while self._is_used(plan):
            plan = plan.again()
        return plan

    def _is_used(self, plan: Plan) -> bool:
        recorded, begun = plan_key(plan.target, plan.id), rebuild_key(plan.target, plan.id)
        if not self._ledger.holds(recorded):
            return False
        rebuild = self._ledger.readable(begun)
        over = not rebuild.is_underway if rebuild else self._ledger.holds(begun)
        return over or self._ledger.readable(recorded) != plan

    # Carrying out

    def _carry_on(self, target: Target, until: datetime) -> None:
        """Carry out the plan that has the lease, from wherever it stands, until its lease ends.

        Raises:
            Transient: a service does not answer. The plan keeps the lease.
        """
        lease = self._lease.present(target.name)
        if lease is None or lease.plan is None:
            return
        plan = self._ledger.get(plan_key(target.name, lease.plan))
        try:
            if plan.writes:
                self._rebuild(target, plan, lease, until)
            elif self._is_due(plan):
                self._take_up(plan)
                self._close(plan)
        except DamagedEntry:
            raise  # it is no reason of the plan's own
        except Permanent as problem:
            self._park.plan(target.name, plan.id, str(problem))
            return
        self._lease.end(target.name, plan.id)

    def _rebuild(self, target: Target, plan: Plan, lease: LeaseEntry, until: datetime) -> None:
        rebuild = self._begun(plan, lease)
        if rebuild.state is RebuildState.PLANNED:
            self._take_up(plan)
            rebuild = self._commit.commit(target, plan, rebuild)
        if rebuild.state is RebuildState.COMMITTED:
            self._record(plan, rebuild)
            if plan.edits:
                self._close(plan)
            rebuild = self._queue_runs.queue(target, rebuild, until)
        if rebuild.state is RebuildState.SUPERSEDED:
            self._overtaken(plan, rebuild)
        elif rebuild.state is RebuildState.PARKED:
            self._park.plan(target.name, plan.id, rebuild.reason or "")
        elif not plan.edits:
            self._close(plan)

    def _begun(self, plan: Plan, lease: LeaseEntry) -> RebuildEntry:
        """The rebuild of a plan: it begins, or is superseded at once if one of the plan's marks is gone."""
        key = rebuild_key(plan.target, plan.id)
        if not self._ledger.holds(key):
            fresh = RebuildEntry.of(plan, lease.since, self._clock.now())
            if not self._is_due(plan):
                fresh = fresh.superseded("what it was planned for has changed", self._clock.now())
            self._ledger.create(key, fresh)
        return self._ledger.get(key)

    def _is_due(self, plan: Plan) -> bool:
        """Tell whether all that a plan was made for is still due."""
        return self._due.are_due(plan.target, plan.marks)

    def _take_up(self, plan: Plan) -> None:
        """Write into the releases that a plan deals with them: they are planned, or settled by it."""
        if not self._has_lease(plan):
            return
        self._held.hold(plan)
        named = {mark.release for mark in plan.marks if isinstance(mark, DueRelease | DueRerun)}

        def take_up(entry: ReleaseEntry) -> ReleaseEntry:
            if entry.plan == plan.id or not (entry.id in named or self._held.says_more(plan, entry)):
                return entry
            return entry.planned(plan, self._clock.now())

        self._change_leased(plan, take_up)

    def _record(self, plan: Plan, rebuild: RebuildEntry) -> None:
        """Write into the environments' records what they carry from this rebuild's commit on."""
        self._ledger.update_many(
            {environment_key(plan.target, path): carry for path, carry in carrying(plan, rebuild).items()}
        )

    def _close(self, plan: Plan) -> None:
        self._held.let_go(plan, lambda: self._has_lease(plan))
        self._due.close(plan, lambda: self._has_lease(plan))

    def _overtaken(self, plan: Plan, rebuild: RebuildEntry) -> None:
        """The releases of a plan that was superseded before it changed anything are still due."""
        why, now = rebuild.reason or "", self._clock.now()
        event("rebuild_superseded", target=plan.target, rebuild=plan.id, why=why)
        self._change_leased(plan, lambda entry: entry.overtaken(plan.id, why, now))

    def _has_lease(self, plan: Plan) -> bool:
        return self._lease.is_of(plan.target, plan.id)

    def _change_leased(self, plan: Plan, change: Callable[[ReleaseEntry], ReleaseEntry]) -> None:
        """Change the releases of a plan, unless the plan has lost the lease since they were read."""
        changes = {
            release_key(plan.target, release.id): lambda entry: change(entry) if entry else None
            for release in plan.releases
        }
        self._ledger.update_many(changes, lambda: self._has_lease(plan))

    def _change_release(
        self, target: str, release: ReleaseId, change: Callable[[ReleaseEntry], ReleaseEntry]
    ) -> ReleaseEntry:
        key = release_key(target, release)
        entry = self._ledger.update(key, lambda present: change(present) if present else None)
        return entry or self._ledger.get(key)
