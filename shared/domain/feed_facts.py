"""Facts that a feed states about one version: its files, and the requirements in its metadata.

Names of files and contents of wheels are written by the publisher: everything here takes any text or bytes and
raises nothing.
"""

import re
from dataclasses import dataclass
from email.errors import MessageError
from functools import lru_cache

from packaging.metadata import parse_email
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import parse_sdist_filename, parse_wheel_filename
from packaging.version import Version

from shared.domain.names import PackageName, package_name
from shared.domain.releases import version_of
from shared.errors import InvalidName, InvalidVersion
from shared.limits import FILE_NAME_CHARACTERS, NEED_CHARACTERS

# The characters of names, versions and tags (binary distribution format); anything else would reach logs and pages.
_FILE_NAME = re.compile(r"[A-Za-z0-9._+!-]+")
_INTERPRETER = re.compile(r"(?P<kind>py|cp)(?P<major>\d)(?P<minor>\d*)")
# glibc 2.28 is older than that of every base image Azure ML still offers. pip takes a platform literally, not as
# "or older", so all of them are named.
LINUX_PLATFORMS = (
    *(f"manylinux_2_{minor}_x86_64" for minor in range(28, 16, -1)),
    "manylinux2014_x86_64",
    "manylinux2010_x86_64",
    "manylinux1_x86_64",
    "linux_x86_64",
)
_ANY = Version("1")
_LINE_BREAK = re.compile(r"\s*[\r\n]+\s*")
# Everything that matters stands above the first empty line; the description below it can be anything.
_END_OF_HEADERS = re.compile(rb"(?:\r\n|\r(?!\n)|\n){2}")


@dataclass(frozen=True, slots=True)
class FeedFile:
    """One file of a version, as the feed's simple index lists it.

    Attributes:
        name: of the file.
        sha256: of its bytes, in lower-case hexadecimal, or None if the index does not state it.
        requires_python: the text of `data-requires-python`, or None; nobody promises that it is a specifier.
    """

    name: str
    sha256: str | None = None
    requires_python: str | None = None

    def installs_on(self, python: str) -> bool:
        """Tell whether pip takes it for a Python such as `3.10` on Linux x86_64; only wheels install offline."""
        return self.is_wheel and admits_python(self.requires_python, python) and _fits_linux(self.name, python)

    @property
    def is_wheel(self) -> bool:
        """Tell whether it is a wheel."""
        return self.name.endswith(".whl")


@dataclass(frozen=True, slots=True)
class Metadata:
    """The requirements of a version (core metadata specification), as its author wrote it.

    Attributes:
        requires_python: the text of `Requires-Python`, or None; nobody promises that it is a specifier.
        requires: the texts of `Requires-Dist` in their order; nobody promises that they are requirements.
    """

    requires_python: str | None = None
    requires: tuple[str, ...] = ()


def identity_of(file_name: str) -> tuple[PackageName, Version] | None:
    """Return whose file it is by its name, or None if it is no name of a wheel or source distribution."""
    if len(file_name) > FILE_NAME_CHARACTERS or not _FILE_NAME.fullmatch(file_name):
        return None
    try:
        if file_name.endswith(".whl"):
            name, version, *_ = parse_wheel_filename(file_name)
        else:
            name, version = parse_sdist_filename(file_name)
        return package_name(name), version
    except (ValueError, InvalidName):
        return None


def is_file_of(file_name: str, package: PackageName, version: str) -> bool:
    """Tell whether it is a file of this version (by PEP 440 equality); never for a version that is none."""
    try:
        return identity_of(file_name) == (package, version_of(version))
    except InvalidVersion:
        return False


def metadata_of(raw: bytes) -> Metadata | None:
    """Read a wheel's METADATA, leniently: whatever else is wrong with it does not matter here.

    Returns:
        None if it is no metadata (it has no name), or if what it requires cannot be read: half of it would be a lie.
    """
    try:
        found, unread = parse_email(_END_OF_HEADERS.split(raw, maxsplit=1)[0] + b"\n\n")
    except (MessageError, ValueError, TypeError, LookupError, AssertionError, RecursionError):
        return None
    if not found.get("name") or {"requires-dist", "requires-python"} & unread.keys():
        return None
    requires = (_one_line(text) for text in found.get("requires_dist", ()))
    return Metadata(_one_line(found.get("requires_python", "")) or None, tuple(text for text in requires if text))


def _one_line(text: str) -> str:
    """A header's text without the line breaks that it was folded with."""
    return _LINE_BREAK.sub(" ", text).strip()


def admits(specifier: str | None, version: Version) -> bool:
    """Tell whether a specifier admits a version; one that is none admits everything."""
    specifiers = _specifiers(specifier) if specifier else None
    return specifiers is None or specifiers.contains(version, prereleases=True)


@lru_cache(maxsize=4096)
def _specifiers(text: str) -> SpecifierSet | None:
    if len(text) > NEED_CHARACTERS:
        return None
    try:
        found = SpecifierSet(text)
        found.contains(_ANY, prereleases=True)  # only now are the versions in it read
    except (InvalidSpecifier, ValueError):
        return None
    return found


def admits_python(specifier: str | None, python: str) -> bool:
    """Tell whether a `Requires-Python` admits a Python such as `3.10`."""
    # Which patch release an environment has is not known, so the first and a late one are tried.
    return any(admits(specifier, Version(f"{python}.{patch}")) for patch in (0, 99))


def _fits_linux(file_name: str, python: str) -> bool:
    """Tell whether one of a wheel's tags fits CPython on Linux x86_64 (platform compatibility tags specification)."""
    try:
        *_, tags = parse_wheel_filename(file_name)
    except ValueError:
        return False
    major, _, minor = python.partition(".")
    return any(
        (tag.platform == "any" or tag.platform in LINUX_PLATFORMS)
        and _fits_interpreter(tag.interpreter, tag.abi, major, int(minor or 0))
        for tag in tags
    )


def _fits_interpreter(interpreter: str, abi: str, major: str, minor: int) -> bool:
    found = _INTERPRETER.fullmatch(interpreter)
    if found is None or found["major"] != major:
        return False
    wanted = int(found["minor"]) if found["minor"] else None
    if found["kind"] == "py":
        return wanted is None or wanted <= minor
    return wanted == minor or (abi == "abi3" and wanted is not None and wanted <= minor)
