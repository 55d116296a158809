"""Globs on paths, as rebuilder.yml has them: `**` spans folders, `*`, `?` and `[…]` stay within one part of a path."""

from fnmatch import fnmatchcase
from functools import lru_cache

_ANY_FOLDERS = "**"


def matches(path: str, glob: str) -> bool:
    """Tell whether a glob matches a path, or a folder that the path lies in.

    The path is read once, whatever the glob: all places that it may have reached in the glob are kept, and none is
    tried again. `PurePosixPath.full_match` says the same and backtracks without end where `**` follows `**`.
    """
    parts = _parts(glob)
    last = len(parts) - 1
    reached = _opened(parts, {0})
    for segment in path.split("/"):
        stayed = {at for at in reached if parts[at] == _ANY_FOLDERS}
        passed = {at for at in reached - stayed if fnmatchcase(segment, parts[at])}
        if last in stayed or last in passed:
            return True
        reached = _opened(parts, stayed | {at + 1 for at in passed})
    return False


def _opened(parts: tuple[str, ...], reached: set[int]) -> set[int]:
    """Add the places behind each `**` that may span no folder; the last one spans what lies in a folder."""
    for at, part in enumerate(parts[:-1]):
        if part == _ANY_FOLDERS and at in reached:
            reached.add(at + 1)
    return reached if parts else set()


@lru_cache(maxsize=1024)
def _parts(glob: str) -> tuple[str, ...]:
    parts = (part for part in glob.split("/") if part not in ("", "."))
    # Paths begin at the repository's root without a slash, so a glob that begins with one matches none.
    return ("/", *parts) if glob.startswith("/") else tuple(parts)
