"""Reads what a project requires where pip installs its folder: `pyproject.toml`, `setup.cfg` and `setup.py`.

Which of them counts is the build backend's to say: `[project]` of pyproject.toml goes before everything else, unless it
names a field as dynamic (packaging.python.org, "pyproject.toml specification"); then Poetry's table, setuptools'
dynamic fields, `setup.cfg` or `setup.py` say it (setuptools documentation, "Dependencies Management").
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from shared.domain.definitions import Definition, Entry, Include, Line
from shared.domain.definitions.poetry import poetry_extras, poetry_requirement
from shared.domain.definitions.requirements import nameless, read_entries, words_of_entries
from shared.domain.definitions.toml_texts import Item, Text, read_toml, table, texts
from shared.domain.definitions.traced import Traced
from shared.domain.files.text import SourceText
from shared.domain.names import LONGEST_NAME, package_name
from shared.errors import InvalidName, Unreadable

_SECTION = re.compile(r"\[(?P<name>[^\]]+)\]")
_OPTION = re.compile(r"(?P<name>[^\s=:#;\[][^=:]*?)\s*[=:](?P<value>.*)")
_SELF = re.compile(r"(?P<name>[A-Za-z0-9][\w.-]*)\s*\[(?P<extras>[^\]]*)\]")
_NO_EXTRAS: frozenset[str] = frozenset()
_FILE = "file:"
_MOST_EXTRAS = 200


@dataclass(frozen=True, slots=True)
class Project:
    """The content of one file of a project.

    Attributes:
        definition: the requirements, with the extras that bring them.
        complete: no other file of the project adds to them.
        computed_extras: what its extras bring is worked out while it runs.
    """

    definition: Definition
    complete: bool = True
    computed_extras: bool = False


@dataclass(slots=True)
class Gathered:
    """The findings so far."""

    source: SourceText
    entries: list[Entry] = field(default_factory=list)
    includes: list[Include] = field(default_factory=list)
    opaque: list[tuple[int | None, str]] = field(default_factory=list)

    def add(self, text: Text, extra: str | None = None) -> None:
        """Note a requirement."""
        self.line(text.value.line(text.number), extra)

    def line(self, line: Line, extra: str | None = None, comment: str = "") -> None:
        """Note the line of a requirement."""
        self.entries.append(Entry(line, comment, extras=_NO_EXTRAS if extra is None else frozenset({extra})))

    def include(self, path: str, number: int, extra: str | None = None) -> None:
        """Note a requirements file that the requirements are read from."""
        self.includes.append(
            Include(path, number, constraint=False, extras=_NO_EXTRAS if extra is None else frozenset({extra}))
        )

    def definition(self, name: str | None = None) -> Definition:
        """All that was found, for a project of that name."""
        entries = tuple(_with_own_extras(self.entries, name))
        projects, opaque = nameless(
            read_entries([entry for entry in entries if _ADDRESS.search(entry.line.text)]).requirements
        )
        return Definition(
            self.source,
            lines=lambda: entries,
            read=read_entries,
            strict=False,
            includes=tuple(self.includes),
            words=words_of_entries(entries),
            projects=projects,
            opaque=(*self.opaque, *opaque),
        )


_ADDRESS = re.compile(r"[/\\]|^\s*\.")


def read_pyproject(source: SourceText) -> Project:
    """Read a `pyproject.toml`.

    Raises:
        Unreadable: it is not TOML.
    """
    root = read_toml(source)
    found = Gathered(source)
    project, poetry = table(root, "project"), table(root, "tool", "poetry")
    dynamic = {text.value.text for text in texts(project.get("dynamic"))}
    in_project = bool(project) and "dependencies" not in dynamic
    complete = in_project
    if in_project:
        for text in texts(project.get("dependencies")):
            found.add(text)
    elif poetry:
        complete = True
        _poetry(found, poetry)
    if "optional-dependencies" not in dynamic:
        for extra, values in table(project, "optional-dependencies").items():
            for text in texts(values):
                found.add(text, normal_extra(extra))
    for key, value in table(root, "tool", "setuptools", "dynamic").items():
        if key == "dependencies" and key in dynamic:
            complete = _files(found, value, None) or complete
        elif key == "optional-dependencies" and key in dynamic and isinstance(value, Mapping):
            for extra, files in value.items():
                _files(found, files, normal_extra(extra))
    name = next((text.value.text for text in texts(project.get("name"))), None)
    return Project(found.definition(name), complete)


def _files(found: Gathered, value: Item, extra: str | None) -> bool:
    """Read `{file = ["requirements.txt"]}`."""
    named = texts(value.get("file")) if isinstance(value, Mapping) else []
    for text in named:
        found.include(text.value.text, text.number, extra)
    return bool(named)


def _poetry(found: Gathered, poetry: Mapping[str, Item]) -> None:
    bringing = poetry_extras(poetry)
    for key, value in table(poetry, "dependencies").items():
        if key.lower() == "python":
            continue
        for one in value if isinstance(value, tuple) else (value,):
            optional = isinstance(one, Mapping) and one.get("optional") is True
            for line in poetry_requirement(key, one):
                if not optional:
                    found.line(line)
                for extra in bringing.get(normal_extra(key), ()) if optional else ():
                    found.line(line, normal_extra(extra))


def read_setup_cfg(source: SourceText) -> Project:
    """Read a `setup.cfg`: `install_requires` and the extras, in lines or behind `file:`."""
    found = Gathered(source)
    for section, option, parts in _options(source.text):
        if section == "options" and option == "install_requires":
            _list(found, parts, None)
        elif section == "options.extras_require":
            _list(found, parts, normal_extra(option))
    return Project(found.definition(), complete=False)


def _list(found: Gathered, parts: Sequence[tuple[int, Traced]], extra: str | None) -> None:
    """`file: a.txt, b.txt`, one requirement a line, or several in one line with semicolons between."""
    first = next(((number, part) for number, part in parts if part), None)
    if first and first[1].text.startswith(_FILE):
        for number, part in parts:
            for path in re.split(r"[\s,]+", part.text.removeprefix(_FILE)):
                if path:
                    found.include(path, number, extra)
        return
    several = parts if len(parts) > 1 else [(n, one) for n, part in parts for one in _split(part)]
    for number, part in several:
        if part and not part.text.startswith("#"):
            found.line(part.line(number), extra)


def _split(part: Traced) -> Iterator[Traced]:
    at = 0
    for end in [*(found.start() for found in re.finditer(";", part.text)), len(part.text)]:
        yield part[at:end].strip()
        at = end + 1


def _options(text: str) -> Iterator[tuple[str, str, list[tuple[int, Traced]]]]:
    """Give each option of an INI file with its section and the lines of its value, as `configparser` reads them."""
    section, option = "", ""
    parts: list[tuple[int, Traced]] = []
    position = 0
    for number, raw in enumerate(text.split("\n"), start=1):
        line, start = raw.rstrip("\r"), position
        position += len(raw) + 1
        bare = line.strip()
        if not bare or bare.startswith(("#", ";")):
            continue
        if line[0].isspace() and option:
            parts.append((number, Traced.at(line, start).strip()))
            continue
        if option:
            yield section, option, parts
        option, parts = "", []
        if head := _SECTION.match(line):
            section = head["name"].strip()
        elif named := _OPTION.match(line):
            option = named["name"].strip().lower()
            value = Traced.at(named["value"], start + named.start("value")).strip()
            parts = [(number, value)]
    if option:
        yield section, option, parts


def normal_extra(text: str) -> str:
    """An extra's name as it is compared (PEP 685)."""
    try:
        return package_name(text[:LONGEST_NAME])
    except InvalidName:
        return text


def _with_own_extras(entries: Iterable[Entry], name: str | None) -> Iterator[Entry]:
    """An extra that names the project itself with other extras brings what those bring (`all = ["our-app[a,b]"]`)."""
    entries = list(entries)
    brings: dict[str, set[str]] = {}
    for entry in entries:
        if name and (found := _SELF.match(entry.line.text)) and normal_extra(found["name"]) == normal_extra(name):
            for inner in found["extras"].split(","):
                for extra in entry.extras:
                    brings.setdefault(normal_extra(inner.strip()), set()).add(extra)
    if len(brings) > _MOST_EXTRAS:
        raise Unreadable(f"more than {_MOST_EXTRAS} extras bring others")
    for entry in entries:
        reached, waiting = set(entry.extras), list(entry.extras)
        while waiting:
            further = brings.get(waiting.pop(), set()) - reached
            reached |= further
            waiting += further
        yield (
            entry if reached == entry.extras else Entry(entry.line, entry.comment, entry.installed, frozenset(reached))
        )
