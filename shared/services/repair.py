"""Finds what no signal told: reads each feed's change log on from where it was left.

Also the answer to hooks that tell nothing but "something was published".
"""

from collections.abc import Callable, Iterable

from shared import messages
from shared.domain.releases import FeedName
from shared.domain.signals import ReleaseSignal, Source
from shared.domain.targets import Target
from shared.errors import Permanent
from shared.ledger import FeedEntry, Ledger, feed_key
from shared.limits import CHANGE_PAGES
from shared.log import alert, event
from shared.ports import Hooks, Queue, Services
from shared.services.follow import Follow


class Repair:
    """The timer's work."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        signals: Queue,
        services: Services,
        targets: Iterable[Target],
        hooks: Iterable[Hooks],
        follow: Callable[[], Follow],
    ) -> None:
        self._ledger = ledger
        self._signals = signals
        self._services = services
        self._targets = tuple(targets)
        self._hooks = tuple(hooks)
        self._follow = follow

    def run(self) -> None:
        """Everything the timer does. A feed that cannot be read does not keep the others from being read."""
        self.read_change_logs(Source.TIMER)
        self._follow_runs()
        self.report_hooks_that_are_off()

    def read_change_logs(self, source: Source) -> None:
        """Signal every version that was published to a watched feed since the last look.

        Raises:
            Transient: a service does not answer.
        """
        for target in self._targets:
            for feed in target.feeds:
                try:
                    self._read_change_log(target, feed, source)
                except Permanent as problem:
                    alert("change_log_not_read", target=target.name, feed=feed, why=problem)

    def _read_change_log(self, target: Target, feed: FeedName, source: Source) -> None:
        key = feed_key(target.name, feed)
        entry = self._ledger.read(key)
        service = self._services.feed(target, feed)
        if entry is None:
            # Nobody is surprised: the past of a feed is not played back on the first day.
            token = service.latest_token()
            self._ledger.create(key, FeedEntry(token))
            event("change_log_begun", target=target.name, feed=feed, token=token)
            return
        for _ in range(CHANGE_PAGES):
            token = entry.token
            page = service.changes(token)
            for change in page.items:
                if not change.upstream:
                    signal = ReleaseSignal(str(feed), change.name, change.version, source, target=target.name)
                    self._signals.send(messages.encode(signal))
            if page.token > token:
                # Only now: a crash before this line repeats signals and loses none.
                entry = self._ledger.update(key, lambda e, page=page: FeedEntry(max(page.token, e.token if e else 0)))  # type: ignore[misc]
                event("change_log_read", target=target.name, feed=feed, changes=len(page.items), token=page.token)
            if entry is None or not page.more or page.token <= token:
                return

    def _follow_runs(self) -> None:
        """Look at runs whose end no hook told; Azure ML's SDK is loaded only if there are some."""
        if any(self._ledger.following(target.name) for target in self._targets):
            self._follow().all()

    def report_hooks_that_are_off(self) -> None:
        """Tell of subscriptions that the service has switched off; switching them on is not our right."""
        for hooks in self._hooks:
            try:
                for subscription in hooks.subscriptions():
                    if subscription.status not in ("enabled", "onProbation"):
                        alert("hook_is_off", subscription=subscription.id, status=subscription.status)
            except Permanent as problem:
                event("hooks_not_readable", why=problem)
