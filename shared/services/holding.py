"""Remembers which releases are held somewhere, so that they are planned again when that may come out otherwise.

Any hold may pass when the rules or the files of the repository change; a few also when another release comes.
"""

from collections.abc import Iterable
from datetime import datetime
from itertools import product

from shared.domain.holds import Passes
from shared.domain.planning.plan import Plan
from shared.domain.records.release_entry import ReleaseEntry
from shared.domain.releases import Release, ReleaseId, version_of
from shared.domain.states import ReleaseState
from shared.ledger import HeldEntry, Ledger, LookEntry, Until, held_key, look_key, plan_key, release_key
from shared.limits import HELD_PER_PACKAGE, HELD_PERIOD


class Holding:
    """The marks of releases that are held."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def releases(self, target: str, *, tip: str | None, besides: Iterable[Release] = ()) -> list[Release]:
        """What is held and planned again; what is being rebuilt for other environments, when that is over.

        Args:
            target: the target.
            tip: the branch's newest commit, for all that may come out otherwise at it; None for what another release
                may let go on alone.
            besides: releases that are in hand already.
        """
        known = {release.id for release in besides}
        look = self._ledger.readable(look_key(target)) if tip else None
        moved = look is None or look.commit != tip
        found = []
        for held in self._ledger.held(target):
            if held.release in known or (tip is None and held.until is not Until.RELEASES):
                continue
            with self._ledger.passing_over_damage():
                key = release_key(target, held.release)
                entry = self._ledger.read(key)
                if held.until is Until.COMMIT and not (moved and entry and self._commit(target, entry) != tip):
                    continue
                if entry and entry.state is ReleaseState.PLANNED and tip:
                    self._ledger.update(key, lambda present: present.again() if present else None)
                if entry and entry.state is ReleaseState.SETTLED and entry.release:
                    found.append(entry.release)
        return found

    def _commit(self, target: str, entry: ReleaseEntry) -> str | None:
        """The commit that a release was planned against last."""
        plan = self._ledger.readable(plan_key(target, entry.plan)) if entry.plan else None
        return plan.commit if plan else None

    def mark(self, plan: Plan) -> None:
        """Write down what a plan holds, and what it does not hold any more."""
        present = set(self._ledger.held(plan.target))
        wanted = set(present)
        for release in plan.releases:
            wanted -= {HeldEntry(until, release.id) for until in Until}
            if until := _until(plan, release.id):
                wanted.add(HeldEntry(until, release.id))
        for package, until, early in product({release.id.package for release in plan.releases}, Until, (True, False)):
            # Each kind by itself: no stream of development versions pushes out a release.
            mine = [held for held in wanted if held.release.package == package and held.until is until]
            mine = [held for held in mine if version_of(held.release.version).is_prerelease == early]
            mine.sort(key=lambda held: version_of(held.release.version))
            wanted -= set(mine[:-HELD_PER_PACKAGE])
        for held in sorted(wanted - present):
            self._ledger.create(held_key(plan.target, held), held)
        for held in sorted(present - wanted):
            self._ledger.delete(held_key(plan.target, held))

    def says_more(self, plan: Plan, entry: ReleaseEntry) -> bool:
        """Whether a plan says something else of a release than its latest one."""
        latest = self._ledger.readable(plan_key(plan.target, entry.plan)) if entry.plan else None
        if latest is None or _said(latest, entry.id) != _said(plan, entry.id):
            return True
        # What could not be carried out at a commit is not tried there again and again.
        same = (latest.commit, latest.writes) == (plan.commit, plan.writes)
        return plan.writes and plan.acts_on(entry.id) and not same

    def looked(self, target: str, commit: str, at: datetime) -> None:
        """All that is held and may come out otherwise at a commit was planned."""
        with self._ledger.passing_over_damage():
            self._ledger.update(look_key(target), lambda _: LookEntry(at, commit))

    def is_due(self, target: str, tip: str, now: datetime) -> bool:
        """Whether all that is held is to be planned again: the branch has moved, or it is long ago."""
        look = self._ledger.readable(look_key(target))
        return look is None or look.commit != tip or now - look.at >= HELD_PERIOD


def _until(plan: Plan, release: ReleaseId) -> Until | None:
    passes = plan.holds(release)
    if Passes.RELEASES in passes:
        return Until.RELEASES
    if plan.unread or Passes.REPOSITORY in passes:
        return Until.REPOSITORY
    return Until.COMMIT if Passes.COMMIT in passes else None


def _said(plan: Plan, release: ReleaseId) -> set[tuple[str, str]]:
    return {(verdict.path, str(verdict.decision)) for verdict in plan.about(release)}
