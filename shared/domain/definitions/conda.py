"""Reads conda files: the exact Python they ask for, and the requirements of their `pip:` list."""

import re

import yaml

from shared.domain.definitions import Definition, Line
from shared.domain.definitions.requirements import Reading
from shared.domain.text import SourceText
from shared.domain.yaml_nodes import Node, compose, entries, get, items, line_of, literal, scalar

# `python=3.10`, `python==3.10.4`, `python 3.10.*`: the first two numbers say which Python it is.
_PYTHON = re.compile(r"python\s*(?:==?|\s)\s*(?P<version>\d+\.\d+)(?:\.\d+|\.\*)?(?:=\S*)?")

_LONGEST = 100
_REST_OF_LINE = re.compile(r"[^\r\n]*")


def read_conda(source: SourceText) -> Definition:
    """Read a conda file.

    Raises:
        Unreadable: it is not YAML.
    """
    return read_conda_node(source, compose(source))


def read_conda_node(source: SourceText, root: Node | None) -> Definition:
    """Read conda's map, whether it is a file of its own or stands inside an environment's YAML."""
    if not isinstance(root, yaml.MappingNode):
        return Definition(source, unreadable=((None, "it is not a map, so no conda file"),))
    dependencies = get(root, "dependencies")
    if dependencies is not None and not isinstance(dependencies, yaml.SequenceNode):
        return Definition(source, unreadable=((line_of(dependencies), "`dependencies` is not a list"),))
    reading = Reading()
    python = None
    for item in items(dependencies):
        text = (scalar(item) or "").strip()
        if len(text) <= _LONGEST and (named := _PYTHON.fullmatch(text)):
            python = named["version"]
        for key, value in entries(item):
            if key == "pip":
                _read_pip_list(source, value, reading)
    return Definition(
        source=source,
        requirements=tuple(reading.requirements),
        includes=tuple(reading.includes),
        options=tuple(reading.options),
        unreadable=tuple(reading.unreadable),
        python=python,
    )


def _read_pip_list(source: SourceText, node: Node, reading: Reading) -> None:
    if not isinstance(node, yaml.SequenceNode):
        if scalar(node):
            reading.unreadable.append((line_of(node), "`pip` is not a list"))
        return
    for item in node.value:
        text = scalar(item)
        if text is None:
            reading.unreadable.append((line_of(item), "an item of the `pip` list is not text"))
            continue
        # A value that is folded or escaped can be read but not edited: it has no place in the file's text.
        place = literal(source, item)
        line = Line(line_of(item), text, ((0, place[0]),) if place else ())
        reading.add(line, trailing=_comment_behind(source, item))


def _comment_behind(source: SourceText, node: Node) -> str:
    rest = _REST_OF_LINE.match(source.text, node.end_mark.index)
    behind = rest[0].strip() if rest else ""
    return behind if behind.startswith("#") else ""
