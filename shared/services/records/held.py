"""Remembers which releases are held somewhere, so that they are planned again when that may come out otherwise.

Any hold may pass when the rules or the files of the repository change; a few also when another release comes.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from itertools import product

from shared.domain.due import DueLook
from shared.domain.holds import Passes
from shared.domain.planning.plan import Plan
from shared.domain.records.release_entry import ReleaseEntry
from shared.domain.releases import Release, ReleaseId, version_of
from shared.domain.states import ReleaseState
from shared.ledger import Ledger
from shared.ledger_entries import HeldEntry, Until, held_key, look_key, plan_key, release_key
from shared.limits import HELD_PER_PACKAGE, HELD_PERIOD


class Held:
    """The releases that are held, and what may let them go on."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def releases(self, target: str, *, tip: str | None, besides: Iterable[Release] = ()) -> list[Release]:
        """What is held and planned again.

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
                entry = self._ledger.read(release_key(target, held.release))
                if held.until is Until.COMMIT and not (moved and entry and self._commit(target, entry) != tip):
                    continue
                if entry and entry.state in (ReleaseState.PLANNED, ReleaseState.SETTLED) and entry.release:
                    found.append(entry.release)
        return found

    def _commit(self, target: str, entry: ReleaseEntry) -> str | None:
        """The commit that a release was planned against last."""
        plan = self._ledger.readable(plan_key(target, entry.plan)) if entry.plan else None
        return plan.commit if plan else None

    def hold(self, plan: Plan) -> None:
        """Write down what a plan holds. A release that is settled without it would never be looked at again."""
        present = set(self._ledger.held(plan.target))
        for held in sorted(_after(plan, present) - present):
            self._ledger.create(held_key(plan.target, held), held)

    def let_go(self, plan: Plan, allowed: Callable[[], bool]) -> None:
        """Delete what a plan does not hold any more, once it is done: until then it may be superseded.

        Args:
            plan: the plan.
            allowed: asked after each entry is read and before it is deleted.
        """
        present = set(self._ledger.held(plan.target))
        for held in sorted(present - _after(plan, present)):
            with self._ledger.passing_over_damage():
                self._ledger.discard(held_key(plan.target, held), lambda _: allowed())

    def says_more(self, plan: Plan, entry: ReleaseEntry) -> bool:
        """Whether a plan says something else of a release than its latest one.

        A release that was rebuilt goes on showing by which rebuild, until there is another one.
        """
        if entry.rebuild and not (plan.delivers and plan.acts_on(entry.id)):
            return False
        latest = self._ledger.readable(plan_key(plan.target, entry.plan)) if entry.plan else None
        if latest is None or _said(latest, entry.id) != _said(plan, entry.id):
            return True
        # What could not be carried out at a commit is not tried there again and again.
        same = (latest.commit, latest.delivers) == (plan.commit, plan.delivers)
        return plan.delivers and plan.acts_on(entry.id) and not same

    def look(self, target: str, tip: str, now: datetime) -> DueLook | None:
        """The look that is due, if one is: the branch has moved, or a new hour has begun."""
        mark = DueLook(_hour(now), tip)
        return None if self._ledger.readable(look_key(target)) == mark else mark


def _hour(now: datetime) -> datetime:
    return now - (now - datetime.min.replace(tzinfo=now.tzinfo)) % HELD_PERIOD


def _after(plan: Plan, present: set[HeldEntry]) -> set[HeldEntry]:
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


def _said(plan: Plan, release: ReleaseId) -> set[tuple[str, str]]:
    return {(verdict.path, str(verdict.decision)) for verdict in plan.about(release)}
