"""The feed: a package index with credentials, upload, upstream and change log.

A version that is published here is the feed's own; one that came through the upstream names it in its source chain,
and an upstream is not asked for a name that the feed has versions of its own of (the service's default, against
dependency confusion). Its REST calls are in `feed_api`.
"""

import hashlib
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from html import escape
from pathlib import Path

from packaging.utils import canonicalize_name, canonicalize_version

from local.azure_devops.names import guid
from local.azure_devops.packages import PUBLIC, FeedVersion, File, Refused, Source, identity, metadata
from local.upstream import Upstream


class Feed:
    """One feed of a project.

    Attributes:
        project: its project.
        name: its name.
        visible_after: fault switch: seconds until a new version is shown.
        stuck: fault switch: the change log's token does not move.
        published: called with name and version when a version's first file arrives.
        upstream: the public index behind it, or None.
        packages: by normalised name and canonical version; read and written under `lock`.
        names: how the packages spell their names, by normalised name.
        token: of the newest change.
    """

    def __init__(self, *, project: str, name: str, folder: Path, upstream: Upstream | None) -> None:
        self.project = project
        self.name = name
        self.id = guid("feed", project, name)
        self.visible_after = 0.0
        self.stuck = False
        self.published: list[Callable[[str, str], None]] = []
        self._folder = folder
        self.upstream = upstream
        self.packages: dict[str, dict[str, FeedVersion]] = {}
        self.names: dict[str, str] = {}
        self.token = 0
        self.lock = threading.RLock()

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
        name, version = identity(filename, content)
        with self.lock:
            first = self._add(name, version, filename, content)
        if first and not silent:
            for tell in self.published:
                tell(name, version)
        return name, version

    def take(self, filename: str, content: bytes, *sources: Source) -> None:
        """Save a file of an upstream source, the nearest first, as if somebody had installed it from there."""
        name, version = identity(filename, content)
        with self.lock:
            self._add(name, version, filename, content, sources)

    def _add(self, name: str, version: str, filename: str, content: bytes, sources: tuple[Source, ...] = ()) -> bool:
        key = canonicalize_name(name)
        versions = self.packages.setdefault(key, {})
        self.names.setdefault(key, name)
        number = canonicalize_version(version)
        first = number not in versions
        if first:
            versions[number] = FeedVersion(
                version, datetime.now(UTC), time.monotonic() + self.visible_after, sources=sources
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
        entry.files[filename] = File(filename, digest, path, metadata(filename, content).get("Requires-Python", ""))
        self._changed(entry)
        return first

    def promote(self, name: str, version: str, view: str) -> None:
        """Put a version into a view."""
        with self.lock:
            entry = self.packages[canonicalize_name(name)][canonicalize_version(version)]
            entry.views.append(view)
            self._changed(entry)

    def delete(self, name: str, version: str) -> None:
        """Move a version to the recycle bin; its number is never free again."""
        with self.lock:
            entry = self.packages[canonicalize_name(name)][canonicalize_version(version)]
            entry.deleted = True
            self._changed(entry)

    def _changed(self, entry: FeedVersion) -> None:
        self.token += 1
        entry.token = self.token

    def own_versions(self) -> list[tuple[str, str]]:
        """Names and versions that were published to this feed."""
        with self.lock:
            return [
                (self.names[key], version.spelling)
                for key, versions in self.packages.items()
                for version in versions.values()
                if not version.upstream
            ]

    # The index

    def page(self, name: str, files: str, view: str | None = None) -> str | None:
        """The simple index's page of a package (PEP 503), or None if neither feed nor upstream has it.

        Args:
            name: of the package.
            files: the address that files are below, absolute as the service has it.
            view: of the feed, if not all that it holds.
        """
        key = canonicalize_name(name)
        with self.lock:
            own = [v for v in self.packages.get(key, {}).values() if not v.upstream]
            links = [
                (file.name, f"#sha256={file.sha256}", file.requires_python, version.spelling)
                for version in self.packages.get(key, {}).values()
                if version.is_shown and not version.deleted and (view is None or view in version.views)
                for file in version.files.values()
            ]
        if not own and self.upstream and view is None:
            cached = {link[0] for link in links}
            links += [
                (file.name, f"#sha256={file.sha256}" if file.sha256 else "", file.requires_python, file.version)
                for file in self.upstream.files(key)
                if file.name not in cached
            ]
        if not links:
            return None
        rows = "\n".join(
            f'<a href="{files}/{key}/{escape(version)}/{escape(name)}{fragment}"'
            + (f' data-requires-python="{escape(python)}"' if python else "")
            + f">{escape(name)}</a><br/>"
            for name, fragment, python, version in sorted(links)
        )
        return f"<!DOCTYPE html><html><head><title>Links for {key}</title></head><body>\n{rows}\n</body></html>\n"

    def file(self, name: str, version: str, filename: str) -> bytes | None:
        """A file; one of the upstream is saved in the feed when it is first asked for, as the service does."""
        key, number = canonicalize_name(name), canonicalize_version(version)
        with self.lock:
            entry = self.packages.get(key, {}).get(number)
            if entry and not entry.deleted and filename in entry.files:
                return entry.files[filename].path.read_bytes()
            if self.upstream is None or any(not v.upstream for v in self.packages.get(key, {}).values()):
                return None
        content = self.upstream.download(key, filename)
        if content is None:
            return None
        with self.lock, suppress(Refused):  # somebody else fetched it at the same time
            self._add(key, version, filename, content, (PUBLIC,))
        return content
