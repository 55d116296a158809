"""Waiting for something to become true, without fixed pauses."""

import time
from collections.abc import Callable


def wait_for[T](condition: Callable[[], T | None], what: str, *, seconds: float = 60) -> T:
    """Return the first value of `condition` that is neither None nor False.

    Raises:
        AssertionError: it took too long.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.1)
    raise AssertionError(f"{what}: not within {seconds:.0f} s")
