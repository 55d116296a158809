"""The rules of an environment repository: `rebuilder.yml` at its root.

They say how changes are delivered and which packages may be touched. What no rule names is never touched.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Annotated

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from shared.domain.files.text import SourceText
from shared.domain.files.wording import one_line
from shared.domain.files.yaml_plain import read_plain
from shared.domain.names import PackageName
from shared.domain.releases import LONGEST_VERSION, version_of
from shared.domain.rules.globs import matches
from shared.domain.rules.validation_messages import ValidationMessage, validation_message
from shared.errors import InvalidConfiguration, InvalidVersion, Unreadable
from shared.limits import RULES_PROBLEMS

RULES_FILE = "rebuilder.yml"
_SEPARATORS = re.compile(r"[-_.]+")


class Deliver(StrEnum):
    """The way in which a plan's edits reach the branch."""

    PUSH = "push"
    PULL_REQUEST = "pull-request"
    REPORT = "report"


class Upto(StrEnum):
    """The most significant segment of a version that a bump may raise.

    `minor` keeps the first segment (for 0.x the first two), `patch` the first two, `major` none.
    """

    MAJOR = "major"
    MINOR = "minor"
    PATCH = "patch"


class Transitive(StrEnum):
    """The outcome for an environment that takes a released package only through another private package."""

    REPORT = "report"
    REBUILD = "rebuild"


def _specifier(text: str) -> str:
    try:
        SpecifierSet(text)
    except InvalidSpecifier:
        raise ValueError(f"{text!r} is not a version specifier (write for example '<3')") from None
    return text


def _version(text: str) -> str:
    try:
        version_of(text)
    except InvalidVersion as problem:
        raise ValueError(str(problem)) from None
    return text


# The descriptions are shown by editors: see rules_schema.py.
_PathGlobs = tuple[
    Annotated[str, Field(description="A glob; `**` spans folders, a folder's path means all in it.")], ...
]
_NameGlobs = tuple[Annotated[str, Field(description="A glob, as in training-*.")], ...]
_Versions = tuple[
    Annotated[
        str,
        Field(max_length=LONGEST_VERSION, description="One version, in quotes.", examples=["2.4.1"]),
        AfterValidator(_version),
    ],
    ...,
]
_Python = Annotated[
    str, Field(pattern=r"^[0-9]+\.[0-9]+$", description='A version of Python, in quotes: "3.10".', examples=["3.10"])
]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PackageRule(_Strict):
    """The rule for packages whose names match."""

    match: Annotated[
        str,
        Field(
            min_length=1,
            description="Glob on the normalised name of the package (lower case, hyphens).",
            examples=["our-*"],
        ),
    ]
    upto: Annotated[Upto, Field(description="The most significant segment of the version that a bump may raise.")] = (
        Upto.MINOR
    )
    allow: Annotated[
        str,
        Field(
            max_length=LONGEST_VERSION,
            description="Versions that may be written, as a version specifier; empty for any.",
            examples=["<3", ">=1.2,!=1.3.0"],
        ),
        AfterValidator(_specifier),
    ] = ""
    prereleases: Annotated[bool, Field(strict=True, description="Take pre-releases and development releases too.")] = (
        False
    )
    transitive: Annotated[
        Transitive,
        Field(description="What happens to environments that take the package only through another private package."),
    ] = Transitive.REPORT
    view: Annotated[
        str | None, Field(description="The feed's view that a version must be in.", examples=["Release"])
    ] = None
    hold: Annotated[_Versions, Field(description="Versions that are never written.", examples=[["2.4.1"]])] = ()
    environments: Annotated[
        _NameGlobs,
        Field(description="Globs on the environments' names: the rule is for these only.", examples=[["training-*"]]),
    ] = ("*",)

    @cached_property
    def glob(self) -> str:
        """`match` in the spelling of normalised names: `our_*` and `Our.*` mean `our-*`."""
        return _SEPARATORS.sub("-", self.match).lower()

    @cached_property
    def allowed(self) -> SpecifierSet:
        """`allow` as a set of specifiers; what it says of pre-releases is decided by `prereleases`."""
        return SpecifierSet(self.allow, prereleases=True)

    @cached_property
    def held_versions(self) -> frozenset[Version]:
        """`hold` as versions."""
        return frozenset(version_of(text) for text in self.hold)


class EnvironmentGlobs(_Strict):
    """The environments that take part, by globs on the paths of their YAML files."""

    include: Annotated[
        _PathGlobs, Field(description="Environments that take part.", examples=[["environments/**"]])
    ] = ("**",)
    exclude: Annotated[
        _PathGlobs, Field(description="Environments that do not, even if they are included.", examples=[["archive/**"]])
    ] = ()


class Rules(_Strict):
    """All of `rebuilder.yml`."""

    deliver: Annotated[Deliver, Field(description="How edits reach the branch.")]
    rebuild_on_push: Annotated[
        bool,
        Field(
            strict=True,
            description="Rebuild environments whose content a person changed since they were last registered "
            "(not acted on yet).",
        ),
    ] = False
    environments: Annotated[
        EnvironmentGlobs,
        Field(description="The environments that take part, by globs on the paths of their YAML files."),
    ] = EnvironmentGlobs()
    opaque: Annotated[
        _PathGlobs,
        Field(
            description="Environments that install something unseen (`poetry install`, a script) and are known to: "
            "releases are not held for it. Globs on the paths of their YAML files.",
            examples=[["environments/legacy/**"]],
        ),
    ] = ()
    python: Annotated[
        Mapping[str, _Python],
        Field(
            description="The Python of environments whose files do not say it: glob on the YAML file's path → version; "
            "the last that matches counts.",
            examples=[{"environments/old-*": "3.9"}],
        ),
    ] = {}
    packages: Annotated[
        tuple[PackageRule, ...],
        Field(
            description="Which packages may be touched: a package that no entry names never is; of several that match "
            "the last counts.",
            examples=[[{"match": "our-*", "upto": "minor"}]],
        ),
    ] = ()

    def includes(self, path: str) -> bool:
        """Tell whether an environment takes part, by the path of its YAML file."""
        return any(matches(path, glob) for glob in self.environments.include) and not self.excludes(path)

    def excludes(self, path: str) -> bool:
        """Tell whether the rules exclude a file."""
        return any(matches(path, glob) for glob in self.environments.exclude)

    def silences(self, path: str) -> bool:
        """Tell whether an environment is known to install something unseen, by the path of its YAML file."""
        return any(matches(path, glob) for glob in self.opaque)

    def rule_for(self, package: PackageName, environment: str) -> PackageRule | None:
        """The rule that decides about a package in an environment (by its name): the last that matches."""
        for rule in reversed(self.packages):
            if fnmatchcase(package, rule.glob) and any(fnmatchcase(environment, glob) for glob in rule.environments):
                return rule
        return None

    def python_for(self, path: str) -> str | None:
        """The Python that the rules state for an environment; the last glob that matches counts."""
        stated = [version for glob, version in self.python.items() if matches(path, glob)]
        return stated[-1] if stated else None


# Without rules nothing is written, and what would happen is shown for every package and as far as it goes.
NO_RULES = Rules(deliver=Deliver.REPORT, packages=(PackageRule(match="*", upto=Upto.MAJOR),))


def read_rules(raw: bytes) -> Rules:
    """Read `rebuilder.yml`.

    Raises:
        InvalidConfiguration: with all problems at once, in the order of their lines.
    """
    try:
        document = read_plain(SourceText.decode(raw))
    except Unreadable as problem:
        raise InvalidConfiguration(RULES_FILE, [one_line(str(problem))]) from None
    found = [ValidationMessage(*problem) for problem in document.problems]
    try:
        rules = Rules.model_validate(document.value)
    except ValidationError as problems:
        named = {problem.place for problem in found}
        errors = problems.errors(include_input=False, include_url=False)
        found += [validation_message(error, document) for error in errors if error["loc"] not in named]
    else:
        if not found:
            return rules
    said = [str(problem) for problem in sorted(found, key=lambda problem: problem.line or 0)]
    if len(said) > RULES_PROBLEMS:
        said[RULES_PROBLEMS:] = [f"and {len(said) - RULES_PROBLEMS} more problems"]
    raise InvalidConfiguration(RULES_FILE, said)
