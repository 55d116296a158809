"""Tell whether what a feed shows is a release of ours, or came from elsewhere."""

from collections.abc import Sequence

from packaging.utils import canonicalize_name

from shared.domain.provenance import Upstream
from shared.domain.releases import FeedName
from shared.domain.targets import Target
from shared.errors import Permanent, Transient
from shared.log import alert, event
from shared.ports import AzureDevOps, Change, Feed


def is_ours(azure_devops: AzureDevOps, target: Target, upstream: Upstream | None) -> bool:
    """Tell whether a version that one of a target's feeds shows was published to one of them.

    Raises:
        Transient: a feed does not tell its id.
    """
    return upstream is None or upstream.is_within(lambda: _ids(azure_devops, target))


def alert_foreign(target: Target, name: FeedName, feed: Feed, changes: Sequence[Change]) -> None:
    """Tell of versions from elsewhere of packages that a feed holds as its own: they may be meant to be taken for ours.

    One request for all of them; what cannot be told is no reason to stop.
    """
    if not changes:
        return
    try:
        names: frozenset[str] = feed.published()
    except (Permanent, Transient) as problem:
        event("foreign_versions_not_judged", target=target.name, feed=name, why=problem)
        return
    for change in changes:
        if change.upstream and canonicalize_name(change.name) in names:
            release = f"{change.name} {change.version}"
            alert("foreign_version", target=target.name, feed=name, release=release, source=change.upstream.name)


def _ids(azure_devops: AzureDevOps, target: Target) -> set[str]:
    found = set()
    for feed in target.feeds:
        try:
            found.add(azure_devops.feed(target, feed).id().casefold())
        except Permanent as problem:
            # What we may not read is nobody's source; what is wrong with it is said where it is read.
            event("feed_without_id", target=target.name, feed=feed, why=problem)
    return found
