"""The JSON Schema of `rebuilder.yml`, for editors: made from the models that read the file.

What it cannot say is left to the reader: whether a text is a version, and that no key stands twice.
"""

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from shared.domain.rules.rules import RULES_FILE, Deliver, Rules, Transitive, Upto

SCHEMA_FILE = "rebuilder.schema.json"
# The command that writes the file anew.
RENEW = f"python -m shared schema > {SCHEMA_FILE}"

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_MEANINGS: Mapping[type[StrEnum], Mapping[StrEnum, str]] = {
    Deliver: {
        Deliver.PUSH: "edits are pushed to the branch in one commit, and the environments rebuilt",
        Deliver.PULL_REQUEST: "edits are proposed in a pull request (not available yet)",
        Deliver.REPORT: "plans are recorded and shown, nothing is written",
    },
    Upto: {
        Upto.MAJOR: "any higher version: 1.4 to 2.0 too",
        Upto.MINOR: "the first segment stays: 1.4 to 1.5, not 2.0 (of 0.x the second stays too)",
        Upto.PATCH: "the first two segments stay: 1.4.0 to 1.4.1, not 1.5",
    },
    Transitive: {
        Transitive.REPORT: "they are listed",
        Transitive.REBUILD: "they are rebuilt",
    },
}
_EXAMPLES: tuple[Mapping[str, object], ...] = (
    {"deliver": "report"},
    {
        "deliver": "push",
        "environments": {"include": ["environments/**"], "exclude": ["archive/**"]},
        "python": {"environments/old-*": "3.9"},
        "packages": [
            {"match": "our-*", "upto": "minor", "hold": ["2.4.1"]},
            {"match": "our-core", "upto": "patch", "allow": "<3", "view": "Release", "environments": ["training-*"]},
        ],
    },
)


def rules_schema() -> dict[str, Any]:
    """The schema as a document of its own, without references: editors show what stands beside a value."""
    raw = Rules.model_json_schema()
    schema = _inlined({key: value for key, value in raw.items() if key != "$defs"}, raw["$defs"])
    head = {
        "$schema": _DIALECT,
        "title": f"{RULES_FILE}: the rules of Environment Rebuilder",
        "description": "How changes to the environments of this repository are delivered, and which packages may be "
        "touched.",
    }
    return {**head, **{key: value for key, value in schema.items() if key not in head}, "examples": list(_EXAMPLES)}


def schema_text() -> str:
    """The text of the schema file."""
    return json.dumps(rules_schema(), indent=2, ensure_ascii=False) + "\n"


def _inlined(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """A schema with what it refers to written in its place, the meanings of its words, and no made-up titles."""
    if reference := schema.get("$ref"):
        name = reference.removeprefix("#/$defs/")
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        return _inlined({**definitions[name], **_meant(name), **beside}, definitions)
    inlined = {key: value for key, value in schema.items() if key != "title"}
    if properties := schema.get("properties"):
        inlined["properties"] = {name: _inlined(value, definitions) for name, value in properties.items()}
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            inlined[key] = _inlined(schema[key], definitions)
    if meanings := inlined.get("enumDescriptions"):
        said = "; ".join(f"`{word}`: {meaning}" for word, meaning in zip(inlined["enum"], meanings, strict=True))
        inlined["description"] = f"{inlined['description']} {said}."
    return inlined


def _meant(name: str) -> dict[str, list[str]]:
    """Describe the words of a type; `enumDescriptions` is no word of JSON Schema, VS Code shows it beside each."""
    for kind, meanings in _MEANINGS.items():
        if kind.__name__ == name:
            return {"enumDescriptions": [meanings[word] for word in kind]}
    return {}
