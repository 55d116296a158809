"""Waiting for something to become true, without fixed pauses."""

import time
from collections.abc import Callable

# In seconds. What takes long is asked less and less often: each question costs the app and its storage some work, on
# processors that they share with what is waited for.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 0.5


def wait_for[T](condition: Callable[[], T | None], what: str, *, seconds: float = 60) -> T:
    """Return the first value of `condition` that is neither None nor False.

    Raises:
        AssertionError: it took too long.
    """
    deadline = time.monotonic() + seconds
    pause = _FIRST_PAUSE
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE)
    raise AssertionError(f"{what}: not within {seconds:.0f} s")
