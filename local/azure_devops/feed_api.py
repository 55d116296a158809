"""Azure Artifacts' REST calls on the feed."""

from collections.abc import Callable
from itertools import takewhile
from typing import Any

from packaging.utils import canonicalize_version
from packaging.version import Version

from local.azure_devops import locations
from local.azure_devops.answers import NotInTheStand, ServiceError, collection
from local.azure_devops.api import Api, Call
from local.azure_devops.feed import Feed
from local.azure_devops.names import guid, is_called, project_id
from local.azure_devops.packages import FeedVersion, Source

# The one kind of packages that this feed holds.
_PROTOCOL = "PyPi"


class FeedApi:
    """What the service tells of a feed."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    def serve(self, api: Api) -> None:
        """Serve the REST calls."""
        api.add("feed", "GET", locations.FEEDS, self._mine(self._describe))
        api.add("packages", "GET", locations.PACKAGES, self._mine(self._list_packages))
        api.add("package version", "GET", locations.VERSIONS, self._mine(self._describe_version))
        api.add("package changes", "GET", locations.PACKAGE_CHANGES, self._mine(self._changes))
        api.add("feed change", "GET", locations.FEED_CHANGES, self._mine(self._latest))

    def _mine(self, handler: Callable[[Call], Any]) -> Callable[[Call], Any]:
        def checked(call: Call) -> Any:
            wanted = call.parameters.get("feedId")
            if wanted is None:
                raise NotInTheStand("a list of feeds")
            if call.project is None or not is_called(wanted, self._feed.name, self._feed.id):
                raise ServiceError(404, "FeedIdNotFoundException", f"A feed with ID '{wanted}' doesn't exist.")
            return handler(call)

        return checked

    def _url(self, call: Call) -> str:
        return f"{call.project_url}/_apis/packaging/Feeds/{self._feed.id}"

    def _describe(self, call: Call) -> Any:
        return {
            "id": self._feed.id,
            "name": self._feed.name,
            "url": self._url(call),
            "upstreamEnabled": self._feed.upstream is not None,
            "project": {"id": project_id(self._feed.project), "name": self._feed.project},
        }

    def _list_packages(self, call: Call) -> Any:
        query = call.query.get("packagenamequery", "").casefold()
        deleted = call.query.get("includedeleted", "").casefold() == "true"
        every = call.query.get("includeallversions", "").casefold() == "true"
        found: list[Any] = []
        if call.query.get("protocoltype", _PROTOCOL).casefold() != _PROTOCOL.casefold():
            return collection(found)
        with self._feed.lock:
            for key in sorted(self._feed.packages):
                if query not in key and query not in self._feed.names[key].casefold():
                    continue
                versions = sorted(
                    (v for v in self._feed.packages[key].values() if v.is_shown and (deleted or not v.deleted)),
                    key=lambda v: Version(v.spelling),
                    reverse=True,
                )
                if versions:
                    shown = versions if every else versions[:1]
                    rows = [self._minimal(key, v, latest=v is versions[0]) for v in shown]
                    found.append({**self._package(call, key), "versions": rows})
        skip = int(call.query.get("$skip") or 0)
        top = int(call.query.get("$top") or len(found))
        return collection(found[skip : skip + top])

    def _describe_version(self, call: Call) -> Any:
        with self._feed.lock:
            for key, versions in self._feed.packages.items():
                if self._package_id(key) != call.parameters["packageId"]:
                    continue
                for number, version in versions.items():
                    if self._version_id(key, number) == call.parameters.get("packageVersionId") and version.is_shown:
                        return {
                            **self._minimal(key, version),
                            "author": "",
                            "dependencies": [],
                            "files": [{"name": name, "children": []} for name in sorted(version.files)],
                            "sourceChain": self._chain(version),
                            **_with_url(call, f"{self._url(call)}/Packages/{self._package_id(key)}/Versions/{number}"),
                        }
        raise ServiceError(404, "PackageVersionNotFoundException", "The package version is not there.")

    def _changes(self, call: Call) -> Any:
        after = int(call.query.get("continuationtoken") or 0)
        size = min(int(call.query.get("batchsize") or 1000), 2000)
        with self._feed.lock:
            news = sorted(
                (
                    (version.token, key, version)
                    for key, versions in self._feed.packages.items()
                    for version in versions.values()
                    if version.token > after
                ),
                key=lambda row: row[0],
            )
            # Nothing behind a version that is not shown yet is told of: its turn would be missed.
            news = list(takewhile(lambda row: row[2].is_shown, news))[:size]
            rows = [
                {
                    "package": self._package(call, key),
                    "packageVersionChange": {
                        "changeType": "delete" if version.deleted else "addOrUpdate",
                        "continuationToken": token,
                        "packageVersion": {**self._minimal(key, version), "sourceChain": self._chain(version)},
                    },
                }
                for token, key, version in news
            ]
        last = news[-1][0] if news and not self._feed.stuck else after
        return {"_links": {}, "count": len(rows), "nextPackageContinuationToken": last, "packageChanges": rows}

    def _latest(self, call: Call) -> Any:
        return {
            "feed": self._describe(call),
            "changeType": "addOrUpdate",
            "feedContinuationToken": 1,
            "latestPackageContinuationToken": self._latest_shown(),
        }

    def _latest_shown(self) -> int:
        hidden = [v.token for versions in self._feed.packages.values() for v in versions.values() if not v.is_shown]
        return min(hidden) - 1 if hidden else self._feed.token

    def _package(self, call: Call, key: str) -> dict[str, Any]:
        return {
            "id": self._package_id(key),
            "name": self._feed.names[key],
            "normalizedName": key,
            "protocolType": _PROTOCOL,
            **_with_url(call, f"{self._url(call)}/Packages/{self._package_id(key)}"),
        }

    def _minimal(self, key: str, version: FeedVersion, *, latest: bool = True) -> dict[str, Any]:
        number = canonicalize_version(version.spelling)
        row: dict[str, Any] = {
            "id": self._version_id(key, number),
            "version": version.spelling,
            "normalizedVersion": str(Version(version.spelling)),
            "isLatest": latest,
            "isListed": True,
            "isDeleted": version.deleted,
            "publishDate": version.published.isoformat().replace("+00:00", "Z"),
            "views": [
                {"id": guid(self._feed.id, view), "name": view,
                 "type": "implicit" if view == "Local" else "release"}
                for view in version.views
            ],
        }  # fmt: skip
        if version.upstream:
            row["directUpstreamSourceId"] = _source_id(version.sources[0])
        return row

    def _chain(self, version: FeedVersion) -> list[dict[str, Any]]:
        return [
            {
                "id": _source_id(source),
                "name": source.name,
                "protocol": "pypi",
                "upstreamSourceType": "internal" if source.feed else "public",
                **({"internalUpstreamFeedId": source.feed} if source.feed else {}),
            }
            for source in version.sources
        ]

    def _package_id(self, key: str) -> str:
        return guid(self._feed.id, key)

    def _version_id(self, key: str, number: str) -> str:
        return guid(self._feed.id, key, number)


def _source_id(source: Source) -> str:
    return guid("upstream", source.feed or "")


def _with_url(call: Call, url: str) -> dict[str, str]:
    """The address of a thing, unless it is not wanted."""
    return {} if call.query.get("includeurls", "").casefold() == "false" else {"url": url}
