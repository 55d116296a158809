"""Fault switches: what goes wrong, at which operation, how often.

For tests and for a developer at work: `POST /_stand/faults` with `{"operation": "push", "fault": "after"}`.
"""

import threading
from dataclasses import dataclass
from enum import StrEnum


class Fault(StrEnum):
    """What can go wrong with one call.

    `before`: fails and has no effect. `after`: the effect happens and the answer is lost. `drop`: the connection
    closes without an answer and without effect. `sign-in`: a page instead of an answer. The numbers are statuses.
    """

    BEFORE = "before"
    AFTER = "after"
    DROP = "drop"
    SIGN_IN = "sign-in"
    UNAUTHORIZED = "401"
    FORBIDDEN = "403"
    NOT_FOUND = "404"
    CONFLICT = "409"
    TOO_MANY = "429"
    SERVER_ERROR = "500"
    UNAVAILABLE = "503"


@dataclass
class Switch:
    """One switch that is on."""

    operation: str
    fault: Fault
    times: int


class Faults:
    """The switches that are on, and how often each operation was called."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._switches: list[Switch] = []
        self.calls: dict[str, int] = {}

    def set(self, operation: str, fault: Fault | str, times: int = 1) -> None:
        """Let the next calls of an operation (`*`: of any) go wrong."""
        with self._lock:
            self._switches.append(Switch(operation, Fault(fault), times))

    def clear(self) -> None:
        """Switch everything off."""
        with self._lock:
            self._switches.clear()

    def next(self, operation: str) -> Fault | None:
        """Count a call and tell what goes wrong with it."""
        with self._lock:
            self.calls[operation] = self.calls.get(operation, 0) + 1
            for switch in self._switches:
                if switch.operation in (operation, "*") and switch.times > 0:
                    switch.times -= 1
                    return switch.fault
            return None
