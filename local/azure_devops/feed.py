"""The feed: a package index with credentials, upload, upstream and change log, and Azure Artifacts' REST calls on it.

A version that is published here is the feed's own; one that came through the upstream names it in its source chain,
and an upstream is not asked for a name that the feed has versions of its own of (the service's default, against
dependency confusion).
"""

import hashlib
import threading
import time
import uuid
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.parser import BytesHeaderParser
from html import escape
from io import BytesIO
from itertools import takewhile
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name, canonicalize_version, parse_sdist_filename, parse_wheel_filename
from packaging.version import Version

from local.azure_devops import locations
from local.azure_devops.api import Api, Call, ServiceError, collection
from local.upstream import Upstream

_NAMESPACE = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")


@dataclass
class File:
    """One file of a version."""

    name: str
    sha256: str
    path: Path
    requires_python: str = ""


@dataclass
class FeedVersion:
    """One version of a package.

    Attributes:
        spelling: as it was published.
        published: when.
        visible: from when on it is shown (`time.monotonic`).
        views: that hold it.
        upstream: it came from the upstream.
        deleted: it lies in the recycle bin.
        token: of its newest change.
    """

    spelling: str
    published: datetime
    visible: float
    files: dict[str, File] = field(default_factory=dict)
    views: list[str] = field(default_factory=lambda: ["Local"])
    upstream: bool = False
    deleted: bool = False
    token: int = 0

    @property
    def is_shown(self) -> bool:
        """Whether the feed shows it yet."""
        return time.monotonic() >= self.visible


class Refused(Exception):
    """An upload that the feed does not take."""

    def __init__(self, status: int, why: str) -> None:
        self.status = status
        super().__init__(why)


class Feed:
    """One feed of a project.

    Attributes:
        project: its project.
        name: its name.
        visible_after: fault switch: seconds until a new version is shown.
        published: called with name and version when a version's first file arrives.
    """

    def __init__(self, *, project: str, name: str, folder: Path, upstream: Upstream | None) -> None:
        self.project = project
        self.name = name
        self.id = str(uuid.uuid5(_NAMESPACE, f"feed/{project}/{name}"))
        self.visible_after = 0.0
        self.published: list[Callable[[str, str], None]] = []
        self._folder = folder
        self._upstream = upstream
        self._packages: dict[str, dict[str, FeedVersion]] = {}
        self._names: dict[str, str] = {}
        self._token = 0
        self._lock = threading.RLock()

    # Publishing

    def publish(self, filename: str, content: bytes, *, silent: bool = False) -> tuple[str, str]:
        """Take a file as the feed's own.

        Args:
            filename: of a wheel or sdist; it says name and version.
            content: its bytes.
            silent: nobody is told: the version was there before anybody listened.

        Raises:
            Refused: not such a file, or the feed has one of this name.
        """
        name, version = _identity(filename, content)
        with self._lock:
            first = self._add(name, version, filename, content, upstream=False)
        if first and not silent:
            for tell in self.published:
                tell(name, version)
        return name, version

    def _add(self, name: str, version: str, filename: str, content: bytes, *, upstream: bool) -> bool:
        key = canonicalize_name(name)
        versions = self._packages.setdefault(key, {})
        self._names.setdefault(key, name)
        number = canonicalize_version(version)
        first = number not in versions
        if first:
            versions[number] = FeedVersion(
                version, datetime.now(UTC), time.monotonic() + self.visible_after, upstream=upstream
            )
        entry = versions[number]
        if entry.deleted or filename in entry.files:
            raise Refused(
                409, f"The feed '{self.name}' already contains file '{filename}' in package '{name} {version}'."
            )
        digest = hashlib.sha256(content).hexdigest()
        path = self._folder / key / number / filename
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        entry.files[filename] = File(filename, digest, path, _metadata(filename, content).get("Requires-Python", ""))
        self._changed(entry)
        return first

    def promote(self, name: str, version: str, view: str) -> None:
        """Put a version into a view."""
        with self._lock:
            entry = self._packages[canonicalize_name(name)][canonicalize_version(version)]
            entry.views.append(view)
            self._changed(entry)

    def delete(self, name: str, version: str) -> None:
        """Move a version to the recycle bin; its number is never free again."""
        with self._lock:
            entry = self._packages[canonicalize_name(name)][canonicalize_version(version)]
            entry.deleted = True
            self._changed(entry)

    def _changed(self, entry: FeedVersion) -> None:
        self._token += 1
        entry.token = self._token

    def own_versions(self) -> list[tuple[str, str]]:
        """Names and versions that were published to this feed."""
        with self._lock:
            return [
                (self._names[key], version.spelling)
                for key, versions in self._packages.items()
                for version in versions.values()
                if not version.upstream
            ]

    # The index

    def page(self, name: str, view: str | None = None) -> str | None:
        """The simple index's page of a package (PEP 503), or None if neither feed nor upstream has it."""
        key = canonicalize_name(name)
        with self._lock:
            own = [v for v in self._packages.get(key, {}).values() if not v.upstream]
            links = [
                (file.name, f"#sha256={file.sha256}", file.requires_python, version.spelling)
                for version in self._packages.get(key, {}).values()
                if version.is_shown and not version.deleted and (view is None or view in version.views)
                for file in version.files.values()
            ]
        if not own and self._upstream and view is None:
            cached = {link[0] for link in links}
            links += [
                (file.name, f"#sha256={file.sha256}" if file.sha256 else "", file.requires_python, file.version)
                for file in self._upstream.files(key)
                if file.name not in cached
            ]
        if not links:
            return None
        rows = "\n".join(
            f'<a href="../../download/{key}/{escape(version)}/{escape(name)}{fragment}"'
            + (f' data-requires-python="{escape(python)}"' if python else "")
            + f">{escape(name)}</a><br/>"
            for name, fragment, python, version in sorted(links)
        )
        return f"<!DOCTYPE html><html><head><title>Links for {key}</title></head><body>\n{rows}\n</body></html>\n"

    def file(self, name: str, version: str, filename: str) -> bytes | None:
        """A file; one of the upstream is saved in the feed when it is first asked for, as the service does."""
        key, number = canonicalize_name(name), canonicalize_version(version)
        with self._lock:
            entry = self._packages.get(key, {}).get(number)
            if entry and not entry.deleted and filename in entry.files:
                return entry.files[filename].path.read_bytes()
            if self._upstream is None or any(not v.upstream for v in self._packages.get(key, {}).values()):
                return None
        content = self._upstream.download(key, filename)
        if content is None:
            return None
        with self._lock, suppress(Refused):  # somebody else fetched it at the same time
            self._add(key, version, filename, content, upstream=True)
        return content

    # REST

    def serve(self, api: Api) -> None:
        """Serve the REST calls."""
        api.add("feed", "GET", locations.FEEDS, self._mine(self._describe))
        api.add("packages", "GET", locations.PACKAGES, self._mine(self._list_packages))
        api.add("package version", "GET", locations.VERSIONS, self._mine(self._describe_version))
        api.add("package changes", "GET", locations.PACKAGE_CHANGES, self._mine(self._changes))
        api.add("feed change", "GET", locations.FEED_CHANGES, self._mine(self._latest))

    def _mine(self, handler: Callable[[Call], Any]) -> Callable[[Call], Any]:
        def checked(call: Call) -> Any:
            wanted = call.parameters.get("feedId", "").casefold()
            right_place = (call.project or "").casefold() == self.project.casefold()
            if not right_place or wanted not in (self.name.casefold(), self.id):
                raise ServiceError(
                    404, "FeedIdNotFoundException", f"A feed with ID '{call.parameters.get('feedId')}' doesn't exist."
                )
            return handler(call)

        return checked

    def _describe(self, call: Call) -> Any:
        return {
            "id": self.id,
            "name": self.name,
            "url": f"{call.base}/{self.project}/_apis/packaging/Feeds/{self.id}",
            "upstreamEnabled": self._upstream is not None,
            "project": {"id": str(uuid.uuid5(_NAMESPACE, self.project)), "name": self.project},
        }

    def _list_packages(self, call: Call) -> Any:
        query = call.query.get("packagenamequery", "").casefold()
        deleted = call.query.get("includedeleted", "").casefold() == "true"
        every = call.query.get("includeallversions", "").casefold() == "true"
        found = []
        with self._lock:
            for key in sorted(self._packages):
                if query not in key and query not in self._names[key].casefold():
                    continue
                versions = sorted(
                    (v for v in self._packages[key].values() if v.is_shown and (deleted or not v.deleted)),
                    key=lambda v: Version(v.spelling),
                    reverse=True,
                )
                if versions:
                    shown = versions if every else versions[:1]
                    rows = [self._minimal(key, v, latest=v is versions[0]) for v in shown]
                    found.append({**self._package(call, key), "versions": rows})
        return collection(found)

    def _describe_version(self, call: Call) -> Any:
        with self._lock:
            for key, versions in self._packages.items():
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
                            "url": f"{call.base}/{self.project}/_apis/packaging/Feeds/{self.id}/Packages",
                        }
        raise ServiceError(404, "PackageVersionNotFoundException", "The package version is not there.")

    def _changes(self, call: Call) -> Any:
        after = int(call.query.get("continuationtoken") or 0)
        size = min(int(call.query.get("batchsize") or 1000), 2000)
        with self._lock:
            news = sorted(
                (
                    (version.token, key, version)
                    for key, versions in self._packages.items()
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
        last = news[-1][0] if news else after
        return {"_links": {}, "count": len(rows), "nextPackageContinuationToken": last, "packageChanges": rows}

    def _latest(self, call: Call) -> Any:
        return {
            "feed": self._describe(call),
            "changeType": "addOrUpdate",
            "feedContinuationToken": 1,
            "latestPackageContinuationToken": self._latest_shown(),
        }

    def _latest_shown(self) -> int:
        hidden = [v.token for versions in self._packages.values() for v in versions.values() if not v.is_shown]
        return min(hidden) - 1 if hidden else self._token

    def _package(self, call: Call, key: str) -> dict[str, Any]:
        where = f"{call.base}/{self.project}/_apis/packaging/Feeds/{self.id}/Packages/{self._package_id(key)}"
        return {
            "id": self._package_id(key),
            "name": self._names[key],
            "normalizedName": key,
            "protocolType": "PyPi",
            "url": where,
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
                {"id": str(uuid.uuid5(_NAMESPACE, f"{self.id}/{view}")), "name": view,
                 "type": "implicit" if view == "Local" else "release"}
                for view in version.views
            ],
        }  # fmt: skip
        if version.upstream:
            row["directUpstreamSourceId"] = str(uuid.uuid5(_NAMESPACE, "upstream"))
        return row

    def _chain(self, version: FeedVersion) -> list[dict[str, Any]]:
        if not version.upstream:
            return []
        return [
            {
                "id": str(uuid.uuid5(_NAMESPACE, "upstream")),
                "name": "the public index",
                "protocol": "pypi",
                "upstreamSourceType": "public",
            }
        ]

    def _package_id(self, key: str) -> str:
        return str(uuid.uuid5(_NAMESPACE, f"{self.id}/{key}"))

    def _version_id(self, key: str, number: str) -> str:
        return str(uuid.uuid5(_NAMESPACE, f"{self.id}/{key}/{number}"))


def _identity(filename: str, content: bytes) -> tuple[str, str]:
    """Name and version of a file, the name as its metadata spell it."""
    try:
        if filename.endswith(".whl"):
            name, version, *_ = parse_wheel_filename(filename)
        else:
            name, version = parse_sdist_filename(filename)
    except ValueError as problem:
        raise Refused(400, str(problem)) from None
    return _metadata(filename, content).get("Name") or str(name), str(version)


def _metadata(filename: str, content: bytes) -> Mapping[str, str]:
    if not filename.endswith(".whl"):
        return {}
    try:
        with zipfile.ZipFile(BytesIO(content)) as wheel:
            names = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
            return dict(BytesHeaderParser().parsebytes(wheel.read(names[0]))) if names else {}
    except zipfile.BadZipFile:
        raise Refused(400, f"{filename} is not a wheel") from None
