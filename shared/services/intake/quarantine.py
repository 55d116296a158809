"""Keeps what came from outside and cannot be read, for a person to look at and for a bounded time.

Nothing acts on it, and nothing of a request but its body is kept.
"""

import hashlib

from shared.domain.files.wording import one_line
from shared.ledger import Ledger
from shared.ledger_entries import QuarantinedEntry, quarantined_key
from shared.limits import QUARANTINE_BYTES, QUARANTINE_LIFETIME, REASON_CHARACTERS
from shared.log import alert, event
from shared.ports import Clock


class Quarantine:
    """A container of its own, which has the ledger's form."""

    def __init__(self, *, entries: Ledger, clock: Clock) -> None:
        self._entries = entries
        self._clock = clock

    def put(self, body: bytes, why: str) -> None:
        """Keep a body, cut to a cap. The same body has one entry on a day, however often it comes.

        Raises:
            Transient: the storage does not take it.
        """
        now = self._clock.now()
        key = quarantined_key(now.date(), hashlib.sha256(body).hexdigest()[:32])
        # Bytes that are no text stay readable, and are not lost.
        text = body[:QUARANTINE_BYTES].decode(errors="backslashreplace")
        why = one_line(why)[:REASON_CHARACTERS]
        self._entries.create(key, QuarantinedEntry(now, why, len(body), text))
        alert("quarantined", entry=key.path, why=why)

    def count(self) -> int:
        """How many bodies are there."""
        return len(self._entries.quarantined())

    def expire(self) -> None:
        """Delete what is there for longer than we keep it."""
        last = (self._clock.now() - QUARANTINE_LIFETIME).date()
        expired = [quarantined_key(day, digest) for day, digest in self._entries.quarantined() if day < last]
        for key in expired:
            self._entries.delete(key)
        if expired:
            event("quarantine_expired", entries=len(expired))
