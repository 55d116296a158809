"""The packages that a version requires: its `Requires-Dist`.

Core metadata is whatever the publisher wrote. Lines that are no requirements, or exist to break parsers, are ignored.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from packaging.requirements import InvalidRequirement
from packaging.requirements import Requirement as PackagingRequirement
from packaging.version import Version

from shared.domain.definitions.pins import can_hold
from shared.domain.feed_facts import Metadata, admits
from shared.domain.names import PackageName, package_name
from shared.errors import InvalidName
from shared.limits import NEED_CHARACTERS, NEEDS


@dataclass(frozen=True, slots=True)
class RequiresDist:
    """One package that a version requires.

    Attributes:
        name: the package.
        specifier: the versions it may have; empty for any.
        marker: when it is required; None for always.
    """

    name: PackageName
    specifier: str
    marker: str | None

    def admits(self, version: Version) -> bool:
        """Tell whether it admits a version."""
        return admits(self.specifier, version)

    def applies(self, python: str | None, extras: tuple[str, ...] = ()) -> bool:
        """Tell whether it can ever apply on Linux and a Python, with some extras."""
        return self.marker is None or can_hold(self.marker, python, extras)

    def __str__(self) -> str:
        return f"{self.name}{self.specifier}"


@lru_cache(maxsize=4096)
def requires_dist_of(metadata: Metadata) -> tuple[RequiresDist, ...]:
    """Read what a version requires, except lines longer than anybody writes."""
    return tuple(_read(metadata.requires[:NEEDS]))


def _read(texts: tuple[str, ...]) -> Iterator[RequiresDist]:
    for text in texts:
        if len(text) > NEED_CHARACTERS:
            continue
        try:
            parsed = PackagingRequirement(text)
            name = package_name(parsed.name)
            marker = str(parsed.marker) if parsed.marker else None
        except (InvalidRequirement, InvalidName, ValueError, RecursionError):
            continue
        yield RequiresDist(name, str(parsed.specifier), marker)
