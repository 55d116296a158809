"""Releases that a plan holds for some environment, and what may let them go on."""

from dataclasses import dataclass
from enum import StrEnum
from itertools import product

from shared.domain.holds import Passes
from shared.domain.planning.plan import Plan
from shared.domain.releases import ReleaseId, version_of
from shared.limits import HELD_PER_PACKAGE


class Until(StrEnum):
    """What may let a release go on that is held for an environment."""

    RELEASES = "releases"  # or anything else
    REPOSITORY = "repository"  # its rules and files alone
    COMMIT = "commit"  # likewise, and nothing can change before the branch moves


@dataclass(frozen=True, slots=True, order=True)
class HeldEntry:
    """A release that a plan held for some environment, for a reason that may pass."""

    until: Until
    release: ReleaseId


def held_after(plan: Plan, present: set[HeldEntry]) -> set[HeldEntry]:
    """What is held after a plan; of each package the newest releases."""
    wanted = set(present)
    for release in plan.releases:
        if release.id in plan.partial:
            continue  # it says nothing of the environments that nobody named
        wanted -= {HeldEntry(until, release.id) for until in Until}
        if until := _until(plan, release.id):
            wanted.add(HeldEntry(until, release.id))
    for package, until, early in product({release.id.package for release in plan.releases}, Until, (True, False)):
        # Each kind by itself: no stream of development versions pushes out a release.
        mine = [held for held in wanted if held.release.package == package and held.until is until]
        mine = [held for held in mine if version_of(held.release.version).is_prerelease == early]
        mine.sort(key=lambda held: version_of(held.release.version))
        wanted -= set(mine[:-HELD_PER_PACKAGE])
    return wanted


def _until(plan: Plan, release: ReleaseId) -> Until | None:
    passes = plan.holds(release)
    if Passes.RELEASES in passes:
        return Until.RELEASES
    if plan.unread or Passes.REPOSITORY in passes:
        return Until.REPOSITORY
    return Until.COMMIT if Passes.COMMIT in passes else None


def said(plan: Plan, release: ReleaseId) -> set[tuple[str, str]]:
    """What a plan says of a release, for each environment."""
    return {(verdict.path, str(verdict.decision)) for verdict in plan.about(release)}
