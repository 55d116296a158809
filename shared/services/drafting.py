"""Makes a plan against a branch's tip: reads the repository and its rules, and asks what else is known."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from shared.domain.names import PackageName
from shared.domain.planning.plan import ByHand, Plan
from shared.domain.planning.planner import hold_everything, make_plan
from shared.domain.planning.planning_facts import PlanningFacts
from shared.domain.releases import Release, ReleaseId
from shared.domain.rules.rules import NO_RULES, RULES_FILE, Deliver, Rules
from shared.domain.targets import Target
from shared.errors import InvalidConfiguration
from shared.ledger import Ledger
from shared.log import alert
from shared.ports import Clock, Services
from shared.services.knowing import Gatherer
from shared.services.reading import Reader, Snapshot


@dataclass(frozen=True, slots=True)
class Draft:
    """A plan, and what it did not wait for.

    Attributes:
        plan: the plan.
        arriving: releases whose files may not be complete, with those that are there.
    """

    plan: Plan
    arriving: Mapping[ReleaseId, tuple[str, ...]] = field(default_factory=dict)


class Drafter:
    """Plans releases without any effect but a remembered fact."""

    def __init__(
        self, *, ledger: Ledger, services: Services, reader: Reader, clock: Clock, settle_time: timedelta
    ) -> None:
        self._services = services
        self._reader = reader
        self._gatherer = Gatherer(ledger=ledger, services=services, clock=clock, settle_time=settle_time)

    def plan(self, target: Target, releases: Iterable[Release], by_hand: ByHand | None = None) -> Draft:
        """Plan releases against the branch's tip.

        Of many versions of a package most environments take the highest: the feed is asked about a lower one only if a
        plan would take it, and then the plan is made again.

        Raises:
            Transient: a service does not answer.
        """
        releases = list(releases)
        commit = self._services.repository(target).tip()
        snapshot = self._reader.snapshot(target, commit)
        catalog = snapshot.catalog
        try:
            rules = self._rules(target, snapshot)
        except InvalidConfiguration as problem:
            alert("rules_not_followed", target=target.name, commit=commit, why=problem)
            why = f"rules: {problem}"
            return Draft(hold_everything(target=target.name, catalog=catalog, releases=releases, reason=why))
        considered = _highest(releases)
        facts = PlanningFacts()
        while True:
            facts = self._gatherer.gather(target, catalog, considered, facts)
            plan = make_plan(
                target=target.name,
                catalog=catalog,
                rules=rules,
                releases=releases,
                by_hand=by_hand,
                facts=facts,
            )
            known = {release.id for release in considered}
            chosen = {verdict.release for verdict in plan.verdicts if verdict.decision.is_taken} - known
            if not chosen:
                return Draft(plan, {} if by_hand else facts.arriving)
            considered += [release for release in releases if release.id in chosen]

    def _rules(self, target: Target, snapshot: Snapshot) -> Rules:
        rules = self._reader.rules(target, snapshot) or NO_RULES
        if rules.deliver is Deliver.PULL_REQUEST:
            raise InvalidConfiguration(
                RULES_FILE, ["`deliver: pull-request` is not available yet; write push or report"]
            )
        return rules


def _highest(releases: Iterable[Release]) -> list[Release]:
    """The highest version of each package, from every feed that has it."""
    highest: dict[PackageName, list[Release]] = {}
    for release in releases:
        known = highest.setdefault(release.id.package, [release])
        if release.version > known[0].version:
            highest[release.id.package] = [release]
        elif release.version == known[0].version and release is not known[0]:
            known.append(release)
    return [release for found in highest.values() for release in found]
