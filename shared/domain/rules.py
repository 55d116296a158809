"""The rules of an environment repository: `rebuilder.yml` at its root.

They say how changes are delivered and which packages may be touched. What no rule names is never touched.
"""

from collections.abc import Mapping
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import PurePosixPath
from typing import Annotated

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from shared.domain.names import PackageName
from shared.domain.releases import LONGEST_VERSION, version_of
from shared.domain.text import SourceText
from shared.domain.yaml_nodes import load
from shared.errors import InvalidConfiguration, InvalidVersion, Unreadable

RULES_FILE = "rebuilder.yml"


class Deliver(StrEnum):
    """How a plan's edits reach the branch."""

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
    """What happens to an environment that takes a released package only through another private package."""

    REPORT = "report"
    REBUILD = "rebuild"


def _specifier(text: str) -> str:
    if len(text) > LONGEST_VERSION:
        raise ValueError(f"a version specifier of {len(text)} characters (at most {LONGEST_VERSION})")
    try:
        SpecifierSet(text)
    except InvalidSpecifier:
        raise ValueError(f"{text!r} is not a version specifier (write for example '<3')") from None
    return text


def _versions(texts: tuple[str, ...]) -> tuple[str, ...]:
    for text in texts:
        try:
            version_of(text)
        except InvalidVersion as problem:
            raise ValueError(str(problem)) from None
    return texts


def _python(pythons: Mapping[str, str]) -> Mapping[str, str]:
    for glob, version in pythons.items():
        parts = version.split(".")
        if len(parts) != 2 or not all(part.isdigit() for part in parts):
            raise ValueError(f'{glob!r}: {version!r} is not a Python version (write for example "3.10")')
    return pythons


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PackageRule(_Strict):
    """What may happen to the packages whose names match."""

    match: Annotated[str, Field(min_length=1, description="glob on the normalised name of the package")]
    upto: Annotated[Upto, Field(description="the most significant version segment that a bump may raise")] = Upto.MINOR
    allow: Annotated[str, AfterValidator(_specifier), Field(description="versions that may be written")] = ""
    prereleases: Annotated[bool, Field(description="take pre-releases and dev releases too")] = False
    transitive: Annotated[Transitive, Field(description="environments that need it only indirectly")] = (
        Transitive.REPORT
    )
    view: Annotated[str | None, Field(description="feed view that the version must be in")] = None
    hold: Annotated[tuple[str, ...], AfterValidator(_versions), Field(description="versions never written")] = ()
    environments: Annotated[tuple[str, ...], Field(description="globs on the environment's name")] = ("*",)

    @cached_property
    def allowed(self) -> SpecifierSet:
        """`allow` as a set of specifiers; what it says of pre-releases is decided by `prereleases`."""
        return SpecifierSet(self.allow, prereleases=True)

    @cached_property
    def held_versions(self) -> frozenset[Version]:
        """`hold` as versions."""
        return frozenset(version_of(text) for text in self.hold)


class _Environments(_Strict):
    include: Annotated[tuple[str, ...], Field(description="globs on the YAML file's path")] = ("**",)
    exclude: Annotated[tuple[str, ...], Field(description="globs on the YAML file's path")] = ()


class Rules(_Strict):
    """All of `rebuilder.yml`."""

    deliver: Annotated[Deliver, Field(description="how edits reach the branch")]
    environments: _Environments = _Environments()
    python: Annotated[
        Mapping[str, str],
        AfterValidator(_python),
        Field(description="glob on the YAML file's path → the environment's Python, such as '3.10'"),
    ] = {}
    packages: Annotated[tuple[PackageRule, ...], Field(description="later entries win")] = ()

    def includes(self, path: str) -> bool:
        """Tell whether an environment takes part, by the path of its YAML file."""
        return any(matches(path, glob) for glob in self.environments.include) and not any(
            matches(path, glob) for glob in self.environments.exclude
        )

    def rule_for(self, package: PackageName, environment: str) -> PackageRule | None:
        """The rule that decides about a package in an environment (by its name): the last that matches."""
        for rule in reversed(self.packages):
            if fnmatchcase(package, rule.match.lower()) and any(
                fnmatchcase(environment, glob) for glob in rule.environments
            ):
                return rule
        return None

    def python_for(self, path: str) -> str | None:
        """The Python that the rules state for an environment; the last glob that matches counts."""
        stated = [version for glob, version in self.python.items() if matches(path, glob)]
        return stated[-1] if stated else None


# Without rules nothing is written, and what would happen is shown for every package and as far as it goes.
NO_RULES = Rules(deliver=Deliver.REPORT, packages=(PackageRule(match="*", upto=Upto.MAJOR),))


def matches(path: str, glob: str) -> bool:
    """Tell whether a glob (`**` spans folders) matches a path, or a folder that the path lies in."""
    pure = PurePosixPath(path)
    return any(candidate.full_match(glob) for candidate in (pure, *list(pure.parents)[:-1]))


def read_rules(raw: bytes) -> Rules:
    """Read `rebuilder.yml`.

    Raises:
        InvalidConfiguration: with all problems at once.
    """
    try:
        document = load(SourceText.decode(raw))
    except Unreadable as problem:
        raise InvalidConfiguration(RULES_FILE, [str(problem)]) from None
    if not isinstance(document, dict):
        raise InvalidConfiguration(RULES_FILE, ["it is not a map; it needs at least `deliver: push` or `report`"])
    try:
        return Rules.model_validate(document)
    except ValidationError as problems:
        raise InvalidConfiguration(RULES_FILE, [explain(error) for error in problems.errors()]) from None


def explain(error: Mapping[str, object]) -> str:
    """One of pydantic's errors in the words of the file: where, and what."""
    location = error["loc"]
    where = ".".join(str(part) for part in location) if isinstance(location, tuple) else ""
    what = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        what = "no such setting"
    elif error["type"] == "missing":
        what = "is missing"
    elif error["type"] == "string_type":
        what = "write it in quotes"
    elif error["type"] in ("tuple_type", "list_type"):
        what = "is not a list"
    elif error["type"] in ("dict_type", "mapping_type", "model_type", "model_attributes_type"):
        what = "is not a map"
    return f"`{where}`: {what}" if where else what
