"""Turns what Poetry's table and a Pipfile say about a package into requirements.

Poetry's own signs are worked out as its documentation has them ("Dependency specification"): `^`, `~`, wildcards, and a
bare version, which is an exact one. What has no exact counterpart stays as it is written, so that it is unreadable.
"""

import re
from collections.abc import Iterator, Mapping

from shared.domain.definitions import Line
from shared.domain.definitions.toml_texts import Item, Text, texts
from shared.domain.definitions.traced import Traced

_BARE = re.compile(r"v?\d+(?:\.\d+)*(?:[a-z]+\d*|\.(?:post|dev)\d+|-[\w.]+)*", re.IGNORECASE)
_RELEASE = re.compile(r"[\^~]\s*(?P<release>\d+(?:\.\d+)*)")
_CLAUSES = re.compile(r"(?:(?:===|==|~=|!=|<=|>=|<|>)\s*[^\s,|]+)(?:\s*,\s*(?:===|==|~=|!=|<=|>=|<|>)\s*[^\s,|]+)*")
_WILD = re.compile(r"\d+(?:\.\d+)*\.\*")
_ELSEWHERE = ("git", "path", "url", "file")


def poetry_extras(poetry: Mapping[str, Item]) -> dict[str, list[str]]:
    """For each optional package the extras that bring it."""
    bringing: dict[str, list[str]] = {}
    extras = poetry.get("extras")
    for extra, names in extras.items() if isinstance(extras, Mapping) else ():
        for text in texts(names):
            bringing.setdefault(re.sub(r"[-_.]+", "-", text.value.text).lower(), []).append(extra)
    return bringing


def poetry_requirement(name: str, value: Item) -> Iterator[Line]:
    """The requirement that an entry of Poetry's table makes; none where it is not understood at all."""
    if isinstance(value, Text):
        yield _written(name, "", value, "")
    elif isinstance(value, Mapping):
        chosen = ",".join(text.value.text for text in texts(value.get("extras")))
        extras = f"[{chosen}]" if chosen else ""
        marker = next((f"; {text.value.text}" for text in texts(value.get("markers"))), "")
        for key in _ELSEWHERE:
            for text in texts(value.get(key)):
                yield Traced.nowhere(f"{name}{extras} @ {text.value.text}").line(text.number)
                return
        for text in texts(value.get("version")):
            yield _written(name, extras, text, marker)


def _written(name: str, extras: str, text: Text, marker: str) -> Line:
    start, end = (Traced.nowhere(one) for one in (f"{name}{extras}", marker))
    return Traced.joined([start, _specifier(text.value), end]).line(text.number)


def _specifier(value: Traced) -> Traced:
    value = value.strip()
    text = value.text
    if text == "*":
        return Traced()
    if _BARE.fullmatch(text) or _WILD.fullmatch(text):
        return Traced.joined([Traced.nowhere("=="), value])
    if _CLAUSES.fullmatch(text):
        return value
    if found := _RELEASE.fullmatch(text):
        return Traced.nowhere(_bounded(text[0], found["release"]))
    return Traced.joined([Traced.nowhere(" "), value])


def _bounded(sign: str, release: str) -> str:
    """`^1.2` is `>=1.2,<2`, `^0.2.3` is `>=0.2.3,<0.3`, `~1.2.3` is `>=1.2.3,<1.3`, `~1` is `>=1,<2`."""
    parts = [int(part) for part in release.split(".")]
    first = next((at for at, part in enumerate(parts) if part), len(parts) - 1)
    at = min(1, len(parts) - 1) if sign == "~" else first
    upper = [*parts[:at], parts[at] + 1]
    return f">={release},<{'.'.join(map(str, upper))}"
