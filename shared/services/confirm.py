"""Confirms a release: the signal is a hint, the feed is the truth.

Look into the ledger and on the feed, record what is there, wake the target.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta

from shared import messages
from shared.domain.records.release_entry import ReleaseEntry
from shared.domain.releases import FeedName, Release, ReleaseId, version_of
from shared.domain.signals import ReleaseSignal
from shared.domain.states import ReleaseState
from shared.domain.targets import Target
from shared.errors import Conflict, Permanent, RebuilderError, Transient
from shared.ledger import Ledger, release_key
from shared.limits import FEED_PATIENCE
from shared.log import alert, event
from shared.ports import Clock, FeedVersion, Queue, Services
from shared.services.notifications import looks_like_guid
from shared.services.parking import Parking
from shared.services.rerun import is_planned
from shared.services.sources import is_ours
from shared.services.waking import Waking


class NotVisibleYet(Transient):
    """The feed does not show the version yet: it is looked for again later."""


@dataclass(frozen=True, slots=True)
class _Refusal:
    """Why a version on the feed is not a release of ours.

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
        rebuilds: Queue,
        services: Services,
        targets: Iterable[Target],
        parking: Parking,
        clock: Clock,
        settle_time: timedelta,
    ) -> None:
        self._ledger = ledger
        self._rebuilds = rebuilds
        self._services = services
        self._targets = tuple(targets)
        self._parking = parking
        self._clock = clock
        self._waking = Waking(ledger=ledger, rebuilds=rebuilds, clock=clock, settle_time=settle_time)

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
            return next((f for f in target.feeds if self._services.feed(target, f).id().casefold() == wanted), None)
        return target.feed(text)

    def _confirm(self, target: Target, feed: FeedName, signal: ReleaseSignal) -> None:
        release = ReleaseId.of(str(feed), signal.name, signal.version)
        key = release_key(target.name, release)
        entry = self._ledger.read(key)
        if entry is None:
            entry = ReleaseEntry.new(target.name, release, signal.source, self._clock.now())
            if not self._ledger.create(key, entry):
                entry = self._ledger.get(key)
            event("release_signalled", target=target.name, release=release, source=signal.source)
        if signal.attempt and is_planned(self._ledger, entry, signal.attempt, signal.environments):
            event("rerun_known", target=target.name, release=release, attempt=signal.attempt)
            self._wake(entry, signal)  # the rebuild may have been cut short
            return
        found = self._look(target, feed, release, entry, signal)
        if found is None:
            self._not_visible(entry, signal)
            return
        confirmed = self._record(entry, found, signal)
        if confirmed.state is ReleaseState.CONFIRMED:
            self._wake(confirmed, signal)

    def _look(
        self, target: Target, feed: FeedName, release: ReleaseId, entry: ReleaseEntry, signal: ReleaseSignal
    ) -> Release | _Refusal | None:
        try:
            found = self._services.feed(target, feed).version(release.package, release.version)
        except Permanent as problem:
            if entry.state is ReleaseState.SIGNALLED:
                self._parking.release(entry, str(problem), signal)
                alert("release_parked", target=target.name, release=release, why=problem)
            raise
        return _judged(release, found, ours=is_ours(self._services, target, found.upstream)) if found else None

    def _record(self, entry: ReleaseEntry, found: Release | _Refusal, signal: ReleaseSignal) -> ReleaseEntry:
        """Write down what the feed says, if that is news."""
        now = self._clock.now()
        by_hand = bool(signal.attempt)

        def change(present: ReleaseEntry) -> ReleaseEntry:
            if isinstance(found, _Refusal):
                if present.state is ReleaseState.SIGNALLED or present.state is ReleaseState.CONFIRMED:
                    return present.refused(found.reason, now)
                if present.state is ReleaseState.PARKED:
                    return present.signalled_again(signal.source, now).refused(found.reason, now)
                if signal.attempt:
                    return present.noted(f"rerun {signal.attempt} not done: {found.reason}", now)
                return present
            match present.state:
                case ReleaseState.SIGNALLED:
                    return present.confirmed(found, now, by_hand=by_hand)
                case ReleaseState.REFUSED | ReleaseState.PARKED:
                    return present.signalled_again(signal.source, now).confirmed(found, now, by_hand=by_hand)
                case ReleaseState.SETTLED | ReleaseState.PLANNED if signal.attempt:
                    # Another worker may have planned it meanwhile: no turn would take it from `confirmed` again.
                    known = is_planned(self._ledger, present, signal.attempt, signal.environments)
                    return present if known else present.confirmed(found, now, by_hand=by_hand)
                case ReleaseState.CONFIRMED:
                    return present if present.release == found else present.reread(found, now)
                case _ if present.whole and present.release and _brings_nothing(present.release, found):
                    return present
                case ReleaseState.SETTLED:
                    # A view or a file came: it may go on where it was held. Or a person was quicker than who tells of
                    # it, and it was rebuilt for some environments alone: now it is the others' turn.
                    return present.confirmed(found, now, by_hand=by_hand)
                case _:
                    return present.reread(found, now)

        changed = self._change(entry, change)
        if changed.state is ReleaseState.REFUSED and changed != entry:
            alert("release_refused", target=entry.target, release=entry.id, why=changed.reason)
            if isinstance(found, _Refusal) and found.source:
                alert("foreign_version", target=entry.target, release=entry.id, source=found.source)
        elif changed.state is ReleaseState.CONFIRMED and changed != entry:
            event("release_confirmed", target=entry.target, release=entry.id)
        return changed

    def _not_visible(self, entry: ReleaseEntry, signal: ReleaseSignal) -> None:
        now = self._clock.now()
        if entry.state is ReleaseState.PARKED and not signal.tries:
            entry = self._change(entry, lambda e: e.signalled_again(signal.source, now))
        if entry.state is not ReleaseState.SIGNALLED:
            what = "the feed does not show it any more"
            if signal.attempt:
                self._change(entry, lambda e: e.noted(f"rerun {signal.attempt} not done: {what}", now))
            alert("release_not_visible", target=entry.target, release=entry.id, state=entry.state)
            return
        if now - entry.history[-1].at < FEED_PATIENCE:
            raise NotVisibleYet(f"feed {entry.id.feed} does not show {entry.id.package} {entry.id.version} yet")
        reason = f"feed {entry.id.feed} did not show it within {int(FEED_PATIENCE.total_seconds() // 60)} minutes"
        self._parking.release(entry, reason, signal)
        alert("release_parked", target=entry.target, release=entry.id, why=reason)

    def _wake(self, entry: ReleaseEntry, signal: ReleaseSignal) -> None:
        """Tell the target, after the settle time: what arrives until then is planned together."""
        if signal.attempt:
            rerun = messages.Rerun(entry.id, signal.attempt, signal.environments)
            self._rebuilds.send(messages.encode(messages.Turn(entry.target, rerun)))
            return
        self._waking.wake(entry)

    def _change(self, entry: ReleaseEntry, change: Callable[[ReleaseEntry], ReleaseEntry]) -> ReleaseEntry:
        return self._ledger.change(release_key(entry.target, entry.id), entry, change)


def _judged(release: ReleaseId, found: FeedVersion, *, ours: bool) -> Release | _Refusal:
    if found.deleted:
        return _Refusal("deleted from the feed")
    if found.upstream and not ours:
        source = found.upstream.name
        return _Refusal(f"not published to this feed: it comes from {source}", source if found.beside_own else None)
    return Release(release, str(version_of(found.version)), tuple(sorted(found.files)), tuple(sorted(found.views)))


def _brings_nothing(known: Release, found: Release) -> bool:
    """Whether the feed has no more than before: what it takes away changes nothing that was planned."""
    return set(found.views) <= set(known.views) and set(found.files) <= set(known.files)
