"""Messages about what pydantic finds wrong: where it stands, and what to write instead."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.domain.files.wording import one_line, shown
from shared.domain.files.yaml_plain import Document, Other, Place

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")
_NO_MAP = "it is not a map; it needs at least `deliver: push` or `report`"

# One element of `ValidationError.errors()`.
type Error = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ValidationMessage:
    """One problem of a YAML file.

    Attributes:
        line: where it stands; None in an empty file.
        place: the keys and positions that lead to it.
        why: what is wrong.
    """

    line: int | None
    place: Place
    why: str

    def __str__(self) -> str:
        parts = [str(part) for part in self.place]
        where = ".".join(part if _PLAIN_KEY.fullmatch(part) else shown(part) for part in parts)
        return one_line(": ".join(part for part in (f"line {self.line}" if self.line else "", where, self.why) if part))


def validation_message(error: Error, document: Document) -> ValidationMessage:
    """Turn one of pydantic's errors about the rules into a message with its line.

    That is the line of a key that should not be there, of the map that lacks one, else of the value.
    """
    place: Place = error["loc"]
    line = document.key_line(place) if error["type"] == "extra_forbidden" else document.line(place)
    return ValidationMessage(line, place, _of_value(error, document.at(place)))


def explain(error: Error) -> str:
    """Say in words one of pydantic's errors about settings, messages or ledger entries."""
    where = ".".join(str(part) for part in error["loc"])
    return f"`{where}`: {_of_kind(error)}" if where else _of_kind(error)


def _of_value(error: Error, value: object) -> str:
    """Say what is wrong with a value of the rules; its type and spelling help to guess what was meant."""
    place, kind = error["loc"], error["type"]
    text = value.text if isinstance(value, Other) else str(value)
    if not place:
        return _NO_MAP
    if value is None and kind not in ("missing", "extra_forbidden"):
        return "is empty: give it a value, or leave it out"
    match kind:
        case "string_pattern_mismatch":
            return f'{shown(text)} is not a Python version (write for example "3.10")'
        case "string_too_short":
            return "is empty"
        case "string_too_long":
            return f"is too long ({len(text)} characters; at most {error['ctx']['max_length']})"
        case "string_type" if isinstance(value, list | dict):
            return f"is a {'list' if isinstance(value, list) else 'map'}: write one text"
        case "string_type" if isinstance(value, Other):
            return f"write it in quotes: {shown(text)}"
        case "tuple_type" if isinstance(value, str | Other) and place != ("packages",):
            return f"is not a list: write [{shown(text)}]"
        case "tuple_type":
            return "is not a list: begin each entry with `-`"
        case "model_type" if isinstance(value, str) and place[0] == "packages":
            return f"is not a map: write `match: {shown(value)}`"
    return _of_kind(error)


def _of_kind(error: Error) -> str:
    match error["type"]:
        case "extra_forbidden":
            return "no such setting"
        case "missing":
            return "is missing"
        case "enum":
            return f"write {error['ctx']['expected'].replace("'", '')}"
        case "bool_type":
            return "write true or false"
        case "string_type":
            return "write it in quotes"
        case "tuple_type" | "list_type":
            return "is not a list"
        case "dict_type" | "mapping_type" | "model_type" | "model_attributes_type":
            return "is not a map"
    return str(error["msg"]).removeprefix("Value error, ")
