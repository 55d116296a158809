"""Lets one process take one turn of a target at a time.

A storm brings many turns of a target at once. Side by side they would all read, ask and plan the same. That does no
harm, as it does none between processes, but it is a lot of work.
"""

from threading import Lock

from shared.messages import Turn


class Coalescer:
    """The turns that are under way in this process."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._following: dict[str, Turn | None] = {}

    def begin(self, turn: Turn) -> bool:
        """Begin a turn, unless one of its target is under way: then it becomes the one that follows.

        All that follow are one: a turn does whatever its target has to do.
        """
        with self._lock:
            if turn.target not in self._following:
                self._following[turn.target] = None
                return True
            known = self._following[turn.target]
            # The one with the most tries, so that what fails again and again comes to its end.
            self._following[turn.target] = max(known or turn, turn, key=lambda one: one.tries)
            return False

    def end(self, turn: Turn) -> Turn | None:
        """End a turn that has begun, and return the one that follows."""
        with self._lock:
            return self._following.pop(turn.target)
