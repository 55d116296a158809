"""Makes a plan against a branch's tip: reads the repository and its rules, and asks what else is known."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import timedelta

from shared.domain.due import Due, DueEnvironment, forced_by
from shared.domain.inventory.catalog import content_of
from shared.domain.names import PackageName
from shared.domain.planning.plan import OwedEnvironment, Plan
from shared.domain.planning.planner import hold_everything, make_plan
from shared.domain.planning.planning_facts import PlanningFacts
from shared.domain.releases import Release, ReleaseId
from shared.domain.rules.rules import NO_RULES, RULES_FILE, Deliver, Rules
from shared.domain.targets import Target
from shared.errors import InvalidConfiguration
from shared.ledger import Ledger
from shared.ledger_entries import rebuild_key
from shared.log import alert
from shared.ports import AzureDevOps, Clock
from shared.services.planning.facts import FactsLoader
from shared.services.planning.snapshots import Snapshot, Snapshots


@dataclass(frozen=True, slots=True)
class Draft:
    """A plan, and what it did not wait for.

    Attributes:
        plan: the plan.
        arriving: releases whose files may not be complete, with those that are there.
    """

    plan: Plan
    arriving: dict[ReleaseId, tuple[str, ...]] = field(default_factory=dict)


class Drafter:
    """Plans without any effect but a remembered fact."""

    def __init__(
        self, *, ledger: Ledger, azure_devops: AzureDevOps, snapshots: Snapshots, clock: Clock, settle_time: timedelta
    ) -> None:
        self._ledger = ledger
        self._azure_devops = azure_devops
        self._snapshots = snapshots
        self._facts = FactsLoader(ledger=ledger, azure_devops=azure_devops, clock=clock, settle_time=settle_time)

    def plan(
        self, target: Target, releases: Iterable[Release], marks: Iterable[Due], looked_at: Iterable[ReleaseId] = ()
    ) -> Draft:
        """Plan what is due against the branch's tip.

        Of many versions of a package most environments take the highest: the feed is asked about a lower one only if a
        plan would take it, and then the plan is made again.

        Args:
            target: the target.
            releases: all that are in hand.
            marks: what is due.
            looked_at: releases that are in hand because they are held.

        Raises:
            Transient: a service does not answer.
        """
        releases, marks = list(releases), tuple(marks)
        commit = self._azure_devops.repository(target).tip()
        snapshot = self._snapshots.at(target, commit)
        catalog = snapshot.catalog
        owed = [self._owed(target, snapshot, mark) for mark in marks if isinstance(mark, DueEnvironment)]
        try:
            rules = self._rules(target, snapshot)
        except InvalidConfiguration as problem:
            alert("rules_not_followed", target=target.name, commit=commit, why=problem)
            why = f"rules: {problem}"
            plan = hold_everything(target=target.name, catalog=catalog, releases=releases, reason=why, owed=owed)
            return Draft(replace(plan, marks=marks))
        forced = forced_by(marks, looked_at)
        considered = _highest(releases)
        facts = PlanningFacts()
        while True:
            facts = self._facts.load(target, catalog, considered, facts, [one.path for one in owed])
            plan = make_plan(
                target=target.name,
                catalog=catalog,
                rules=rules,
                releases=releases,
                forced=forced,
                owed=owed,
                facts=facts,
            )
            known = {release.id for release in considered}
            chosen = {verdict.release for verdict in plan.verdicts if verdict.decision.is_taken} - known
            if not chosen:
                arriving = {release: files for release, files in facts.arriving.items() if release not in forced}
                return Draft(replace(plan, marks=marks), arriving)
            considered += [release for release in releases if release.id in chosen]

    def _owed(self, target: Target, snapshot: Snapshot, mark: DueEnvironment) -> OwedEnvironment:
        """What an environment is owed; an earlier rebuild counts if its files were the same, byte for byte."""
        rebuild = self._ledger.readable(rebuild_key(target.name, mark.rebuild))
        before = next((e for e in rebuild.environments if e.path == mark.path), None) if rebuild else None
        if rebuild is None or before is None:
            return OwedEnvironment(mark.path, mark.path, mark.attempt)
        environment = snapshot.catalog.at(mark.path)
        commit = rebuild.commit or rebuild.base
        same = environment is not None
        if environment and commit != snapshot.listing.commit:
            listing = self._azure_devops.repository(target).listing(commit)
            contents = (content_of(environment, at, RULES_FILE) for at in (listing, snapshot.listing))
            same = next(contents) == next(contents)
        earlier = (rebuild.id, *before.earlier) if same else ()
        return OwedEnvironment(mark.path, before.name, mark.attempt, earlier)

    def _rules(self, target: Target, snapshot: Snapshot) -> Rules:
        rules = self._snapshots.rules(target, snapshot) or NO_RULES
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
