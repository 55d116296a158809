"""Azure Storage in memory."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count

from shared.errors import StateChanged
from shared.ports import Clock, Stored
from tests.fakes.faults import Faulty


class MemoryLedgerStore(Faulty):
    """Blobs in a dict.

    Attributes:
        blobs: what is there, by key.
    """

    def __init__(self) -> None:
        super().__init__()
        self.blobs: dict[str, Stored] = {}
        self._etags = count(1)
        self._lock = threading.RLock()

    def read(self, key: str) -> Stored | None:
        with self._call("read"):
            return self.blobs.get(key)

    def create(self, key: str, raw: bytes) -> str:
        with self._lock, self._call("create"):
            if key in self.blobs:
                raise StateChanged(f"{key} exists already")
            return self._write(key, raw)

    def replace(self, key: str, raw: bytes, etag: str) -> str:
        with self._lock, self._call("replace"):
            present = self.blobs.get(key)
            if present is None or present.etag != etag:
                raise StateChanged(f"{key} was changed by somebody else")
            return self._write(key, raw)

    def delete(self, key: str, etag: str | None = None) -> None:
        with self._lock, self._call("delete"):
            present = self.blobs.get(key)
            if etag is not None and (present is None or present.etag != etag):
                raise StateChanged(f"{key} was changed by somebody else")
            self.blobs.pop(key, None)

    def keys(self, prefix: str) -> Sequence[str]:
        with self._call("keys"):
            return sorted(key for key in self.blobs if key.startswith(prefix))

    def _write(self, key: str, raw: bytes) -> str:
        etag = f'"0x{next(self._etags):X}"'
        self.blobs[key] = Stored(raw, etag)
        return etag


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message in a queue, and from when on it is visible."""

    text: str
    visible: datetime


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
        visible = [message for message in self.waiting if message.visible <= self._clock.now()]
        if not visible:
            return None
        first = min(visible, key=lambda message: message.visible)
        self.waiting.remove(first)
        return first.text

    def next_visible(self) -> datetime | None:
        """When the next message is visible, so that a test can let the clock go on until then."""
        return min((message.visible for message in self.waiting), default=None)
