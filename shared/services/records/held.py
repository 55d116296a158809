"""Remembers which releases are held somewhere, so that they are planned again when that may come out otherwise.

Any hold may pass when the rules or the files of the repository change; a few also when another release comes.
"""

from collections.abc import Callable, Collection, Iterable
from datetime import datetime

from shared.domain.due import DueLook
from shared.domain.planning.plan import Plan
from shared.domain.records.held import Until, held_after, said
from shared.domain.records.release_entry import ReleaseEntry
from shared.domain.releases import Release
from shared.domain.states import ReleaseState
from shared.ledger import Ledger
from shared.ledger_entries import held_key, look_key, plan_key, release_key
from shared.limits import HELD_PERIOD


class Held:
    """The releases that are held, and what may let them go on."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def releases(self, target: str, *, looks: Collection[str], besides: Iterable[Release] = ()) -> list[Release]:
        """Return what is held and planned again.

        Args:
            target: the target.
            looks: the commits that are due to be looked at, for all that may come out otherwise at one of them; none
                for what another release may let go on alone.
            besides: releases that are in hand already.
        """
        known = {release.id for release in besides}
        latest = self._ledger.readable(look_key(target)) if looks else None
        fresh = {commit for commit in looks if latest is None or commit != latest.commit}
        asked = [
            held
            for held in self._ledger.held(target)
            if held.release not in known and (looks or held.until is Until.RELEASES)
        ]
        entries = self._ledger.readable_many(release_key(target, held.release) for held in asked)
        found = []
        for held in asked:
            entry = entries.get(release_key(target, held.release))
            if entry is None or (held.until is Until.COMMIT and not fresh - {self._commit(target, entry)}):
                continue
            if entry.state in (ReleaseState.PLANNED, ReleaseState.SETTLED) and entry.release:
                found.append(entry.release)
        return found

    def _commit(self, target: str, entry: ReleaseEntry) -> str | None:
        """The commit that a release was planned against last."""
        plan = self._ledger.readable(plan_key(target, entry.plan)) if entry.plan else None
        return plan.commit if plan else None

    def hold(self, plan: Plan) -> None:
        """Write down what a plan holds. A release that is settled without it would never be looked at again."""
        present = set(self._ledger.held(plan.target))
        fresh = sorted(held_after(plan, present) - present)
        self._ledger.create_many({held_key(plan.target, held): held for held in fresh})

    def let_go(self, plan: Plan, allowed: Callable[[], bool]) -> None:
        """Delete what a plan does not hold any more, once it is done: until then it may be superseded.

        Args:
            plan: the plan.
            allowed: asked after each entry is read and before it is deleted.
        """
        present = set(self._ledger.held(plan.target))
        gone = sorted(present - held_after(plan, present))
        self._ledger.discard_many((held_key(plan.target, held) for held in gone), allowed)

    def says_more(self, plan: Plan, entry: ReleaseEntry) -> bool:
        """Tell whether a plan says something else of a release than its latest one.

        A release that was rebuilt goes on showing by which rebuild, until there is another one.
        """
        if entry.rebuild and not (plan.delivers and plan.acts_on(entry.id)):
            return False
        latest = self._ledger.readable(plan_key(plan.target, entry.plan)) if entry.plan else None
        if latest is None or said(latest, entry.id) != said(plan, entry.id):
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
