"""Reads and writes the ledger's entries (`shared.ledger_entries`); every change is a compare-and-swap."""

from collections.abc import Callable, Iterable, Iterator, Mapping
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
from shared.limits import REMEMBERED_ENTRIES, SWAP_ATTEMPTS
from shared.log import alert
from shared.ports import LedgerStore, Stored, Write


class Ledger:
    """Reads and writes entries; every change is a compare-and-swap."""

    def __init__(self, store: LedgerStore) -> None:
        self._store = store
        self._reported: set[str] = set()
        # What was read last, for the write that may follow: not for decisions, which need what is there now.
        self._seen: dict[str, Stored | None] = {}

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

    def read_many[E](self, keys: Iterable[Key[E]]) -> dict[Key[E], E | DamagedEntry]:
        """Return those of many entries that are there; of a damaged one, what is wrong with it."""
        by_path = {key.path: key for key in keys}
        found = self._store.read_many(by_path)
        if len(self._seen) + len(by_path) > REMEMBERED_ENTRIES:
            self._seen.clear()
        self._seen.update((path, found.get(path)) for path in by_path)
        return {by_path[path]: _decoded_or_damaged(by_path[path], stored) for path, stored in found.items()}

    def readable_many[E](self, keys: Iterable[Key[E]]) -> dict[Key[E], E]:
        """Return those of many entries that are there; damaged ones are reported and left out."""
        return self._undamaged(self.read_many(keys))

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

    def update_many[E](
        self, changes: Mapping[Key[E], Callable[[E | None], E | None]], allowed: Callable[[], bool] = lambda: True
    ) -> dict[Key[E], E]:
        """Change many entries, each as `update` does, and return what those that are there hold afterwards.

        Damaged entries are reported and left as they are.

        Args:
            changes: the entries, and what each becomes.
            allowed: asked after entries are read and before they are written; if not, all stay as they are.

        Raises:
            StateChanged: others were faster again and again.
        """
        found: dict[Key[E], E | DamagedEntry | None] = {}
        left = {key.path: key for key in changes}
        seen = {path: self._seen.pop(path) for path in left if path in self._seen}
        for _ in range(SWAP_ATTEMPTS):
            stored = {**seen, **self._read(path for path in left if path not in seen)}
            unsure, writes = seen.keys(), {}
            seen = {}
            for path, key in left.items():
                blob = stored[path]
                found[key] = present = _decoded_or_damaged(key, blob) if blob else None
                change = None if isinstance(present, DamagedEntry) else changes[key](present)
                if change is not None and change != present:
                    writes[key] = change, Write(path, encoded(key.kind, change), blob.etag if blob else None)
            # What was seen earlier is good for a write, which fails if it is so no more. For leaving an entry as it is,
            # it has to be read now.
            lost = {path: key for path, key in left.items() if path in unsure and key not in writes}
            if writes and allowed():
                done = self._store.write_many(write for _, write in writes.values())
                for (key, (change, _)), was_done in zip(writes.items(), done, strict=True):
                    if was_done:
                        found[key] = change
                    else:
                        lost[key.path] = key
            left = lost
            if not left:
                break
        else:
            raise StateChanged(f"{next(iter(left))} is changed by others all the time; it is tried again later")
        return self._undamaged({key: entry for key, entry in found.items() if entry is not None})

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

    def _read(self, paths: Iterable[str]) -> dict[str, Stored | None]:
        wanted = list(paths)
        found = self._store.read_many(wanted)
        return {path: found.get(path) for path in wanted}

    def create_many[E](self, entries: Mapping[Key[E], E]) -> None:
        """Create those of many entries that are not there yet."""
        self._store.write_many(Write(key.path, encoded(key.kind, entry), None) for key, entry in entries.items())

    def discard_many(self, keys: Iterable[Key[Any]], allowed: Callable[[], bool]) -> None:
        """Delete entries that are as they were before it was asked whether that is allowed; damaged ones are reported.

        Args:
            keys: the entries.
            allowed: asked after they are read and before they are deleted.
        """
        by_path = {key.path: key for key in keys}
        stored = self._store.read_many(by_path)
        whole = self._undamaged(
            {key: _decoded_or_damaged(key, stored[path]) for path, key in by_path.items() if path in stored}
        )
        if whole and allowed():
            self._store.write_many(Write(key.path, None, stored[key.path].etag) for key in whole)

    def _undamaged[E](self, entries: Mapping[Key[E], E | DamagedEntry]) -> dict[Key[E], E]:
        whole = {}
        for key, entry in entries.items():
            if isinstance(entry, DamagedEntry):
                self._report("ledger_damaged", key.path, str(entry))
            else:
                whole[key] = entry
        return whole

    @contextmanager
    def passing_over_damage(self) -> Iterator[None]:
        """Leave the rest of the block out where it needs a damaged entry, which is reported."""
        try:
            yield
        except DamagedEntry as problem:
            self._report("ledger_damaged", problem.path, str(problem))

    def due(self, target: str) -> list[Due]:
        """What a target has to do; the releases in the order of time."""
        start, paths = self._keys(target, "due")
        read: dict[str, type[Due]] = {"rerun": DueRerun, "environment": DueEnvironment}
        kinds = {path: path.removeprefix(start).partition("/")[0] for path in paths}
        said = self.read_many(Key(path, read[kind]) for path, kind in kinds.items() if kind in read)
        return list(
            self._listed(lambda *parts: self._mark(said, target, *parts), lambda m: due_key(target, m), start, paths)
        )

    def _mark(self, said: Mapping[Key[Due], Due | DamagedEntry], target: str, kind: str, *parts: str) -> Due:
        match kind, parts:
            # What these say is all in their keys: there may be thousands, and listing them is one request.
            case "release", (since, *release):
                return DueRelease(ReleaseId.of(*release), _read_moment(since))
            case "look", (hour, commit):
                return DueLook(_read_moment(hour), commit)
            case "rerun" | "environment", _:
                path = place(target, "due", kind, *parts)
                mark = said.get(Key(path, DueRerun if kind == "rerun" else DueEnvironment))
                if isinstance(mark, DamagedEntry):
                    raise mark
                if mark is None:
                    raise NotKnown(f"the ledger has no {path}")
                return mark
        raise InvalidInput(f"no mark is of the kind {kind!r}")

    def held(self, target: str) -> list[HeldEntry]:
        """The releases of a target that are planned again."""
        return list(self._listed(_held, lambda entry: held_key(target, entry), *self._keys(target, "held")))

    def following(self, target: str) -> list[str]:
        """The rebuilds of a target whose runs are not over."""
        return list(self._listed(str, lambda rebuild: following_key(target, rebuild), *self._keys(target, "following")))

    def parked(self, target: str) -> list[str]:
        """What was given up for a target."""
        return list(self._listed(str, lambda parked: parked_key(target, parked), *self._keys(target, "parked")))

    def quarantined(self) -> list[tuple[date, str]]:
        """What is in quarantine: day of arrival and digest."""
        return list(self._listed(_quarantined, lambda found: quarantined_key(*found), *self._keys()))

    def _keys(self, *prefix: str) -> tuple[str, list[str]]:
        """Where the keys below a prefix begin, and the keys."""
        start = "".join(quote(part, safe="") + "/" for part in prefix)
        return start, list(self._store.keys(start))

    def _listed[E](
        self, made: Callable[..., E], key: Callable[[E], Key[Any]], start: str, paths: Iterable[str]
    ) -> Iterator[E]:
        """Yield what is `made` of the parts of each key after its start, if that is the `key` of what was made."""
        for path in paths:
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


def _decoded_or_damaged[E](key: Key[E], stored: Stored) -> E | DamagedEntry:
    try:
        return decoded(key.path, key.kind, stored.raw)
    except DamagedEntry as problem:
        return problem


def _read_moment(text: str) -> datetime:
    return datetime.strptime(text, MOMENT).replace(tzinfo=UTC)


def _held(until: str, feed: str, name: str, version: str) -> HeldEntry:
    return HeldEntry(Until(until), ReleaseId.of(feed, name, version))


def _quarantined(day: str, digest: str) -> tuple[date, str]:
    return date.fromisoformat(day), digest
