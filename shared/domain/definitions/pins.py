"""The version that one requirement asks for: an exact pin, a range, or no version of a feed."""

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

from packaging.markers import InvalidMarker, Marker, UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement
from packaging.requirements import Requirement as PackagingRequirement
from packaging.version import Version

from shared.domain.definitions import Definition, Requirement
from shared.domain.releases import version_of
from shared.errors import InvalidVersion, Unreadable

_HOLD = re.compile(r"#\s*rebuilder:\s*hold\b", re.IGNORECASE)
_EXACT = re.compile(r"(?P<operator>===|==)(?P<space>\s*)(?P<version>[^\s,;()]+)")


@dataclass(frozen=True, slots=True)
class Exact:
    """`==X` or `===X` and nothing else.

    Attributes:
        version: X as a version.
        written: X as it stands in the file.
        start: where X begins in the requirement's text.
        end: where it ends there.
    """

    version: Version
    written: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Range:
    """Anything that leaves a choice: a range, `~=`, `==X.*`, several clauses, or no specifier at all."""

    specifier: str

    def __str__(self) -> str:
        return self.specifier or "any version"


@dataclass(frozen=True, slots=True)
class Foreign:
    """No version of a feed: an address, a repository, a path, an editable install, or template text."""


type Pin = Exact | Range | Foreign


def pin_of(requirement: Requirement) -> Pin:
    """Tell what a requirement says about the version.

    Raises:
        Unreadable: pip would not accept the requirement either.
    """
    if requirement.direct:
        return Foreign()
    parsed = _parsed(requirement.text)
    if parsed.url:
        return Foreign()
    clauses = list(parsed.specifier)
    if len(clauses) != 1 or clauses[0].operator not in ("==", "===") or clauses[0].version.endswith(".*"):
        return Range(str(parsed.specifier))
    # The marker may hold further `==`; the specifier stands in front of it.
    written = _EXACT.search(requirement.text.split(";", 1)[0])
    if written is None:
        raise Unreadable(f"no version can be found in {requirement.text!r}", requirement.line.number)
    try:
        version = version_of(written["version"])
    except InvalidVersion:
        return Foreign()
    return Exact(version, written["version"], *written.span("version"))


def is_held(requirement: Requirement) -> bool:
    """Tell whether the line asks to be left alone (`# rebuilder: hold`)."""
    return bool(_HOLD.search(requirement.comment))


def shared_variable(definition: Definition, requirement: Requirement, pin: Pin) -> str | None:
    """Return the variable that gives an exact pin its version, if it serves something else too."""
    if not definition.shared or not isinstance(pin, Exact):
        return None
    place = requirement.line.locate(requirement.offset + pin.start, requirement.offset + pin.end)
    if place is None:
        return None
    return next((name for start, end, name in definition.shared if start <= place[0] < end), None)


def can_apply(requirement: Requirement, python: str | None) -> bool:
    """Tell whether a requirement's marker can ever hold on Linux and the environment's Python.

    Args:
        requirement: the requirement.
        python: the environment's Python as `3.10`, or None if it is not known: then any may be meant.
    """
    if requirement.direct or ";" not in requirement.text:
        return True
    marker = _parsed(requirement.text).marker
    return marker is None or can_hold(str(marker), python)


def extras_of(requirement: Requirement) -> tuple[str, ...]:
    """The extras that a requirement asks for."""
    try:
        return () if requirement.direct else tuple(sorted(_parsed(requirement.text).extras))
    except Unreadable:
        return ()


_PYTHONS = ("2.7", *(f"3.{minor}" for minor in range(5, 20)))


@lru_cache(maxsize=1024)
def can_hold(marker: str, python: str | None, extras: tuple[str, ...] = ()) -> bool:
    """Tell whether a marker can ever hold on Linux.

    Args:
        marker: the marker.
        python: the Python as `3.10`, or None if any may be meant.
        extras: the extras that are asked for.
    """
    if "platform_release" in marker or "platform_version" in marker:
        return True  # of the machine that installs, which is not known
    patches = range(31) if "full_version" in marker or "implementation_version" in marker else range(1)
    try:
        parsed = Marker(marker)
        return any(
            parsed.evaluate(
                {
                    "os_name": "posix",
                    "sys_platform": "linux",
                    "platform_system": "Linux",
                    "platform_machine": machine,
                    "platform_python_implementation": "CPython",
                    "implementation_name": "cpython",
                    "python_version": version,
                    "python_full_version": f"{version}.{patch}",
                    "implementation_version": f"{version}.{patch}",
                    "extra": extra,
                }
            )
            for machine, version, patch, extra in product(
                ("x86_64", "aarch64"), (python,) if python else _PYTHONS, patches, ("", *extras)
            )
        )
    except (InvalidMarker, UndefinedComparison, UndefinedEnvironmentName, ValueError, RecursionError):
        return True  # what cannot be judged counts


@lru_cache(maxsize=4096)
def _parsed(text: str) -> PackagingRequirement:
    try:
        return PackagingRequirement(text)
    except InvalidRequirement as problem:
        raise Unreadable(f"{text!r} is not a requirement: {str(problem).splitlines()[0]}") from None
    except (ValueError, RecursionError):
        raise Unreadable(f"{text[:60]!r}... is not a requirement that anybody writes") from None
