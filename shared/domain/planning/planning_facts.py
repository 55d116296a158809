"""Facts from the feeds and the ledger that a plan needs beyond the repository."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from packaging.version import Version

from shared.domain.feed_facts import FeedFile, Metadata
from shared.domain.names import PackageName
from shared.domain.releases import ReleaseId, version_of
from shared.errors import InvalidVersion


@dataclass(frozen=True, slots=True)
class PlanningFacts:
    """Facts for a plan. What is missing is not known, and the checks that need it are skipped.

    Attributes:
        files: the files of releases.
        metadata: what versions require, by package and version.
        arriving: releases of which more files may come than are there, with the names of these.
        carried: the versions that we rebuilt environments with: path, package, version.
        damaged: why the record of an environment cannot be read, by its path.
        gaps: what could not be asked, and so was not checked.
    """

    files: Mapping[ReleaseId, tuple[FeedFile, ...]] = field(default_factory=dict)
    metadata: Mapping[tuple[PackageName, Version], Metadata] = field(default_factory=dict)
    arriving: Mapping[ReleaseId, tuple[str, ...]] = field(default_factory=dict)
    carried: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    damaged: Mapping[str, str] = field(default_factory=dict)
    gaps: tuple[str, ...] = ()

    def carries(self, path: str, package: PackageName) -> Version | None:
        """Return the version of a package that we last rebuilt an environment with."""
        text = self.carried.get(path, {}).get(package)
        try:
            return version_of(text) if text else None
        except InvalidVersion:
            return None
