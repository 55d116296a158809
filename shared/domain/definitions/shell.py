"""Splits shell commands into words whose characters can be found again in the file.

As much of POSIX shell (IEEE Std 1003.1, "Shell Command Language") as people write in Dockerfiles: quotes, escapes,
comments, redirections, operators, and variables whose values are known. What it does not know (command substitution,
arithmetic) stays in the word as it is written, so that nobody takes it for a version.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from shared.domain.definitions.traced import Traced

_PLAIN = re.compile(r"[^\s;&|()<>\\'\"$`#]+")
_PLAIN_QUOTED = re.compile(r"[^\"\\$`]+")
_BLANKS = re.compile(r"[^\S\n]+")
_COMMENT = re.compile(r"[^\n]*")
_REDIRECTION = re.compile(r"[<>]{1,3}[&|-]?")
_VARIABLE = re.compile(
    r"\$(?:\{(?P<braced>[A-Za-z_]\w*)(?::?-(?P<default>[^${}'\"`]*)|:?\?[^${}]*)?\}|(?P<bare>[A-Za-z_]\w*))"
)
_SEPARATORS = frozenset(";&|()\n")
_SPECIAL_IN_QUOTES = frozenset('$`"\\\n')


@dataclass(slots=True)
class Shell:
    """Reads commands.

    Attributes:
        value: the value of a variable, or None if it is not known.
        separators: whether `;`, `&` and the like separate commands (in `ENV` and `ARG` they do not).
        comments: the comments that were met.
        depth: how many subshells stand around the command that was given last.
        piped: it reads what the one before it writes.
        redirections: its redirections, as (operator, file).
        _words: the command that is being read.
        _parts: the word that is being read; None between words.
        _operator: of the redirection that the next word belongs to.
    """

    value: Callable[[str], Traced | None]
    separators: bool = True
    comments: list[Traced] = field(default_factory=list)
    depth: int = 0
    piped: bool = False
    redirections: list[tuple[str, Traced]] = field(default_factory=list)
    _words: list[Traced] = field(default_factory=list)
    _parts: list[Traced] | None = None
    _operator: str = ""

    def commands(self, script: Traced) -> Iterator[list[Traced]]:
        """Give the words of each command."""
        text, at = script.text, 0
        while at < len(text):
            if text[at] in _SEPARATORS and self.separators:
                yield from self._command_ends()
                self._separated(text, at)
                at += 1
            else:
                at = self._step(script, at)
        yield from self._command_ends()

    def _command_ends(self) -> Iterator[list[Traced]]:
        self._word_ends()
        self._operator = ""
        if self._words:
            yield self._words
            self._words = []
        self.redirections.clear()

    def _separated(self, text: str, at: int) -> None:
        """Note what an operator says about the next command."""
        match text[at]:
            case "(":
                self.depth += 1
            case ")":
                self.depth = max(0, self.depth - 1)
            case "|":
                self.piped = "|" not in (text[at - 1 : at], text[at + 1 : at + 2])
            case "&" if text[at - 1 : at] == "|":
                pass  # `|&`
            case _:
                self.piped = False

    def _word_ends(self) -> None:
        if self._parts is not None:
            word = Traced.joined(self._parts)
            if self._operator:
                self.redirections.append((self._operator, word))
            else:
                self._words.append(word)
            self._parts, self._operator = None, ""

    def _add(self, part: Traced) -> None:
        if self._parts is None:
            self._parts = []
        self._parts.append(part)

    def _step(self, script: Traced, at: int) -> int:
        """Read on from a place, and return the next one."""
        text = script.text
        character = text[at]
        if plain := _PLAIN.match(text, at):
            self._add(script[at : plain.end()])
            return plain.end()
        if character.isspace():
            self._word_ends()
            blanks = _BLANKS.match(text, at)
            return blanks.end() if blanks else at + 1
        if character == "#" and self._parts is None and self.separators:
            comment = _COMMENT.match(text, at)
            end = comment.end() if comment else len(text)
            self.comments.append(script[at:end])
            return end
        if character == "\\":
            if text[at + 1 : at + 2] != "\n":
                self._add(script[at + 1 : at + 2])
            return at + 2
        if character == "'":
            end = _until(text, "'", at + 1)
            self._add(script[at + 1 : end])
            return end + 1
        if character == '"':
            return self._quoted(script, at + 1)
        if character == "$":
            return self._expansion(script, at, quoted=False)
        if character == "`":
            end = _until(text, "`", at + 1)
            self._add(script[at : end + 1])
            return end + 1
        if character in "<>" and self.separators:
            return self._redirection(script, at)
        self._add(script[at : at + 1])
        return at + 1

    def _redirection(self, script: Traced, at: int) -> int:
        if self._parts is not None and Traced.joined(self._parts).text.isdecimal():
            self._parts = None  # the number of a file descriptor
        self._word_ends()
        found = _REDIRECTION.match(script.text, at)
        end = found.end() if found else at + 1
        self._operator = script.text[at:end]
        return end

    def _quoted(self, script: Traced, at: int) -> int:
        text = script.text
        self._add(Traced())
        while at < len(text):
            if plain := _PLAIN_QUOTED.match(text, at):
                self._add(script[at : plain.end()])
                at = plain.end()
            elif text[at] == '"':
                return at + 1
            elif text[at] == "\\":
                following = text[at + 1 : at + 2]
                if following in _SPECIAL_IN_QUOTES:
                    if following != "\n":
                        self._add(script[at + 1 : at + 2])
                else:
                    self._add(script[at : at + 2])
                at += 2
            elif text[at] == "$":
                at = self._expansion(script, at, quoted=True)
            else:
                self._add(script[at : at + 1])
                at += 1
        return at

    def _expansion(self, script: Traced, at: int, *, quoted: bool) -> int:
        text = script.text
        if text.startswith("$(", at):
            end = _closing(text, at + 1)
            self._add(script[at:end])
            return end
        found = _VARIABLE.match(text, at)
        if found is None:
            self._add(script[at : at + 1])
            return at + 1
        name = found["braced"] or found["bare"]
        value = self.value(name)
        if value is None and found["default"]:
            value = script[found.start("default") : found.end("default")]
        if value is None:
            # A place that nobody can fill in; always in braces, so that it is known for one.
            value = Traced.nowhere(f"${{{name}}}")
        if quoted or not self.separators:
            self._add(value)
        else:
            self._split(value)
        return found.end()

    def _split(self, value: Traced) -> None:
        """An expansion outside of quotes may be several words."""
        at = 0
        for blank in re.finditer(r"\s+", value.text):
            if blank.start() > at:
                self._add(value[at : blank.start()])
            self._word_ends()
            at = blank.end()
        if at < len(value.text):
            self._add(value[at:])


def _until(text: str, end: str, start: int) -> int:
    found = text.find(end, start)
    return len(text) if found < 0 else found


def _closing(text: str, start: int) -> int:
    """The place behind the parenthesis that closes the one at `start`."""
    depth = 0
    for found in re.compile(r"[()]").finditer(text, start):
        depth += 1 if found[0] == "(" else -1
        if depth == 0:
            return found.end()
    return len(text)
