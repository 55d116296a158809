"""Explicit orders: a person names a package, a version and files, and their exact pins are raised."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from packaging.version import Version

from shared.domain.credentials import masked
from shared.domain.definitions import Definition, Requirement
from shared.domain.definitions.conda import read_pip_lists
from shared.domain.definitions.dockerfile import read_dockerfile
from shared.domain.definitions.hashes import has_hashes
from shared.domain.definitions.pins import Exact, Foreign, is_held, pin_of
from shared.domain.definitions.requirements import read_requirements
from shared.domain.names import PackageName, mention, package_name
from shared.domain.releases import version_of
from shared.domain.text import Edit, SourceText
from shared.errors import InvalidInput, InvalidName, InvalidVersion, Unreadable

_ORDER = re.compile(r"\s*(?P<name>[^\s=<>!~\[\]]+?)\s*(?:\[[^\]]*\])?\s*={2,3}\s*(?P<version>\S+)\s*")
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


@dataclass(frozen=True, slots=True)
class Wanted:
    """A package and the version that somebody wants.

    Attributes:
        package: the package.
        version: the version.
        spelling: what is written into files: plain numbers as they were typed (2023.07.22), all else in canonical form.
    """

    package: PackageName
    version: Version
    spelling: str


def parse_wanted(text: str) -> Wanted:
    """Read `NAME==VERSION`.

    Raises:
        InvalidInput: it is something else.
    """
    found = _ORDER.fullmatch(text) if len(text) <= 500 else None
    if found is None:
        raise InvalidInput(f"{masked(text[:80])!r} is not NAME==VERSION, such as our-package==1.4.0")
    try:
        version = version_of(found["version"])
        package = package_name(found["name"])
    except (InvalidName, InvalidVersion) as problem:
        raise InvalidInput(f"{masked(text[:80])!r} is not NAME==VERSION: {masked(str(problem))}") from None
    spelling = found["version"] if _PLAIN.fullmatch(found["version"]) else str(version)
    return Wanted(package, version, spelling)


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


def raise_pins(path: str, definition: Definition, wanted: Wanted) -> tuple[list[Edit], list[Left]]:
    """The edits that raise the exact pins of a package in a file, and what is left as it is."""
    edits: list[Edit] = []
    left: list[Left] = []
    found = definition.naming(wanted.package)
    for requirement in found.requirements:
        outcome = _raised(path, definition, requirement, wanted)
        if isinstance(outcome, Edit):
            edits.append(outcome)
        elif outcome:
            left.append(Left(requirement.line.number, outcome))
    left += (Left(line, why) for line, why in found.unreadable)
    left += _from_channels(definition, wanted.package)
    left += _elsewhere(definition, wanted, {place.line for place in left if place.line})
    return sorted(set(edits)), sorted(left, key=lambda place: place.line or 0)


def _raised(path: str, definition: Definition, requirement: Requirement, wanted: Wanted) -> Edit | str | None:
    """The edit for one requirement, or why there is none; None if it is up to date."""
    try:
        pin = pin_of(requirement)
    except Unreadable as problem:
        return problem.why
    if isinstance(pin, Foreign):
        return f"not a feed version: {masked(requirement.text)}"
    if not isinstance(pin, Exact):
        return f"no exact pin: {pin}"
    if pin.version == wanted.version:
        return None
    if pin.version.local and pin.version.local != wanted.version.local:
        return f"local version: {wanted.spelling} would drop +{pin.version.local} of {pin.written}"
    if pin.version > wanted.version:
        return f"newer: pins {pin.written}"
    if is_held(requirement):
        return "the line carries `# rebuilder: hold`"
    if has_hashes(requirement):
        return "it carries hashes, which only the feed can tell"
    span = requirement.span(definition.source, pin.start, pin.end)
    if span is None:
        return "the version does not stand there in one piece"
    place = requirement.line.locate(requirement.offset + pin.start, requirement.offset + pin.end)
    for start, end, name in definition.shared:
        if place and start <= place[0] < end:
            return f"shared variable {name}"
    return Edit(path, span, pin.written, wanted.spelling, definition.source.encoding)


def _from_channels(definition: Definition, package: PackageName) -> Iterator[Left]:
    for name, line in definition.channel:
        if name == package:
            yield Left(line, "conda takes it from its channels: another package of that name")


def _elsewhere(definition: Definition, wanted: Wanted, known: set[int]) -> Iterator[Left]:
    """The lines that name the package with a version and are nothing that is edited: `ENV`, `LABEL`, a command, a tag.

    Args:
        definition: the file.
        wanted: the package and its version.
        known: lines of which something is said already.
    """
    text = definition.source.text
    breaks = [-1, *(found.start() for found in re.finditer("\n", text)), len(text)]
    edited: dict[int, int] = {}  # where each piece of a requirement begins, and where it ends
    seen = set(known)
    for requirement in definition.naming(wanted.package).requirements:
        line = requirement.line
        for (start, place), end in zip(line.pieces, [*(start for start, _ in line.pieces[1:]), None], strict=True):
            edited[place] = max(edited.get(place, 0), place + (len(line.text) if end is None else end) - start)
        if not line.pieces:  # a value in block style stands below the line that it begins on
            seen.add(line.number + 1)
    starts = sorted(edited)
    for named in mention(wanted.package).finditer(text):
        number = bisect_left(breaks, named.start())
        before = bisect_right(starts, named.start()) - 1
        if number in seen or (before >= 0 and named.start() < edited[starts[before]]):
            continue
        start = breaks[number - 1] + 1
        written = text[start : breaks[number]]
        if _is_another_version(written, named.start() - start, named.end() - named.start(), wanted):
            seen.add(number)
            yield Left(number, f"not a requirement that pip reads: {_shown(written)}")


def _is_another_version(line: str, start: int, length: int, wanted: Wanted) -> bool:
    """Tell whether a version that is not the wanted one stands behind a name in a line, outside of a comment."""
    comment = _COMMENT.search(line)
    versioned = _VERSIONED.match(line, start + length)
    if versioned is None or (comment and comment.start() < start) or line[max(0, start - 1) : start] in ("-", "_", "."):
        return False
    try:
        return version_of(versioned["version"]) != wanted.version
    except InvalidVersion:
        return True


def _shown(line: str) -> str:
    shown = masked(line.strip())
    return repr(shown if len(shown) <= _LONGEST_SHOWN else f"{shown[:_LONGEST_SHOWN]}…")
