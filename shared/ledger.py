"""The ledger: the blobs that remember releases, rebuilds and what each environment carries.

| key | holds |
| --- | --- |
| `{target}/releases/{feed}/{package}/{version}.json` | `ReleaseEntry` |
| `{target}/waiting/{since}/{feed}/{package}/{version}.json` | a mark: the release waits for a plan since then |
| `{target}/held/{until}/{feed}/{package}/{version}.json` | a mark: what is held of the release is planned again |
| `{target}/look.json` | `LookEntry`: when all that is held was planned last, and against which commit |
| `{target}/plans/{plan}.json` | `Plan`, never changed |
| `{target}/rebuilds/{plan}.json` | `RebuildEntry` |
| `{target}/following/{plan}.json` | a mark: the rebuild's runs are not over |
| `{target}/turn.json` | `TurnEntry`: the rebuild that holds the target's turn |
| `{target}/environments/{path}.json` | `CarriedEntry` |
| `{target}/metadata/{feed}/{package}/{version}.json` | `MetadataEntry`: what a version requires, never changed |
| `{target}/feeds/{feed}.json` | `FeedEntry`: how far its change log is read |
| `{target}/parked/{id}.json` | `ParkedEntry`: what was given up, and what takes it up again |

In a container of its own, `quarantine`:

| key | holds |
| --- | --- |
| `{day}/{digest}.json` | `QuarantinedEntry`: what came from outside and could not be read |

Every key of the ledger begins with its target (`_` where there is none), and each part of every key is quoted, so no
name can leave its place.
A damaged entry is never overwritten and stops only what it concerns. Both it and stray blobs are reported once.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any
from urllib.parse import quote, unquote

from shared.domain.planning.plan import Plan
from shared.domain.records.environment_record import EnvironmentRecord
from shared.domain.records.rebuilds import RebuildEntry
from shared.domain.records.release_entry import ReleaseEntry
from shared.domain.releases import FeedName, ReleaseId
from shared.domain.states import ReleaseState
from shared.errors import DamagedEntry, InvalidInput, NotKnown, StateChanged
from shared.ledger_format import decoded, encoded
from shared.limits import SWAP_ATTEMPTS
from shared.log import alert
from shared.ports import LedgerStore

_MOMENT = "%Y%m%dT%H%M%S.%fZ"


@dataclass(frozen=True, slots=True)
class TurnEntry:
    """Which rebuild holds the target's turn; None while nobody does."""

    rebuild: str | None = None


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """How far a feed's change log is read for a target."""

    token: int


@dataclass(frozen=True, slots=True)
class MetadataEntry:
    """What a version requires, read from its wheel once."""

    requires_python: str | None
    requires: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ParkedMessage:
    """A message as its queue takes it."""

    queue: str
    text: str


@dataclass(frozen=True, slots=True)
class ParkedEntry:
    """Something that was given up, until a person releases it.

    Attributes:
        at: when it was parked, the last time.
        why: what was in the way.
        what: what it concerns, for a person.
        messages: what takes it up again.
        releases: the releases that are `parked` because of it.
        rebuild: the rebuild that is. Once nothing of this waits to be taken up, the entry is out of date.
    """

    at: datetime
    why: str
    what: str
    messages: tuple[ParkedMessage, ...]
    releases: tuple[ReleaseId, ...] = ()
    rebuild: str | None = None


@dataclass(frozen=True, slots=True)
class QuarantinedEntry:
    r"""Something from outside that could not be read, for a person to look at.

    Attributes:
        at: when it arrived, the first time of its day.
        why: what is wrong with it.
        size: bytes of the whole.
        body: its beginning; bytes that are no UTF-8 are written as `\xff`.
    """

    at: datetime
    why: str
    size: int
    body: str


@dataclass(frozen=True, slots=True, order=True)
class WaitingEntry:
    """A release that is confirmed and not planned yet, and since when."""

    since: datetime
    release: ReleaseId


class Until(StrEnum):
    """What may let a release go on that is held for an environment."""

    RELEASES = "releases"  # or anything else
    REPOSITORY = "repository"  # its rules and files alone
    COMMIT = "commit"  # likewise, and nothing can change before the branch moves


@dataclass(frozen=True, slots=True, order=True)
class HeldEntry:
    """A release that a plan held for some environment, for a reason that may pass."""

    until: Until
    release: ReleaseId


@dataclass(frozen=True, slots=True)
class LookEntry:
    """When all that is held was planned last, and against which commit."""

    at: datetime
    commit: str


@dataclass(frozen=True, slots=True)
class FollowingEntry:
    """A rebuild whose runs are not over."""

    rebuild: str


@dataclass(frozen=True, slots=True)
class Key[E]:
    """The place of one entry, and what kind of entry it is."""

    path: str
    kind: type[E]


def release_key(target: str, release: ReleaseId) -> Key[ReleaseEntry]:
    """The entry of a release."""
    return Key(_path(target, "releases", release.feed, release.package, release.version), ReleaseEntry)


def waiting_key(target: str, waiting: WaitingEntry) -> Key[WaitingEntry]:
    """The mark of a release that waits to be planned; marks lie in the order of time."""
    since, release = waiting.since.astimezone(UTC).strftime(_MOMENT), waiting.release
    return Key(_path(target, "waiting", since, release.feed, release.package, release.version), WaitingEntry)


def held_key(target: str, held: HeldEntry) -> Key[HeldEntry]:
    """The mark of a release that is planned again."""
    release = held.release
    return Key(_path(target, "held", held.until, release.feed, release.package, release.version), HeldEntry)


def look_key(target: str) -> Key[LookEntry]:
    """The last plan of all that is held."""
    return Key(_path(target, "look"), LookEntry)


def plan_key(target: str, plan: str) -> Key[Plan]:
    """A plan."""
    return Key(_path(target, "plans", plan), Plan)


def rebuild_key(target: str, rebuild: str) -> Key[RebuildEntry]:
    """A rebuild."""
    return Key(_path(target, "rebuilds", rebuild), RebuildEntry)


def following_key(target: str, rebuild: str) -> Key[FollowingEntry]:
    """The mark of a rebuild whose runs are not over."""
    return Key(_path(target, "following", rebuild), FollowingEntry)


def turn_key(target: str) -> Key[TurnEntry]:
    """The target's turn."""
    return Key(_path(target, "turn"), TurnEntry)


def carried_key(target: str, path: str) -> Key[EnvironmentRecord]:
    """What an environment carries."""
    return Key(_path(target, "environments", path), EnvironmentRecord)


def feed_key(target: str, feed: FeedName) -> Key[FeedEntry]:
    """How far a feed's change log is read."""
    return Key(_path(target, "feeds", str(feed)), FeedEntry)


def metadata_key(target: str, release: ReleaseId) -> Key[MetadataEntry]:
    """What a version requires."""
    return Key(_path(target, "metadata", release.feed, release.package, release.version), MetadataEntry)


def parked_key(target: str, parked: str) -> Key[ParkedEntry]:
    """Something that was given up."""
    return Key(_path(target, "parked", parked), ParkedEntry)


def quarantined_key(day: date, digest: str) -> Key[QuarantinedEntry]:
    """Something that could not be read."""
    return Key(_path(day.isoformat(), digest), QuarantinedEntry)


def _path(*parts: str) -> str:
    return "/".join(quote(part, safe="") for part in parts) + ".json"


class Ledger:
    """Reads and writes entries; every change is a compare-and-swap."""

    def __init__(self, store: LedgerStore) -> None:
        self._store = store
        self._reported: set[str] = set()

    def read[E](self, key: Key[E]) -> E | None:
        """Return an entry, or None if there is none.

        Raises:
            DamagedEntry: it is of another schema, or damaged.
        """
        stored = self._store.read(key.path)
        return decoded(key.path, key.kind, stored.raw) if stored else None

    def readable[E](self, key: Key[E]) -> E | None:
        """Return an entry, or None if there is none or it is damaged, which is reported."""
        with self.passing_over_damage():
            return self.read(key)
        return None

    def get[E](self, key: Key[E]) -> E:
        """Return an entry that has to be there.

        Raises:
            NotKnown: there is none.
        """
        entry = self.read(key)
        if entry is None:
            raise NotKnown(f"the ledger has no {key.path}")
        return entry

    def create[E](self, key: Key[E], entry: E) -> bool:
        """Create an entry if there is none yet; tells whether it did."""
        try:
            self._store.create(key.path, encoded(key.kind, entry))
        except StateChanged:
            return False
        return True

    def update[E](self, key: Key[E], change: Callable[[E | None], E | None]) -> E | None:
        """Change an entry as its present content demands, and return what it holds afterwards.

        Args:
            key: the entry.
            change: gets the present entry (None if there is none) and returns the new one, or None or the same
                to leave it as it is. It may be called several times.

        Raises:
            StateChanged: others were faster again and again.
        """
        for _ in range(SWAP_ATTEMPTS):
            stored = self._store.read(key.path)
            present = decoded(key.path, key.kind, stored.raw) if stored else None
            wanted = change(present)
            if wanted is None or wanted == present:
                return present
            try:
                if stored is None:
                    self._store.create(key.path, encoded(key.kind, wanted))
                else:
                    self._store.replace(key.path, encoded(key.kind, wanted), stored.etag)
            except StateChanged:
                continue
            return wanted
        raise StateChanged(f"{key.path} is changed by others all the time; it is tried again later")

    def change[E](self, key: Key[E], known: E, change: Callable[[E], E]) -> E:
        """Change an entry that is there.

        Args:
            key: the entry.
            known: how it was read; where somebody has deleted it since, this is changed and written.
            change: as for `update`.

        Raises:
            StateChanged: others were faster again and again.
        """
        return self.update(key, lambda present: change(present or known)) or known

    def delete(self, key: Key[Any]) -> None:
        """Delete an entry, if it is there."""
        self._store.delete(key.path)

    def discard[E](self, key: Key[E], entry: E) -> bool:
        """Delete an entry if it is still as it was read; tells whether it did."""
        stored = self._store.read(key.path)
        if stored is None or decoded(key.path, key.kind, stored.raw) != entry:
            return False
        try:
            self._store.delete(key.path, stored.etag)
        except StateChanged:
            return False
        return True

    @contextmanager
    def passing_over_damage(self) -> Iterator[None]:
        """Leave the rest of the block out where it needs a damaged entry, which is reported."""
        try:
            yield
        except DamagedEntry as problem:
            self._report("ledger_damaged", problem.path, str(problem))

    def waiting(self, target: str) -> list[WaitingEntry]:
        """The releases of a target that wait to be planned, those that wait for longest first."""
        return list(self._listed(_waiting, lambda entry: waiting_key(target, entry), target, "waiting"))

    def waits(self, entry: ReleaseEntry) -> bool:
        """Whether a release waits to be planned for all environments, whatever else a person asks for."""
        if entry.state is not ReleaseState.CONFIRMED or entry.waiting_since is None:
            return False
        # That the mark is there is all it says.
        return self._store.read(waiting_key(entry.target, WaitingEntry(entry.waiting_since, entry.id)).path) is not None

    def held(self, target: str) -> list[HeldEntry]:
        """The releases of a target that are planned again."""
        return list(self._listed(_held, lambda entry: held_key(target, entry), target, "held"))

    def following(self, target: str) -> list[str]:
        """The rebuilds of a target whose runs are not over."""
        return list(self._listed(str, lambda rebuild: following_key(target, rebuild), target, "following"))

    def parked(self, target: str) -> list[str]:
        """What was given up for a target."""
        return list(self._listed(str, lambda parked: parked_key(target, parked), target, "parked"))

    def quarantined(self) -> list[tuple[date, str]]:
        """What is in quarantine: day of arrival and digest."""
        return list(self._listed(_quarantined, lambda found: quarantined_key(*found)))

    def _listed[E](self, made: Callable[..., E], key: Callable[[E], Key[Any]], *prefix: str) -> Iterator[E]:
        """Yield what is `made` of the parts of each key below a prefix, if that is the `key` of what was made."""
        start = "".join(quote(part, safe="") + "/" for part in prefix)
        for path in self._store.keys(start):
            parts = [unquote(part) for part in path.removeprefix(start).removesuffix(".json").split("/")]
            # TypeError: more or fewer parts than such a key has.
            with suppress(InvalidInput, ValueError, TypeError):
                entry = made(*parts)
                if key(entry).path == path:
                    yield entry
                    continue
            self._report("ledger_stray", path, "it is no entry of the ledger and passed over")

    def _report(self, fact: str, path: str, why: str) -> None:
        if path not in self._reported:
            self._reported.add(path)
            alert(fact, key=path, why=why)


def _waiting(since: str, feed: str, name: str, version: str) -> WaitingEntry:
    moment = datetime.strptime(since, _MOMENT).replace(tzinfo=UTC)
    return WaitingEntry(moment, ReleaseId.of(feed, name, version))


def _held(until: str, feed: str, name: str, version: str) -> HeldEntry:
    return HeldEntry(Until(until), ReleaseId.of(feed, name, version))


def _quarantined(day: str, digest: str) -> tuple[date, str]:
    return date.fromisoformat(day), digest
