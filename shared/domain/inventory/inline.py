"""Inline environments: those that a job, component, pipeline or deployment defines in place.

Azure ML builds one at the next run of what defines it; nothing is registered, so nothing is rebuilt. They are reported
and never edited. The forms are those of Azure ML CLI v2: `environment: {image, conda_file | build}`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import yaml

from shared.domain.definitions import Definition
from shared.domain.files.credentials import masked
from shared.domain.files.text import SourceText
from shared.domain.files.yaml_nodes import documents, entries, line_of, walk
from shared.domain.inventory.environments import CONTENT, EnvironmentFile, Use, read_node
from shared.domain.inventory.foreign import is_foreign
from shared.domain.names import PackageName
from shared.limits import REQUIREMENT_CHARACTERS

_KEY = "environment"
# The key with a map behind it, on its own line or below, or with an alias of one.
_PLACE = re.compile(rf"\b{_KEY}[\"']?[ \t]*:[ \t]*(?:[{{*&!]|(?:#.*)?\r?$)", re.MULTILINE)
_FILLED = re.compile(r"(?:^|[\s{,])[\"']?(?:build|image|conda_file)[\"']?\s*:")


@dataclass(frozen=True, slots=True)
class InPlace:
    """An inline environment as one file defines it, independent of where the file lies.

    Attributes:
        line: where it stands.
        file: what it consists of.
        requirements: a requirements file that it installs, besides.
        loose: its paths begin in the folder that the code runs in, which nobody knows.
    """

    line: int
    file: EnvironmentFile
    requirements: str | None = None
    loose: bool = False


@dataclass(frozen=True, slots=True)
class InlineEnvironment:
    """One inline environment at one commit.

    Attributes:
        path: the file that defines it.
        line: where.
        uses: the definition files it reads; its own file, where conda's map stands in it.
        definitions: what each of them says.
        doubt: why it may require a package that nothing in it names; None if it was read in full.
    """

    path: str
    line: int
    uses: tuple[Use, ...] = ()
    definitions: Mapping[str, Definition] = field(default_factory=dict)
    doubt: str | None = None

    def pins(self, package: PackageName, changing: frozenset[tuple[str, str]]) -> Iterator["InlinePin"]:
        """Yield what it requires of a package.

        Args:
            package: the package.
            changing: what the plan raises, as (file, package).
        """
        for use in self.uses:
            definition = self.definitions.get(use.path)
            if definition is None or use.constraint or use.source:
                continue
            for found in definition.naming(package).requirements:
                if found.installed:
                    text = masked(" ".join(found.text.split()))
                    short = text if len(text) <= REQUIREMENT_CHARACTERS else f"{text[:REQUIREMENT_CHARACTERS]}…"
                    place = (use.path, found.line.number)
                    yield InlinePin(self.path, self.line, package, short, *place, (use.path, package) in changing)


@dataclass(frozen=True, slots=True, order=True)
class InlinePin:
    """A requirement of a released package by an inline environment.

    Attributes:
        path: the file that defines the environment.
        line: where.
        package: the package.
        requirement: as it is written.
        file: the file in which that stands.
        file_line: where.
        changes: the plan raises it, since a registered environment reads that file too.
    """

    path: str
    line: int
    package: str
    requirement: str
    file: str
    file_line: int
    changes: bool = False

    def __str__(self) -> str:
        where = f"line {self.file_line}" if self.file == self.path else f"{self.file} line {self.file_line}"
        known = self.file == self.path and self.file_line == self.line
        read = "" if known else f" ({where}{', which changes' if self.changes else ''})"
        return f"{self.path} line {self.line}: {self.requirement}{read}"


def read_in_place(source: SourceText) -> tuple[InPlace, ...]:
    """Read the inline environments of a YAML file.

    Raises:
        Unreadable: it may define some and is not YAML.
    """
    text = source.text
    if _KEY not in text or not (_PLACE.search(text) and _FILLED.search(text)) or is_foreign(text):
        return ()
    found = []
    for node in walk(documents(source)):
        for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
            is_place = isinstance(key, yaml.ScalarNode) and key.value == _KEY
            if is_place and CONTENT.intersection(name for name, _ in entries(value)):
                found.append(InPlace(line_of(key), read_node(source, value, named=False)))
    return tuple(found)
