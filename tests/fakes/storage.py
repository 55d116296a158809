"""Azure Storage in memory."""

import random
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count

from shared.errors import StateChanged
from shared.ports import Clock, Stored, Write
from tests.fakes.faults import Faulty


class MemoryLedgerStore(Faulty):
    """Blobs in a dict.

    Attributes:
        blobs: what is there, by key.
        order: draws in which order many blobs are dealt with, one after another.
    """

    def __init__(self) -> None:
        super().__init__()
        self.blobs: dict[str, Stored] = {}
        self.order = random.Random(0)
        self._etags = count(1)
        self._lock = threading.RLock()

    def read(self, key: str) -> Stored | None:
        with self._call("read"):
            return self.blobs.get(key)

    def create(self, key: str, raw: bytes) -> str:
        with self._call("create"), self._lock:
            if key in self.blobs:
                raise StateChanged(f"{key} exists already")
            return self._write(key, raw)

    def replace(self, key: str, raw: bytes, etag: str) -> str:
        with self._call("replace"), self._lock:
            present = self.blobs.get(key)
            if present is None or present.etag != etag:
                raise StateChanged(f"{key} was changed by somebody else")
            return self._write(key, raw)

    def delete(self, key: str, etag: str | None = None) -> None:
        with self._call("delete"), self._lock:
            present = self.blobs.get(key)
            if etag is not None and (present is None or present.etag != etag):
                raise StateChanged(f"{key} was changed by somebody else")
            self.blobs.pop(key, None)

    def read_many(self, keys: Iterable[str]) -> Mapping[str, Stored]:
        found = {key: self.read(key) for key in self._drawn(list(keys))}
        return {key: stored for key, stored in found.items() if stored}

    def write_many(self, writes: Iterable[Write]) -> Sequence[bool]:
        wanted = list(writes)
        done = {write.key: self._was_done(write) for write in self._drawn(wanted)}
        return [done[write.key] for write in wanted]

    def _was_done(self, write: Write) -> bool:
        try:
            if write.raw is None:
                self.delete(write.key, write.etag)
            elif write.etag is None:
                self.create(write.key, write.raw)
            else:
                self.replace(write.key, write.raw, write.etag)
        except StateChanged:
            return False
        return True

    def _drawn[I](self, items: list[I]) -> list[I]:
        return self.order.sample(items, len(items))

    def keys(self, prefix: str) -> Sequence[str]:
        with self._call("keys"):
            return sorted(key for key in self.blobs if key.startswith(prefix))

    def _write(self, key: str, raw: bytes) -> str:
        etag = f'"0x{next(self._etags):X}"'
        self.blobs[key] = Stored(raw, etag)
        return etag


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message in a queue, and from when on it is visible.

    Attributes:
        text: the message.
        visible: from when on it can be taken.
        count: how often it was taken before.
    """

    text: str
    visible: datetime
    count: int = 0


@dataclass(frozen=True, slots=True)
class Leased:
    """A message that somebody has taken and not deleted yet."""

    text: str
    count: int
    hidden: Waiting


class MemoryQueue(Faulty):
    """Messages in a list.

    Attributes:
        waiting: what is in the queue, visible or not, in the order of sending.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.waiting: list[Waiting] = []
        self._clock = clock

    def send(self, text: str, delay: timedelta = timedelta()) -> None:
        with self._call("send"):
            self.waiting.append(Waiting(text, self._clock.now() + delay))

    def receive(self) -> str | None:
        """Take the message out that has been visible for longest, if there is one."""
        first = self._first()
        return first.text if first else None

    def lease(self, length: timedelta) -> Leased | None:
        """Take that message as the platform does: it is hidden for a while, and comes again if nobody deletes it."""
        first = self._first()
        if first is None:
            return None
        hidden = Waiting(first.text, self._clock.now() + length, first.count + 1)
        self.waiting.append(hidden)
        return Leased(first.text, hidden.count, hidden)

    def done(self, leased: Leased) -> None:
        """Delete a message; nothing happens if its lease is over and it was taken again."""
        self.waiting = [message for message in self.waiting if message is not leased.hidden]

    def give_back(self, leased: Leased, pause: timedelta) -> None:
        """Let a message be visible again after a pause."""
        if any(message is leased.hidden for message in self.waiting):
            self.done(leased)
            self.waiting.append(Waiting(leased.text, self._clock.now() + pause, leased.count))

    def next_visible(self) -> datetime | None:
        """When the next message is visible, so that a test can let the clock go on until then."""
        return min((message.visible for message in self.waiting), default=None)

    def _first(self) -> Waiting | None:
        visible = [message for message in self.waiting if message.visible <= self._clock.now()]
        if not visible:
            return None
        first = min(visible, key=lambda message: message.visible)
        self.waiting.remove(first)
        return first
