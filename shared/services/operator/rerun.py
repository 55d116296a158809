"""A person asks for a release to be rebuilt again."""

from collections.abc import Iterable
from dataclasses import dataclass

from shared import messages
from shared.domain.records.release_entry import ReleaseEntry
from shared.domain.releases import ReleaseId
from shared.domain.signals import ReleaseSignal, Source
from shared.domain.states import RebuildState
from shared.domain.targets import Target
from shared.errors import Busy, InvalidInput, NotKnown
from shared.ledger import Ledger
from shared.ledger_entries import rebuild_key, release_key
from shared.log import event
from shared.ports import Queue


@dataclass(frozen=True, slots=True)
class Accepted:
    """A rerun that will be done.

    Attributes:
        target: for which target.
        release: of which release.
        number: its number; asking twice for the same before it began is one rerun.
    """

    target: str
    release: ReleaseId
    number: int


class Reruns:
    """Checks a wish and enqueues it."""

    def __init__(self, *, ledger: Ledger, signals: Queue, targets: Iterable[Target], suspended: bool) -> None:
        self._ledger = ledger
        self._signals = signals
        self._targets = tuple(targets)
        self._suspended = suspended

    def ask(
        self,
        *,
        feed: str | None,
        name: str,
        version: str,
        target: str | None = None,
        environments: tuple[str, ...] = (),
    ) -> list[Accepted]:
        """Enqueue a rerun for each target that watches the feed.

        A release that was never heard of is confirmed on the feed like any other.

        Raises:
            InvalidInput: name or version is none.
            NotKnown: no such target, or no target watches such a feed.
            Busy: it is being rebuilt right now, or work is suspended.
        """
        if self._suspended:
            raise Busy("work is suspended (REBUILDER_SUSPENDED); nothing is rebuilt until that is taken back")
        wishes = [
            (mine, ReleaseId.of(str(watched), name, version))
            for mine in self._targets
            if target in (None, mine.name)
            for watched in mine.feeds
            if feed is None or watched.answers_to(feed)
        ]
        if not wishes:
            raise NotKnown(f"no target {f'{target!r} ' if target else ''}watches {feed or 'any feed'}")
        if feed is None and len(wishes) > 1:
            known = [wish for wish in wishes if self._entry(*wish)]
            if not known:
                raise InvalidInput("several feeds are watched: say which one is meant with `feed`")
            wishes = known
        accepted = [Accepted(mine.name, release, self._number(mine, release)) for mine, release in wishes]
        for wish in accepted:
            signal = ReleaseSignal(
                wish.release.feed,
                name,
                version,
                Source.PERSON,
                target=wish.target,
                rerun=wish.number,
                environments=environments,
            )
            self._signals.send(messages.encode(signal))
            event("rerun_accepted", target=wish.target, release=wish.release, number=wish.number)
        return accepted

    def _entry(self, target: Target, release: ReleaseId) -> ReleaseEntry | None:
        return self._ledger.read(release_key(target.name, release))

    def _number(self, target: Target, release: ReleaseId) -> int:
        """The number of the next rerun of a release.

        Raises:
            Busy: its rebuild is not finished.
        """
        entry = self._entry(target, release)
        if entry is None:
            return 1
        if entry.rebuild:
            rebuild = self._ledger.read(rebuild_key(target.name, entry.rebuild))
            if rebuild and (rebuild.is_underway or rebuild.state is RebuildState.QUEUED):
                going = sum(1 for e in rebuild.environments if not e.is_settled)
                raise Busy(
                    f"{release} is being rebuilt: rebuild {rebuild.id} is {rebuild.state} "
                    f"({going} environment{'s' if going != 1 else ''})"
                )
        return entry.next_rerun
