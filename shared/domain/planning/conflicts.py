"""Conflicts in what a plan would write: the requirements of versions against the pins beside them."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations

from packaging.version import Version

from shared.domain.holds import Hold
from shared.domain.inventory.environments import Environment
from shared.domain.names import PackageName
from shared.domain.planning.evaluation import Candidate, Evaluator, Occurrence, exact_pins
from shared.domain.planning.requires_dist import RequiresDist, requires_dist_of

# Up to this many connected releases are tried in all combinations; of more, those with the most clashes are given up
# first.
_MOST_TOGETHER = 12


@dataclass(frozen=True, slots=True)
class Clash:
    """Two packages that conflict in one environment.

    Attributes:
        one: the package that asks for something.
        version: its version.
        other: the package that is asked for.
        hold: the code of what is wrong.
        problem: what is wrong, without the word of the code.
        certain: both sides are exact, unconditional and installed in the same step.
    """

    one: PackageName
    version: Version
    other: PackageName
    hold: Hold
    problem: str
    certain: bool

    @property
    def packages(self) -> frozenset[PackageName]:
        """The two packages."""
        return frozenset((self.one, self.other))

    def reason(self, held: PackageName) -> tuple[Hold, str]:
        """Return the code and the sentence with which one of the two is held."""
        if held == self.one:
            return self.hold, f"{self.hold}: {self.problem}"
        return Hold.CONFLICT, f"{Hold.CONFLICT}: {self}"

    def __str__(self) -> str:
        what = self.problem if self.hold is Hold.CONFLICT else f"{self.hold}: {self.problem}"
        return f"{self.one} {self.version} {what}"


def consistent(
    evaluator: Evaluator, acting: Mapping[PackageName, Candidate]
) -> tuple[dict[PackageName, Candidate], dict[PackageName, tuple[Hold, str]]]:
    """The largest set of releases for one environment that fits together; of several the first by name.

    Returns:
        what is kept, and for each of the others why it is not.
    """
    together = [clash for clash in clashes(evaluator, acting) if clash.certain]
    alone = {
        name: [clash for clash in clashes(evaluator, {name: candidate}) if clash.certain]
        for name, candidate in acting.items()
    }
    if not together and not any(alone.values()):
        return dict(acting), {}
    # A conflict with a pin that no release in hand changes cannot be resolved.
    hopeless = {
        clash.one if clash.one in acting else clash.other for clash in together if not clash.packages <= acting.keys()
    }
    at_odds = {clash.packages for clash in together if clash.packages <= acting.keys()}
    # (A, B): A goes only if B goes.
    needs = {
        (name, other)
        for name, found in alone.items()
        for clash in found
        for other in clash.packages - {name}
        if other in acting
    }
    kept = _largest(acting.keys() - hopeless, at_odds, needs)
    reasons = {}
    for name in sorted(acting.keys() - kept):
        found = [clash for clash in (*alone[name], *together) if name in clash.packages]
        own = next((clash for clash in found if clash.one == name), found[0] if found else None)
        others = Hold.CONFLICT, f"{Hold.CONFLICT}: it goes only together with releases that are held"
        reasons[name] = own.reason(name) if own else others
    return {name: acting[name] for name in sorted(kept)}, reasons


def _largest(
    names: Collection[PackageName],
    at_odds: Collection[frozenset[PackageName]],
    needs: Collection[tuple[PackageName, PackageName]],
) -> set[PackageName]:
    """Return the largest set without a conflict in which every release has the others that it needs."""
    kept: set[PackageName] = set()
    edges = [*at_odds, *(frozenset(pair) for pair in needs)]
    for group in _groups(names, edges):
        inside = sorted(group)
        while len(inside) > _MOST_TOGETHER:
            inside.remove(max(inside, key=lambda name: (sum(name in edge for edge in edges), name)))
        kept |= next(
            set(chosen)
            for size in range(len(inside), -1, -1)
            for chosen in combinations(inside, size)
            if _fits(set(chosen), at_odds, needs)
        )
    return kept


def _fits(
    chosen: set[PackageName],
    at_odds: Collection[frozenset[PackageName]],
    needs: Collection[tuple[PackageName, PackageName]],
) -> bool:
    return not any(pair <= chosen for pair in at_odds) and all(
        other in chosen for name, other in needs if name in chosen
    )


def _groups(names: Collection[PackageName], edges: Collection[frozenset[PackageName]]) -> Iterator[set[PackageName]]:
    """Yield groups of names that are connected, directly or through others."""
    neighbours: dict[PackageName, set[PackageName]] = {name: set() for name in names}
    for edge in edges:
        for name in edge & neighbours.keys():
            neighbours[name] |= edge & neighbours.keys()
    waiting = set(names)
    while waiting:
        group, front = set(), [min(waiting)]
        while front:
            name = front.pop()
            if name not in group:
                group.add(name)
                front += neighbours[name]
        waiting -= group
        yield group


def clashes(evaluator: Evaluator, acting: Mapping[PackageName, Candidate]) -> list[Clash]:
    """List the conflicts in one environment once some releases are written.

    Args:
        evaluator: knows the environment's files and what versions require.
        acting: what is written, all of the same environment.
    """
    if not acting or not evaluator.facts.metadata:
        return []
    environment = next(iter(acting.values())).environment
    present = {package for package, _ in evaluator.facts.metadata} | acting.keys()
    found = (
        clash
        for package in sorted(present)
        for place in _after(evaluator, environment, package, acting)
        for clash in _clashes_of(evaluator, environment, package, place, acting)
    )
    certain_first = sorted(dict.fromkeys(found), key=lambda clash: not clash.certain)
    return list({str(clash): clash for clash in reversed(certain_first)}.values())[::-1]


def _clashes_of(
    evaluator: Evaluator,
    environment: Environment,
    package: PackageName,
    place: Occurrence,
    acting: Mapping[PackageName, Candidate],
) -> Iterator[Clash]:
    metadata = evaluator.facts.metadata.get((package, place.version))
    for need in requires_dist_of(metadata) if metadata else ():
        if package not in acting and need.name not in acting:
            continue  # as it was before
        if not need.applies(evaluator.python(environment), place.extras):
            continue
        if place.compiled and package in acting and (clash := _recompile(evaluator, package, place, need, acting)):
            yield clash
            continue
        for other in _after(evaluator, environment, need.name, acting):
            if not need.admits(other.version):
                unconditional = need.marker is None or place.compiled
                yield Clash(
                    package,
                    place.version,
                    need.name,
                    Hold.CONFLICT,
                    f"needs {need}, pinned {other.version}",
                    certain=unconditional
                    and not (place.conditional or other.conditional)
                    and _same_step(environment, place, other),
                )


def _recompile(
    evaluator: Evaluator,
    package: PackageName,
    place: Occurrence,
    need: RequiresDist,
    acting: Mapping[PackageName, Candidate],
) -> Clash | None:
    """A compiled file holds all that is installed, so what is needed has to be pinned in it after the plan."""
    candidate = acting.get(need.name)
    pins = exact_pins(evaluator.catalog.definitions[place.path], need.name)
    after = [candidate.release.version] if candidate and pins else pins
    if any(map(need.admits, after)):
        return None
    return Clash(package, place.version, need.name, Hold.RECOMPILE, str(need), certain=True)


def _after(
    evaluator: Evaluator, environment: Environment, package: PackageName, acting: Mapping[PackageName, Candidate]
) -> list[Occurrence]:
    """List the exact pins of a package as they stand after the plan."""
    candidate = acting.get(package)
    version: Version | None = candidate.release.version if candidate else None
    found = evaluator.pins(environment, package)
    if version is None:
        return found
    return [replace(pin, version=version) for pin in found]


def _same_step(environment: Environment, one: Occurrence, other: Occurrence) -> bool:
    """Tell whether one `pip install` takes both; of a Dockerfile's own commands that is not known."""
    paths = {one.path, other.path}
    if environment.dockerfile in paths:
        return False
    return any(paths <= step for step in environment.steps) or len(paths) == 1
