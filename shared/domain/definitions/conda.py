"""Reads conda files: the exact Python they ask for, the requirements of their `pip:` lists, and what channels give.

A package of a conda channel is another package than one of the same name on a feed: it is noted and never touched.
"""

import re
from dataclasses import dataclass, field

import yaml

from shared.domain.definitions import Definition, Entry, Line
from shared.domain.definitions.requirements import Reading, nameless, read_entries, words_of_entries
from shared.domain.definitions.traced import Traced
from shared.domain.files.text import SourceText
from shared.domain.files.yaml_nodes import Node, documents, entries, get, items, line_of, places, scalar, walk
from shared.domain.names import PackageName, package_name
from shared.errors import InvalidName

# `python=3.10`, `python==3.10.4`, `python 3.10.*`: the first two numbers say which Python it is.
_PYTHON = re.compile(r"python\s*(?:==?|\s)\s*(?P<version>\d+\.\d+)(?:\.\d+|\.\*)?(?:=\S*)?")

_LONGEST = 100
_MLFLOW = "build_dependencies"
_NO_MAP = "it is not a map, so no conda file"
# Without any of these a line names a package.
_ADDRESS = re.compile(r"[/\\]|^\s*\.|^\s*(?:-e|--editable)\b")
_REST_OF_LINE = re.compile(r"[^\r\n]*")


# What a channel's package is called: `conda-forge::numpy=1.21`.
_CHANNEL = re.compile(r"(?:\S+::)?(?P<name>[A-Za-z0-9_][A-Za-z0-9._-]*)")


def read_conda(source: SourceText) -> Definition:
    """Read a conda file, all its documents.

    Raises:
        Unreadable: it is not YAML.
    """
    found = documents(source)
    if not found:
        return Definition(source, unusual=((None, _NO_MAP),))
    conda = _Conda(source)
    for root in found:
        conda.read(root)
    return conda.definition()


def read_conda_node(source: SourceText, root: Node | None) -> Definition:
    """Read conda's map where it stands inside an environment's YAML."""
    conda = _Conda(source)
    if root is not None:
        conda.read(root)
    return conda.definition()


def read_pip_lists(source: SourceText) -> Definition:
    """Read every `pip:` list of a YAML file, wherever conda's map stands in it: in a job, a component, a template.

    Raises:
        Unreadable: it is not YAML.
    """
    conda = _Conda(source)
    for node in walk(documents(source)):
        if get(node, _MLFLOW) is not None:
            # MLflow's python_env.yaml: both of its lists are pip's.
            for key in (_MLFLOW, "dependencies"):
                conda.pip_list(get(node, key))
        elif isinstance(get(node, "dependencies"), yaml.SequenceNode):
            conda.read(node)
    return conda.definition()


@dataclass(slots=True)
class _Conda:
    """The findings so far."""

    source: SourceText
    lines: list[Entry] = field(default_factory=list)
    unusual: list[tuple[int | None, str]] = field(default_factory=list)
    channel: list[tuple[PackageName, int]] = field(default_factory=list)
    python: str | None = None

    def read(self, root: Node) -> None:
        """Read one map."""
        if not isinstance(root, yaml.MappingNode):
            self.unusual.append((line_of(root) if items(root) else None, _NO_MAP))
            return
        dependencies = get(root, "dependencies")
        if dependencies is not None and not isinstance(dependencies, yaml.SequenceNode):
            self.unusual.append((line_of(dependencies), "`dependencies` is not a list"))
        for item in items(dependencies):
            self._dependency(item)
            for key, value in entries(item):
                if key == "pip":
                    self.pip_list(value)

    def _dependency(self, item: Node) -> None:
        text = (scalar(item) or "").strip()
        if len(text) <= _LONGEST and (named := _PYTHON.fullmatch(text)):
            self.python = named["version"]
        if (named := _CHANNEL.match(text[:_LONGEST])) and not isinstance(item, yaml.MappingNode):
            try:
                self.channel.append((package_name(named["name"].rstrip("._-")), line_of(item)))
            except InvalidName:
                return

    def pip_list(self, node: Node | None) -> None:
        """Read a list whose items are pip's."""
        if not isinstance(node, yaml.SequenceNode):
            if node is not None and scalar(node):
                self.unusual.append((line_of(node), "`pip` is not a list"))
            return
        for item in node.value:
            text = scalar(item)
            if text is None:
                self.unusual.append((line_of(item), "an item of the `pip` list is not text"))
                continue
            # A value in block style can be read but not edited: it has no place in the file's text.
            found = places(self.source, item)
            line = Traced(text, found).line(line_of(item)) if found else Line(line_of(item), text, ())
            self.lines.append(Entry(line, _comment_behind(self.source, item)))

    def definition(self) -> Definition:
        """All that was found."""
        lines = tuple(self.lines)
        directives = Reading()
        for entry in lines:
            if entry.line.text.lstrip().startswith("-"):
                directives.add(entry)
        addresses = [entry for entry in lines if _ADDRESS.search(entry.line.text)]
        projects, opaque = nameless(read_entries(addresses).requirements)
        return Definition(
            source=self.source,
            lines=lambda: lines,
            read=read_entries,
            includes=tuple(directives.includes),
            options=tuple(directives.options),
            unusual=tuple(self.unusual),
            words=words_of_entries(lines),
            python=self.python,
            channel=tuple(self.channel),
            projects=projects,
            opaque=opaque,
        )


def _comment_behind(source: SourceText, node: Node) -> str:
    rest = _REST_OF_LINE.match(source.text, node.end_mark.index)
    behind = rest[0].strip() if rest else ""
    return behind if behind.startswith("#") else ""
