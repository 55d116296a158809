"""Environments that take a release only through another private package: they name A, which requires it."""

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from dataclasses import replace

from packaging.version import Version

from shared.domain.feed_facts import Metadata
from shared.domain.holds import Hold
from shared.domain.inventory.environments import Environment
from shared.domain.names import PackageName
from shared.domain.planning.choices import Choices
from shared.domain.planning.decision_table import decide
from shared.domain.planning.decisions import Decision, Kind, held
from shared.domain.planning.evaluation import Candidate, Evaluator
from shared.domain.planning.requires_dist import RequiresDist, requires_dist_of
from shared.domain.releases import Release
from shared.domain.rules.rules import Transitive

type Place = tuple[PackageName, Version]


def reached(evaluator: Evaluator, choices: Choices, release: Release) -> Iterator[Candidate]:
    """Yield a candidate for each environment that a release reaches through other packages."""
    seen: set[str] = set()
    for (package, version), need in requirers(evaluator.facts.metadata, release).items():
        for environment in evaluator.catalog.naming(package):
            if environment.path in seen:
                continue
            candidate = choices.get(environment.path, package)
            bumped = candidate.release.version if candidate and candidate.decision.kind is Kind.BUMP else None
            pins = [pin for pin in evaluator.pins(environment, package) if not pin.constraint]
            places = [pin for pin in pins if (bumped or pin.version) == version]
            if any(need.applies(evaluator.python(environment), pin.extras) for pin in places):
                seen.add(environment.path)
                decision = _decision(evaluator, environment, release, f"via {package} {version}")
                yield evaluator.through(environment, release, decision)


def requirers(metadata: Mapping[Place, Metadata], release: Release) -> dict[Place, RequiresDist]:
    """Return the versions of packages that require and admit a release, directly or through one another."""
    asking: defaultdict[PackageName, list[tuple[Place, RequiresDist]]] = defaultdict(list)
    for place, known in sorted(metadata.items(), key=lambda pair: pair[0]):
        for need in requires_dist_of(known):
            asking[need.name].append((place, need))
    found: dict[Place, RequiresDist] = {}
    waiting = deque([(release.id.package, release.version)])
    while waiting:
        name, version = waiting.popleft()
        for place, need in asking[name]:
            if place[0] != release.id.package and place not in found and need.admits(version):
                found[place] = need
                waiting.append(place)
    return found


def _decision(evaluator: Evaluator, environment: Environment, release: Release, via: str) -> Decision:
    """Decide by the same table as a requirement of the environment's own, which has a pin besides."""
    case = evaluator.case(environment, release)
    if case.rule and case.rule.transitive is not Transitive.REBUILD:
        return held(Hold.RULE, f"{via}: rule transitive: {case.rule.transitive}")
    decision = decide(case)
    return replace(decision, reason=via if decision.kind is Kind.REBUILD else f"{via}: {decision.reason}")
