"""YAML as nodes that remember where they stand.

libyaml's `compose` gives marks in characters; with the byte order mark cut off in front they fit the text exactly.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import yaml

from shared.domain.files.text import SourceText
from shared.errors import Unreadable
from shared.limits import YAML_BYTES

try:
    from yaml import CSafeLoader as _Loader
except ImportError:  # a build of PyYAML without libyaml: slower, otherwise the same
    from yaml import SafeLoader as _Loader  # type: ignore[assignment]

type Node = yaml.Node

# No file that people write comes near; what goes beyond exists to break parsers.
_DEEPEST = 200
# An anchor and a tag in front of a value: `&version !!str 1`.
_PROPERTIES = re.compile(r"(?:[&!][^\s,\[\]{}]*\s+)+")
_ESCAPED = {"'": ("''",), '"': ('\\"', "\\\\", "\\/")}
_FOLD = re.compile(r"[ \t]*(?:\r?\n[ \t]*)+")
_BRACKET = re.compile(r"[\[\]{}]")
_INDICATORS = re.compile(r"(?:[-?:] ){8,}")


def compose(source: SourceText) -> Node | None:
    """Return the root node of a YAML text with one document, or None if it is empty.

    Raises:
        Unreadable: it is not YAML, or several documents.
    """
    found = documents(source)
    if len(found) > 1:
        raise Unreadable(f"it holds {len(found)} YAML documents", line_of(found[1]))
    return found[0] if found else None


def documents(source: SourceText) -> list[Node]:
    """Return the root nodes of all documents of a YAML text.

    Raises:
        Unreadable: it is not YAML.
    """
    with _problems_named(source):
        return list(yaml.compose_all(source.text, Loader=_Loader))


def walk(roots: Iterable[Node]) -> Iterator[Node]:
    """Every node below some roots, each once, however often aliases name it."""
    waiting, seen = [*roots][::-1], set()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        yield node
        if isinstance(node, yaml.MappingNode):
            waiting += [part for pair in reversed(node.value) for part in reversed(pair)]
        elif isinstance(node, yaml.SequenceNode):
            waiting += reversed(node.value)


def load(source: SourceText) -> object:
    """Return the plain values of a YAML text with one document.

    Raises:
        Unreadable: it is not YAML, or several documents.
    """
    with _problems_named(source):
        return yaml.load(source.text, Loader=_Loader)


@contextmanager
def _problems_named(source: SourceText) -> Iterator[None]:
    if len(source.text) > YAML_BYTES:
        raise Unreadable(f"it is YAML of more than {YAML_BYTES // 1024} KiB")
    if _nesting(source.text) > _DEEPEST:
        raise Unreadable("it is nested too deep")
    try:
        yield
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        raise Unreadable(f"it is not YAML: {problem.problem}", mark.line + 1 if mark else None) from None
    except (yaml.YAMLError, RecursionError, ValueError, LookupError, AttributeError, TypeError) as problem:
        # Besides YAML's own errors those of its constructors, for values like `!!int ""`.
        why = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
        raise Unreadable(f"it is not YAML: {why}") from None


def _nesting(text: str) -> int:
    """At most how deep a text nests: libyaml recurses for each level, and ends the process at many thousands."""
    depth = deepest = 0
    for bracket in _BRACKET.findall(text):
        depth = depth + 1 if bracket in "[{" else max(0, depth - 1)
        deepest = max(deepest, depth)
    indicators = max((len(found) // 2 for found in _INDICATORS.findall(text)), default=0)
    return max(deepest, indicators)


def entries(node: Node | None) -> Iterator[tuple[str, Node]]:
    """The pairs of a mapping whose keys are plain text; nothing for any other node."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                yield key.value, value


def items(node: Node | None) -> list[Node]:
    """The items of a sequence; nothing for any other node."""
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def get(node: Node | None, key: str) -> Node | None:
    """The value of a mapping's key; the last one counts where a key is repeated, as YAML loaders have it.

    A key that is not there is looked for in what the mapping merges (`<<: *base`).
    """
    found = merged = None
    for name, value in entries(node):
        if name == key:
            found = value
        elif name == "<<":
            merged = value
    if found is None and merged is not None and merged is not node:
        for base in items(merged) or [merged]:
            found = found or next((value for name, value in entries(base) if name == key), None)
    return found


def scalar(node: Node | None) -> str | None:
    """The text of a scalar that is not null, or None."""
    if isinstance(node, yaml.ScalarNode) and node.tag != "tag:yaml.org,2002:null":
        return str(node.value)
    return None


def places(source: SourceText, node: Node) -> Sequence[int] | None:
    """Map each character of a scalar's value to its place in the file's text.

    Quotes, doubled quotes, escaped quotes and values that are folded over lines are seen through.

    Returns:
        None if the value is written in a way that is not understood (block scalars, other escapes).
    """
    if not isinstance(node, yaml.ScalarNode) or node.style in ("|", ">"):
        return None
    start, end = node.start_mark.index, node.end_mark.index
    if properties := _PROPERTIES.match(source.text, start, end):
        start = properties.end()
    quote = node.style or ""
    if quote:
        start, end = start + 1, end - 1
    written = source.text[start:end]
    if written == node.value:
        return range(start, end)
    found: list[int] = []
    text: list[str] = []
    at = 0
    while at < len(written):
        fold = _FOLD.match(written, at)
        if fold:
            breaks = fold[0].count("\n")
            text.append(" " if breaks == 1 else "\n" * (breaks - 1))
            found += [start + fold.start()] * len(text[-1])
            at = fold.end()
            continue
        if written[at : at + 2] in _ESCAPED.get(quote, ()):
            at += 1
        text.append(written[at])
        found.append(start + at)
        at += 1
    return found if "".join(text) == node.value else None


def literal(source: SourceText, node: Node) -> tuple[int, int] | None:
    """Return the place of a scalar's value in the file's text, character for character.

    Returns:
        (start, end), or None if the value is written in another way (escapes, folding, several lines).
    """
    found = places(source, node)
    if not found or list(found) != list(range(found[0], found[0] + len(found))):
        return None
    return found[0], found[-1] + 1


def line_of(node: Node) -> int:
    """The line, from 1, on which a node begins."""
    return int(node.start_mark.line) + 1
