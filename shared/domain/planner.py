"""Makes plans. Everything here is pure: the same catalog, rules and releases give the same plan and identity."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from shared.domain.buildable import obstacle, outside
from shared.domain.catalog import Catalog
from shared.domain.decisions import Case, Decision, Kind, decide, held
from shared.domain.definitions import Requirement
from shared.domain.definitions.pins import Exact, can_apply, pin_of
from shared.domain.environments import Environment, Use
from shared.domain.jobs import is_safe_path
from shared.domain.names import PackageName
from shared.domain.plan import ByHand, Plan, PlannedEnvironment, Verdict
from shared.domain.releases import Release, ReleaseId
from shared.domain.rules import Deliver, Rules
from shared.domain.text import Edit, Span
from shared.errors import Unreadable


@dataclass(slots=True)
class _Candidate:
    """One environment and the version that it may get of one package.

    Attributes:
        environment: the environment.
        release: the version.
        decision: what shall happen.
        edits: what has to change for it.
        counted: the places of the pins that count for the environment.
    """

    environment: Environment
    release: Release
    decision: Decision
    edits: list[Edit] = field(default_factory=list)
    counted: frozenset[tuple[str, Span]] = frozenset()


def make_plan(
    *,
    target: str,
    catalog: Catalog,
    rules: Rules,
    releases: Iterable[Release],
    by_hand: ByHand | None = None,
) -> Plan:
    """Decide what happens to every environment, and with which edits."""
    ordered = sorted(releases, key=lambda release: (release.id.package, release.version, release.id.feed))
    return _Planner(target, catalog, rules, ordered, by_hand).plan()


def hold_everything(*, target: str, catalog: Catalog, releases: Iterable[Release], reason: str) -> Plan:
    """The plan while the rules cannot be followed: every environment that names a released package is held."""
    ordered = tuple(sorted(releases, key=lambda release: (release.id.package, release.version, release.id.feed)))
    verdicts = tuple(
        Verdict(environment.path, environment.name, release.id, held(reason))
        for release in ordered
        for environment in catalog.naming(release.id.package)
    )
    held_back = _finished(
        target=target, catalog=catalog, deliver=Deliver.REPORT, releases=ordered, verdicts=verdicts, warnings=(reason,)
    )
    return replace(held_back, provisional=True)


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
    def __init__(
        self, target: str, catalog: Catalog, rules: Rules, releases: Sequence[Release], by_hand: ByHand | None
    ) -> None:
        self.target = target
        self.catalog = catalog
        self.rules = rules
        self.releases = releases
        self.by_hand = by_hand
        self.warnings: list[str] = []
        self.spelled = Counter(environment.path.casefold() for environment in catalog.environments)

    def plan(self) -> Plan:
        by_package: dict[PackageName, list[Release]] = {}
        for release in self.releases:
            by_package.setdefault(release.id.package, []).append(release)
        # For every environment and package the versions from high to low, and how far down it had to go.
        choices: dict[tuple[str, PackageName], list[_Candidate]] = {}
        for package, versions in by_package.items():
            for environment in self.catalog.naming(package):
                candidates = [self._candidate(environment, release) for release in reversed(versions)]
                if any(candidate.decision.kind is not Kind.UNAFFECTED for candidate in candidates):
                    choices[environment.path, package] = candidates
        chosen = {key: _first_not_held(candidates) for key, candidates in choices.items()}
        self._hold_what_cannot_go_along(choices, chosen)
        verdicts = tuple(sorted(self._verdicts(choices, chosen), key=_verdict_order))
        going = [
            candidates[chosen[key]] for key, candidates in choices.items() if candidates[chosen[key]].decision.acts
        ]
        environments = {candidate.environment.path: candidate.environment for candidate in going}
        edits = {edit for candidate in going for edit in candidate.edits}
        for candidate in going:
            if candidate.decision.kind is Kind.BUMP and (edit := self._version_edit(candidate.environment)):
                edits.add(edit)
        for environment in environments.values():
            self.warnings.extend(str(warning) for warning in environment.warnings)
            if why := outside(environment, *(use.path for use in environment.uses)):
                self.warnings.append(f"{environment.path}: {why}")
            if not self._python(environment):
                self.warnings.append(
                    f"{environment.path}: its Python is not known, so nothing that depends on it was checked, and the "
                    f'pipeline will ask for it; state it in rebuilder.yml, python: {{"{environment.path}": "3.10"}}'
                )
        self._warn_of_excluded_readers(edits)
        self._warn_of_unknown_wishes()
        return _finished(
            target=self.target,
            catalog=self.catalog,
            deliver=self.rules.deliver,
            releases=tuple(self.releases),
            verdicts=verdicts,
            edits=tuple(sorted(edits)),
            environments=tuple(PlannedEnvironment(e.path, e.name) for _, e in sorted(environments.items())),
            warnings=tuple(dict.fromkeys(self.warnings)),
            attempt=self.by_hand.attempt if self.by_hand else 0,
            asked_for=self.by_hand.environments if self.by_hand else (),
        )

    def _candidate(self, environment: Environment, release: Release) -> _Candidate:
        """Decide about one environment and one release by what stands in its own files."""
        package = release.id.package
        python = self._python(environment)
        counted: list[tuple[Use, Requirement]] = []
        constrained: list[tuple[Use, Requirement]] = []
        for use, requirement in self._requirements(environment, package):
            if can_apply_or_unreadable(requirement, python):
                (constrained if use.constraint else counted).append((use, requirement))
        opaque = self._unread(environment, package)
        if not counted and not opaque:
            return _Candidate(environment, release, Decision(Kind.UNAFFECTED, f"does not require {package}"))
        decision, edits = self._together(environment, release, counted + constrained)
        whole = self._as_a_whole(environment, opaque, decision)
        places = frozenset(self._places(counted + constrained))
        return _Candidate(environment, release, whole, edits if whole.kind is Kind.BUMP else [], places)

    def _python(self, environment: Environment) -> str | None:
        return self.rules.python_for(environment.path) or environment.python

    def _places(self, requirements: Iterable[tuple[Use, Requirement]]) -> Iterator[tuple[str, Span]]:
        """Where the exact pins among some requirements stand."""
        for use, requirement in requirements:
            try:
                pin = pin_of(requirement)
            except Unreadable:
                continue
            source = self.catalog.definitions[use.path].source
            if isinstance(pin, Exact) and (span := requirement.span(source, pin.start, pin.end)):
                yield use.path, span

    def _requirements(self, environment: Environment, package: PackageName) -> Iterable[tuple[Use, Requirement]]:
        named = self.catalog.named.get(package, frozenset())
        for use in environment.uses:
            if use.path in named and use.path in self.catalog.definitions:
                for requirement in self.catalog.definitions[use.path].requirements:
                    if requirement.name == package:
                        yield use, requirement

    def _unread(self, environment: Environment, package: PackageName) -> str | None:
        """Why an environment that names the package cannot be judged, or None."""
        if environment.dockerfile and environment.dockerfile in self.catalog.named.get(package, ()):
            return f"not read: {environment.dockerfile} names {package} itself"
        if environment.problems:
            return f"cannot read {environment.problems[0]}"
        return None

    def _together(
        self, environment: Environment, release: Release, requirements: list[tuple[Use, Requirement]]
    ) -> tuple[Decision, list[Edit]]:
        """One decision for several requirements: any held holds, else bump before rebuild before current."""
        rule = self.rules.rule_for(release.id.package, environment.name)
        decisions: list[Decision] = []
        edits: list[Edit] = []
        for use, requirement in requirements:
            definition = self.catalog.definitions[use.path]
            try:
                pin = pin_of(requirement)
            except Unreadable as problem:
                decisions.append(held(f"cannot read {use.path} {problem}"))
                continue
            decision = decide(Case(requirement, pin, release, rule, definition.compiled))
            if decision.kind is Kind.BUMP and isinstance(pin, Exact):
                span = requirement.span(definition.source, pin.start, pin.end)
                if span is None:
                    decision = held(f"not editable: {use.path} line {requirement.line.number} breaks the version")
                else:
                    edits.append(Edit(use.path, span, pin.written, release.spelling, definition.source.encoding))
            decisions.append(decision)
        for kind in (Kind.HELD, Kind.BUMP, Kind.REBUILD, Kind.CURRENT):
            for decision in decisions:
                if decision.kind is kind:
                    return decision, edits
        return Decision(Kind.UNAFFECTED, f"does not require {release.id.package}"), []

    def _as_a_whole(self, environment: Environment, opaque: str | None, decision: Decision) -> Decision:
        """What the environment itself adds to the decision about its requirements."""
        if not self.rules.includes(environment.path):
            return held("excluded: rebuilder.yml leaves this environment out")
        if self.by_hand and not self.by_hand.means(environment.path, environment.name):
            return held("not asked for: the rerun names other environments")
        if opaque:
            return held(opaque)
        if self.by_hand and decision.kind is Kind.CURRENT:
            decision = Decision(Kind.REBUILD, f"rerun by hand, {decision.reason}")
        if not decision.acts:
            return decision
        namesakes = [
            other.path
            for other in self.catalog.called(environment.name)
            if other.path != environment.path and self.rules.includes(other.path)
        ]
        if namesakes:
            return held(f"duplicate name: {namesakes[0]} is {environment.name!r} too")
        if why := obstacle(environment):
            return held(f"cannot be rebuilt: {why}")
        if self.spelled[environment.path.casefold()] > 1:
            return held("path not unique: pipelines do not tell it from another one that differs in capitals only")
        if not is_safe_path(environment.path):
            return held("path not safe: only letters, digits and . _ / - can travel to the pipeline")
        if decision.kind is Kind.BUMP and environment.version and environment.version.risen() is None:
            return held(f"version not a number: {environment.version}")
        return decision

    def _warn_of_unknown_wishes(self) -> None:
        known = {text for environment in self.catalog.environments for text in (environment.path, environment.name)}
        for asked in self.by_hand.environments if self.by_hand else ():
            if asked not in known:
                self.warnings.append(f"the rerun asks for {asked!r}, which is neither an environment's path nor a name")

    def _version_edit(self, environment: Environment) -> Edit | None:
        version = environment.version
        risen = version.risen() if version else None
        if version is None or version.span is None or risen is None or risen == version.text:
            return None
        source = self.catalog.sources[environment.path]
        return Edit(environment.path, version.span, version.text, risen, source.encoding)

    def _hold_what_cannot_go_along(
        self,
        choices: Mapping[tuple[str, PackageName], list[_Candidate]],
        chosen: dict[tuple[str, PackageName], int],
    ) -> None:
        """Hold edits of shared files unless every included reader makes the same edit; until nothing changes.

        Higher versions are given up first, so that readers can meet at a lower one.
        """
        while True:
            behind: list[tuple[tuple[str, PackageName], _Candidate, str]] = []
            for key, candidates in choices.items():
                candidate = candidates[chosen[key]]
                if candidate.decision.kind is Kind.BUMP:
                    reason = self._who_stays_behind(candidate, key[1], choices, chosen)
                    if reason:
                        behind.append((key, candidate, reason))
            if not behind:
                return
            highest = max(candidate.release.version for _, candidate, _ in behind)
            for key, candidate, reason in behind:
                if candidate.release.version == highest:
                    candidate.decision, candidate.edits = held(reason), []
                    chosen[key] = _first_not_held(choices[key])

    def _who_stays_behind(
        self,
        candidate: _Candidate,
        package: PackageName,
        choices: Mapping[tuple[str, PackageName], list[_Candidate]],
        chosen: Mapping[tuple[str, PackageName], int],
    ) -> str | None:
        for edit in candidate.edits:
            for reader in self.catalog.reading(edit.path):
                if reader.path == candidate.environment.path or not self.rules.includes(reader.path):
                    continue
                others = choices.get((reader.path, package))
                if others is None:
                    continue  # nothing requires the package there
                other = others[chosen[reader.path, package]]
                if edit in other.edits or (edit.path, edit.span) not in other.counted:
                    continue
                return f"shares {edit.path} with {reader.path}: {other.decision.reason}"
        return None

    def _warn_of_excluded_readers(self, edits: Iterable[Edit]) -> None:
        for path in sorted({edit.path for edit in edits}):
            for reader in self.catalog.reading(path):
                if not self.rules.includes(reader.path):
                    self.warnings.append(f"{reader.path} is excluded and reads {path}, which changes")

    def _verdicts(
        self,
        choices: Mapping[tuple[str, PackageName], list[_Candidate]],
        chosen: Mapping[tuple[str, PackageName], int],
    ) -> Iterable[Verdict]:
        for key, candidates in choices.items():
            for at, candidate in enumerate(candidates):
                decision = candidate.decision
                taken = candidates[chosen[key]]
                if at > chosen[key] and taken.decision.kind is not Kind.HELD and decision.kind is not Kind.UNAFFECTED:
                    same = candidate.release.version == taken.release.version
                    decision = held(
                        f"taken from {taken.release.id.feed}" if same else f"older than {taken.release.spelling}"
                    )
                yield Verdict(candidate.environment.path, candidate.environment.name, candidate.release.id, decision)


def can_apply_or_unreadable(requirement: Requirement, python: str | None) -> bool:
    """Whether a requirement counts; one that cannot be read does, so that it is seen."""
    try:
        return can_apply(requirement, python)
    except Unreadable:
        return True


def _first_not_held(candidates: Sequence[_Candidate]) -> int:
    """The position of the highest version that is not held, or of the highest if all are."""
    for at, candidate in enumerate(candidates):
        if candidate.decision.kind is not Kind.HELD:
            return at
    return 0


def _verdict_order(verdict: Verdict) -> tuple[ReleaseId, str]:
    return verdict.release, verdict.path


def _finished(
    *,
    target: str,
    catalog: Catalog,
    deliver: Deliver,
    releases: tuple[Release, ...],
    verdicts: tuple[Verdict, ...],
    edits: tuple[Edit, ...] = (),
    environments: tuple[PlannedEnvironment, ...] = (),
    warnings: tuple[str, ...] = (),
    attempt: int = 0,
    asked_for: tuple[str, ...] = (),
) -> Plan:
    content = [
        target,
        catalog.commit,
        deliver,
        [[str(release.id), release.spelling] for release in releases],
        [[edit.path, edit.span.start, edit.span.end, edit.new] for edit in edits],
        [environment.path for environment in environments],
        attempt,
        list(asked_for),
    ]
    digest = hashlib.sha256(json.dumps(content, ensure_ascii=True).encode()).hexdigest()
    listed = {verdict.path for verdict in verdicts}
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
        warnings=(*warnings, *(str(problem) for problem in catalog.warnings)),
        attempt=attempt,
        asked_for=asked_for,
    )
