"""The hashes behind a requirement (`--hash=sha256:…`), and how they are renewed in the layout in which they stand.

pip takes a file only if one of them is its own ("Hash-checking Mode"), so a new version needs those of all its files.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from shared.domain.definitions import Requirement
from shared.domain.feed_facts import FeedFile

_HASH = re.compile(r"--hash(?P<between>\s*=\s*|\s+)(?P<algorithm>[a-z0-9]+):(?P<digest>[0-9a-fA-F]+)")
# In the file the hashes are apart by blanks and continued lines, and by nothing else.
_REGION = re.compile(r"(?:--hash[=\s\\]+[a-z0-9]+:[0-9a-fA-F]+[\s\\]*)+")
_GAP = re.compile(r"[\s\\]+\Z")


@dataclass(frozen=True, slots=True)
class Replacement:
    """New text for a range of a file's text."""

    start: int
    end: int
    new: str


def has_hashes(requirement: Requirement) -> bool:
    """Tell whether a requirement carries hashes."""
    return "--hash" in requirement.options


def digests(requirement: Requirement) -> frozenset[str]:
    """The SHA-256 digests that a requirement carries."""
    found = _HASH.finditer(requirement.options)
    return frozenset(match["digest"].lower() for match in found if match["algorithm"] == "sha256")


def lacks_a_file(requirement: Requirement, files: Sequence[FeedFile]) -> bool:
    """Tell whether a file of the feed fits none of the hashes."""
    known = digests(requirement)
    if not known or any(match["algorithm"] != "sha256" for match in _HASH.finditer(requirement.options)):
        return False  # pip takes those of other algorithms too, and the feed does not state them
    return any(file.sha256 is not None and file.sha256 not in known for file in files)


def renewed(requirement: Requirement, files: Sequence[FeedFile], text: str) -> Replacement | None:
    """The hashes of all files of a version in the place of those that stand there.

    Args:
        requirement: the requirement.
        files: all files of the version.
        text: the text of the requirement's file.

    Returns:
        None if the feed does not state them all, or if they do not stand in one piece that can be replaced.
    """
    fresh = sorted({file.sha256 for file in files if file.sha256})
    bounds = _bounds(requirement, text)
    end = requirement.offset + len(requirement.text)
    before = requirement.line.locate(end - 1, end)
    if not fresh or not bounds or before is None or any(file.sha256 is None for file in files):
        return None
    # What stands between the first two keeps them apart; the blanks in front of a single one do it as well.
    gap = _GAP.search(text, before[1], bounds[0])
    apart = text[bounds[1] : bounds[2]] if len(bounds) > 2 else (gap[0] if gap else " ")
    first = _HASH.search(requirement.options)
    prefix = f"--hash{first['between'] if first else '='}sha256:"
    return Replacement(bounds[0], bounds[-1], apart.join(f"{prefix}{digest}" for digest in fresh))


def place_of(requirement: Requirement, text: str) -> tuple[int, int] | None:
    """Return the place of the hashes in the file's text, or None if there are none or not in one piece."""
    bounds = _bounds(requirement, text)
    return (bounds[0], bounds[-1]) if bounds else None


def _bounds(requirement: Requirement, text: str) -> list[int]:
    """Return the beginning and end of each hash in the file's text; nothing if they cannot be replaced."""
    found = list(_HASH.finditer(requirement.options))
    line = requirement.line
    options = line.text.find(requirement.options, requirement.offset + len(requirement.text))
    if not found or options < 0 or requirement.options.count("--hash") != len(found):
        return []  # one of them is written in a way that would be left behind
    bounds: list[int] = []
    for match in found:
        first = line.locate(options + match.start(), options + match.start() + 1)
        last = line.locate(options + match.end() - 1, options + match.end())
        if first is None or last is None:
            return []
        bounds += [first[0], last[1]]
    return bounds if _REGION.fullmatch(text[bounds[0] : bounds[-1]]) else []
