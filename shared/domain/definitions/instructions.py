"""Splits a Dockerfile into its instructions (docs.docker.com, "Dockerfile reference")."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from shared.domain.definitions.traced import Traced

_DIRECTIVE = re.compile(r"\s*#\s*(?P<name>[A-Za-z][A-Za-z0-9]*)\s*=\s*(?P<value>\S.*?)\s*$")
_KEYWORD = re.compile(r"\s*(?P<keyword>[A-Za-z]+)(?:\s+|$)")
_ONBUILD = re.compile(r"\s*(?:ONBUILD\s+)*", re.IGNORECASE)
_FLAG = re.compile(r"--[A-Za-z][\w-]*(?:=(?:\"[^\"]*\"|\S)*)?(?:\s+|$)")
_HEREDOC = re.compile(r"(?<!<)<<(?P<strip>-?)(?P<quote>[\"']?)(?P<end>[A-Za-z_][A-Za-z0-9_.]*)(?P=quote)")
_HOLD = re.compile(r"#\s*rebuilder:\s*hold\b", re.IGNORECASE)
_WITH_BODY = {"RUN", "COPY", "ADD"}


@dataclass(frozen=True, slots=True)
class Heredoc:
    """A here-document: what follows an instruction until a line that holds its end only."""

    body: Traced
    number: int


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction, its lines joined.

    Attributes:
        keyword: in capitals.
        flags: such as `--from=builder`.
        text: what follows.
        number: the line it begins on, from 1.
        heredocs: in their order.
        held: numbers of its lines that a comment asks to leave alone.
    """

    keyword: str
    flags: tuple[str, ...]
    text: Traced
    number: int
    heredocs: tuple[Heredoc, ...] = ()
    held: frozenset[int] = frozenset()


@dataclass(slots=True)
class _Lines:
    """The lines of a text: Docker knows the line feed alone, and takes a carriage return in front of it away.

    Attributes:
        text: the text.
        starts: where each line begins.
        at: how many have been taken.
        last: for the text of each line, with and without tabs in front, the last line that holds it.
    """

    text: str
    starts: list[int] = field(default_factory=list)
    at: int = 0
    last: dict[tuple[str, bool], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.starts = [0, *(found.end() for found in re.finditer("\n", self.text))]

    def __bool__(self) -> bool:
        return self.at < len(self.starts)

    def take(self) -> tuple[int, Traced]:
        """The next line with its number, from 1."""
        start = self.starts[self.at]
        end = self.starts[self.at + 1] - 1 if self.at + 1 < len(self.starts) else len(self.text)
        self.at += 1
        return self.at, Traced.at(self.text[start:end].removesuffix("\r"), start)

    def holds_later(self, text: str, *, strip: bool) -> bool:
        """Tell whether a line that has not been taken holds a text, to save a search through all of them."""
        if not self.last:
            for at, line in enumerate(self.text.split("\n")):
                bare = line.removesuffix("\r")
                self.last[bare, False] = self.last[bare.lstrip("\t"), True] = at
        return self.last.get((text, strip), -1) >= self.at


def instructions(text: str) -> Iterator[Instruction]:
    """Give the instructions of a Dockerfile."""
    lines = _Lines(text)
    ends = re.compile(r"`[ \t]*$" if _escape(text) == "`" else r"\\[ \t]*$")
    hold_next = False
    while lines:
        number, line = lines.take()
        if _is_nothing(line):
            hold_next = hold_next or bool(_HOLD.search(line.text))
            continue
        parts, held, hold_line = [], set(), False
        while True:
            if hold_line or _HOLD.search(line.text):
                held.add(lines.at)
            hold_line = False
            continues = ends.search(line.text)
            parts.append(line[: continues.start()] if continues else line)
            if not continues:
                break
            while lines:
                _, line = lines.take()
                if not _is_nothing(line):
                    break
                hold_line = bool(_HOLD.search(line.text)) or hold_line
            else:
                break
        if found := _instruction(Traced.joined(parts), number, lines, held, hold_all=hold_next):
            yield found
        hold_next = False


def _instruction(joined: Traced, number: int, lines: _Lines, held: set[int], *, hold_all: bool) -> Instruction | None:
    start = _ONBUILD.match(joined.text)
    found = _KEYWORD.match(joined.text, start.end() if start else 0)
    if found is None:
        return None
    keyword, rest = found["keyword"].upper(), joined[found.end() :]
    flags, at = [], 0
    while flag := _FLAG.match(rest.text, at):
        flags.append(flag[0].strip())
        at = flag.end()
    rest = rest[at:]
    heredocs = []
    if keyword in _WITH_BODY:
        for match in _HEREDOC.finditer(rest.text):
            if heredoc := _heredoc(lines, match["end"], strip=bool(match["strip"])):
                heredocs.append(heredoc)
                held |= _held_in(heredoc)
    if hold_all:
        held.update(range(number, lines.at + 1))
    return Instruction(keyword, tuple(flags), rest, number, tuple(heredocs), frozenset(held))


def _heredoc(lines: _Lines, end: str, *, strip: bool) -> Heredoc | None:
    """The body of a here-document; None where nothing ends it, so that it does not swallow the rest of the file."""
    begins = lines.at
    parts: list[Traced] = []
    while lines.holds_later(end, strip=strip):
        _, line = lines.take()
        if (line.text.lstrip("\t") if strip else line.text) == end:
            return Heredoc(Traced.joined(parts), begins + 1)
        parts += [line, Traced.nowhere("\n")]
    lines.at = begins
    return None


def is_held_line(line: str) -> bool:
    """Tell whether a comment asks to leave a line alone."""
    return bool(_HOLD.search(line))


def _held_in(heredoc: Heredoc) -> set[int]:
    lines = heredoc.body.text.split("\n")
    return {heredoc.number + at for at, line in enumerate(lines) if is_held_line(line)}


def _escape(text: str) -> str:
    """The escape character: directives are comments of the form `name=value` before anything else."""
    for line in text.split("\n", 20)[:20]:
        directive = _DIRECTIVE.match(line.removesuffix("\r"))
        if directive is None:
            break
        if directive["name"].lower() == "escape" and directive["value"] == "`":
            return "`"
    return "\\"


def _is_nothing(line: Traced) -> bool:
    bare = line.text.strip()
    return not bare or bare.startswith("#")


_STRING = re.compile(r'\s*"(?P<value>(?:[^"\\\x00-\x1f]|\\.)*)"\s*')


def exec_form(text: Traced) -> list[Traced] | None:
    """The words of an instruction in exec form, a JSON list of texts; None if it is none, as Docker has it."""
    if not text.text.lstrip().startswith("["):
        return None
    at, words = text.text.index("[") + 1, []
    while found := _STRING.match(text.text, at):
        words.append(_unescaped(text[found.start("value") : found.end("value")]))
        at = found.end()
        separator, at = text.text[at : at + 1], at + 1
        if separator == "]":
            return words if words and not text.text[at:].strip() else None
        if separator != ",":
            return None
    return None


def _unescaped(value: Traced) -> Traced:
    if "\\" not in value.text:
        return value
    try:
        return Traced.nowhere(str(json.loads(f'"{value.text}"')))
    except ValueError:
        return value
