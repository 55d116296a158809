"""Releases: one version of one package on one feed."""

from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache

from packaging.utils import canonicalize_version
from packaging.version import InvalidVersion as PackagingInvalidVersion
from packaging.version import Version

from shared.domain.names import PackageName, package_name
from shared.errors import InvalidInput, InvalidVersion

# Longer ones exist only to break things: int() refuses 5,000 digits with a plain ValueError.
LONGEST_VERSION = 100


@lru_cache(maxsize=4096)
def version_of(text: str) -> Version:
    """Return the version that a text spells.

    Raises:
        InvalidVersion: not a version in the sense of PEP 440.
    """
    if len(text) > LONGEST_VERSION:
        raise InvalidVersion(f"a version of {len(text)} characters (at most {LONGEST_VERSION})")
    try:
        return Version(text)
    except (PackagingInvalidVersion, ValueError):
        raise InvalidVersion(f"{text!r} is not a version") from None


@dataclass(frozen=True, slots=True, order=True)
class FeedName:
    """An Azure Artifacts feed: `feed` for one of the organisation, `project/feed` for one of a project.

    The same form as `artifactFeeds` of PipAuthenticate@1. Azure DevOps ignores case in these names.
    """

    name: str
    project: str | None = None

    @classmethod
    def parse(cls, text: str) -> "FeedName":
        """Read `feed` or `project/feed`.

        Raises:
            InvalidInput: an empty part, or more than one slash.
        """
        parts = [part.strip() for part in text.split("/")]
        if not all(parts) or len(parts) > 2:
            raise InvalidInput(f"{text!r} is not a feed: write 'feed' or 'project/feed'")
        return cls(name=parts[-1], project=parts[0] if len(parts) == 2 else None)

    def answers_to(self, text: str) -> bool:
        """Tell whether `text` can mean this feed (the project may be left out)."""
        wanted = text.strip().casefold()
        return wanted in (str(self).casefold(), self.name.casefold())

    def __str__(self) -> str:
        return f"{self.project}/{self.name}" if self.project else self.name


@dataclass(frozen=True, slots=True, order=True)
class ReleaseId:
    """The identity of a release: 1.0 and 1.0.0 are one, and so are all spellings of a name.

    Attributes:
        feed: the feed's name, as `str(FeedName)` gives it.
        package: the normalised name.
        version: what `canonicalize_version` makes of the version.
    """

    feed: str
    package: PackageName
    version: str

    @classmethod
    def of(cls, feed: str, name: str, version: str) -> "ReleaseId":
        """Build the identity from what somebody wrote.

        Raises:
            InvalidName: the name is none.
            InvalidVersion: the version is none.
        """
        return cls(feed=feed, package=package_name(name), version=canonicalize_version(version_of(version)))

    def __str__(self) -> str:
        return f"{self.package} {self.version} on {self.feed}"


@dataclass(frozen=True, slots=True)
class Release:
    """A release as the feed itself describes it.

    Attributes:
        id: its identity.
        spelling: `str(Version)` of the feed's own spelling: what is written into files.
        files: names of its files that the feed had when it was confirmed.
        views: names of the feed's views that hold it.
        files_since: when these files were seen first; how many more will come is not known.
    """

    id: ReleaseId
    spelling: str
    files: tuple[str, ...] = ()
    views: tuple[str, ...] = ()
    files_since: datetime | None = field(default=None, compare=False)

    @property
    def version(self) -> Version:
        """The version, ready to be compared."""
        return version_of(self.spelling)

    def __str__(self) -> str:
        return f"{self.id.package} {self.spelling}"
