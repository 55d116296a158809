"""Reads locks: poetry.lock, uv.lock, pdm.lock and Pipfile.lock.

What a lock names is installed in exactly that version, and nothing else is. A lock holds hashes of everything and of
itself, so only its own tool writes it.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping

from shared.domain.definitions import Definition, Entry, Found, Line, Requirement
from shared.domain.definitions.requirements import identify, words_of_entries
from shared.domain.definitions.toml_texts import Item, read_toml, table, texts
from shared.domain.files.text import SourceText
from shared.domain.names import LONGEST_NAME
from shared.errors import Unreadable

# Where uv, Poetry and PDM take a package that is none of an index's.
_ELSEWHERE = ("git", "path", "url", "file", "directory", "editable", "virtual")


def read_toml_lock(source: SourceText) -> Definition:
    """Read a poetry.lock, uv.lock or pdm.lock: each has a list `package` of tables.

    Raises:
        Unreadable: it is none.
    """
    packages = read_toml(source).get("package", ())
    if not isinstance(packages, tuple):
        raise Unreadable("`package` is not a list, so it is no lock")
    return _definition(source, [entry for item in packages if (entry := _package(item))])


def _package(item: Item) -> Entry | None:
    named = table(item)
    name, version = (next(iter(texts(named.get(key))), None) for key in ("name", "version"))
    if name is None or len(name.value.text) > LONGEST_NAME:
        return None
    origin = table(named, "source")
    kind = next((text.value.text for text in texts(origin.get("type"))), "")
    if kind in _ELSEWHERE or any(key in origin or key in named for key in _ELSEWHERE) or version is None:
        return _entry(name.number, f"{name.value.text} @ elsewhere")
    return _entry(version.number, f"{name.value.text}=={version.value.text}")


_LOCKED = re.compile(r'^ {8}"(?P<name>[^"]+)": *\{', re.MULTILINE)


def read_pipfile_lock(source: SourceText) -> Definition:
    """Read a Pipfile.lock: its lists `default` and `develop`.

    Raises:
        Unreadable: it is none.
    """
    try:
        root = json.loads(source.text)
    except (ValueError, RecursionError):
        raise Unreadable("it is not JSON") from None
    if not isinstance(root, dict):
        raise Unreadable("it is not a map, so it is no lock")
    # The lines of the names, as pipenv writes them; the first line for a file that was written otherwise.
    lines: dict[str, int] = {}
    number, at = 1, 0
    for found in _LOCKED.finditer(source.text):
        number, at = number + source.text.count("\n", at, found.start()), found.start()
        lines.setdefault(found["name"], number)
    return _definition(source, [*_pipfile_entries(root, lines)])


def _pipfile_entries(root: Mapping[str, object], lines: Mapping[str, int]) -> Iterator[Entry]:
    for section, packages in root.items():
        if section == "_meta" or not isinstance(packages, dict):
            continue
        for name, said in packages.items():
            version = said.get("version") if isinstance(said, dict) else None
            pinned = isinstance(version, str) and version.startswith("==")
            yield _entry(lines.get(name, 1), f"{name}{version}" if pinned else f"{name} @ elsewhere")


def _entry(number: int, text: str) -> Entry:
    return Entry(Line(number, text, ()))


def _definition(source: SourceText, entries: list[Entry]) -> Definition:
    found = tuple(entries)
    return Definition(source, lines=lambda: found, read=_read, strict=False, words=words_of_entries(found), locked=True)


def _read(entries: Iterable[Entry]) -> Found:
    requirements = []
    for entry in entries:
        direct, name = identify(entry.line.text)
        requirements.append(Requirement(name, entry.line, entry.line.text, direct=direct))
    return Found(tuple(requirements))
