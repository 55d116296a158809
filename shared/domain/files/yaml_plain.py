"""YAML as the plain values that JSON has (text, true and false, null, lists, maps), with the line of each.

They are read from the nodes and not by YAML's own constructors, which fail at `2024-13-45` without saying where, take
the last of two equal keys, and follow aliases of aliases for as long as there is memory.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import yaml

from shared.domain.files.text import SourceText
from shared.domain.files.yaml_nodes import Node, compose, line_of
from shared.errors import Unreadable
from shared.limits import YAML_DEPTH, YAML_VALUES

# Where a value stands: the keys and positions that lead to it.
type Place = tuple[str | int, ...]

_STANDARD = "tag:yaml.org,2002:"
_MERGE = f"{_STANDARD}merge"
_TEXT = {f"{_STANDARD}{kind}" for kind in ("str", "value", "merge")}
_OTHER = {f"{_STANDARD}{kind}" for kind in ("int", "float", "timestamp", "bool")}
# As YAML 1.1 has it, and so PyYAML.
_TRUTH = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}


@dataclass(frozen=True, slots=True)
class Other:
    """A number or a date, as it is written: `3.10` is still 3.10 and not 3.1."""

    text: str


@dataclass(frozen=True, slots=True)
class Document:
    """The values of a YAML file.

    Attributes:
        value: its plain value; None if it is empty.
        lines: the line of each value's key (of the value itself in a list) and of the value, from 1, by its place.
        problems: what is YAML but cannot be taken, as (line, place, why).
    """

    value: object
    lines: Mapping[Place, tuple[int, int]]
    problems: tuple[tuple[int, Place, str], ...] = ()

    def line(self, place: Place) -> int | None:
        """The line of a value, or of the innermost value around it that is there; None in an empty file."""
        for end in range(len(place), -1, -1):
            if found := self.lines.get(place[:end]):
                return found[1]
        return None

    def key_line(self, place: Place) -> int | None:
        """The line of a value's key; that of the value where it has none."""
        found = self.lines.get(place)
        return found[0] if found else self.line(place)

    def at(self, place: Place) -> object:
        """The value at a place; None if there is none."""
        value = self.value
        for part in place:
            if isinstance(value, dict):
                value = value.get(part)
            elif isinstance(value, list) and isinstance(part, int) and part < len(value):
                value = value[part]
            else:
                return None
        return value


def read_plain(source: SourceText) -> Document:
    """Read a YAML text with one document; keys are taken as text, however they are written.

    Raises:
        Unreadable: it is not YAML, several documents, nested too deep, or blown up by aliases.
    """
    root = compose(source)
    if root is None:
        return Document(None, {})
    reading = _Reading()
    value = reading.value(root, (), line_of(root), ())
    return Document(value, reading.lines, tuple(reading.problems))


class _Reading:
    """One pass over the nodes; an alias is read again wherever it stands."""

    def __init__(self) -> None:
        self.lines: dict[Place, tuple[int, int]] = {}
        self.problems: list[tuple[int, Place, str]] = []
        self._read = 0

    def value(self, node: Node, place: Place, key_line: int, above: tuple[Node, ...]) -> object:
        """The plain value of a node that stands within the nodes `above`."""
        self.lines[place] = (key_line, line_of(node))
        if not self._enter(node, place, above):
            return None
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, place)
        inner = (*above, node)
        if isinstance(node, yaml.MappingNode):
            self._expect(node, "map", place)
            return {
                name: self.value(value, (*place, name), line_of(key), inner)
                for name, (key, value) in self._pairs(node, place, above).items()
            }
        self._expect(node, "seq", place)
        return [self.value(item, (*place, at), line_of(item), inner) for at, item in enumerate(node.value)]

    def _enter(self, node: Node, place: Place, above: tuple[Node, ...]) -> bool:
        self._read += 1 + (len(node.value) if isinstance(node, yaml.MappingNode) else 0)
        if self._read > YAML_VALUES:
            raise Unreadable(f"it holds more than {YAML_VALUES:,} keys and values", line_of(node))
        if len(above) > YAML_DEPTH:
            raise Unreadable("it is nested too deep", line_of(node))
        if any(node is outer for outer in above):
            self._complain(node, place, "an alias (`*name`) stands inside of what it names")
            return False
        return True

    def _complain(self, node: Node, place: Place, why: str) -> None:
        self.problems.append((line_of(node), place, why))

    def _expect(self, node: Node, kind: str, place: Place) -> None:
        if node.tag != _STANDARD + kind:
            self._complain(node, place, f"tags such as {node.tag.replace(_STANDARD, '!!')} are not taken")

    def _scalar(self, node: yaml.ScalarNode, place: Place) -> object:
        text = str(node.value)
        if node.tag == f"{_STANDARD}null":
            return None
        if node.tag == f"{_STANDARD}bool" and text.lower() in _TRUTH:
            return _TRUTH[text.lower()]
        if node.tag in _OTHER:
            return Other(text)
        if node.tag not in _TEXT:
            self._expect(node, "str", place)
        return text

    def _pairs(self, node: yaml.MappingNode, place: Place, above: tuple[Node, ...]) -> dict[str, tuple[Node, Node]]:
        """The keys and values of a map: what `<<` merges into it first, its own over that."""
        own: dict[str, tuple[Node, Node]] = {}
        merged: dict[str, tuple[Node, Node]] = {}
        first: dict[str, int] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._complain(key, place, "a key is a list or a map: write a text")
                continue
            name = str(key.value)
            if name in first:
                self._complain(key, (*place, name), f"stands on line {first[name]} already: keep one of them")
            first.setdefault(name, line_of(key))
            if key.tag != _MERGE:
                own[name] = (key, value)
                continue
            for source in self._sources(value, (*place, name)):
                if self._enter(source, (*place, name), (*above, node)):
                    for inherited, pair in self._pairs(source, place, (*above, node)).items():
                        merged.setdefault(inherited, pair)
        return {**merged, **own}

    def _sources(self, node: Node, place: Place) -> Iterator[yaml.MappingNode]:
        """The maps that a `<<` names."""
        for source in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            if isinstance(source, yaml.MappingNode):
                yield source
            else:
                self._complain(source, place, "`<<` takes a map, or a list of maps")
