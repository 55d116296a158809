"""One feed of Azure Artifacts (REST: "Artifacts - Artifact Details" and "Change Tracking"; and its simple index).

Versions are discovered by REST: only REST tells upstream sources, views and deletion. Hashes and what a version
requires are known to the simple index and to the wheels alone. The index is HTML and states `#sha256=` and
`data-requires-python` [unverified: reported of the server release; cloud output in astral-sh/uv#10394 agrees]. It
takes our token as Bearer, as the REST API does (dependabot/cli#445), though installers send it as a Basic password.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any
from urllib.parse import quote

from azure.devops.connection import Connection
from packaging.utils import canonicalize_name

from shared.adapters.azure_devops.connection import SIGN_IN, IdentityAuthentication, client, translated
from shared.adapters.azure_devops.downloads import Downloads
from shared.adapters.side_by_side import SideBySide
from shared.adapters.simple_index import Link, links
from shared.adapters.wheel import Unusable, metadata_bytes
from shared.domain.feed_facts import FeedFile, Metadata, is_file_of, metadata_of
from shared.domain.names import PackageName
from shared.domain.provenance import Upstream
from shared.domain.releases import FeedName, version_of
from shared.errors import AccessDenied, InvalidVersion, Permanent, RebuilderError, ServiceUnavailable, Transient
from shared.limits import CHANGES_PER_REQUEST, PACKAGE_PAGES, PACKAGES_PER_REQUEST, SIDE_BY_SIDE
from shared.log import alert, event
from shared.ports import Change, Changes, FeedVersion, PackageVersion

_PROTOCOL = "PyPi"

# A page of the index has links and nothing to fill in.
_SIGN_IN_PAGE = re.compile(r"<(form|script)\b", re.IGNORECASE)


class AzureFeed:
    """A feed, its Python packages only."""

    def __init__(self, connection: Connection, authentication: IdentityAuthentication, feed: FeedName) -> None:
        self._connection = connection
        self._authentication = authentication
        self._feed = feed
        self._id: str | None = None
        self._side_by_side = SideBySide()

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
                if _name(found) != package:
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
                        upstream=_upstream(
                            detail.source_chain,
                            candidate.direct_upstream_source_id or detail.direct_upstream_source_id,
                        ),
                        beside_own=any(map(_is_own, found.versions)),
                    )
        return None

    def changes(self, token: int) -> Changes:
        """Read the change log strictly after a token (0: from the beginning)."""
        with translated(f"reading the change log of feed {self._feed}"):
            page = client(self._connection, "feed").get_package_changes(
                **self._where, continuation_token=token, batch_size=CHANGES_PER_REQUEST
            )
            following = int(page.next_package_continuation_token)
            rows = page.package_changes or ()
            items = tuple(found for row in rows if (found := _change(row)))
        if rows and following <= token:
            raise Permanent(f"the change log of feed {self._feed} does not go on after {token}: the same page again")
        return Changes(items, following, more=len(rows) >= CHANGES_PER_REQUEST)

    def latest_token(self) -> int:
        """The token of the newest change."""
        with translated(f"reading the state of feed {self._feed}"):
            change = client(self._connection, "feed").get_feed_change(**self._where)
            if change.feed is None:
                # Zero would be the beginning, and the past of the feed played back.
                raise ServiceUnavailable(f"reading the state of feed {self._feed}: the answer tells of no feed")
            return int(change.latest_package_continuation_token or 0)

    def id(self) -> str:
        """The feed's GUID, which never changes."""
        if self._id is None:
            with translated(f"reading feed {self._feed}"):
                self._id = str(client(self._connection, "feed").get_feed(**self._where).id)
        return self._id

    def files(self, package: PackageName, version: str) -> tuple[FeedFile, ...]:
        """The version's files as the simple index lists them; REST knows neither hashes nor Requires-Python."""
        return tuple(link.file for link in _files_of(self._links(package), package, version))

    def metadata(self, package: PackageName, version: str) -> Metadata | None:
        """Read the METADATA of the version's first wheel by name; what prevents that is logged."""
        return self._metadata(self._links(package), package, version)

    def metadata_many(self, versions: Iterable[PackageVersion]) -> Sequence[Metadata | RebuilderError | None]:
        """Read them package by package, several side by side: the index has one page for all versions of a package.

        Once as much was asked for in vain as is asked for side by side, the service is away: it is asked no more.
        """
        wanted = list(versions)
        by_package: defaultdict[PackageName, list[str]] = defaultdict(list)
        for package, version in wanted:
            by_package[package].append(version)
        found: dict[PackageVersion, Metadata | RebuilderError | None] = {}
        in_vain: list[Transient] = []

        def ask(item: tuple[PackageName, list[str]]) -> None:
            package, versions = item
            page = None
            for version in versions:
                if len(in_vain) >= SIDE_BY_SIDE:
                    return
                try:
                    page = self._links(package) if page is None else page
                    found[package, version] = self._metadata(page, package, version)
                except Transient as problem:
                    found[package, version] = problem
                    in_vain.append(problem)
                    if page is None:
                        return
                except RebuilderError as problem:
                    found[package, version] = problem

        self._side_by_side.map(ask, by_package.items())
        return [found[place] if place in found else in_vain[0] for place in wanted]

    def _metadata(self, page: Iterable[Link], package: PackageName, version: str) -> Metadata | None:
        wheel = next((link for link in _files_of(page, package, version) if link.file.is_wheel), None)
        if wheel is None:
            return None
        what = f"downloading a wheel of {package} {version} from feed {self._feed}"
        try:
            with self._downloads.file(what, wheel.url) as download:
                if wheel.file.sha256 not in (None, download.sha256):
                    alert("wheel_is_not_what_the_index_states", feed=self._feed, file=wheel.file.name)
                    return None
                found = metadata_of(metadata_bytes(download.file))
                if found is None:
                    raise Unusable("its METADATA cannot be read")
                return found
        except Unusable as problem:
            event("wheel_unusable", feed=self._feed, file=wheel.file.name, why=problem)
            return None

    def published(self) -> frozenset[PackageName]:
        """The names of the packages with a version that came from no upstream source.

        A version's `directUpstreamSourceId` says so, and that it is empty for one that was published here is
        [unverified]; so is the order of pages, so that a package which arrives in between may be missed until the
        next call. Deleted versions do not count.
        """
        names: set[PackageName] = set()
        seen: set[str] = set()
        with translated(f"listing the packages of feed {self._feed}"):
            for _ in range(PACKAGE_PAGES):
                # Pages are counted by what came: the service may give fewer than it was asked for.
                page = client(self._connection, "feed").get_packages(
                    **self._where,
                    protocol_type=_PROTOCOL,
                    include_all_versions=True,
                    include_urls=False,
                    top=PACKAGES_PER_REQUEST,
                    skip=len(seen),
                )
                if not {str(found.id) for found in page} - seen:
                    return frozenset(names)
                seen |= {str(found.id) for found in page}
                names |= {_name(found) for found in page if any(map(_is_own, found.versions or ()))}
        raise Permanent(f"feed {self._feed} has more than {len(seen)} packages: that is more than we list")

    @cached_property
    def _packages_url(self) -> str:
        # The service tells where packages are: https://pkgs.dev.azure.com/{organisation} and not the organisation's own
        # address (resource area of the PyPI API).
        return str(client(self._connection, "py_pi_api").config.base_url).rstrip("/")

    @cached_property
    def _downloads(self) -> Downloads:
        return Downloads(self._authentication, (self._connection.base_url, self._packages_url))

    def _links(self, package: PackageName) -> tuple[Link, ...]:
        """The links to the files of a package."""
        what = f"reading the index of {package} on feed {self._feed}"
        place = "/".join(quote(part) for part in (self._feed.project, "_packaging", self._feed.name) if part)
        page = self._downloads.page(what, f"{self._packages_url}/{place}/pypi/simple/{package}/")
        if page is None:
            # No such package, or no such feed, which this call tells.
            self.id()
            return ()
        found = links(page.text, page.url)
        if found is None:
            raise ServiceUnavailable(f"{what}: the page cannot be understood")
        if not found and _SIGN_IN_PAGE.search(page.text):
            raise AccessDenied(f"{what}: {SIGN_IN}")
        return found


def _files_of(page: Iterable[Link], package: PackageName, version: str) -> list[Link]:
    """The links to a version's files, ordered by name."""
    mine = (link for link in page if is_file_of(link.file.name, package, version))
    return sorted(mine, key=lambda link: link.file.name)


def _name(package: Any) -> PackageName:
    return PackageName(canonicalize_name(package.normalized_name or package.name))


def _is_own(version: Any) -> bool:
    return not version.direct_upstream_source_id and not version.is_deleted


def _change(row: Any) -> Change | None:
    """One line of the change log, or None if it tells of no added or changed Python version."""
    news = row.package_version_change
    if str(row.package.protocol_type).casefold() != _PROTOCOL.casefold() or news.change_type != "addOrUpdate":
        return None
    version = news.package_version
    upstream = _upstream(version.source_chain, version.direct_upstream_source_id)
    return Change(row.package.name, version.version, upstream)


def _is_same(one: str, other: str) -> bool:
    try:
        return version_of(one) == version_of(other)
    except InvalidVersion:
        return False


def _upstream(chain: Sequence[Any] | None, direct: str | None) -> Upstream | None:
    """Where a version was taken from; both are empty for one that was published to the feed.

    Without a chain nobody knows what lies behind the direct source.
    """
    if not chain:
        return Upstream("an upstream source") if direct else None
    feeds = [_feed_id(source) for source in chain]
    name = str(chain[0].name or chain[0].location or "an upstream source")
    return Upstream(name, frozenset(feed for feed in feeds if feed) if all(feeds) else frozenset())


def _feed_id(source: Any) -> str | None:
    """The id of the feed that an upstream source is, or None for any other."""
    is_feed = str(source.upstream_source_type).casefold() == "internal"
    return str(source.internal_upstream_feed_id).casefold() if is_feed and source.internal_upstream_feed_id else None
