"""Evaluates one environment and one release by the environment's own files."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from packaging.version import Version

from shared.domain.definitions import Definition, Problem, Requirement
from shared.domain.definitions.hashes import has_hashes, place_of, renewed
from shared.domain.definitions.pins import Exact, can_apply, extras_of, pin_of, shared_variable
from shared.domain.due import Forced
from shared.domain.files.text import Edit, Span
from shared.domain.holds import Hold
from shared.domain.inventory.build_blockers import build_blocker, is_safe_path
from shared.domain.inventory.catalog import Catalog
from shared.domain.inventory.environments import Environment, Use
from shared.domain.names import PackageName
from shared.domain.planning.decision_table import Case, decide
from shared.domain.planning.decisions import Decision, Kind, held
from shared.domain.planning.planning_facts import PlanningFacts
from shared.domain.planning.requires_dist import requires_dist_of
from shared.domain.releases import Release, ReleaseId
from shared.domain.rules.rules import Rules
from shared.errors import Unreadable

_EXCLUDED = "excluded: rebuilder.yml leaves this environment out"


@dataclass(slots=True)
class Candidate:
    """One environment and the version that it may get of one package.

    Attributes:
        environment: the environment.
        release: the version.
        decision: what shall happen.
        edits: what has to change for it.
        counted: the places of the pins, and of their hashes, that count for the environment.
        changes: its content changes, so an explicit version has to rise.
        from_channels: conda takes a package of that name from its channels, which is not the feed's.
    """

    environment: Environment
    release: Release
    decision: Decision
    edits: list[Edit] = field(default_factory=list)
    counted: frozenset[tuple[str, Span]] = frozenset()
    changes: bool = True
    from_channels: bool = False

    def hold(self, why: Hold, reason: str) -> None:
        """Leave it as it is, with the reason's code and sentence."""
        self.decision, self.edits = held(why, reason), []


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One exact pin of a package in an environment.

    Attributes:
        path: the file.
        version: the version.
        conditional: a marker decides whether it counts, or it only constrains.
        constraint: it installs nothing by itself.
        compiled: it stands in a file that pip-compile or uv wrote.
        extras: what the requirement asks for besides.
    """

    path: str
    version: Version
    conditional: bool
    constraint: bool = False
    compiled: bool = False
    extras: tuple[str, ...] = ()


class Evaluator:
    """Decides about one environment and one release at a time.

    Args:
        catalog: the environments.
        rules: what may be done.
        facts: what is known beyond the repository.
        releases: everything in hand.
        forced: what persons ask to be rebuilt even if it is current, by release.
        pipeline: whether what the rebuild pipeline could not build is held.
        unique_names: whether environments of one name are held.
    """

    def __init__(
        self,
        *,
        catalog: Catalog,
        rules: Rules,
        facts: PlanningFacts,
        releases: Sequence[Release],
        forced: Mapping[ReleaseId, Forced],
        pipeline: bool,
        unique_names: bool,
    ) -> None:
        self.catalog = catalog
        self.rules = rules
        self.facts = facts
        self.forced = forced
        self.pipeline = pipeline
        self.unique_names = unique_names
        self.in_hand: dict[PackageName, list[Version]] = {}
        for release in releases:
            self.in_hand.setdefault(release.id.package, []).append(release.version)
        self._pins: dict[tuple[str, PackageName], list[Occurrence]] = {}
        self._included: dict[str, bool] = {}

    def candidate(self, environment: Environment, release: Release) -> Candidate:
        """Decide about one environment and one release."""
        package = release.id.package
        counted: list[tuple[Use, Requirement]] = []
        along: list[tuple[Use, Requirement]] = []
        for use, requirement in self.requirements(environment, package):
            (along if use.constraint or use.source else counted).append((use, requirement))
        opaque = self._unread(environment, package)
        if not counted and not opaque:
            return self._unaffected(environment, release)
        decision, edits = self._together(environment, release, counted + along)
        return self._evaluated(environment, release, decision, edits, counted + along, opaque)

    def doubted(self, environment: Environment, release: Release) -> Candidate | None:
        """Hold an environment that names nothing of a release and is not cleared of it; None if no rule applies."""
        if not self.includes(environment.path) or not self.rules.rule_for(release.id.package, environment.name):
            return None
        doubt = environment.doubt(opaque=not self.rules.silences(environment.path))
        return (
            Candidate(environment, release, self.with_environment_rules(environment, release, held(*doubt)))
            if doubt
            else None
        )

    def through(self, environment: Environment, release: Release, decision: Decision) -> Candidate:
        """Decide about an environment that takes a release through another package: a constraint is edited along."""
        along = list(self.requirements(environment, release.id.package))
        edits: list[Edit] = []
        if decision.acts and along:
            constrained, edits = self._together(environment, release, along)
            if constrained.kind in (Kind.HELD, Kind.BUMP):
                decision = replace(constrained, reason=f"{decision.reason}: {constrained.reason}")
        return self._evaluated(environment, release, decision, edits, along, None)

    def _evaluated(
        self,
        environment: Environment,
        release: Release,
        decision: Decision,
        edits: list[Edit],
        requirements: list[tuple[Use, Requirement]],
        opaque: str | None,
    ) -> Candidate:
        whole = self.with_environment_rules(environment, release, decision, opaque)
        places = frozenset(self._places(requirements))
        changes = decision.acts
        return Candidate(environment, release, whole, edits if whole.kind is Kind.BUMP else [], places, changes)

    def case(self, environment: Environment, release: Release) -> Case:
        """All that is known of a release for an environment, whatever requires it there."""
        metadata = self.facts.metadata.get((release.id.package, release.version))
        forced = self.forces(release, environment)
        return Case(
            release=release,
            rule=self.rules.rule_for(release.id.package, environment.name),
            python=self.python(environment),
            files=self.facts.files.get(release.id),
            requires_python=metadata.requires_python if metadata else None,
            arriving=release.id in self.facts.arriving and not forced,
            carried=self.facts.carries(environment.path, release.id.package),
            by_hand=forced,
        )

    def python(self, environment: Environment) -> str | None:
        """The Python of an environment, if it is known."""
        return self.rules.python_for(environment.path) or environment.python

    def requirements(self, environment: Environment, package: PackageName) -> Iterator[tuple[Use, Requirement]]:
        """The requirements of a package that count for an environment: a marker may leave one out."""
        named = self.catalog.named.get(package, frozenset())
        python = self.python(environment)
        for use in environment.uses:
            definition = self.catalog.definitions.get(use.path) if use.path in named else None
            for requirement in definition.naming(package).requirements if definition else ():
                if use.installs(requirement.extras) and _counts(requirement, python):
                    yield use, requirement

    def pins(self, environment: Environment, package: PackageName) -> list[Occurrence]:
        """The exact pins of a package that count for an environment, those that surely count first."""
        key = environment.path, package
        if key not in self._pins:
            found = []
            for use, requirement in self.requirements(environment, package):
                pin = _pin_or_none(requirement)
                if isinstance(pin, Exact) and not use.source:
                    compiled = self.catalog.definitions[use.path].compiled
                    sure = not use.constraint and (compiled or ";" not in requirement.text)
                    found.append(
                        Occurrence(use.path, pin.version, not sure, use.constraint, compiled, extras_of(requirement))
                    )
            self._pins[key] = sorted(found, key=lambda pin: (pin.conditional, pin.path))
        return self._pins[key]

    def includes(self, path: str) -> bool:
        """Tell whether an environment takes part."""
        if path not in self._included:
            self._included[path] = self.rules.includes(path)
        return self._included[path]

    def with_environment_rules(
        self, environment: Environment, release: Release, decision: Decision, opaque: str | None = None
    ) -> Decision:
        """Apply the rules about the environment itself to the decision about its requirements."""
        forced = self.forced.get(release.id)
        if not self.includes(environment.path):
            return held(Hold.EXCLUDED, _EXCLUDED)
        if forced and forced.leaves_out(environment.path, environment.name):
            return held(Hold.NOT_ASKED_FOR, "not asked for: the rerun names other environments")
        if opaque:
            return held(Hold.CANNOT_READ, opaque)
        changes = decision.acts
        if decision.kind is Kind.CURRENT and self.forces(release, environment):
            decision = Decision(Kind.REBUILD, f"rerun by hand, {decision.reason}")
        if not decision.acts:
            return decision
        if blocker := self.blocker(environment):
            return held(*blocker)
        if changes and environment.version and environment.version.risen() is None:
            return held(Hold.VERSION_NOT_A_NUMBER, f"version not a number: {environment.version}")
        return decision

    def forces(self, release: Release, environment: Environment) -> bool:
        """Tell whether a person asks for an environment to be rebuilt for a release even if it is current."""
        forced = self.forced.get(release.id)
        return forced is not None and forced.means(environment.path, environment.name)

    def owed(self, environment: Environment) -> str | None:
        """Say why an environment that is owed a rebuild cannot have one, or None if it can."""
        if not self.includes(environment.path):
            return _EXCLUDED
        blocker = self.blocker(environment)
        return blocker[1] if blocker else None

    def blocker(self, environment: Environment) -> tuple[Hold, str] | None:
        """Say why an environment is not rebuilt, whatever for, or None if it can be."""
        if why := self.facts.damaged.get(environment.path):
            return Hold.DAMAGED_RECORD, why
        if self.unique_names and (other := self.namesake(environment)):
            return Hold.DUPLICATE_NAME, f"duplicate name: {other} is {environment.name!r} too"
        return self.pipeline_blocker(environment) if self.pipeline else None

    def namesake(self, environment: Environment) -> str | None:
        """Another environment of the same name that takes part, by its path."""
        return next((path for path in self.namesakes(environment) if path != environment.path), None)

    def namesakes(self, environment: Environment) -> list[str]:
        """The paths of all environments of a name that take part."""
        return [other.path for other in self.catalog.called(environment.name) if self.includes(other.path)]

    def pipeline_blocker(self, environment: Environment) -> tuple[Hold, str] | None:
        """Return why the rebuild pipeline cannot build an environment, or None if no reason is known."""
        if unread := self.catalog.unread(environment):
            return Hold.CANNOT_READ, f"cannot read {unread}"
        if why := build_blocker(environment):
            return Hold.NOT_BUILDABLE, f"cannot be rebuilt: {why}"
        if not is_safe_path(environment.path):
            return Hold.NOT_BUILDABLE, "path not safe: only letters, digits and . _ / - can travel to the pipeline"
        return None

    def _unaffected(self, environment: Environment, release: Release) -> Candidate:
        package = release.id.package
        for use in environment.uses:
            definition = self.catalog.definitions.get(use.path)
            for name, line in definition.channel if definition else ():
                if name == package:
                    why = f"conda takes {package} from its channels ({use.path} line {line}): not the feed's"
                    return Candidate(environment, release, Decision(Kind.UNAFFECTED, why), from_channels=True)
        return Candidate(environment, release, Decision(Kind.UNAFFECTED, f"does not require {package}"))

    def _places(self, requirements: Iterable[tuple[Use, Requirement]]) -> Iterator[tuple[str, Span]]:
        """Yield the places of the exact pins among some requirements, and of their hashes."""
        for use, requirement in requirements:
            pin = _pin_or_none(requirement)
            source = self.catalog.definitions[use.path].source
            if isinstance(pin, Exact) and (span := requirement.span(source, pin.start, pin.end)):
                yield use.path, span
                if has_hashes(requirement) and (place := place_of(requirement, source.text)):
                    yield use.path, source.span(*place)

    def _unread(self, environment: Environment, package: PackageName) -> str | None:
        """Return why a requirement of a package cannot be read, or None if all can."""
        for use in environment.uses:
            if use.path not in self.catalog.named.get(package, ()):
                continue
            definition = self.catalog.definitions.get(use.path)
            if definition is None or definition.unusual:
                problems: list[str] = [str(problem) for problem in environment.problems if problem.path == use.path]
                return f"cannot read {problems[0] if problems else use.path}"
            for line, why in definition.naming(package).unreadable:
                return f"cannot read {Problem(use.path, why, line)}"
        return None

    def _together(
        self, environment: Environment, release: Release, requirements: list[tuple[Use, Requirement]]
    ) -> tuple[Decision, list[Edit]]:
        """One decision for several requirements: any held holds, else bump before rebuild before current."""
        decisions: list[Decision] = []
        edits: list[Edit] = []
        for use, requirement in requirements:
            decision, changes = self._one(environment, release, use, requirement)
            # What only constrains installs nothing, so it is no reason for a rebuild.
            if decision.kind is not Kind.REBUILD or not (use.constraint or use.source):
                decisions.append(decision)
            edits += changes
        for kind in (Kind.HELD, Kind.BUMP, Kind.REBUILD, Kind.CURRENT):
            for decision in decisions:
                if decision.kind is kind:
                    return decision, edits
        return Decision(Kind.UNAFFECTED, f"does not require {release.id.package}"), []

    def _one(
        self, environment: Environment, release: Release, use: Use, requirement: Requirement
    ) -> tuple[Decision, list[Edit]]:
        definition = self.catalog.definitions[use.path]
        source = definition.source
        try:
            pin = pin_of(requirement)
        except Unreadable as problem:
            return held(Hold.CANNOT_READ, f"cannot read {use.path} {problem}"), []
        case = self.case(environment, release)
        hashes = renewed(requirement, case.files, source.text) if case.files and has_hashes(requirement) else None
        decision = decide(
            replace(
                case,
                requirement=requirement,
                pin=pin,
                variable=shared_variable(definition, requirement, pin),
                hashes=hashes,
                recompile=self._recompile(use.path, definition, requirement, release, environment),
            )
        )
        if decision.kind is not Kind.BUMP or not isinstance(pin, Exact):
            return decision, []
        edits = []
        if pin.version != release.version:
            span = requirement.span(source, pin.start, pin.end)
            if span is None:
                return held(
                    Hold.NOT_EDITABLE, f"not editable: {use.path} line {requirement.line.number} breaks the version"
                ), []
            edits.append(Edit(use.path, span, pin.written, release.spelling, source.encoding))
        if hashes:
            span = source.span(hashes.start, hashes.end)
            edits.append(Edit(use.path, span, source.text[hashes.start : hashes.end], hashes.new, source.encoding))
        return decision, [edit for edit in edits if edit.old != edit.new]

    def _recompile(
        self, path: str, definition: Definition, requirement: Requirement, release: Release, environment: Environment
    ) -> str | None:
        """Return why a compiled file must be recompiled for a release; None for other files, or if it need not."""
        if definition.locked:
            return f"{path} line {requirement.line.number} locks it, and only its own tool writes that file"
        if not definition.compiled:
            return None
        metadata = self.facts.metadata.get((release.id.package, release.version))
        if metadata is None:
            return f"the file is compiled, and what {release} requires is not known"
        for need in requires_dist_of(metadata):
            if not need.applies(self.python(environment), extras_of(requirement)):
                continue
            # The releases in hand are checked later, together with all that the plan writes.
            pinned = exact_pins(definition, need.name)
            if not pinned or not any(map(need.admits, [*pinned, *self.in_hand.get(need.name, [])])):
                return str(need)
        return None


def exact_pins(definition: Definition, package: PackageName) -> list[Version]:
    """The versions that a file pins of a package."""
    pins = (_pin_or_none(requirement) for requirement in definition.naming(package).requirements)
    return [pin.version for pin in pins if isinstance(pin, Exact)]


def _counts(requirement: Requirement, python: str | None) -> bool:
    """Tell whether a requirement counts; one that cannot be read does, so that it is reported."""
    try:
        return can_apply(requirement, python)
    except Unreadable:
        return True


def _pin_or_none(requirement: Requirement) -> object:
    try:
        return pin_of(requirement)
    except Unreadable:
        return None
