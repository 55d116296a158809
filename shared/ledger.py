"""Reads and writes the ledger's entries (`shared.ledger_entries`); every change is a compare-and-swap."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import quote, unquote

from shared.domain.due import Due, DueEnvironment, DueLook, DueRelease, DueRerun
from shared.domain.records.held import HeldEntry, Until
from shared.domain.releases import ReleaseId
from shared.errors import DamagedEntry, InvalidInput, NotKnown, StateChanged
from shared.ledger_entries import MOMENT, Key, due_key, following_key, held_key, parked_key, place, quarantined_key
from shared.ledger_format import decoded, encoded
from shared.limits import SWAP_ATTEMPTS
from shared.log import alert
from shared.ports import LedgerStore


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

    def holds(self, key: Key[Any]) -> bool:
        """Tell whether there is an entry, readable or not."""
        return self._store.read(key.path) is not None

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

    def discard[E](self, key: Key[E], if_: Callable[[E], bool]) -> bool:
        """Delete an entry if its present content allows that and does not change meanwhile; tells whether it did."""
        stored = self._store.read(key.path)
        if stored is None or not if_(decoded(key.path, key.kind, stored.raw)):
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

    def due(self, target: str) -> list[Due]:
        """What a target has to do; the releases in the order of time."""
        return list(
            self._listed(lambda *parts: self._mark(target, *parts), lambda m: due_key(target, m), target, "due")
        )

    def _mark(self, target: str, kind: str, *parts: str) -> Due:
        match kind, parts:
            # What these say is all in their keys: there may be thousands, and listing them is one request.
            case "release", (since, *release):
                return DueRelease(ReleaseId.of(*release), _read_moment(since))
            case "look", (hour, commit):
                return DueLook(_read_moment(hour), commit)
            case "rerun", _:
                return self.get(Key(place(target, "due", kind, *parts), DueRerun))
            case "environment", _:
                return self.get(Key(place(target, "due", kind, *parts), DueEnvironment))
        raise InvalidInput(f"no mark is of the kind {kind!r}")

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
            try:
                entry = made(*parts)
                if key(entry).path == path:
                    yield entry
                    continue
            except (InvalidInput, ValueError, TypeError):
                pass
            except NotKnown:
                continue  # somebody has deleted it since it was listed
            except DamagedEntry as problem:
                self._report("ledger_damaged", path, str(problem))
                continue
            self._report("ledger_stray", path, "it is no entry of the ledger and passed over")

    def _report(self, fact: str, path: str, why: str) -> None:
        if path not in self._reported:
            self._reported.add(path)
            alert(fact, key=path, why=why)


def _read_moment(text: str) -> datetime:
    return datetime.strptime(text, MOMENT).replace(tzinfo=UTC)


def _held(until: str, feed: str, name: str, version: str) -> HeldEntry:
    return HeldEntry(Until(until), ReleaseId.of(feed, name, version))


def _quarantined(day: str, digest: str) -> tuple[date, str]:
    return date.fromisoformat(day), digest
