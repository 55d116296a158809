"""Takes a target's turn: plans the releases that wait, and carries the plan out until its runs are queued.

Every step looks, then acts, then records. Killed at any point, the next message of the target goes on: the turn
names the rebuild, the rebuild names its plan, the branch shows whether our commit is there, and the pipeline shows
whether our run is.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from functools import cache

from shared import messages
from shared.domain.planning.plan import ByHand, Plan
from shared.domain.records.environment_record import EnvironmentRecord
from shared.domain.records.rebuilds import RebuildEntry
from shared.domain.records.release_entry import ReleaseEntry
from shared.domain.releases import Release, ReleaseId
from shared.domain.states import RebuildState, ReleaseState
from shared.domain.targets import Target
from shared.errors import DamagedEntry, NotKnown, Permanent, Transient
from shared.ledger import (
    Ledger,
    TurnEntry,
    WaitingEntry,
    carried_key,
    plan_key,
    rebuild_key,
    release_key,
    turn_key,
    waiting_key,
)
from shared.limits import CLOCK_TOLERANCE, PLANS_PER_MESSAGE
from shared.log import alert, event
from shared.messages import Rerun, Turn
from shared.ports import Clock, Queue, Services
from shared.services.committing import Committing
from shared.services.drafting import Draft, Drafter
from shared.services.holding import Holding
from shared.services.queueing import Queueing
from shared.services.reading import Reader
from shared.services.rerun import is_planned
from shared.services.waking import Waking


class Rebuild:
    """Brings releases from `confirmed` to a queued rebuild, or to `settled` where there is nothing to do."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        rebuilds: Queue,
        services: Services,
        targets: Iterable[Target],
        reader: Reader,
        clock: Clock,
        settle_time: timedelta,
    ) -> None:
        self._ledger = ledger
        self._rebuilds = rebuilds
        self._services = services
        self._targets = {target.name: target for target in targets}
        self._reader = reader
        self._drafter = Drafter(ledger=ledger, services=services, reader=reader, clock=clock, settle_time=settle_time)
        self._committing = Committing(ledger=ledger, services=services, reader=reader, clock=clock)
        self._queueing = Queueing(ledger=ledger, services=services, clock=clock)
        self._holding = Holding(ledger)
        self._waking = Waking(ledger=ledger, rebuilds=rebuilds, clock=clock, settle_time=settle_time)
        self._clock = clock
        self._settle_time = settle_time

    def turn(self, message: Turn) -> None:
        """Do what a target has to do.

        Raises:
            Transient: a service does not answer, or the branch moves faster than we plan.
            NotKnown: no target of this name is configured.
        """
        target = self._targets.get(message.target)
        if target is None:
            raise NotKnown(f"no target {message.target!r} is configured")
        held = message.held
        for _ in range(PLANS_PER_MESSAGE):
            self._finish_what_is_underway(target)
            if own := message.retry or message.resume:
                self._go_on(target, own, is_released=message.resume is not None)
                return
            plan = self._plan_next(target, message.rerun, held=held)
            if plan is None:
                return
            if plan.writes:
                self._open(target, plan.id)
                if self._carry_out(target, plan.id).state is RebuildState.SUPERSEDED:
                    continue
            else:
                self._take_up(plan)
            held = False
            if message.rerun and not self._is_open(target, message.rerun):
                return
        if self._is_open(target, message.rerun) if message.rerun else self._due(target):
            raise Transient(f"branch {target.branch} of {target.repository} moves faster than plans are made")

    # Planning

    def _plan_next(self, target: Target, rerun: Rerun | None, *, held: bool) -> Plan | None:
        """Plan what is due, and record the plan; None if there is nothing to do."""
        entries = self._rerun_in_hand(target, rerun) if rerun else self._due(target)
        releases = [entry.release for entry in entries if entry.release]
        if rerun and rerun.environments and any(self._ledger.waits(entry) for entry in entries):
            rerun = None  # it is planned for all of them first, or nobody would plan it for the others
        if parked := self._parked(target, entries):
            return parked
        tip = self._services.repository(target).tip() if held and not rerun else None
        if not rerun and (releases or held):
            releases = [*releases, *self._holding.releases(target.name, tip=tip, besides=releases)]
        if not releases:
            if tip:
                self._holding.looked(target.name, tip, self._clock.now())
            return None
        draft = self._drafter.plan(target, releases, self._by_hand(target, rerun))
        plan = self._noted_what_arrives(target, draft)
        if held:
            self._holding.looked(target.name, plan.commit, self._clock.now())
        plan = self._unused(plan)
        # Looked at last: another worker may have planned and carried out the same meanwhile.
        if not any(self._is_due(target, plan, release) for release in plan.releases):
            return None
        self._ledger.create(plan_key(target.name, plan.id), plan)
        event(
            "plan_made",
            target=target.name,
            plan=plan.id,
            commit=plan.commit,
            releases=len(plan.releases),
            rebuilds=len(plan.environments),
            edits=len(plan.edits),
        )
        return plan

    def _noted_what_arrives(self, target: Target, draft: Draft) -> Plan:
        """Look again at releases whose files may not be complete, once they have stood still for the settle time."""
        noted = {}
        for release, files in draft.arriving.items():
            now = self._clock.now()
            entry = self._change_release(target.name, release, lambda e, files=files, now=now: e.has(files, now))  # type: ignore[misc]
            noted[release] = entry.release
        if noted:
            self._rebuilds.send(messages.encode(Turn(target.name, held=True)), self._settle_time + CLOCK_TOLERANCE)
        return replace(draft.plan, releases=tuple(noted.get(r.id) or r for r in draft.plan.releases))

    def _by_hand(self, target: Target, rerun: Rerun | None) -> ByHand | None:
        if rerun is None:
            return None
        done = self._ledger.get(release_key(target.name, rerun.release)).reruns
        return ByHand(len(done) + 1, rerun.environments)

    def _parked(self, target: Target, entries: Iterable[ReleaseEntry]) -> Plan | None:
        """The plan of a parked rebuild whose commit is on the branch: it is resumed, since nothing is left to edit."""
        for entry in entries:
            rebuild = self._ledger.readable(rebuild_key(target.name, entry.rebuild)) if entry.rebuild else None
            # One that is underway was resumed by a worker that died before it had taken the turn for it.
            if rebuild and (rebuild.state is RebuildState.PARKED or rebuild.is_underway):
                rebuild = self._unparked(target, rebuild)
                if rebuild.is_underway:
                    return self._ledger.get(plan_key(target.name, rebuild.id))
        return None

    def _unparked(self, target: Target, rebuild: RebuildEntry) -> RebuildEntry:
        """A rebuild goes on if its commit is on the branch. If not, it changed nothing, and its releases are free."""
        plan = self._ledger.get(plan_key(target.name, rebuild.id))
        commit = rebuild.commit or self._committing.pushed(target, plan)
        if not commit and rebuild.state is RebuildState.PARKED:
            self._give_back(plan)

        def unpark(present: RebuildEntry) -> RebuildEntry:
            if present.state is not RebuildState.PARKED:
                return present
            now = self._clock.now()
            return present.resumed(now) if commit else present.superseded("parked before it wrote anything", now)

        return self._change(rebuild, unpark)

    def _unused(self, plan: Plan) -> Plan:
        """A plan that equals one whose rebuild is over gets an identity of its own."""
        while (rebuild := self._ledger.read(rebuild_key(plan.target, plan.id))) and not rebuild.is_underway:
            plan = plan.again()
        return plan

    def _rerun_in_hand(self, target: Target, rerun: Rerun) -> list[ReleaseEntry]:
        entry = self._ledger.get(release_key(target.name, rerun.release))
        seen = entry.state in (ReleaseState.CONFIRMED, ReleaseState.PLANNED, ReleaseState.SETTLED)
        return [entry] if seen and entry.release and self._is_open(target, rerun) else []

    def _due(self, target: Target) -> list[ReleaseEntry]:
        """What waits, once the first of it has waited for the settle time: nothing that follows makes that longer."""
        now, entries, oldest = self._clock.now(), [], None
        for waiting in self._ledger.waiting(target.name):
            left = (oldest or waiting.since) + self._settle_time - now
            if left > timedelta():
                if left < CLOCK_TOLERANCE:  # another clock: the message that is meant for this moment came too early
                    self._rebuilds.send(messages.encode(Turn(target.name)), left)
                return []
            with self._ledger.passing_over_damage():
                entry = self._ledger.read(release_key(target.name, waiting.release))
                waits = entry is not None and entry.state is ReleaseState.CONFIRMED
                if entry and entry.release and waits and entry.waiting_since == waiting.since:
                    entries.append(entry)
                    oldest = oldest or waiting.since
                else:
                    self._ledger.delete(waiting_key(target.name, waiting))  # left over: it has been dealt with
        return entries

    def _is_open(self, target: Target, rerun: Rerun) -> bool:
        """Whether a rerun has not led to a plan yet that stands."""
        entry = self._ledger.get(release_key(target.name, rerun.release))
        return not is_planned(self._ledger, entry, rerun.attempt, rerun.environments)

    def _take_up(self, plan: Plan) -> None:
        """Write into the releases that a plan deals with them: they are planned, or settled by it."""
        # What is held is marked first: a release that is settled without its mark would never be looked at again.
        if not plan.asked_for:  # a rerun of some environments says nothing of the others
            self._holding.mark(plan)
        for release in plan.releases:
            with self._ledger.passing_over_damage():
                entry = self._change_release(plan.target, release.id, lambda entry: self._taken_up(entry, plan))
                if entry.waiting_since and entry.state is not ReleaseState.CONFIRMED:
                    self._ledger.delete(waiting_key(plan.target, WaitingEntry(entry.waiting_since, entry.id)))

    def _taken_up(self, entry: ReleaseEntry, plan: Plan) -> ReleaseEntry:
        if not self._takes(plan, entry):
            return entry
        # Looked at after the release was read: who was held up meanwhile does not bring back what is over.
        rebuild = self._ledger.read(rebuild_key(plan.target, plan.id))
        return entry.planned(plan, self._clock.now()) if rebuild is None or rebuild.is_underway else entry

    def _is_due(self, target: Target, plan: Plan, release: Release) -> bool:
        return self._takes(plan, self._ledger.get(release_key(target.name, release.id)))

    def _takes(self, plan: Plan, entry: ReleaseEntry) -> bool:
        """Whether a plan says something new of a release."""
        if entry.plan == plan.id and entry.state is not ReleaseState.CONFIRMED:
            return False
        if plan.attempt:
            return plan.attempt == len(entry.reruns) + 1 or plan.id in entry.reruns
        if entry.state is ReleaseState.CONFIRMED:
            return entry.release in plan.releases  # or the feed had news of it since
        # A worker that planned while another one carried out what waits comes too late: that plan stands.
        if entry.state is not ReleaseState.SETTLED or not self._holding.says_more(plan, entry):
            return False
        # A release that was rebuilt goes on showing by which rebuild, until there is another one.
        return entry.rebuild is None or (plan.writes and plan.acts_on(entry.id))

    # Carrying out

    def _open(self, target: Target, rebuild: str) -> None:
        """Take the turn for a rebuild."""

        def take(present: TurnEntry | None) -> TurnEntry:
            if present and present.rebuild not in (None, rebuild):
                raise Transient(f"rebuild {present.rebuild} holds the turn of {target.name}")
            return TurnEntry(rebuild)

        self._ledger.update(turn_key(target.name), take)

    def _finish_what_is_underway(self, target: Target) -> None:
        turn = self._ledger.read(turn_key(target.name))
        if turn and turn.rebuild:
            self._carry_out(target, turn.rebuild)

    def _go_on(self, target: Target, rebuild_id: str, *, is_released: bool) -> None:
        """Queue what is left of a rebuild, in a turn of its own: no later rebuild begins meanwhile."""
        rebuild = self._ledger.read(rebuild_key(target.name, rebuild_id))
        if rebuild and rebuild.state is RebuildState.PARKED and is_released:
            rebuild = self._unparked(target, rebuild)
        if rebuild and rebuild.is_underway:
            self._open(target, rebuild_id)
            self._carry_out(target, rebuild_id)

    def _carry_out(self, target: Target, rebuild_id: str) -> RebuildEntry:
        """Bring a rebuild from wherever it stands to where its turn ends."""
        plan = self._ledger.get(plan_key(target.name, rebuild_id))
        key = rebuild_key(target.name, rebuild_id)
        self._ledger.create(key, RebuildEntry.of(plan, self._clock.now()))
        rebuild = self._ledger.get(key)
        try:
            if rebuild.state in (RebuildState.PLANNED, RebuildState.COMMITTED):
                self._take_up(plan)
            if rebuild.state is RebuildState.PLANNED:
                rebuild = self._committing.commit(target, plan, rebuild)
            if rebuild.state is RebuildState.COMMITTED:
                self._remember_carried(target, plan, rebuild)
            if rebuild.is_underway:
                rebuild = self._queueing.queue(target, rebuild)
        except DamagedEntry:
            raise  # it is no reason of the rebuild's own
        except Permanent as problem:
            why = str(problem)
            rebuild = self._change(rebuild, lambda entry: entry.failed(why, self._clock.now()))
            alert("rebuild_failed", target=target.name, rebuild=rebuild.id, why=why)
        if rebuild.state is RebuildState.SUPERSEDED:
            self._give_back(plan)
        elif rebuild.state is RebuildState.FAILED:
            self._settle(rebuild)
        if not rebuild.is_underway:
            self._end_turn(target, rebuild.id)
        return rebuild

    # Recording

    def _remember_carried(self, target: Target, plan: Plan, rebuild: RebuildEntry) -> None:
        @cache
        def is_later(other: str) -> bool:
            """While a rebuild is parked, others go on, and it takes nothing back from them."""
            if other == rebuild.id or not rebuild.was_parked:
                return False
            found = self._ledger.read(rebuild_key(rebuild.target, other))
            return found is not None and self._committing.is_later(target, found, rebuild)

        for environment in rebuild.environments:
            fresh = EnvironmentRecord(
                environment.path, environment.name, {}, rebuild.id, rebuild.commit or rebuild.base
            )

            def carry(entry: EnvironmentRecord | None, fresh: EnvironmentRecord = fresh) -> EnvironmentRecord | None:
                if entry and is_later(entry.rebuild):
                    return entry
                present = self._ledger.get(rebuild_key(rebuild.target, rebuild.id))
                # Another worker has gone on with it meanwhile: later rebuilds may have been here already.
                return (
                    (entry or fresh).with_rebuild(plan, rebuild) if present.state is RebuildState.COMMITTED else entry
                )

            with self._ledger.passing_over_damage():
                self._ledger.update(carried_key(rebuild.target, environment.path), carry)

    def _give_back(self, plan: Plan) -> None:
        """What a plan dealt with waits again, since it was not carried out; the settle time is over.

        What it settled too: a version that was held as older than another one may be the newest in the next plan.
        """
        for release in plan.releases:

            def unplan(entry: ReleaseEntry) -> ReleaseEntry:
                if entry.plan != plan.id or entry.state not in (ReleaseState.PLANNED, ReleaseState.SETTLED):
                    return entry
                now = self._clock.now()
                return entry.unplanned(f"rebuild {plan.id} superseded", now - self._settle_time, now)

            with self._ledger.passing_over_damage():
                entry = self._change_release(plan.target, release.id, unplan)
                if entry.state is ReleaseState.CONFIRMED:
                    self._waking.wake(entry)

    def _settle(self, rebuild: RebuildEntry) -> None:
        for release in rebuild.releases:

            def settle(entry: ReleaseEntry) -> ReleaseEntry:
                if entry.rebuild != rebuild.id or entry.state is not ReleaseState.PLANNED:
                    return entry
                return entry.settled(f"rebuild {rebuild.id} {rebuild.state}", self._clock.now())

            with self._ledger.passing_over_damage():
                entry = self._change_release(rebuild.target, release, settle)
                if entry.state is ReleaseState.CONFIRMED:
                    self._waking.wake(entry)

    def _end_turn(self, target: Target, rebuild: str) -> None:
        def release(present: TurnEntry | None) -> TurnEntry | None:
            return TurnEntry() if present and present.rebuild == rebuild else present

        self._ledger.update(turn_key(target.name), release)

    def _change(self, rebuild: RebuildEntry, change: Callable[[RebuildEntry], RebuildEntry]) -> RebuildEntry:
        return self._ledger.change(rebuild_key(rebuild.target, rebuild.id), rebuild, change)

    def _change_release(
        self, target: str, release: ReleaseId, change: Callable[[ReleaseEntry], ReleaseEntry]
    ) -> ReleaseEntry:
        key = release_key(target, release)
        entry = self._ledger.update(key, lambda present: change(present) if present else None)
        return entry or self._ledger.get(key)
