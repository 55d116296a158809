"""Makes plans. Everything here is pure: the same catalog, rules, facts and releases give the same plan."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from shared.domain.definitions import Problem
from shared.domain.due import Forced
from shared.domain.files.credentials import masked
from shared.domain.files.text import Edit
from shared.domain.holds import Hold
from shared.domain.inventory.catalog import Catalog
from shared.domain.inventory.environments import Environment, is_template
from shared.domain.names import PackageName
from shared.domain.planning.choices import Choices
from shared.domain.planning.conflicts import consistent
from shared.domain.planning.decisions import Decision, Kind, held
from shared.domain.planning.evaluation import Candidate, Evaluator
from shared.domain.planning.plan import OwedEnvironment, Plan, PlannedEnvironment, Verdict
from shared.domain.planning.plan_warnings import warnings_of
from shared.domain.planning.planning_facts import PlanningFacts
from shared.domain.planning.transitive import reached
from shared.domain.releases import Release, ReleaseId
from shared.domain.rules.rules import Deliver, Rules
from shared.limits import REASON_CHARACTERS


def make_plan(
    *,
    target: str,
    catalog: Catalog,
    rules: Rules,
    releases: Iterable[Release],
    forced: Mapping[ReleaseId, Forced] | None = None,
    owed: Iterable[OwedEnvironment] = (),
    facts: PlanningFacts | None = None,
    pipeline: bool = True,
    unique_names: bool = True,
) -> Plan:
    """Decide what happens to every environment, and with which edits.

    Args:
        target: the target it is for.
        catalog: the environments.
        rules: what may be done.
        releases: what is in hand.
        forced: what persons ask to be rebuilt even if it is current, by release.
        owed: what is rebuilt for an earlier rebuild, if it can be.
        facts: what is known beyond the repository.
        pipeline: what the rebuild pipeline could not build is held; otherwise it is a warning.
        unique_names: environments that share a name are held; otherwise it is a warning.
    """
    ordered = sorted(releases, key=lambda release: (release.id.package, release.version, release.id.feed))
    evaluator = Evaluator(
        catalog=catalog,
        rules=rules,
        facts=facts or PlanningFacts(),
        releases=ordered,
        forced=forced or {},
        pipeline=pipeline,
        unique_names=unique_names,
    )
    return _Planner(target, evaluator, ordered).plan(owed)


def hold_everything(
    *,
    target: str,
    catalog: Catalog,
    releases: Iterable[Release],
    reason: str,
    owed: Iterable[OwedEnvironment] = (),
) -> Plan:
    """The plan while the rules cannot be followed: every environment that may require a released package is held.

    What is owed a rebuild fails.
    """
    ordered = tuple(sorted(releases, key=lambda release: (release.id.package, release.version, release.id.feed)))
    verdicts = tuple(
        Verdict(environment.path, environment.name, release.id, held(Hold.RULES, reason))
        for release in ordered
        for environment in {e.path: e for e in (*catalog.naming(release.id.package), *catalog.doubtful)}.values()
    )
    return _finished(
        target=target,
        catalog=catalog,
        deliver=Deliver.REPORT,
        releases=ordered,
        verdicts=verdicts,
        owed=tuple(replace(environment, blocker=reason) for environment in owed),
        warnings=(reason,),
    )


def unaffected_environments(plan: Plan, catalog: Catalog, release: ReleaseId) -> list[Environment]:
    """The environments that a plan only counts for a release, made anew to be shown.

    Args:
        plan: the plan.
        catalog: the catalog at the plan's commit.
        release: one of the plan's releases.
    """
    listed = {verdict.path for verdict in plan.about(release)}
    return [environment for environment in catalog.environments if environment.path not in listed]


class _Planner:
    def __init__(self, target: str, evaluator: Evaluator, releases: Sequence[Release]) -> None:
        self.target = target
        self.evaluator = evaluator
        self.catalog = evaluator.catalog
        self.rules = evaluator.rules
        self.forced = evaluator.forced
        self.releases = releases

    def plan(self, owed: Iterable[OwedEnvironment]) -> Plan:
        choices = self._choices()
        while self._hold_shared_edits(choices) or self._hold_conflicts(choices):
            pass
        self._reach_further(choices)
        self._doubt(choices)
        verdicts = tuple(sorted(self._verdicts(choices), key=lambda verdict: (verdict.release, verdict.path)))
        going = [candidate for candidate in choices.taken() if candidate.decision.acts]
        environments = {candidate.environment.path: candidate.environment for candidate in going}
        edits = {replace(edit, package=candidate.release.id.package) for candidate in going for edit in candidate.edits}
        versions = {path: _stated(environment) for path, environment in environments.items()}
        for candidate in going:
            if candidate.changes and (edit := self._version_edit(candidate.environment)):
                edits.add(edit)
                versions[candidate.environment.path] = edit.new
        return _finished(
            target=self.target,
            catalog=self.catalog,
            deliver=self.rules.deliver,
            rules=self.rules,
            releases=tuple(self.releases),
            verdicts=verdicts,
            edits=tuple(sorted(edits)),
            environments=tuple(
                PlannedEnvironment(e.path, e.name, versions[e.path]) for _, e in sorted(environments.items())
            ),
            owed=tuple(
                self._owed(environment) for environment in owed if not self._goes(environment.path, environments)
            ),
            partial=tuple(release.id for release in self.releases if self._is_partial(release)),
            warnings=tuple(dict.fromkeys(warnings_of(self.evaluator, self.releases, choices, environments, edits))),
        )

    def _goes(self, path: str, environments: Mapping[str, Environment]) -> bool:
        """Tell whether an environment is rebuilt for a release in any case."""
        return self.rules.deliver is not Deliver.REPORT and path in environments

    def _owed(self, owed: OwedEnvironment) -> OwedEnvironment:
        """What is owed a rebuild, with the reason if it cannot have one at this commit."""
        environment = self.catalog.at(owed.path)
        if self.rules.deliver is Deliver.REPORT:
            blocker: str | None = "rebuilder.yml only reports (deliver: report)"
        elif environment is None:
            blocker = f"gone: no such environment at {self.catalog.commit[:8]}"
        else:
            blocker = self.evaluator.owed(environment)
        return replace(owed, name=environment.name if environment else owed.name, blocker=blocker)

    def _is_partial(self, release: Release) -> bool:
        forced = self.forced.get(release.id)
        return forced is not None and forced.only and bool(forced.environments)

    def _choices(self) -> Choices:
        by_package: dict[PackageName, list[Release]] = {}
        for release in self.releases:
            by_package.setdefault(release.id.package, []).append(release)
        choices = Choices()
        for package, versions in by_package.items():
            for environment in self.catalog.naming(package):
                candidates = [self.evaluator.candidate(environment, release) for release in reversed(versions)]
                choices.add(environment, package, candidates)
        return choices

    def _version_edit(self, environment: Environment) -> Edit | None:
        version = environment.version
        risen = version.risen() if version else None
        if version is None or version.span is None or risen is None or risen == version.text:
            return None
        path = environment.version_path or environment.path
        return Edit(path, version.span, version.text, risen, self.catalog.sources[path].encoding)

    def _hold_shared_edits(self, choices: Choices) -> bool:
        """Hold edits of shared files unless every included reader makes the same edit; says whether any was held.

        Higher versions are given up first, so that readers can meet at a lower one.
        """
        makers: dict[tuple[PackageName, Edit], list[Candidate]] = {}
        for (_, package), candidate in choices.items():
            if candidate.decision.kind is Kind.BUMP:
                for edit in candidate.edits:
                    makers.setdefault((package, edit), []).append(candidate)
        behind: dict[tuple[PackageName, str], tuple[Candidate, str]] = {}
        for (package, edit), candidates in makers.items():
            makes = {candidate.environment.path for candidate in candidates}
            if reason := self._reader_left_behind(package, edit, choices, makes):
                for candidate in candidates:
                    behind.setdefault((package, candidate.environment.path), (candidate, reason))
        highest = max((candidate.release.version for candidate, _ in behind.values()), default=None)
        for (package, _), (candidate, reason) in behind.items():
            if candidate.release.version == highest:
                candidate.hold(Hold.SHARES, reason)
                choices.choose_again(candidate.environment, package)
        return bool(behind)

    def _reader_left_behind(self, package: PackageName, edit: Edit, choices: Choices, makes: set[str]) -> str | None:
        """The first reader of a file that counts a pin in it and does not raise it."""
        for reader in self.catalog.reading(edit.path):
            other = choices.get(reader.path, package)  # None: nothing requires the package there
            if other is None or reader.path in makes or not self.evaluator.includes(reader.path):
                continue
            if (edit.path, edit.span) in other.counted:
                return f"shares {edit.path} with {reader.path}: {other.decision.reason}"
        return None

    def _hold_conflicts(self, choices: Choices) -> bool:
        """Hold releases that contradict what an environment would hold after the plan; says whether any was held."""
        held_any = False
        if not self.evaluator.facts.metadata:
            return False
        for path in choices.paths():
            acting = {p: c for p, c in choices.of(path).items() if c.decision.acts}
            _, reasons = consistent(self.evaluator, acting)
            for package, reason in reasons.items():
                acting[package].hold(*reason)
                choices.choose_again(acting[package].environment, package)
                held_any = True
        return held_any

    def _reach_further(self, choices: Choices) -> None:
        """Add the environments that take releases only through another private package; the highest that may go."""
        found: dict[tuple[str, PackageName], list[Candidate]] = {}
        for release in reversed(self.releases):
            for candidate in reached(self.evaluator, choices, release):
                found.setdefault((candidate.environment.path, release.id.package), []).append(candidate)
        for (path, package), candidates in found.items():
            present = choices.get(path, package)
            if present is None or present.decision.kind is Kind.UNAFFECTED:
                choices.add(candidates[0].environment, package, candidates)

    def _doubt(self, choices: Choices) -> None:
        """Hold the environments that name nothing of a release and are not cleared of it."""
        for environment in self.catalog.doubtful:
            found: dict[PackageName, list[Candidate]] = {}
            for release in reversed(self.releases):
                present = choices.get(environment.path, release.id.package)
                if present and present.decision.kind is not Kind.UNAFFECTED:
                    continue
                if candidate := self.evaluator.doubted(environment, release):
                    found.setdefault(release.id.package, []).append(candidate)
            for package, candidates in found.items():
                choices.add(environment, package, candidates)

    def _verdicts(self, choices: Choices) -> Iterable[Verdict]:
        for taken, candidates, chosen in choices.all():
            for at, candidate in enumerate(candidates):
                decision = candidate.decision
                if at > chosen and taken.decision.kind is not Kind.HELD and decision.kind is not Kind.UNAFFECTED:
                    if candidate.release.version == taken.release.version:
                        decision = held(Hold.TAKEN, f"taken from {taken.release.id.feed}")
                    else:
                        decision = held(Hold.OLDER, f"older than {taken.release.spelling}")
                yield Verdict(
                    candidate.environment.path, candidate.environment.name, candidate.release.id, _shown(decision)
                )


def _shown(decision: Decision) -> Decision:
    """A decision whose reason quotes no credential of a file."""
    reason = masked(decision.reason)
    return replace(decision, reason=reason if len(reason) <= REASON_CHARACTERS else f"{reason[:REASON_CHARACTERS]}…")


def _finished(
    *,
    target: str,
    catalog: Catalog,
    deliver: Deliver,
    rules: Rules | None = None,
    releases: tuple[Release, ...],
    verdicts: tuple[Verdict, ...],
    edits: tuple[Edit, ...] = (),
    environments: tuple[PlannedEnvironment, ...] = (),
    owed: tuple[OwedEnvironment, ...] = (),
    partial: tuple[ReleaseId, ...] = (),
    warnings: tuple[str, ...] = (),
) -> Plan:
    content = [
        target,
        catalog.commit,
        deliver,
        [[str(release.id), release.spelling] for release in releases],
        [[edit.path, edit.span.start, edit.span.end, edit.new] for edit in edits],
        [environment.path for environment in environments],
        [[verdict.path, str(verdict.release), str(verdict.decision)] for verdict in verdicts],
        [[environment.path, environment.attempt, environment.blocker] for environment in owed],
    ]
    digest = hashlib.sha256(json.dumps(content, ensure_ascii=True).encode()).hexdigest()
    listed = {verdict.path for verdict in verdicts}
    unread = [problem for problem in catalog.warnings if rules is None or rules.includes(problem.path)]
    return Plan(
        id=digest[:16],
        target=target,
        commit=catalog.commit,
        deliver=deliver,
        releases=releases,
        verdicts=verdicts,
        unaffected=len(catalog.environments) - len(listed),
        edits=edits,
        environments=environments,
        warnings=tuple(masked(str(what)) for what in (*warnings, *unread, *_findings(catalog, rules))),
        owed=owed,
        partial=partial,
        unread=bool(unread),
        elsewhere=catalog.surroundings.concerned(
            (release.id.package for release in releases),
            _new_versions(environments),
            ((edit.path, edit.package) for edit in edits),
            excludes=rules.excludes if rules else lambda _: False,
        ),
    )


def _findings(catalog: Catalog, rules: Rules | None) -> Iterable[Problem]:
    """Yield what should be fixed in the files of environments that take part."""
    for finding in catalog.findings:
        readers = catalog.reading(finding.path)
        if (
            rules is None
            or any(rules.includes(reader.path) for reader in readers)
            or not (readers or rules.excludes(finding.path))
        ):
            yield finding


def _new_versions(environments: Iterable[PlannedEnvironment]) -> dict[str, str | None]:
    """The version that each rebuilt environment gets, by its name; None where that is not known before."""
    found: dict[str, str | None] = {}
    for environment in environments:
        same = found.get(environment.name, environment.version) == environment.version
        found[environment.name] = environment.version if same else None
    return found


def _stated(environment: Environment) -> str | None:
    version = environment.version
    return None if version is None or is_template(version.text) else version.text
