"""What pip is told to download: the requirements of an environment's files, and nothing that leads past the feed.

pip gets lists that are written from what was read, never the files themselves: a file can name other indexes in more
ways than anybody can filter out of its text, and pip replaces `${NAME}` in it by the job's variables.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from shared.domain.definitions import Definition, Option, Requirement
from shared.domain.definitions.pins import Exact, pin_of
from shared.domain.definitions.requirements import TEMPLATE
from shared.domain.inventory.catalog import Catalog
from shared.domain.inventory.environments import Environment, Use
from shared.domain.names import PackageName
from shared.domain.rules.rules import Rules
from shared.errors import Unreadable
from shared.steps.job_state import StepFailed

_INDEXES = {"-i", "--index-url", "--pypi-url", "--extra-index-url", "--no-index", "--trusted-host"}
_PLACES = {"-f", "--find-links"}
_KEPT = {"--pre", "--prefer-binary", "--require-hashes"}
_FILE = re.compile(r"[\w.+/-]+\.whl", re.ASCII)


@dataclass(slots=True)
class Wanted:
    """Lines for pip.

    Attributes:
        requirements: what is installed, with the options that belong to it.
        constraints: what constrains it.
        ruled: what the rules say of versions that the files leave open.
        own: what the Dockerfile's own commands install, each by itself.
        warnings: what a person should know.
    """

    requirements: list[str] = field(default_factory=list)
    constraints: list[str] = field(default_factory=list)
    ruled: list[str] = field(default_factory=list)
    own: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def wanted(catalog: Catalog, environment: Environment, rules: Rules, context: Path | None) -> Wanted:
    """Collect what an environment's files ask for.

    What a Dockerfile's own commands install comes along if a rule names it: the image build can reach a public index,
    and never the feed.

    Args:
        catalog: of the checkout.
        environment: one of its environments.
        rules: which packages are the feed's.
        context: the build context's folder, for wheels that lie in it.

    Raises:
        StepFailed: a line leads to another place than the feed and the build context.
    """
    found = Wanted(ruled=list(_ruled(catalog, environment, rules)))
    flags: dict[str, None] = {}
    for use in environment.uses:
        if use.source:
            continue  # what the compiled file was made from says nothing more
        definition = catalog.definitions[use.path]
        if use.own or use.path == environment.dockerfile:
            found.own += (
                line for line in dict.fromkeys(_own(use, definition, environment, rules)) if line not in found.own
            )
            continue
        for flag in _options(use.path, definition, found):
            flags[flag] = None
        lines = found.constraints if use.constraint else found.requirements
        for requirement in definition.requirements:
            _refuse_what_leads_elsewhere(use.path, requirement, context)
            line = f"{requirement.text} {requirement.options}".strip()
            if line not in lines:
                lines.append(line)
    found.requirements[:0] = flags
    return found


def _ruled(catalog: Catalog, environment: Environment, rules: Rules) -> Iterator[str]:
    """What rules say of the packages that an environment requires, as constraints.

    An exact pin is what a person or a bump has chosen; a range takes what the resolver finds, and that may be a version
    that the rules hold or do not allow. Pre-releases are none of its finds, whatever the rules say: the image build's
    own pip would not take them.
    """
    pinned: set[PackageName] = set()
    named: set[PackageName] = set()
    for use in environment.uses:
        for requirement in () if use.source else catalog.definitions[use.path].requirements:
            if requirement.name is not None:
                (pinned if _is_exact(requirement) else named).add(requirement.name)
    for name in sorted(named - pinned):
        rule = rules.rule_for(name, environment.name)
        if rule is None:
            continue
        held = [f"!={version}" for version in sorted(rule.held_versions)]
        if said := ",".join(filter(None, [rule.allow, *held])):
            yield f"{name}{said}"


def _is_exact(requirement: Requirement) -> bool:
    try:
        return isinstance(pin_of(requirement), Exact)
    except Unreadable:
        return False  # pip will say so


def _own(use: Use, definition: Definition, environment: Environment, rules: Rules) -> Iterator[str]:
    """What commands, projects and locks install of the packages that a rule names."""
    for requirement in definition.requirements:
        if not use.installs(requirement.extras):
            continue
        ours = requirement.name is not None and rules.rule_for(requirement.name, environment.name) is not None
        if ours and requirement.installed and not requirement.direct and not TEMPLATE.search(requirement.text):
            yield requirement.text


def _options(path: str, definition: Definition, found: Wanted) -> Iterator[str]:
    for include in definition.includes:
        if "://" in include.path:
            raise StepFailed(
                f"{path} line {include.line}: {include.path} is not in the repository: an offline install cannot "
                "read it; keep a copy beside this file"
            )
    for option in definition.options:
        if option.name in _KEPT:
            yield option.name
        elif option.name in _PLACES and "://" in (option.value or ""):
            raise StepFailed(f"{_at(path, option)}: {option.name} leads to another place than the feed: remove it")
        elif option.name in _INDEXES:
            warning = f"{path} names an index of its own ({option.name}): the feed is asked instead"
            if warning not in found.warnings:
                found.warnings.append(warning)


def _refuse_what_leads_elsewhere(path: str, requirement: Requirement, context: Path | None) -> None:
    where = f"{path} line {requirement.line.number}"
    if TEMPLATE.search(requirement.text + requirement.options):
        raise StepFailed(f"{where}: it holds a variable, and nobody can say what that stands for")
    if not requirement.direct:
        return
    if context is not None and _FILE.fullmatch(requirement.text):
        file = (context / requirement.text).resolve()
        if file.is_file() and file.is_relative_to(context.resolve()):
            return
    raise StepFailed(
        f"{where}: {requirement.text!r} is taken from another place than the feed; only packages of the feed and "
        "wheels inside the build context install offline"
    )


def _at(path: str, option: Option) -> str:
    return f"{path} line {option.line}"
