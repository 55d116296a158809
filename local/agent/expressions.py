"""Expressions of Azure Pipelines: `${{ }}` at compile time, `$[ ]` and `condition:` at run time.

Forms and rules are those of learn.microsoft.com, "Expressions": comparisons ignore case, a property that is not there
is empty.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>-?\d+(?:\.\d+)?)|(?P<name>[A-Za-z_][A-Za-z0-9_.-]*)|(?P<sign>[()\[\],.]))"
)


class Unknown(Exception):
    """Something that this agent does not know, by its name, or that is no Azure Pipelines at all."""


def evaluate(text: str, names: Mapping[str, Any], functions: Mapping[str, Callable[[], bool]] | None = None) -> Any:
    """Evaluate an expression.

    Args:
        text: the expression, without its brackets.
        names: what names stand for, such as `parameters` and `variables`.
        functions: functions without arguments that the place offers, such as `succeeded`.

    Raises:
        Unknown: a name or function that this agent does not know, or a fault in the text.
    """
    parser = _Parser(text, names, functions or {})
    value = parser.expression()
    parser.end()
    return value


def as_text(value: Any) -> str:
    """A value as it is written into a text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "True" if value else "False"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, list | dict):
        raise Unknown(f"a {type(value).__name__} cannot stand inside a text")
    return str(value)


def is_true(value: Any) -> bool:
    """Whether a value counts as true in a condition."""
    if isinstance(value, str):
        return value != ""
    return bool(value)


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, list | dict) or isinstance(other, list | dict):
        return bool(one == other)
    return as_text(one).casefold() == as_text(other).casefold()


def _length(value: Any) -> int:
    return 0 if value is None else len(value)


def _split(text: Any, delimiter: Any) -> list[str]:
    return as_text(text).split(as_text(delimiter)) if as_text(delimiter) else [as_text(text)]


_FUNCTIONS: Mapping[str, tuple[int, int, Callable[..., Any]]] = {
    "eq": (2, 2, _equal),
    "ne": (2, 2, lambda one, other: not _equal(one, other)),
    "in": (2, 99, lambda needle, *hay: any(_equal(needle, one) for one in hay)),
    "length": (1, 1, _length),
    "split": (2, 2, _split),
    "replace": (3, 3, lambda text, old, new: as_text(text).replace(as_text(old), as_text(new))),
}


class _Parser:
    def __init__(self, text: str, names: Mapping[str, Any], functions: Mapping[str, Callable[[], bool]]) -> None:
        self._text = text
        self._names = names
        self._functions = functions
        self._tokens = self._read(text)
        self._at = 0

    def _read(self, text: str) -> list[tuple[str, str]]:
        tokens: list[tuple[str, str]] = []
        position = 0
        text = text.rstrip()
        while position < len(text):
            found = _TOKEN.match(text, position)
            if not found or found.lastgroup is None:
                raise Unknown(f"the expression {text!r} cannot be read at {text[position:]!r}")
            tokens.append((found.lastgroup, found[found.lastgroup]))
            position = found.end()
        return tokens

    def _take(self, sign: str | None = None) -> tuple[str, str]:
        if self._at >= len(self._tokens):
            raise Unknown(f"the expression {self._text!r} ends too early")
        token = self._tokens[self._at]
        if sign is not None and token != ("sign", sign):
            raise Unknown(f"the expression {self._text!r} has {token[1]!r} where {sign!r} is expected")
        self._at += 1
        return token

    def _sees(self, sign: str) -> bool:
        return self._at < len(self._tokens) and self._tokens[self._at] == ("sign", sign)

    def end(self) -> None:
        if self._at < len(self._tokens):
            raise Unknown(f"the expression {self._text!r} goes on with {self._tokens[self._at][1]!r}")

    def expression(self) -> Any:
        kind, token = self._take()
        if kind == "text":
            return token[1:-1].replace("''", "'")
        if kind == "number":
            return float(token)
        if kind != "name":
            raise Unknown(f"the expression {self._text!r} begins a value with {token!r}")
        if self._sees("("):
            return self._indexed(self._call(token))
        if token.casefold() in ("true", "false"):
            return token.casefold() == "true"
        return self._indexed(self._property(token))

    def _call(self, name: str) -> Any:
        self._take("(")
        arguments: list[Any] = []
        while not self._sees(")"):
            arguments.append(self.expression())
            if not self._sees(")"):
                self._take(",")
        self._take(")")
        if name in self._functions and not arguments:
            return self._functions[name]()
        if name not in _FUNCTIONS:
            raise Unknown(f"the function `{name}` is not known to this agent")
        least, most, function = _FUNCTIONS[name]
        if not least <= len(arguments) <= most:
            raise Unknown(f"the function `{name}` does not take {len(arguments)} arguments")
        return function(*arguments)

    def _property(self, path: str) -> Any:
        first, *rest = path.split(".")
        if first not in self._names:
            raise Unknown(f"the name `{first}` is not known here")
        value = self._names[first]
        for part in rest:
            value = _member(value, part)
        return value

    def _indexed(self, value: Any) -> Any:
        while self._sees("["):
            self._take("[")
            value = _member(value, self.expression())
            self._take("]")
        return value


def _member(value: Any, key: Any) -> Any:
    if isinstance(value, Sequence) and not isinstance(value, str) and isinstance(key, float):
        return value[int(key)] if 0 <= int(key) < len(value) else None
    if isinstance(value, Mapping):
        wanted = as_text(key).casefold()
        return next((item for name, item in value.items() if str(name).casefold() == wanted), None)
    return None
