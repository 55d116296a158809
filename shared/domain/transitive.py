"""Environments that take a release only through another private package: they name A, which requires it."""

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping

from packaging.version import Version

from shared.domain.consistency import Choices
from shared.domain.decisions import Decision, Kind, held
from shared.domain.environments import Environment
from shared.domain.feed_facts import Metadata
from shared.domain.holds import Hold
from shared.domain.judging import Candidate, Judge
from shared.domain.names import PackageName
from shared.domain.needs import Need, needs_of
from shared.domain.releases import Release
from shared.domain.rules import PackageRule, Transitive

type Place = tuple[PackageName, Version]


def reached(judge: Judge, choices: Choices, release: Release) -> Iterator[Candidate]:
    """What happens to the environments that a release reaches through other packages."""
    seen: set[str] = set()
    for (package, version), need in requirers(judge.knowledge.metadata, release).items():
        for environment in judge.catalog.naming(package):
            if environment.path in seen:
                continue
            candidate = choices.get(environment.path, package)
            bumped = candidate.release.version if candidate and candidate.decision.kind is Kind.BUMP else None
            pins = [pin for pin in judge.pins(environment, package) if not pin.constraint]
            places = [pin for pin in pins if (bumped or pin.version) == version]
            if any(need.applies(judge.python(environment), pin.extras) for pin in places):
                seen.add(environment.path)
                decision = _decision(judge, environment, release, f"via {package} {version}")
                yield judge.through(environment, release, decision)


def requirers(metadata: Mapping[Place, Metadata], release: Release) -> dict[Place, Need]:
    """The versions of packages that require a release and admit it, directly and through one another; with the need."""
    asking: defaultdict[PackageName, list[tuple[Place, Need]]] = defaultdict(list)
    for place, known in sorted(metadata.items(), key=lambda pair: pair[0]):
        for need in needs_of(known):
            asking[need.name].append((place, need))
    found: dict[Place, Need] = {}
    waiting = deque([(release.id.package, release.version)])
    while waiting:
        name, version = waiting.popleft()
        for place, need in asking[name]:
            if place[0] != release.id.package and place not in found and need.admits(version):
                found[place] = need
                waiting.append(place)
    return found


def _decision(judge: Judge, environment: Environment, release: Release, via: str) -> Decision:
    rule = judge.rules.rule_for(release.id.package, environment.name)
    if rule is None:
        return held(Hold.RULE, f"{via}: rule: none names {release.id.package}")
    if rule.transitive is not Transitive.REBUILD:
        return held(Hold.RULE, f"{via}: rule transitive: {rule.transitive}")
    if refused := _refused(judge, environment, release, rule):
        hold, why = refused
        return held(hold, f"{via}: {why}")
    carried = judge.knowledge.carries(environment.path, release.id.package)
    if carried is not None and carried >= release.version:
        return Decision(Kind.CURRENT, f"{via}: a rebuild brought {carried}")
    return Decision(Kind.REBUILD, via)


def _refused(judge: Judge, environment: Environment, release: Release, rule: PackageRule) -> tuple[Hold, str] | None:
    """Why a release may not come, whatever pins it: those rows of the decision table that ask for no pin."""
    python = judge.python(environment)
    files = judge.knowledge.files.get(release.id)
    if not rule.allowed.contains(release.version, prereleases=True):
        return Hold.RULE, f"rule allow {rule.allow}"
    if release.version in rule.held_versions:
        return Hold.RULE, f"rule hold {release.spelling}"
    if rule.view and rule.view.casefold() not in (view.casefold() for view in release.views):
        return Hold.NOT_IN_VIEW, f"not in view {rule.view}"
    if release.version.is_prerelease and not rule.prereleases:
        return Hold.PRE_RELEASE, "pre-release"
    if release.version.local:
        return Hold.LOCAL_VERSION, "local version"
    if python and files and not any(file.installs_on(python) for file in files):
        return Hold.NO_FILE, f"no file for Python {python} on Linux"
    return None
