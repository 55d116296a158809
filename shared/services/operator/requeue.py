"""Has what is parked done after all, because a person asks for it: what was due is due again.

No parked rebuild is revived. One that changed nothing is planned anew; of one that has committed, each environment that
no run of it rebuilds is owed a new rebuild.
"""

from collections.abc import Container, Iterable
from datetime import datetime, timedelta

from shared.domain.due import Due, DueEnvironment, DueRelease, DueRerun
from shared.domain.planning.plan import Plan
from shared.domain.records.environment_record import carrying
from shared.domain.records.rebuilds import RebuildEntry
from shared.domain.records.release_entry import ReleaseEntry
from shared.domain.releases import ReleaseId
from shared.domain.signals import ParkedSignal
from shared.domain.states import EnvironmentState, RebuildState, ReleaseState
from shared.domain.targets import Target
from shared.errors import Transient
from shared.ledger import Ledger
from shared.ledger_entries import (
    environment_key,
    parked_key,
    plan_key,
    rebuild_key,
    release_key,
)
from shared.limits import CLAIM_LIFETIME
from shared.log import event
from shared.ports import AzureDevOps, Clock, Queue
from shared.services.planning.snapshots import Snapshots
from shared.services.rebuild.commit import Commit
from shared.services.rebuild.queue_runs import QueueRuns
from shared.services.records.due import DueMarks

_HELD = frozenset({EnvironmentState.REGISTERED, EnvironmentState.IMAGE_BUILT})


class Requeue:
    """Sets marks again, and sends signals again."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        signals: Queue,
        due: DueMarks,
        azure_devops: AzureDevOps,
        targets: Iterable[Target],
        snapshots: Snapshots,
        clock: Clock,
    ) -> None:
        self._ledger = ledger
        self._signals = signals
        self._due = due
        self._targets = {target.name: target for target in targets}
        self._commit = Commit(ledger=ledger, azure_devops=azure_devops, snapshots=snapshots, clock=clock)
        self._queue_runs = QueueRuns(ledger=ledger, azure_devops=azure_devops, clock=clock)
        self._clock = clock

    def parked(self, signal: ParkedSignal) -> None:
        """Have something done that is parked, and forget that it was. Said twice it is done once.

        Raises:
            Transient: a service does not answer, or the worker that parked it may still be busy with it.
        """
        key = parked_key(signal.target, signal.parked)
        entry = self._ledger.read(key)
        if entry is None:
            return
        if entry.marks:
            self._wait_out(entry.at, "taking away what was due")
        target = self._targets.get(signal.target)
        if entry.rebuild and target:
            self.rebuild(target, entry.rebuild)
        self._release(signal.target, entry.releases)
        self._due.mark(signal.target, *entry.marks)
        for text in entry.signals:
            self._signals.send(text)
        self._ledger.discard(key, lambda present: present == entry)
        event("requeued", target=signal.target, id=signal.parked, what=entry.what)

    def rebuild(self, target: Target, rebuild_id: str, besides: Iterable[Due] = ()) -> None:
        """Supersede a parked rebuild: what it was made for is due again, or its environments are owed a rebuild.

        Args:
            target: the target.
            rebuild_id: the rebuild.
            besides: what else is due and is planned together with it.

        Raises:
            Transient: a service does not answer, or a worker may still be at it.
            Permanent: it cannot be seen whether its commit is on the branch.
        """
        key = rebuild_key(target.name, rebuild_id)
        rebuild = self._ledger.read(key)
        if rebuild is None or rebuild.state is not RebuildState.PARKED or rebuild.parked_at is None:
            return
        if rebuild.is_dismissed:
            return  # a hook that is repeated does not undo what a person has said
        plan = self._ledger.get(plan_key(target.name, rebuild_id))
        if rebuild.commit is None and plan.edits:
            self._wait_out(rebuild.parked_at, "pushing its commit")
        for run in rebuild.runs:
            if run.id is None and run.claimed:
                self._wait_out(run.claimed, "queueing its run")
        rebuild = self._queue_runs.found(target, rebuild)
        if rebuild.commit is None and plan.edits and self._commit.pushed(target, plan) is None:
            why = "parked before it wrote anything; what it was made for is due again"
            named = {mark.release for mark in plan.marks if isinstance(mark, DueRelease | DueRerun)}
            self._release(target.name, rebuild.releases, looked_at=set(rebuild.releases) - named)
            self._due.mark(target.name, *plan.marks, *besides)
        else:
            why = "parked after its commit; what it did not rebuild is owed a new rebuild"
            self._owe(target.name, plan, rebuild, besides)
        now = self._clock.now()
        self._ledger.change(key, rebuild, lambda e: e.superseded(why, now) if e.state is RebuildState.PARKED else e)
        event("rebuild_superseded", target=target.name, rebuild=rebuild_id, why=why)

    def _owe(self, target: str, plan: Plan, rebuild: RebuildEntry, besides: Iterable[Due]) -> None:
        """Mark each environment that is neither registered nor rebuilt by a run, unless a later rebuild has it."""
        self._due.close(plan, lambda: True)
        marks: list[Due] = [*besides]
        records = self._ledger.update_many(
            {environment_key(target, path): carry for path, carry in carrying(plan, rebuild).items()}
        )
        for environment in rebuild.environments:
            record = records.get(environment_key(target, environment.path))
            goes_on = environment.run is not None and not environment.is_settled
            if record and record.rebuild == rebuild.id and not goes_on and environment.state not in _HELD:
                marks.append(DueEnvironment(environment.path, rebuild.id, 1, self._clock.now()))
        self._due.mark(target, *marks)
        self._release(target, rebuild.releases)

    def _release(self, target: str, releases: Iterable[ReleaseId], looked_at: Container[ReleaseId] = ()) -> None:
        """Let releases wait or be settled again, and mark those that are due.

        Args:
            target: the target.
            releases: the releases.
            looked_at: of these, what was decided because of a look: no mark of the plan names them, and at the same
                commit no look finds them again.
        """
        now = self._clock.now()

        def requeued(entry: ReleaseEntry | None) -> ReleaseEntry | None:
            if entry is None or entry.release is None or entry.state is not ReleaseState.PARKED:
                return entry
            return (entry.due_again(now) if entry.id in looked_at else entry).requeued(now)

        entries = self._ledger.update_many({release_key(target, release): requeued for release in releases})
        due = (entry for entry in entries.values() if entry.state is ReleaseState.CONFIRMED)
        self._due.mark(target, *(DueRelease(entry.id, entry.due_since) for entry in due if entry.due_since))

    def _wait_out(self, since: datetime, what: str) -> None:
        """Wait until no function that was running then runs any more.

        Raises:
            Transient: one may still be at it.
        """
        left = since + CLAIM_LIFETIME - self._clock.now()
        if left > timedelta():
            raise Transient(f"another worker may still be {what}", left)
