"""References to a registered environment: `azureml:NAME:3`, `azureml:NAME@latest`, `azureml://registries/…`.

A reference with a number stays at it when the environment gets a new version; nobody raises it. References are found by
their text, so that a file that is not YAML shows them too, and reported, never edited.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from shared.domain.files.text import SourceText
from shared.limits import REFERENCES_PER_FILE, YAML_BYTES

_SCHEME = "azureml:"
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}"
_VERSION = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,254}[A-Za-z0-9])?"
# The long form also names a registry or a workspace.
_REFERENCE = re.compile(
    rf"{_SCHEME}(?:/[^\s\"']{{1,400}}?/environments/(?P<name>{_NAME})/(?:versions/(?P<version>{_VERSION})|labels/\w+)"
    rf"|(?P<short>{_NAME})(?::(?P<number>{_VERSION})|@\w+))"
)
_COMMENT = re.compile(r"(?:^|\s)#")
# The short form names any asset: data, a model, a component. What stands in front of it says which.
_KEY = re.compile(r"(?P<key>[\w.-]+)[\"']?\s*[:=]?\s*(?:[&!]\S+\s+)*(?:[|>][+-]?\s*)?[\"']?$")
_LOOK_BACK = 80


@dataclass(frozen=True, slots=True)
class Mention:
    """One reference to an environment in a file.

    Attributes:
        line: where it stands.
        text: as it is written.
        name: the environment's name.
        version: the version; None for a label such as `@latest`.
    """

    line: int
    text: str
    name: str
    version: str | None


@dataclass(frozen=True, slots=True, order=True)
class Reference:
    """A reference to an environment that a plan rebuilds.

    Attributes:
        path: the file that holds it.
        line: where.
        text: as it is written.
        version: the version that it names; None for a label such as `@latest`.
        new: the version that the environment gets, where its YAML states one.
    """

    path: str
    line: int
    text: str
    version: str | None
    new: str | None = None

    def __str__(self) -> str:
        return f"{self.path} line {self.line} names {self.text}; {self.outcome}"

    @property
    def outcome(self) -> str:
        """Say what becomes of it."""
        if self.version is None:
            return "it follows by itself"
        if self.new is None:
            return f"it stays behind at {self.version}"
        return "that is the new version" if self.new == self.version else f"the new version is {self.new}"


def read_mentions(source: SourceText) -> tuple[Mention, ...]:
    """Read the references to environments in a file; those in comments do not count."""
    if _SCHEME not in source.text or len(source.text) > YAML_BYTES:
        return ()
    return tuple(islice(_mentions(source.text), REFERENCES_PER_FILE))


def _mentions(text: str) -> Iterator[Mention]:
    line, counted = 1, 0
    for found in _REFERENCE.finditer(text):
        begin = text.rfind("\n", 0, found.start()) + 1
        line += text.count("\n", counted, begin)
        counted = begin
        before = text[max(begin, found.start() - _LOOK_BACK) : found.start()]
        if not _COMMENT.search(before) and (found["name"] or _is_environment(text, begin, before)):
            name, version = found["name"] or found["short"], found["version"] or found["number"]
            yield Mention(line, found[0], name, version)


def _is_environment(text: str, begin: int, before: str) -> bool:
    """Tell by the word in front of it whether a short reference is one to an environment."""
    if not before.strip(" \t\"'-"):
        above = text[max(0, begin - _LOOK_BACK) : begin].rstrip()
        before = above[above.rfind("\n") + 1 :]
    key = _KEY.search(before)
    return key is not None and "env" in key["key"].lower()
