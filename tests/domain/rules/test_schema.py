"""The schema file says what the reader does: no more, and as far as a schema can no less."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend

from shared.domain.rules.rules import Deliver, Rules, Transitive, Upto, read_rules
from shared.domain.rules.schema import RENEW, SCHEMA_FILE, rules_schema, schema_text
from shared.errors import InvalidConfiguration

ROOT = Path(__file__).resolve().parents[3]


def _ecma_pattern(_: Any, pattern: str, instance: object, __: Any) -> Iterator[ValidationError]:
    """`$` is the end of the text in ECMA's regular expressions, whose dialect the schema's patterns are in."""
    if isinstance(instance, str) and not re.search(re.sub(r"\$\Z", r"\\Z", pattern), instance, re.ASCII):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


SCHEMA = rules_schema()
FITS = extend(Draft202012Validator, {"pattern": _ecma_pattern})(SCHEMA)  # type: ignore[no-untyped-call]


def reader_takes(document: object) -> bool:
    try:
        read_rules(yaml.safe_dump(document).encode())
    except InvalidConfiguration:
        return False
    return True


def test_the_committed_file_is_what_the_models_say() -> None:
    assert (ROOT / SCHEMA_FILE).read_text("utf-8") == schema_text(), f"write it anew: {RENEW}"


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)

    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert "$ref" not in schema_text()


def _objects(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        if "properties" in schema:
            yield schema
        for value in schema.values():
            yield from _objects(value)


def test_every_field_is_described_and_no_other_is_allowed() -> None:
    closed = list(_objects(SCHEMA))

    assert len(closed) == 3
    assert {schema["additionalProperties"] for schema in closed} == {False}
    assert SCHEMA["properties"].keys() == Rules.model_fields.keys()
    for schema in closed:
        for name, field in schema["properties"].items():
            assert field["description"].endswith("."), name
            assert "title" not in field


def test_every_word_is_explained() -> None:
    package = SCHEMA["properties"]["packages"]["items"]["properties"]

    for kind, field in (
        (Deliver, SCHEMA["properties"]["deliver"]),
        (Upto, package["upto"]),
        (Transitive, package["transitive"]),
    ):
        assert field["enum"] == list(kind)
        assert len(field["enumDescriptions"]) == len(kind)
        assert all(f"`{word}`: " in field["description"] for word in kind)


def _examples(schema: Any) -> Iterator[tuple[dict[str, Any], object]]:
    if isinstance(schema, dict):
        yield from ((schema, example) for example in schema.get("examples", ()))
        for key, value in schema.items():
            if key != "examples":
                yield from _examples(value)


def test_every_example_is_right() -> None:
    found = list(_examples(SCHEMA))

    assert len(found) > 10
    for schema, example in found:
        Draft202012Validator(schema).validate(example)
    for example in SCHEMA["examples"]:
        assert reader_takes(example)


def test_every_default_is_what_the_reader_assumes() -> None:
    rules = read_rules(b"deliver: push\npackages: [{match: a}]\n").model_dump(mode="json")
    (package,) = rules["packages"]

    for schema, values in ((SCHEMA, rules), (SCHEMA["properties"]["packages"]["items"], package)):
        for name, field in schema["properties"].items():
            if name not in schema["required"] and name != "packages":
                assert field["default"] == values[name], name


def test_the_rules_in_this_project_fit() -> None:
    files = [*ROOT.glob("local/sample/**/rebuilder.yml"), *ROOT.glob("tests/**/rebuilder.yml")]

    assert files
    for file in files:
        FITS.validate(yaml.safe_load(file.read_bytes()))


# Everything that a value can be by mistake.
_VALUES: tuple[Any, ...] = (
    None, True, 0, 3.1, "", "push", "report", "all", "minor", "1.0", "<3", "3.10", "3.10\n", "3", "x" * 101, [],
    ["1.0"], ["1" * 101], [1], [None], [["a"]], {}, {"match": "a"}, {"a": "3.10"}, {"a": 3.1}, [{"match": "a"}], [{}],
    [{"match": 1}], {"include": ["**"]}, {"include": "**"}, {"include": [], "exclude": [1]}, {"other": 1},
)  # fmt: skip
_PACKAGE = ("match", "upto", "allow", "prereleases", "transitive", "view", "hold", "environments")
_TOP = ("deliver", "rebuild_on_push", "environments", "opaque", "python", "packages")


def agree(document: dict[str, Any]) -> None:
    """What the reader takes the schema takes; what it refuses for its form (not for being no version) it refuses."""
    try:
        read_rules(yaml.safe_dump(document).encode())
    except InvalidConfiguration as refused:
        if not all("is not a version" in problem for problem in refused.problems):
            assert not FITS.is_valid(document), document
    else:
        FITS.validate(document)


@pytest.mark.parametrize("key", [*_TOP, "other", "packages.0"])
def test_schema_and_reader_agree_about_every_value_of_every_setting(key: str) -> None:
    for value in _VALUES:
        agree({"deliver": "push", "packages": [value]} if key == "packages.0" else {"deliver": "push", key: value})
    agree({})


@pytest.mark.parametrize("key", [*_PACKAGE, "other"])
def test_schema_and_reader_agree_about_every_value_of_a_package_rule(key: str) -> None:
    for value in _VALUES:
        agree({"deliver": "push", "packages": [{"match": "a", key: value}]})


def test_the_values_that_are_tried_are_right_for_some_and_wrong_for_others() -> None:
    for key in _TOP:
        verdicts = {reader_takes({"deliver": "push", key: value}) for value in _VALUES}
        assert verdicts == {True, False}, key
    for key in _PACKAGE:
        verdicts = {reader_takes({"deliver": "push", "packages": [{"match": "a", key: value}]}) for value in _VALUES}
        assert verdicts == {True, False}, key


def _maps(keys: tuple[str, ...], values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.sampled_from(keys), values, max_size=4)


_ANYTHING = st.one_of(st.sampled_from(_VALUES), st.text(max_size=5))
_DOCUMENTS = st.builds(
    lambda top, packages, deliver: {**deliver, **top, **packages},
    _maps((*_TOP, "other"), _ANYTHING),
    st.one_of(
        st.just({}),
        st.fixed_dictionaries(
            {"packages": st.lists(st.one_of(_maps((*_PACKAGE, "match", "match"), _ANYTHING), _ANYTHING), max_size=3)}
        ),
    ),
    st.one_of(st.just({"deliver": "push"}), st.just({})),
)


@given(_DOCUMENTS)
def test_schema_and_reader_agree_about_documents_with_many_mistakes(document: dict[str, Any]) -> None:
    agree(document)


def test_the_schema_is_printed_by_a_command(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    from shared.__main__ import app

    app(["schema"], standalone_mode=False)

    assert json.loads(capfdbinary.readouterr().out) == SCHEMA
