"""Environments that take a release only through another private package: they name A, which requires it."""

from collections.abc import Iterator

from packaging.requirements import InvalidRequirement
from packaging.requirements import Requirement as PackagingRequirement
from packaging.version import Version

from shared.domain.consistency import Choices
from shared.domain.decisions import Decision, Kind, held
from shared.domain.environments import Environment
from shared.domain.feed_facts import admits
from shared.domain.judging import Candidate, Judge
from shared.domain.knowledge import Knowledge
from shared.domain.names import PackageName, package_name
from shared.domain.releases import Release
from shared.domain.rules import PackageRule, Transitive
from shared.errors import InvalidName


def reached(judge: Judge, choices: Choices, release: Release) -> Iterator[tuple[Environment, Candidate]]:
    """The environments that a release reaches through other packages, with what happens to each."""
    seen: set[str] = set()
    for package, version in requirers(judge.knowledge, release):
        for environment in judge.catalog.naming(package):
            if environment.path in seen:
                continue
            candidate = choices.get(environment.path, package)
            bumped = candidate.release.version if candidate and candidate.decision.kind is Kind.BUMP else None
            if any((bumped or pin.version) == version for pin in judge.pins(environment, package)):
                seen.add(environment.path)
                yield environment, _through(judge, environment, release, f"via {package} {version}")


def requirers(knowledge: Knowledge, release: Release) -> list[tuple[PackageName, Version]]:
    """The versions of packages that require a release and admit it, directly and through one another."""
    found: dict[tuple[PackageName, Version], None] = {}
    waiting = [(release.id.package, release.version)]
    while waiting:
        name, version = waiting.pop(0)
        for (package, own), metadata in sorted(knowledge.metadata.items()):
            if package == release.id.package or (package, own) in found:
                continue
            if any(_asks_for(text, name, version) for text in metadata.requires):
                found[package, own] = None
                waiting.append((package, own))
    return list(found)


def _asks_for(text: str, name: PackageName, version: Version) -> bool:
    try:
        wanted = PackagingRequirement(text)
        return package_name(wanted.name) == name and admits(str(wanted.specifier), version)
    except (InvalidRequirement, InvalidName):
        return False


def _through(judge: Judge, environment: Environment, release: Release, via: str) -> Candidate:
    rule = judge.rules.rule_for(release.id.package, environment.name)
    carried = judge.knowledge.carries(environment.path, release.id.package)
    decision = _decision(release, rule, via)
    if decision.acts and carried is not None and carried >= release.version:
        decision = Decision(Kind.CURRENT, f"{via}: a rebuild brought {carried}")
    return Candidate(environment, release, judge.as_a_whole(environment, decision))


def _decision(release: Release, rule: PackageRule | None, via: str) -> Decision:
    if rule is None:
        return held(f"{via}: rule: none names {release.id.package}")
    if rule.transitive is not Transitive.REBUILD:
        return held(f"{via}: rule transitive: {rule.transitive}")
    if release.version in rule.held_versions or not rule.allowed.contains(release.version, prereleases=True):
        return held(f"{via}: rule allow {rule.allow or '*'}, hold {', '.join(rule.hold) or 'none'}")
    if rule.view and rule.view.casefold() not in (view.casefold() for view in release.views):
        return held(f"{via}: not in view {rule.view}")
    if release.version.is_prerelease and not rule.prereleases:
        return held(f"{via}: pre-release")
    return Decision(Kind.REBUILD, via)
