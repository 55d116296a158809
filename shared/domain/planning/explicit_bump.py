"""The explicit bump: a person names a version and files, and the exact pins in them are raised."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from shared.domain.definitions import Definition, Requirement
from shared.domain.definitions.conda import read_pip_lists
from shared.domain.definitions.dockerfile import read_dockerfile
from shared.domain.definitions.pins import Exact, pin_of, shared_variable
from shared.domain.definitions.requirements import read_requirements
from shared.domain.files.credentials import masked
from shared.domain.files.text import Edit, SourceText
from shared.domain.names import PackageName, mention
from shared.domain.planning.decision_table import Case, decide
from shared.domain.planning.decisions import Kind
from shared.domain.releases import Release, ReleaseId, version_of
from shared.errors import InvalidInput, InvalidName, InvalidVersion, Unreadable

_RELEASE = re.compile(r"\s*(?P<name>[^\s=<>!~\[\]]+?)\s*(?:\[[^\]]*\])?\s*={2,3}\s*(?P<version>\S+)\s*")
_PLAIN = re.compile(r"[0-9]+(?:\.[0-9]+)*")
_DOCKERFILE = re.compile(r"(?:dockerfile|containerfile)[^/]*|[^/]+\.(?:dockerfile|containerfile)", re.IGNORECASE)
_INSTRUCTIONS = re.compile(r"(?:[^\S\n]*(?:#[^\n]*)?\n)*[^\S\n]*(?:FROM|ARG)[ \t]+\S", re.IGNORECASE)
_FROM = re.compile(r"^[^\S\n]*FROM[ \t]+\S", re.IGNORECASE | re.MULTILINE)
# What stands behind a name and its extras where a version follows, whatever reads it: `our-pkg==`, `our-pkg: "1.0"`.
_VERSIONED = re.compile(
    r"""["']?\s*(?:\[[^\]\n]{0,200}\]\s*)?"""
    r"""(?:===?|[~!<>]=|[<>@]|[=:]\s*["']?(?=v?\d|\{\{|\$)|\s["']?(?=v?\d+\.\d))"""
    r"""\s*(?P<version>[^\s"',;]+)"""
)
_COMMENT = re.compile(r"(?:^|\s)#")
_LONGEST_SHOWN = 80
# Files with another grammar of their own: what looks like a requirement in them need not be one.
_OTHERS = (".py", ".ipynb", ".toml", ".cfg", ".json", ".md", ".rst", ".sh", ".ps1", ".lock", ".whl", ".zip")


# The feed of a release that a person names: none was asked.
_NO_FEED = "-"


def parse_release(text: str) -> Release:
    """Read `NAME==VERSION`. Plain numbers are written as they were typed (2023.07.22), all else in canonical form.

    Raises:
        InvalidInput: it is something else.
    """
    found = _RELEASE.fullmatch(text) if len(text) <= 500 else None
    if found is None:
        raise InvalidInput(f"{masked(text[:80])!r} is not NAME==VERSION, such as our-package==1.4.0")
    try:
        identity = ReleaseId.of(_NO_FEED, found["name"], found["version"])
    except (InvalidName, InvalidVersion) as problem:
        raise InvalidInput(f"{masked(text[:80])!r} is not NAME==VERSION: {masked(str(problem))}") from None
    written = found["version"]
    return Release(identity, written if _PLAIN.fullmatch(written) else str(version_of(written)))


def read_definition(path: str, raw: bytes) -> Definition:
    """Read a definition file of any kind; which one it is, its name and its content say.

    Raises:
        Unreadable: it is none, or it cannot be read.
    """
    name = path.replace("\\", "/").rsplit("/", 1)[-1]
    if name.lower().endswith(_OTHERS):
        raise Unreadable("it is no requirements file, conda file, Dockerfile or environment YAML")
    source = SourceText.decode(raw)
    if name.lower().endswith((".yml", ".yaml")):
        return read_pip_lists(source)
    is_text = name.lower().endswith((".txt", ".in"))
    if _DOCKERFILE.fullmatch(name) and not is_text:
        return read_dockerfile(source).definition
    if not is_text and _INSTRUCTIONS.match(source.text) and _FROM.search(source.text):
        return read_dockerfile(source).definition
    return read_requirements(source)


@dataclass(frozen=True, slots=True)
class Left:
    """A place that names the package and was left as it is.

    Attributes:
        line: its line.
        why: why, in a few words.
    """

    line: int | None
    why: str


def raise_pins(path: str, definition: Definition, release: Release) -> tuple[list[Edit], list[Left]]:
    """The edits that raise the exact pins of a package in a file, and what is left as it is."""
    edits: list[Edit] = []
    left: list[Left] = []
    found = definition.naming(release.id.package)
    for requirement in found.requirements:
        outcome = _raised(path, definition, requirement, release)
        if isinstance(outcome, Edit):
            edits.append(outcome)
        elif outcome:
            left.append(Left(requirement.line.number, outcome))
    left += (Left(line, why) for line, why in found.unreadable)
    left += _from_channels(definition, release.id.package)
    left += _elsewhere(definition, release, {place.line for place in left if place.line})
    return sorted(set(edits)), sorted(left, key=lambda place: place.line or 0)


def _raised(path: str, definition: Definition, requirement: Requirement, release: Release) -> Edit | str | None:
    """The edit for one requirement, or why there is none; None if it is up to date."""
    try:
        pin = pin_of(requirement)
    except Unreadable as problem:
        return problem.why
    variable = shared_variable(definition, requirement, pin)
    decision = decide(Case(release=release, explicit=True, requirement=requirement, pin=pin, variable=variable))
    if decision.kind is Kind.CURRENT:
        return None
    if decision.kind is Kind.HELD:
        return masked(decision.reason)
    if not isinstance(pin, Exact):
        return f"no exact pin: {pin}"
    span = requirement.span(definition.source, pin.start, pin.end)
    if span is None:
        return "not editable: the line breaks the version"
    return Edit(path, span, pin.written, release.spelling, definition.source.encoding)


def _from_channels(definition: Definition, package: PackageName) -> Iterator[Left]:
    for name, line in definition.channel:
        if name == package:
            yield Left(line, "conda takes it from its channels: another package of that name")


def _elsewhere(definition: Definition, release: Release, known: set[int]) -> Iterator[Left]:
    """The lines that name the package with a version and are nothing that is edited: `ENV`, `LABEL`, a command, a tag.

    Args:
        definition: the file.
        release: the package and its version.
        known: lines of which something is said already.
    """
    text = definition.source.text
    breaks = [-1, *(found.start() for found in re.finditer("\n", text)), len(text)]
    edited: dict[int, int] = {}  # where each piece of a requirement begins, and where it ends
    seen = set(known)
    for requirement in definition.naming(release.id.package).requirements:
        line = requirement.line
        for (start, place), end in zip(line.pieces, [*(start for start, _ in line.pieces[1:]), None], strict=True):
            edited[place] = max(edited.get(place, 0), place + (len(line.text) if end is None else end) - start)
        if not line.pieces:  # a value in block style stands below the line that it begins on
            seen.add(line.number + 1)
    starts = sorted(edited)
    for named in mention(release.id.package).finditer(text):
        number = bisect_left(breaks, named.start())
        before = bisect_right(starts, named.start()) - 1
        if number in seen or (before >= 0 and named.start() < edited[starts[before]]):
            continue
        start = breaks[number - 1] + 1
        written = text[start : breaks[number]]
        if _is_another_version(written, named.start() - start, named.end() - named.start(), release):
            seen.add(number)
            yield Left(number, f"not a requirement that pip reads: {_shown(written)}")


def _is_another_version(line: str, start: int, length: int, release: Release) -> bool:
    """Tell whether a version that is not the wanted one stands behind a name in a line, outside of a comment."""
    comment = _COMMENT.search(line)
    versioned = _VERSIONED.match(line, start + length)
    if versioned is None or (comment and comment.start() < start) or line[max(0, start - 1) : start] in ("-", "_", "."):
        return False
    try:
        return version_of(versioned["version"]) != release.version
    except InvalidVersion:
        return True


def _shown(line: str) -> str:
    shown = masked(line.strip())
    return repr(shown if len(shown) <= _LONGEST_SHOWN else f"{shown[:_LONGEST_SHOWN]}…")
