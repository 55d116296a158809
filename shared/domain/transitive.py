"""Environments that take a release only through another private package: they name A, which requires it."""

import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from packaging.requirements import InvalidRequirement
from packaging.requirements import Requirement as PackagingRequirement
from packaging.version import Version

from shared.domain.consistency import Choices
from shared.domain.decisions import Decision, Kind, held
from shared.domain.definitions.pins import can_hold
from shared.domain.environments import Environment
from shared.domain.feed_facts import admits
from shared.domain.judging import Candidate, Judge
from shared.domain.knowledge import Knowledge
from shared.domain.names import PackageName, package_name
from shared.domain.releases import Release
from shared.domain.rules import PackageRule, Transitive
from shared.errors import InvalidName

_EXTRA = re.compile(r"extra\s*==\s*[\"']([^\"']+)[\"']")


def reached(judge: Judge, choices: Choices, release: Release) -> Iterator[tuple[Environment, Candidate]]:
    """The environments that a release reaches through other packages, with what happens to each."""
    seen: set[str] = set()
    anywhere = requirers(judge.knowledge, release)
    on: dict[str | None, list[Needed]] = {None: anywhere}
    for needed in anywhere:
        for environment in judge.catalog.naming(needed.package):
            python = judge.python(environment)
            if python not in on:
                on[python] = requirers(judge.knowledge, release, python)
            if environment.path in seen or needed not in on[python]:
                continue
            candidate = choices.get(environment.path, needed.package)
            bumped = candidate.release.version if candidate and candidate.decision.kind is Kind.BUMP else None
            for pin in judge.pins(environment, needed.package):
                if (bumped or pin.version) == needed.version and needed.is_asked_for(pin.extras):
                    seen.add(environment.path)
                    via = f"via {needed.package} {needed.version}"
                    yield environment, _through(judge, environment, release, via)
                    break


@dataclass(frozen=True, slots=True)
class Needed:
    """A version that installs a release.

    Attributes:
        package: its package.
        version: the version.
        extra: the extra that has to be asked for; None if it always does.
    """

    package: PackageName
    version: Version
    extra: str | None = None

    def is_asked_for(self, extras: Iterable[str]) -> bool:
        """Whether somebody who asks for some extras asks for this."""
        return self.extra is None or self.extra in map(_normalised, extras)


def requirers(knowledge: Knowledge, release: Release, python: str | None = None) -> list[Needed]:
    """The versions of packages that require a release and admit it, directly and through one another."""
    first = Needed(release.id.package, release.version)
    found: dict[Needed, None] = {}
    waiting = deque([first])
    while waiting:
        needed = waiting.popleft()
        for (package, version), metadata in sorted(knowledge.metadata.items()):
            if package == release.id.package:
                continue
            for extra in _extras_that_ask_for(needed, metadata.requires, python):
                requirer = Needed(package, version, extra)
                if requirer not in found:
                    found[requirer] = None
                    waiting.append(requirer)
    return list(found)


def _extras_that_ask_for(needed: Needed, texts: Iterable[str], python: str | None) -> Iterator[str | None]:
    """The extras of a version with whose requirements something is installed; None if it always is."""
    for text in texts:
        try:
            wanted = PackagingRequirement(text)
            named = package_name(wanted.name) == needed.package and needed.is_asked_for(wanted.extras)
        except (InvalidRequirement, InvalidName):
            continue
        if not named or not admits(str(wanted.specifier), needed.version):
            continue
        marker = str(wanted.marker or "")
        if not marker or can_hold(marker, python):
            yield None
            continue
        for extra in _EXTRA.findall(marker):
            if can_hold(marker, python, (extra,)):
                yield _normalised(extra)


def _normalised(extra: str) -> str:
    return re.sub(r"[-_.]+", "-", extra).lower()


def _through(judge: Judge, environment: Environment, release: Release, via: str) -> Candidate:
    rule = judge.rules.rule_for(release.id.package, environment.name)
    carried = judge.knowledge.carries(environment.path, release.id.package)
    decision = _decision(release, rule, via)
    if decision.acts and carried is not None and carried >= release.version:
        decision = Decision(Kind.CURRENT, f"{via}: a rebuild brought {carried}")
    changes = decision.kind is not Kind.CURRENT
    return Candidate(environment, release, judge.as_a_whole(environment, decision), changes=changes)


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
