"""Lets one process do what messages ask for once at a time, however many of them say the same.

A storm brings many that do. Side by side they would all read, ask and plan the same. That does no harm, as it does none
between processes, but it is a lot of work.
"""

from dataclasses import replace
from threading import Lock

from shared.domain.signals import Signal
from shared.messages import Turn


class Coalescer[M: (Signal, Turn)]:
    """The messages of one queue that this process is busy with."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._following: dict[M, M | None] = {}

    def begin(self, message: M) -> bool:
        """Begin with a message, unless one that says the same is under way: then it becomes the one that follows.

        All that follow are one: whatever they tell of was there when it begins.
        """
        said = replace(message, tries=0)
        with self._lock:
            if said not in self._following:
                self._following[said] = None
                return True
            known = self._following[said]
            # The one with the most tries, so that what fails again and again comes to its end.
            self._following[said] = max(known or message, message, key=lambda one: one.tries)
            return False

    def end(self, message: M) -> M | None:
        """End with a message that was begun with, and return the one that follows."""
        with self._lock:
            return self._following.pop(replace(message, tries=0))
