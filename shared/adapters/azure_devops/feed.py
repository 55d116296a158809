"""One feed of Azure Artifacts (REST: "Artifacts - Artifact Details" and "Change Tracking").

Discovered by REST and not by the simple index: only REST tells upstream sources, views and deletion.
"""

from typing import Any

from azure.devops.connection import Connection
from packaging.utils import canonicalize_name

from shared.adapters.azure_devops.connection import client, translated
from shared.domain.names import PackageName
from shared.domain.releases import FeedName, version_of
from shared.errors import InvalidVersion
from shared.limits import CHANGES_PER_REQUEST
from shared.ports import Change, Changes, FeedVersion

_PROTOCOL = "PyPi"


class AzureFeed:
    """A feed, its Python packages only."""

    def __init__(self, connection: Connection, feed: FeedName) -> None:
        self._connection = connection
        self._feed = feed
        self._id: str | None = None

    @property
    def _where(self) -> dict[str, str | None]:
        # The project must be there for a feed of a project and must not for one of the organisation.
        return {"feed_id": self._feed.name, "project": self._feed.project}

    def version(self, package: PackageName, version: str) -> FeedVersion | None:
        """Look a version up; the service's own match is "contains", so names and versions are compared again."""
        feed = client(self._connection, "feed")
        with translated(f"looking for {package} {version} on feed {self._feed}"):
            packages = feed.get_packages(
                **self._where,
                protocol_type=_PROTOCOL,
                package_name_query=package,
                include_all_versions=True,
                include_deleted=True,
                include_urls=False,
            )
            for found in packages:
                if str(canonicalize_name(found.normalized_name or found.name)) != package:
                    continue
                # 1.0 may lie in the recycle bin beside a 1.0.0 that does not: what is there counts.
                for candidate in sorted(found.versions or (), key=lambda candidate: bool(candidate.is_deleted)):
                    if not _is_same(candidate.version, version):
                        continue
                    if candidate.is_deleted:
                        return FeedVersion(candidate.version, deleted=True)
                    detail = feed.get_package_version(
                        **self._where, package_id=found.id, package_version_id=candidate.id, include_urls=False
                    )
                    return FeedVersion(
                        version=detail.version,
                        files=tuple(file.name for file in detail.files or ()),
                        views=tuple(view.name for view in detail.views or ()),
                        upstream=_upstream(detail.source_chain, candidate.direct_upstream_source_id),
                    )
        return None

    def changes(self, token: int) -> Changes:
        """Read the change log strictly after a token (0: from the beginning)."""
        with translated(f"reading the change log of feed {self._feed}"):
            page = client(self._connection, "feed").get_package_changes(
                **self._where, continuation_token=token, batch_size=CHANGES_PER_REQUEST
            )
            following = int(page.next_package_continuation_token or token)
            rows = page.package_changes or ()
            items = tuple(found for row in rows if (found := _change(row)))
        return Changes(items, following, more=len(rows) >= CHANGES_PER_REQUEST)

    def latest_token(self) -> int:
        """The token of the newest change."""
        with translated(f"reading the state of feed {self._feed}"):
            change = client(self._connection, "feed").get_feed_change(**self._where)
            return int(change.latest_package_continuation_token or 0)

    def id(self) -> str:
        """The feed's GUID, which never changes."""
        if self._id is None:
            with translated(f"reading feed {self._feed}"):
                self._id = str(client(self._connection, "feed").get_feed(**self._where).id)
        return self._id


def _change(row: Any) -> Change | None:
    """One line of the change log, or None if it tells of no added or changed Python version."""
    news = row.package_version_change
    if str(row.package.protocol_type).casefold() != _PROTOCOL.casefold() or news.change_type != "addOrUpdate":
        return None
    version = news.package_version
    upstream = bool(_upstream(version.source_chain, version.direct_upstream_source_id))
    return Change(row.package.name, version.version, upstream)


def _is_same(one: str, other: str) -> bool:
    try:
        return version_of(one) == version_of(other)
    except InvalidVersion:
        return False


def _upstream(chain: list[object] | None, direct: str | None) -> str | None:
    """Where a version was taken from; both are empty for one that was published to the feed."""
    if chain:
        source = chain[0]
        return str(getattr(source, "name", None) or getattr(source, "location", None) or "an upstream source")
    return "an upstream source" if direct else None
