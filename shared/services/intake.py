"""Takes in what arrives from outside. It has exactly one effect: it enqueues one message."""

import base64
import binascii
import hmac
from collections.abc import Iterable
from dataclasses import dataclass

from shared import messages
from shared.domain.signals import Signal, UnreadableSignal
from shared.domain.targets import Target
from shared.errors import InvalidNotification, NotAuthentic
from shared.limits import UNREADABLE_CHARACTERS
from shared.log import alert, event
from shared.ports import Queue
from shared.services.notifications import PACKAGE_EVENTS, Ignored, read_notification


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a notification.

    Attributes:
        outcome: `accepted`, `ignored` or `rejected`.
        reason: why, for the latter two.
    """

    outcome: str
    reason: str | None = None


class Intake:
    """The hook endpoint, without HTTP."""

    def __init__(
        self,
        *,
        signals: Queue,
        targets: Iterable[Target],
        secrets: Iterable[str],
        package_events: Iterable[str] = PACKAGE_EVENTS,
    ) -> None:
        self._signals = signals
        self._targets = tuple(targets)
        self._secrets = tuple(secret.encode() for secret in secrets)
        self._package_events = tuple(package_events)

    def authenticate(self, *, authorization: str | None, secret: str | None) -> None:
        """Check the shared secret: as the password of Basic authentication, or in a header of its own.

        Service hooks sign nothing (no HMAC), so this is what they can do; two secrets may be valid at a time, to
        change them without a gap.

        Raises:
            NotAuthentic: neither is right.
        """
        shown = [candidate for candidate in (_basic_password(authorization), secret) if candidate]
        # Every secret is compared, so that the time taken tells nothing.
        given = [candidate.encode(errors="surrogatepass") for candidate in shown]
        matches = [hmac.compare_digest(known, candidate) for known in self._secrets for candidate in given]
        if not any(matches):
            raise NotAuthentic("the hook's secret is missing or wrong")

    def accept(self, body: bytes) -> Receipt:
        """Take an authentic body in.

        Raises:
            Transient: the queue does not take it; the sender shall try again.
        """
        try:
            found = read_notification(body, self._targets, self._package_events)
        except InvalidNotification as problem:
            text = body[:UNREADABLE_CHARACTERS].decode(errors="replace")
            self._signals.send(messages.encode(UnreadableSignal(why=str(problem), body=text)))
            alert("notification_rejected", why=problem)
            return Receipt("rejected", str(problem))
        if isinstance(found, Ignored):
            event("notification_ignored", why=found.reason)
            return Receipt("ignored", found.reason)
        return self.enqueue(found)

    def enqueue(self, signal: Signal) -> Receipt:
        """Put a signal into the queue."""
        self._signals.send(messages.encode(signal))
        event("signal_accepted", kind=signal.kind)
        return Receipt("accepted")


def _basic_password(authorization: str | None) -> str | None:
    scheme, _, value = (authorization or "").partition(" ")
    if scheme.casefold() != "basic":
        return None
    try:
        return base64.b64decode(value.strip(), validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return None
