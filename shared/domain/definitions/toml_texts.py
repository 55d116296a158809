"""Reads TOML with the place of every text, which `tomllib` does not tell.

Quotes and `#` mean the same wherever they stand in TOML (toml.io, v1.0.0), so its texts are found without its grammar.
Each is replaced by its number, `tomllib` reads the rest, and the numbers lead back to the places.
"""

import re
import tomllib
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass

from shared.domain.definitions.traced import Traced
from shared.domain.files.text import SourceText
from shared.errors import Unreadable

_TEXT = re.compile(
    r'#[^\n]*|"""(?:[^\\]|\\.)*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'',
    re.DOTALL,
)
# A quoted key, not a value.
_KEY = re.compile(r"[ \t]*[=.]")
# Stands in front of the number of a text: a character that no text means anything by (Unicode, private use).
_MARK = "\ue000"


@dataclass(frozen=True, slots=True)
class Text:
    """A text of a TOML file.

    Attributes:
        value: what it says, with its places in the file where it is written as it reads.
        number: the line it begins on, from 1.
    """

    value: Traced
    number: int


# A list as a tuple; numbers, dates and truth values as they are.
type Item = Text | Mapping[str, Item] | tuple[Item, ...] | object


def read_toml(source: SourceText) -> Mapping[str, Item]:
    """Read a TOML file.

    Raises:
        Unreadable: it is none.
    """
    if _MARK in source.text:
        raise Unreadable("it holds a character of Unicode's private use")
    parts: list[str] = []
    texts: list[re.Match[str]] = []
    at = 0
    for found in _TEXT.finditer(source.text):
        if found[0].startswith("#") or _KEY.match(source.text, found.end()):
            continue
        # As many line breaks as before, so that problems are told with their lines.
        mark, breaks = f"{_MARK}{len(texts)}", found[0].count("\n")
        parts += [source.text[at : found.start()], f'"""{mark}{"\n" * breaks}"""' if breaks else f'"{mark}"']
        texts.append(found)
        at = found.end()
    line_breaks = [found.start() for found in re.finditer("\n", source.text)]
    try:
        tree = tomllib.loads("".join([*parts, source.text[at:]]))
        return _Places(source, texts, line_breaks).table(tree)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as problem:
        raise Unreadable(f"it is not TOML: {str(problem).splitlines()[0]}") from None


def table(item: Item, *keys: str) -> Mapping[str, Item]:
    """The table below some keys; an empty one where there is none."""
    for key in keys:
        item = item.get(key) if isinstance(item, Mapping) else None
    return item if isinstance(item, Mapping) else {}


def texts(item: Item) -> list[Text]:
    """The texts of a list; one text is a list of itself."""
    return [one for one in (item if isinstance(item, tuple) else (item,)) if isinstance(one, Text)]


@dataclass(slots=True)
class _Places:
    source: SourceText
    texts: list[re.Match[str]]
    breaks: list[int]

    def table(self, tree: Mapping[str, object]) -> Mapping[str, Item]:
        return {self._key(key): self.item(value) for key, value in tree.items()}

    def _key(self, key: str) -> str:
        """A key; one in quotes in the head of a table was taken for a text."""
        return self._text(self.texts[int(key[1:])]).value.text if key.startswith(_MARK) else key

    def item(self, value: object) -> Item:
        if isinstance(value, str):
            return self._text(self.texts[int(value[1:])])
        if isinstance(value, dict):
            return self.table(value)
        if isinstance(value, list):
            return tuple(self.item(one) for one in value)
        return value

    def _text(self, found: re.Match[str]) -> Text:
        number = bisect_left(self.breaks, found.start()) + 1
        written = found[0]
        if written[0] == written[1:2] == written[2:3] or (written[0] == '"' and "\\" in written):
            return Text(Traced.nowhere(str(tomllib.loads(f"v = {written}")["v"])), number)
        return Text(Traced.at(written[1:-1], found.start() + 1), number)
