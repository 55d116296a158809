"""Holds requests and answers against Microsoft's published descriptions of the REST API.

The descriptions say little about what must be there and allow every property on top. Here objects are closed: a
property that the description does not know is a misfit, so that a misspelt name cannot pass. What is known to differ
stands in `DEVIATIONS`, each with a reason; nothing else is tolerated.
"""

import io
import json
import os
import re
import uuid
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft4Validator, FormatChecker, ValidationError
from referencing import Registry
from referencing.jsonschema import DRAFT4

from local.azure_devops.api import Recorded

PROJECT = Path(__file__).resolve().parents[2]
SPECS = Path(os.environ.get("REBUILDER_SPECS") or PROJECT.parent / "shared" / "specs") / "azure-devops"
EXAMPLES = SPECS / "examples"
AREAS = ("git", "pipelines", "build", "feed", "serviceHooks")


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a description."""

    area: str
    id: str
    method: str
    template: str
    description: Mapping[str, Any]

    def parameters(self, place: str) -> dict[str, Mapping[str, Any]]:
        """Its parameters in the query, the path or the body, by name."""
        shared = document(self.area)["parameters"]
        stated = (
            shared[p["$ref"].removeprefix("#/parameters/")] if "$ref" in p else p
            for p in self.description["parameters"]
        )
        return {p["name"]: p for p in stated if p["in"] == place}


@dataclass(frozen=True, slots=True)
class Misfit:
    """One thing that is not as the description has it.

    Attributes:
        operation: the operation's id.
        part: `path`, `query`, `request`, `status` or `answer`.
        at: where in it; `*` stands for a position in a list.
        rule: what is broken: a keyword of JSON Schema, or a word of this module.
        detail: for a person.
    """

    operation: str
    part: str
    at: str
    rule: str
    detail: str


@dataclass(frozen=True, slots=True)
class Deviation:
    """Something that is known to differ from the description.

    Attributes:
        name: what to call it.
        reason: why it is right all the same.
        part: as in the misfit; `at` and `operation` are patterns.
        published: only Microsoft's examples may differ so.
    """

    name: str
    reason: str
    part: str
    at: str
    rule: str
    operation: str = "*"
    published: bool = False

    def covers(self, misfit: Misfit) -> bool:
        """Whether a misfit is this deviation."""
        return (
            self.part == misfit.part
            and self.rule == misfit.rule
            and fnmatchcase(misfit.at, self.at)
            and fnmatchcase(misfit.operation, self.operation)
        )


DEVIATIONS = (
    Deviation(
        "version in the Accept header",
        "the SDK names the version in Accept, as 7.1-preview.N; the description wants it in the query",
        "query", "api-version", "required",
    ),
    Deviation(
        "no project",
        "a feed of the organisation is addressed without project; the description marks it `x-ms-required: false`",
        "path", "project", "required", "Change  Tracking_Get Feed Change",
    ),
    Deviation(
        "no timeline",
        "without an id the service answers with the build's own timeline; marked `x-ms-required: false`",
        "path", "timelineId", "required", "Timeline_Get",
    ),
    Deviation(
        "envelope",
        "lists come as {count, value}, in the published examples too; the description has the bare list",
        "answer", "", "envelope",
    ),
    Deviation(
        "created",
        "a push is answered with 201, in the published example too; the description lists 200 only",
        "status", "201", "status", "Pushes_Create",
    ),
    Deviation(
        "item of a change",
        "`item` is a generic parameter of the service's class: a string called T here, an object in the examples",
        "request", "commits/*/changes/*/item", "type", "Pushes_Create",
    ),
    Deviation(
        "content type in lower case",
        "the published example sends `rawtext`; the description has `rawText`",
        "request", "commits/*/changes/*/newContent/contentType", "enum", "Pushes_Create", published=True,
    ),
    Deviation(
        "tree of a pushed commit",
        "the published example's commits have a `treeId`, which the description gives to a commit read alone only",
        "answer", "commits/*/treeId", "additionalProperties", "Pushes_Create", published=True,
    ),
    Deviation(
        "recursion level in upper case",
        "the published example asks for `Full`; the description has `full`",
        "query", "recursionLevel", "enum", "Items_List", published=True,
    ),
    Deviation(
        "links",
        "links stand directly in `_links`, in the published examples too; the description puts `links` between",
        "answer", "*_links/*", "additionalProperties",
    ),
    Deviation(
        "parameters of a run",
        "template parameters are strings when a run is queued and when a build is read; only a run has objects",
        "answer", "templateParameters/*", "type", "Runs_Run Pipeline",
    ),
)  # fmt: skip


def deviation_of(misfit: Misfit) -> Deviation | None:
    """The known deviation that a misfit is, if it is one."""
    return next((known for known in DEVIATIONS if known.covers(misfit)), None)


def unknown(misfits: list[Misfit], *, published: bool = False) -> list[Misfit]:
    """The misfits, of our own traffic or of a published example, that no known deviation explains."""
    explained = [(misfit, deviation_of(misfit)) for misfit in misfits]
    return [misfit for misfit, known in explained if known is None or (known.published and not published)]


def find(method: str, path: str, query: Mapping[str, str]) -> Operation:
    """The operation of a request; the path begins below the organisation.

    One path may have several operations: the one is meant whose required query parameters are there.

    Raises:
        LookupError: the descriptions have none.
    """
    for candidate in _operations():
        if candidate.method == method and _pattern(candidate.template).fullmatch(path):
            wanted = {name for name, p in candidate.parameters("query").items() if p.get("required")}
            if wanted - {"api-version"} <= query.keys():
                return candidate
    raise LookupError(f"the descriptions have no {method} {path} with {sorted(query)}")


def operation(wanted: str) -> Operation:
    """The operation of an id."""
    return next(candidate for candidate in _operations() if candidate.id == wanted)


def check(exchange: Recorded) -> list[Misfit]:
    """Everything about a request and its answer that is not as described.

    Answers of 400 and above are not: the descriptions do not know errors.
    """
    described = find(exchange.method, exchange.path, exchange.query)
    found = [
        *_check_path(described, exchange.path),
        *_check_query(described, exchange.query),
        *_check_body(described, exchange.body),
    ]
    if exchange.status < 400:
        found += _check_answer(described, exchange.status, exchange.answer)
    return found


# Parts


def _check_path(operation: Operation, path: str) -> Iterator[Misfit]:
    match = _pattern(operation.template).fullmatch(path)
    assert match
    for group, name in enumerate(_names(operation.template), start=1):
        if match[group] is None:
            yield Misfit(operation.id, "path", name, "required", f"{path} has none")
        else:
            yield from _check_text(operation, "path", name, operation.parameters("path")[name], match[group])


def _check_query(operation: Operation, query: Mapping[str, str]) -> Iterator[Misfit]:
    known = operation.parameters("query")
    for name, value in query.items():
        if name not in known:
            yield Misfit(operation.id, "query", name, "unknown", f"known are {', '.join(known)}")
        else:
            yield from _check_text(operation, "query", name, known[name], value)
    for name, parameter in known.items():
        if parameter.get("required") and name not in query:
            yield Misfit(operation.id, "query", name, "required", "it is missing")


def _check_text(
    operation: Operation, part: str, name: str, parameter: Mapping[str, Any], text: str
) -> Iterator[Misfit]:
    """A value in an address is text; it has to read as the type that the description wants."""
    kind, form = str(parameter["type"]), str(parameter.get("format", ""))
    values: list[Any] = [text]
    if listed := re.fullmatch(r"array \((\w+)\)", form):
        kind, form, values = ("integer" if listed[1].startswith("int") else kind), listed[1], text.split(",")
    for value in values:
        read: Any = value
        if kind == "integer" and re.fullmatch(r"-?\d+", value):
            read = int(value)
        elif kind == "boolean" and value.casefold() in ("true", "false"):
            read = value.casefold() == "true"
        schema = {"type": kind, "format": form, **({"enum": parameter["enum"]} if "enum" in parameter else {})}
        for error in Draft4Validator(schema, format_checker=_FORMATS).iter_errors(read):
            yield Misfit(operation.id, part, name, str(error.validator), error.message)


def _check_body(operation: Operation, body: bytes) -> Iterator[Misfit]:
    wanted = operation.parameters("body").get("body")
    if wanted is None:
        if body:
            yield Misfit(operation.id, "request", "", "unknown", "the description has no body")
        return
    yield from _check_json(operation, "request", wanted["schema"], json.loads(body))


def _check_answer(operation: Operation, status: int, answer: bytes) -> Iterator[Misfit]:
    responses = operation.description["responses"]
    if str(status) not in responses:
        yield Misfit(operation.id, "status", str(status), "status", f"described are {', '.join(responses)}")
    schema = responses.get(str(status), responses["200"])["schema"]
    if schema.get("format") == "Stream":
        if operation.description["produces"] == ["application/zip"] and not zipfile.is_zipfile(io.BytesIO(answer)):
            yield Misfit(operation.id, "answer", "", "format", "not a zip")
        return
    value = json.loads(answer)
    if schema.get("type") == "array" and isinstance(value, dict) and value.keys() == {"count", "value"}:
        yield Misfit(operation.id, "answer", "", "envelope", "{count, value}")
        if value["count"] != len(value["value"]):
            yield Misfit(operation.id, "answer", "count", "count", f"{value['count']} is not the number of values")
        value = value["value"]
    yield from _check_json(operation, "answer", schema, value)


def _check_json(operation: Operation, part: str, schema: Mapping[str, Any], value: Any) -> Iterator[Misfit]:
    validator = Draft4Validator(_located(operation.area, schema), registry=_registry(), format_checker=_FORMATS)
    for error in validator.iter_errors(value):
        for at in _places(error):
            yield Misfit(operation.id, part, at, str(error.validator), error.message[:200])


def _places(error: ValidationError) -> Iterator[str]:
    here = ["*" if isinstance(step, int) else str(step) for step in error.absolute_path]
    if error.validator != "additionalProperties" or not isinstance(error.schema, Mapping):
        yield "/".join(here)
        return
    present: Any = error.instance
    for name in sorted(present.keys() - error.schema.get("properties", {}).keys()):
        yield "/".join([*here, name])


# The descriptions


@cache
def document(area: str) -> Mapping[str, Any]:
    """One description as it was published."""
    loaded: Mapping[str, Any] = json.loads((SPECS / f"{area}.json").read_text(encoding="utf-8-sig"))
    return loaded


@cache
def _operations() -> tuple[Operation, ...]:
    """All operations; those that are told apart by their query come last."""
    return tuple(
        Operation(area, methods[method]["operationId"], method.upper(), template.partition("?")[0], methods[method])
        for kind in ("paths", "x-ms-paths")
        for area in AREAS
        for template, methods in document(area).get(kind, {}).items()
        for method in methods
    )


def _names(template: str) -> list[str]:
    return [name for name in re.findall(r"\{(\w+)\}", template) if name != "organization"]


@cache
def _pattern(template: str) -> re.Pattern[str]:
    """Matches paths below the organisation, in any case, with or without what may be left out of them."""
    text = re.escape(template.removeprefix("/{organization}")).replace(r"\{", "{").replace(r"\}", "}")
    text = text.replace("/{project}", "(?:/(?!_apis)([^/]+))?")
    text = re.sub(r"/\{timelineId\}$", "(?:/([^/]+))?", text)
    return re.compile(re.sub(r"\{\w+\}", "([^/]+)", text), re.IGNORECASE)


@cache
def _registry() -> Registry[Any]:
    return Registry[Any]().with_resources(
        (_address(area), DRAFT4.create_resource({"definitions": _closed_definitions(area)})) for area in AREAS
    )


def _address(area: str) -> str:
    return f"urn:official:{area}"


def _located(area: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of a body: one of the definitions, a list of them, or something plain."""
    if "$ref" in schema:
        return {"$ref": _address(area) + schema["$ref"]}
    return {**schema, **({"items": _located(area, schema["items"])} if "items" in schema else {})}


def _closed_definitions(area: str) -> dict[str, Any]:
    definitions = document(area)["definitions"]
    return {name: _closed(schema, definitions) for name, schema in definitions.items()}


def _closed(schema: Any, definitions: Mapping[str, Any]) -> Any:
    """The schema with `allOf` resolved and no room for properties that it does not know."""
    if not isinstance(schema, Mapping) or "$ref" in schema:
        return schema
    kept = {key: value for key, value in schema.items() if key in ("type", "format", "enum", "required")}
    if "items" in schema:
        kept["items"] = _closed(schema["items"], definitions)
    properties, free = _properties(schema, definitions)
    if properties:
        kept["properties"] = {name: _closed(value, definitions) for name, value in properties.items()}
        kept["additionalProperties"] = False
    if free is not None:
        kept["additionalProperties"] = _closed(free, definitions)
    return kept


def _properties(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> tuple[dict[str, Any], Any]:
    properties, free = dict(schema.get("properties", {})), schema.get("additionalProperties")
    for base in schema.get("allOf", ()):
        target = definitions[base["$ref"].removeprefix("#/definitions/")] if "$ref" in base else base
        inherited, inherited_free = _properties(target, definitions)
        properties = {**inherited, **properties}
        free = inherited_free if free is None else free
    return properties, free


_FORMATS = FormatChecker(formats=())


@_FORMATS.checks("date-time", raises=ValueError)
def _is_moment(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


@_FORMATS.checks("uuid", raises=ValueError)
def _is_uuid(value: object) -> bool:
    return not isinstance(value, str) or str(uuid.UUID(value)) == value.lower()


@_FORMATS.checks("int32")
def _is_int32(value: object) -> bool:
    return not isinstance(value, int) or -(2**31) <= value < 2**31


@_FORMATS.checks("int64")
def _is_int64(value: object) -> bool:
    return not isinstance(value, int) or -(2**63) <= value < 2**63
