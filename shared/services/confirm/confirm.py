"""Confirms a release: the signal is a hint, the feed is the truth.

Look into the ledger and on the feed, record what is there, mark the release due.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from shared.domain.due import DueRerun
from shared.domain.notifications import looks_like_guid
from shared.domain.records.release_entry import ReleaseEntry
from shared.domain.releases import FeedName, Release, ReleaseId, version_of
from shared.domain.signals import ReleaseSignal
from shared.domain.states import ReleaseState
from shared.domain.targets import Target
from shared.errors import Conflict, Permanent, RebuilderError, Transient
from shared.ledger import Ledger
from shared.ledger_entries import release_key
from shared.limits import FEED_PATIENCE
from shared.log import alert, event
from shared.ports import AzureDevOps, Clock, FeedVersion
from shared.services.confirm.provenance import is_ours
from shared.services.operator.requeue import Requeue
from shared.services.records.due import DueMarks
from shared.services.records.park import Park


class NotVisibleYet(Transient):
    """The feed does not show the version yet: it is looked for again later."""


@dataclass(frozen=True, slots=True)
class _Refusal:
    """Say why a version on the feed is not a release of ours.

    Attributes:
        reason: for a person.
        source: where it came from, if the feed has versions of its own of this package.
    """

    reason: str
    source: str | None = None


class Confirm:
    """Brings a release from `signalled` to `confirmed`, `refused` or `parked`, for each target that watches it."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        due: DueMarks,
        park: Park,
        requeue: Requeue,
        azure_devops: AzureDevOps,
        targets: Iterable[Target],
        clock: Clock,
    ) -> None:
        self._ledger = ledger
        self._due = due
        self._park = park
        self._requeue = requeue
        self._azure_devops = azure_devops
        self._targets = tuple(targets)
        self._clock = clock

    def release(self, signal: ReleaseSignal) -> None:
        """Confirm what a signal hints at.

        Raises:
            NotVisibleYet: some target's feed does not show the version.
            RebuilderError: a service does not answer, or refuses. In both cases the other targets are dealt with.
        """
        problems: list[RebuilderError] = []
        watched = False
        for target in self._targets:
            if signal.target not in (None, target.name):
                continue
            try:
                feed = self._feed_of(target, signal.feed)
                if feed is None:
                    continue
                watched = True
                self._confirm(target, feed, signal)
            except RebuilderError as problem:
                watched = True
                problems.append(problem)
        if not watched:
            event("signal_ignored", feed=signal.feed, why="no target watches this feed")
        if problems:
            # One that may work later counts most: the signal comes again, and finds done what is done.
            raise next((p for p in problems if isinstance(p, Transient | Conflict)), problems[0])

    def _feed_of(self, target: Target, text: str) -> FeedName | None:
        if looks_like_guid(text):
            wanted = text.strip().casefold()
            return next((f for f in target.feeds if self._azure_devops.feed(target, f).id().casefold() == wanted), None)
        return target.feed(text)

    def _confirm(self, target: Target, feed: FeedName, signal: ReleaseSignal) -> None:
        release = ReleaseId.of(str(feed), signal.name, signal.version)
        key = release_key(target.name, release)
        entry = self._ledger.read(key)
        if entry is None:
            entry = ReleaseEntry.new(target.name, release, signal.source, self._clock.now())
            if self._ledger.create(key, entry):
                event("release_signalled", target=target.name, release=release, source=signal.source)
            else:
                entry = self._ledger.get(key)
        rerun = _rerun(release, signal)
        if rerun and not entry.is_open(rerun):
            event("rerun_known", target=target.name, release=release, number=signal.rerun)
            return
        if signal.published and not rerun and self._due.settles(entry):
            self._due.mark_release(entry)  # whoever confirmed it may have died before
            return
        try:
            found = self._look(target, feed, release)
        except Permanent as problem:
            self._park.release(target.name, release, str(problem), signal)
            return
        marks = [rerun] if rerun and isinstance(found, Release) else []
        if entry.state is ReleaseState.PARKED and entry.rebuild:
            self._requeue.rebuild(target, entry.rebuild, marks)  # who tells of it again asks for its rebuild
            entry = self._ledger.get(key)
        if found is None:
            self._not_visible(entry, signal)
            return
        confirmed = self._record(entry, found, signal)
        self._due.mark_release(confirmed)
        self._due.mark(target.name, *marks)

    def _look(self, target: Target, feed: FeedName, release: ReleaseId) -> Release | _Refusal | None:
        found = self._azure_devops.feed(target, feed).version(release.package, release.version)
        return _judged(release, found, ours=is_ours(self._azure_devops, target, found.upstream)) if found else None

    def _record(self, entry: ReleaseEntry, found: Release | _Refusal, signal: ReleaseSignal) -> ReleaseEntry:
        """Write down what the feed says, if that is news."""
        now, before = self._clock.now(), entry

        def change(present: ReleaseEntry) -> ReleaseEntry:
            nonlocal before
            before = present  # another worker may have been faster: then it is no news
            if isinstance(found, _Refusal):
                return present.not_ours(found.reason, signal.source, now, rerun=signal.rerun)
            return present.read_back(found, signal.source, now, by_hand=bool(signal.rerun))

        changed = self._change(entry, change)
        if changed.state is ReleaseState.REFUSED and changed != before:
            alert("release_refused", target=entry.target, release=entry.id, why=changed.reason)
            if isinstance(found, _Refusal) and found.source:
                alert("foreign_version", target=entry.target, release=entry.id, source=found.source)
        elif changed.state is ReleaseState.CONFIRMED and changed != before:
            event("release_confirmed", target=entry.target, release=entry.id)
        return changed

    def _not_visible(self, entry: ReleaseEntry, signal: ReleaseSignal) -> None:
        now = self._clock.now()
        if entry.state is ReleaseState.PARKED and not signal.tries:
            entry = self._change(entry, lambda e: e.signalled_again(signal.source, now))
        if entry.state is not ReleaseState.SIGNALLED:
            what = "the feed does not show it any more"
            if signal.rerun:
                self._change(entry, lambda e: e.noted(f"rerun {signal.rerun} not done: {what}", now))
            alert("release_not_visible", target=entry.target, release=entry.id, state=entry.state)
            return
        if now - entry.history[-1].at < FEED_PATIENCE:
            raise NotVisibleYet(f"feed {entry.id.feed} does not show {entry.id.package} {entry.id.version} yet")
        reason = f"feed {entry.id.feed} did not show it within {int(FEED_PATIENCE.total_seconds() // 60)} minutes"
        self._park.release(entry.target, entry.id, reason, signal)

    def _change(self, entry: ReleaseEntry, change: Callable[[ReleaseEntry], ReleaseEntry]) -> ReleaseEntry:
        return self._ledger.change(release_key(entry.target, entry.id), entry, change)


def _judged(release: ReleaseId, found: FeedVersion, *, ours: bool) -> Release | _Refusal:
    if found.deleted:
        return _Refusal("deleted from the feed")
    if found.upstream and not ours:
        source = found.upstream.name
        return _Refusal(f"not published to this feed: it comes from {source}", source if found.beside_own else None)
    return Release(release, str(version_of(found.version)), tuple(sorted(found.files)), tuple(sorted(found.views)))


def _rerun(release: ReleaseId, signal: ReleaseSignal) -> DueRerun | None:
    return DueRerun(release, signal.rerun, signal.environments) if signal.rerun else None
