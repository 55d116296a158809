"""Finds what no signal told: reads each feed's change log on from where it was left.

Also the answer to hooks that tell nothing but "something was published".
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from urllib.parse import urlsplit

from shared import messages
from shared.domain.releases import FeedName
from shared.domain.signals import ReleaseSignal, Source
from shared.domain.targets import Target
from shared.errors import Permanent, RebuilderError, Transient
from shared.ledger import Ledger
from shared.ledger_entries import FeedEntry, feed_key, rebuild_key
from shared.limits import CHANGE_PAGES, STANDSTILL, TURN_TIME
from shared.log import alert, event
from shared.ports import AzureDevOps, Clock, Hooks, Queue
from shared.services.confirm.provenance import alert_foreign, is_ours
from shared.services.follow.follow import Follow
from shared.services.intake.quarantine import Quarantine
from shared.services.operator.parked import Parked
from shared.services.records.due import DueMarks
from shared.services.records.held import Held
from shared.services.records.lease import Lease

# Where function_app.py takes notifications in: subscriptions that send elsewhere are none of ours.
HOOKS_PATH = "/api/hooks"


class Repair:
    """The timer's work."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        signals: Queue,
        due: DueMarks,
        lease: Lease,
        azure_devops: AzureDevOps,
        targets: Iterable[Target],
        hooks: Iterable[Hooks],
        parked: Parked,
        quarantine: Quarantine,
        follow: Callable[[], Follow],
        clock: Clock,
        replay: bool = False,
        suspended: bool = False,
    ) -> None:
        self._ledger = ledger
        self._signals = signals
        self._due = due
        self._lease = lease
        self._clock = clock
        self._azure_devops = azure_devops
        self._targets = tuple(targets)
        self._hooks = tuple(hooks)
        self._follow = follow
        self._held = Held(ledger)
        self._parked = parked
        self._quarantine = quarantine
        self._replay = replay
        self._suspended = suspended

    def run(self) -> None:
        """Everything the timer does; nothing while suspended. What cannot be done keeps nothing else from being done.

        Raises:
            RebuilderError: the first problem, after everything else.
        """
        if self._suspended:
            return
        problems = []
        until = self._clock.now() + TURN_TIME
        steps = (
            self._read_change_logs,
            self._wake,
            self._report_hooks,
            self._parked.clear,
            self._quarantine.expire,
            self._count_parked,
            lambda: self._follow_runs(until),  # takes what time is left
        )
        for work in steps:
            try:
                work()
            except RebuilderError as problem:
                problems.append(problem)
        if problems:
            raise problems[0]

    def _read_change_logs(self) -> None:
        self.read_change_logs(Source.TIMER)

    def read_change_logs(self, source: Source) -> None:
        """Signal every version that was published to a watched feed since the last look.

        Raises:
            Transient: a service does not answer; the other feeds were read.
        """
        later: Transient | None = None
        for target in self._targets:
            for feed in target.feeds:
                try:
                    self._read_change_log(target, feed, source)
                except Transient as problem:
                    later = later or problem
                except Permanent as problem:
                    alert("change_log_not_read", target=target.name, feed=feed, why=problem)
        if later:
            raise later

    def _read_change_log(self, target: Target, feed: FeedName, source: Source) -> None:
        key = feed_key(target.name, feed)
        entry = self._ledger.read(key)
        service = self._azure_devops.feed(target, feed)
        if entry is None:
            # Nobody is surprised: the past of a feed is played back on the first day only if somebody wants that.
            entry = FeedEntry(0 if self._replay else service.latest_token())
            self._ledger.create(key, entry)
            event("change_log_begun", target=target.name, feed=feed, token=entry.token)
            if not self._replay:
                return
        for _ in range(CHANGE_PAGES):
            token = entry.token
            page = service.changes(token)
            foreign = []
            for change in page.items:
                if not is_ours(self._azure_devops, target, change.upstream):
                    foreign.append(change)
                else:
                    signal = ReleaseSignal(str(feed), change.name, change.version, source, target=target.name)
                    self._signals.send(messages.encode(signal))
            alert_foreign(target, feed, service, foreign)
            if page.token > token:
                # Only now: a crash before this line repeats signals and loses none.
                entry = self._ledger.update(key, lambda e, page=page: FeedEntry(max(page.token, e.token if e else 0)))  # type: ignore[misc]
                event("change_log_read", target=target.name, feed=feed, changes=len(page.items), token=page.token)
            if entry is None or not page.more or page.token <= token:
                return

    def _wake(self) -> None:
        """Wake targets whose work stands still: a message was lost, or its target was not configured for a while.

        Raises:
            RebuilderError: the first target's problem; the others were looked at.
        """
        problems = []
        for target in self._targets:
            try:
                self._look(target)
                if self._stands_still(target):
                    self._due.wake(target.name)
                    event("target_woken", target=target.name)
            except RebuilderError as problem:
                problems.append(problem)
        if problems:
            raise problems[0]

    def _look(self, target: Target) -> None:
        """Have what is held looked at again, if it may come out otherwise now."""
        if not self._ledger.held(target.name):
            return
        if look := self._held.look(target.name, self._azure_devops.repository(target).tip(), self._clock.now()):
            self._due.mark(target.name, look)

    def _stands_still(self, target: Target) -> bool:
        """Tell whether something has been due, or has had the lease, for longer than any pause."""
        lease = self._lease.present(target.name)
        if lease and lease.plan:
            rebuild = self._ledger.readable(rebuild_key(target.name, lease.plan))
            since = rebuild.history[-1].at if rebuild and rebuild.history else lease.since
        elif (oldest := self._due.oldest(target.name)) is not None:
            since = oldest
        else:
            return False
        return self._clock.now() - since > STANDSTILL

    def _follow_runs(self, until: datetime) -> None:
        """Look at runs whose end no hook told; Azure ML's SDK is loaded only if there are some."""
        if any(self._ledger.following(target.name) for target in self._targets):
            self._follow().all(until)

    def _report_hooks(self) -> None:
        """Tell of our subscriptions that are off, or tried now and then only; switching them on is not our right."""
        for hooks in self._hooks:
            try:
                for subscription in hooks.subscriptions():
                    mine = urlsplit(subscription.url or "").path == HOOKS_PATH
                    if not mine or subscription.status == "enabled":
                        continue
                    fact = "hook_on_probation" if subscription.status == "onProbation" else "hook_is_off"
                    alert(fact, subscription=subscription.id, event=subscription.event, status=subscription.status)
            except Permanent as problem:
                event("hooks_not_readable", why=problem)

    def _count_parked(self) -> None:
        """Say how much is parked. Each thing was an alert of its own when it was parked, and is none again."""
        parked, quarantined = self._parked.count(), self._quarantine.count()
        if parked or quarantined:
            event("parked_count", parked=parked, quarantined=quarantined)
