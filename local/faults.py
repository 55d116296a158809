"""Fault switches: what goes wrong, at which operation, how often.

For tests and for a developer at work: `POST /_stand/faults` with `{"operation": "push", "fault": "after"}`.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Fault(StrEnum):
    """What can go wrong with one call.

    `before`: fails and has no effect. `after`: the effect happens and the answer is lost. `drop`: the connection
    closes without an answer and without effect. `sign-in`: a page instead of an answer; `page`: one with status 200;
    `redirect`: the way to one. The numbers are statuses. Others have their effect, and an answer that is `empty`,
    cut off (`truncated`), of another form (`odd`), or as `usual`, for the sake of a switch's headers.
    """

    BEFORE = "before"
    AFTER = "after"
    DROP = "drop"
    SIGN_IN = "sign-in"
    PAGE = "page"
    REDIRECT = "redirect"
    EMPTY = "empty"
    TRUNCATED = "truncated"
    ODD = "odd"
    USUAL = "usual"
    UNAUTHORIZED = "401"
    FORBIDDEN = "403"
    NOT_FOUND = "404"
    CONFLICT = "409"
    TOO_MANY = "429"
    SERVER_ERROR = "500"
    UNAVAILABLE = "503"

    @property
    def has_effect(self) -> bool:
        """Whether the call is done, and its answer is what goes wrong."""
        return self in (Fault.AFTER, Fault.EMPTY, Fault.TRUNCATED, Fault.ODD, Fault.USUAL)


@dataclass
class Switch:
    """One switch that is on; its body is that of an `odd` answer."""

    operation: str
    fault: Fault
    times: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b'{"value": "nothing"}'


class Faults:
    """The switches that are on, and how often each operation was called."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._switches: list[Switch] = []
        self._actions: dict[str, Callable[[], None]] = {}
        self.calls: dict[str, int] = {}

    def set(self, operation: str, fault: Fault | str, times: int = 1, headers: Mapping[str, str] | None = None) -> None:
        """Let the next calls of an operation (`*`: of any) go wrong, with these headers in the answer."""
        with self._lock:
            self._switches.append(Switch(operation, Fault(fault), times, dict(headers or {})))

    def spoil(self, operation: str, body: bytes, times: int = 1) -> None:
        """Let the next calls of an operation have their effect, and this answer."""
        with self._lock:
            self._switches.append(Switch(operation, Fault.ODD, times, body=body))

    def clear(self) -> None:
        """Switch everything off."""
        with self._lock:
            self._switches.clear()
            self._actions.clear()

    def then(self, operation: str, action: Callable[[], None]) -> None:
        """Do something once: when the next call of an operation has taken effect, and before its answer goes out."""
        with self._lock:
            self._actions[operation] = action

    def took_effect(self, operation: str) -> None:
        """Do what was wished for this moment; the answer goes out after it."""
        with self._lock:
            action = self._actions.pop(operation, None)
        if action:
            action()

    def next(self, operation: str) -> Switch | None:
        """Count a call and tell what goes wrong with it."""
        with self._lock:
            self.calls[operation] = self.calls.get(operation, 0) + 1
            for switch in self._switches:
                if switch.operation in (operation, "*") and switch.times > 0:
                    switch.times -= 1
                    return switch
            return None
