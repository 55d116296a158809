"""Whether what a plan would write fits together: the requirements of versions against the pins beside them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations

from packaging.requirements import InvalidRequirement
from packaging.requirements import Requirement as PackagingRequirement
from packaging.version import Version

from shared.domain.decisions import Kind
from shared.domain.definitions.pins import can_hold
from shared.domain.environments import Environment
from shared.domain.feed_facts import admits
from shared.domain.judging import Candidate, Judge, Occurrence
from shared.domain.names import PackageName, package_name
from shared.errors import InvalidName

# So many releases for one environment are tried out in all combinations; of more, those that clash go one by one.
_MOST_TOGETHER = 10


@dataclass(slots=True)
class Choices:
    """For every environment and package the versions from high to low, and how far down it had to go."""

    _candidates: dict[tuple[str, PackageName], list[Candidate]] = field(default_factory=dict)
    _chosen: dict[tuple[str, PackageName], int] = field(default_factory=dict)
    _packages: dict[str, dict[PackageName, None]] = field(default_factory=dict)

    def add(self, environment: Environment, package: PackageName, candidates: list[Candidate]) -> None:
        """Add what an environment may get of a package; the best that is not held is chosen."""
        if any(_is_worth_a_word(candidate) for candidate in candidates):
            self._candidates[environment.path, package] = candidates
            self._packages.setdefault(environment.path, {})[package] = None
            self.choose_again(environment, package)

    def choose_again(self, environment: Environment, package: PackageName) -> None:
        """Choose the highest version that is not held, or the highest if all are."""
        key = environment.path, package
        open_to = (at for at, candidate in enumerate(self._candidates[key]) if candidate.decision.kind is not Kind.HELD)
        self._chosen[key] = next(open_to, 0)

    def get(self, path: str, package: PackageName) -> Candidate | None:
        """What is chosen for an environment and a package."""
        key = path, package
        return self._candidates[key][self._chosen[key]] if key in self._candidates else None

    def items(self) -> Iterator[tuple[tuple[str, PackageName], Candidate]]:
        """What is chosen, by environment and package."""
        for key, candidates in self._candidates.items():
            yield key, candidates[self._chosen[key]]

    def taken(self) -> list[Candidate]:
        """All that is chosen."""
        return [candidate for _, candidate in self.items()]

    def paths(self) -> list[str]:
        """The environments, in the order of their paths."""
        return sorted(self._packages)

    def of(self, path: str) -> dict[PackageName, Candidate]:
        """What is chosen for one environment."""
        found = {package: self.get(path, package) for package in self._packages.get(path, ())}
        return {package: candidate for package, candidate in found.items() if candidate}

    def all(self) -> Iterator[tuple[Candidate, list[Candidate], int]]:
        """For every environment and package what is chosen, all there is, and which of them it is."""
        for key, candidates in self._candidates.items():
            yield candidates[self._chosen[key]], candidates, self._chosen[key]


def _is_worth_a_word(candidate: Candidate) -> bool:
    # That conda has a package of the same name is said; that nothing names the package is not.
    return candidate.decision.kind is not Kind.UNAFFECTED or candidate.decision.reason.startswith("conda ")


@dataclass(frozen=True, slots=True)
class Clash:
    """Two packages that do not fit together.

    Attributes:
        packages: the two.
        why: in one line.
        certain: both sides are exact, unconditional and installed in the same step.
    """

    packages: frozenset[PackageName]
    why: str
    certain: bool


def consistent(judge: Judge, acting: Mapping[PackageName, Candidate]) -> dict[PackageName, Candidate]:
    """The largest set of releases for one environment that fits together; of several the first by name."""
    if not _certain(judge, acting):
        return dict(acting)
    names = sorted(acting)
    if len(names) <= _MOST_TOGETHER:
        for size in range(len(names) - 1, 0, -1):
            for together in combinations(names, size):
                subset = {name: acting[name] for name in together}
                if not _certain(judge, subset):
                    return subset
        return {}
    kept = dict(acting)
    while certain := _certain(judge, kept):
        del kept[max(certain[0].packages & kept.keys())]
    # What was given up may fit to what is left.
    while fitting := [name for name in names if name not in kept and not _certain(judge, {**kept, name: acting[name]})]:
        kept[fitting[0]] = acting[fitting[0]]
    return kept


def _certain(judge: Judge, acting: Mapping[PackageName, Candidate]) -> list["Clash"]:
    return [clash for clash in clashes(judge, acting) if clash.certain]


def clashes(judge: Judge, acting: Mapping[PackageName, Candidate]) -> list[Clash]:
    """What does not fit together in one environment once some releases are written.

    Args:
        judge: knows the environment's files and what versions require.
        acting: what is written, all of the same environment.
    """
    if not acting or not judge.knowledge.metadata:
        return []
    environment = next(iter(acting.values())).environment
    present = {package for package, _ in judge.knowledge.metadata} | acting.keys()
    pins = {package: _after(judge, environment, package, acting) for package in sorted(present)}
    return [
        clash
        for package, places in pins.items()
        for place in places[:1]
        for clash in _clashes_of(judge, environment, package, place, acting)
    ]


def _clashes_of(
    judge: Judge,
    environment: Environment,
    package: PackageName,
    place: Occurrence,
    acting: Mapping[PackageName, Candidate],
) -> Iterator[Clash]:
    metadata = judge.knowledge.metadata.get((package, place.version))
    for text in metadata.requires if metadata else ():
        try:
            wanted = PackagingRequirement(text)
            name = package_name(wanted.name)
        except (InvalidRequirement, InvalidName):
            continue
        if package not in acting and name not in acting:
            continue  # as it was before
        if wanted.marker and not can_hold(str(wanted.marker), judge.python(environment)):
            continue
        for other in _after(judge, environment, name, acting):
            if not admits(str(wanted.specifier), other.version):
                yield Clash(
                    frozenset((package, name)),
                    f"{package} {place.version} needs {wanted.name}{wanted.specifier}, pinned {other.version}",
                    certain=not (wanted.marker or place.conditional or other.conditional)
                    and _same_step(environment, place, other),
                )


def _after(
    judge: Judge, environment: Environment, package: PackageName, acting: Mapping[PackageName, Candidate]
) -> list[Occurrence]:
    """The exact pins of a package as they stand after the plan."""
    candidate = acting.get(package)
    version: Version | None = candidate.release.version if candidate else None
    found = judge.pins(environment, package)
    return [Occurrence(pin.path, version or pin.version, pin.conditional, pin.line) for pin in found]


def _same_step(environment: Environment, one: Occurrence, other: Occurrence) -> bool:
    """Whether one `pip install` takes both; of a Dockerfile's own commands that is not known."""
    paths = {one.path, other.path}
    if environment.dockerfile in paths:
        return False
    return any(paths <= step for step in environment.steps) or len(paths) == 1
