"""Takes in what arrives from outside. It has exactly one effect.

That is one message in the queue; or, for what an authentic sender says and nobody can read, one entry in quarantine.
Duplicates do not matter here: they are enqueued again, and the worker finds the work done.
"""

import base64
import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from shared import messages
from shared.domain.notifications import PACKAGE_EVENTS, Ignored, read_notification
from shared.domain.signals import Signal
from shared.domain.targets import Target
from shared.errors import InvalidNotification, NotAuthentic
from shared.log import event
from shared.ports import Queue
from shared.services.intake.quarantine import Quarantine


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
        quarantine: Callable[[], Quarantine],
        targets: Iterable[Target],
        secrets: Iterable[str],
        package_events: Iterable[str] = PACKAGE_EVENTS,
        publishing_projects: Iterable[str] = (),
    ) -> None:
        self._signals = signals
        self._quarantine = quarantine
        self._targets = tuple(targets)
        self._secrets = tuple(secret.encode() for secret in secrets)
        self._package_events = tuple(package_events)
        self._publishing_projects = tuple(publishing_projects)

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
            Transient: the storage does not take it; the sender shall try again.
        """
        try:
            found = read_notification(body, self._targets, self._package_events, self._publishing_projects)
        except InvalidNotification as problem:
            self._quarantine().put(body, str(problem))
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
    except ValueError:  # no base64, no ASCII, or not UTF-8 below
        return None
