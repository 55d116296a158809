"""The Pythons of this machine that environments may need."""

from functools import lru_cache

from local import bootstrap
from local.processes import StandError


@lru_cache(maxsize=32)
def find_python(version: str) -> str | None:
    """An interpreter of a version such as `3.10`, on PATH or in pyenv; None if there is none."""
    try:
        return bootstrap.installed_python(bootstrap.find_uv(), version)
    except bootstrap.Problem:
        return None


def require_python(version: str) -> None:
    """Make sure that a Python is there; uv may download it, and that is said.

    Raises:
        StandError: it is not there and may not be downloaded.
    """
    try:
        bootstrap.find_python(bootstrap.find_uv(), version)
    except bootstrap.Problem as problem:
        raise StandError(str(problem)) from None
    find_python.cache_clear()
