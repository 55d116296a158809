"""The provenance of a version: published to a watched feed, or taken from an upstream."""

from collections.abc import Callable, Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Upstream:
    """The upstream source that a feed took a version from.

    Attributes:
        name: for a person.
        feeds: ids of the feeds that it came through, if every source on the way is a feed of Azure Artifacts; empty if
            one is public, or not known.
    """

    name: str
    feeds: frozenset[str] = frozenset()


def is_ours(upstream: Upstream | None, watched: Callable[[], Collection[str]]) -> bool:
    """Tell whether a version was published to a feed that is watched.

    All feeds on the way have to be watched: nobody documents the order in which the service names them.

    Args:
        upstream: None for a version that was published to the feed that shows it.
        watched: gives the ids of the watched feeds, in lower case; asked only if they matter.
    """
    if upstream is None:
        return True
    return bool(upstream.feeds) and upstream.feeds <= set(watched())
