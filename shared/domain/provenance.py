"""The provenance of a version: published to the feed that shows it, or taken from an upstream."""

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

    def is_within(self, watched: Callable[[], Collection[str]]) -> bool:
        """Tell whether a version from it was published to a feed that is watched.

        All feeds on the way have to be watched: nobody documents the order in which the service names them.

        Args:
            watched: gives the ids of the watched feeds, in lower case; called only if they matter.
        """
        return bool(self.feeds) and self.feeds <= set(watched())
