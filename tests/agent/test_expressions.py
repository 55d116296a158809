from typing import Any

import pytest

from local.agent.expressions import Unknown, as_text, evaluate

NAMES = {
    "parameters": {"environments": "a/b.yml,c.yml", "list": ["x", "y"], "flag": True, "number": 3.0, "none": ""},
    "variables": {"Build.Reason": "Manual", "plain": "value"},
    "path": "a-b/c_d.yml",
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("'it''s'", "it's"),
        ("parameters.environments", "a/b.yml,c.yml"),
        ("parameters['list'][1]", "y"),
        ("variables['build.reason']", "Manual"),
        ("variables.plain", "value"),
        ("variables.missing", None),
        ("split(parameters.environments, ',')", ["a/b.yml", "c.yml"]),
        ("split('', ',')", [""]),
        ("split('a, b,c', ', ')", ["a", "b,c"]),
        ("split('1:a/b.yml', ':')[1]", "a/b.yml"),
        ("split(parameters['list'][0], ',')[7]", None),
        ("length(parameters.list)", 2),
        ("length(split(parameters.environments, ','))", 2),
        ("replace(replace(path, '-', '_h'), '/', '_s')", "a_hb_sc_d.yml"),
        ("eq('A', 'a')", True),
        ("eq(parameters.number, '3')", True),
        ("eq(parameters.flag, true)", True),
        ("ne(variables['Build.Reason'], 'Schedule')", True),
        ("in('b', 'a', 'B')", True),
        ("in('c', 'a', 'b')", False),
        (" eq( length( parameters.list ) , 2 ) ", True),
    ],
)
def test_what_is_known_means_what_the_service_means(text: str, value: Any) -> None:
    assert evaluate(text, NAMES) == value


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("format('x')", "the function `format` is not known to this agent"),
        ("dependencies.x", "the name `dependencies` is not known here"),
        ("succeeded()", "the function `succeeded` is not known to this agent"),
        ("eq('a')", "the function `eq` does not take 1 arguments"),
        ("eq('a', 'b'", "ends too early"),
        ("eq('a' 'b')", "is expected"),
        ("'a' 'b'", "goes on with"),
        ("", "ends too early"),
        ("a + b", "cannot be read"),
        ("'open", "cannot be read"),
    ],
)
def test_anything_else_is_refused_by_name(text: str, complaint: str) -> None:
    with pytest.raises(Unknown, match=complaint.replace("(", r"\(").replace(")", r"\)")):
        evaluate(text, NAMES)


def test_a_place_may_offer_functions_of_its_own() -> None:
    assert evaluate("succeeded()", {}, {"succeeded": lambda: True}) is True


def test_values_are_written_as_the_service_writes_them() -> None:
    assert [as_text(value) for value in (True, 3.0, 2.5, None, "x")] == ["True", "3", "2.5", "", "x"]
    with pytest.raises(Unknown):
        as_text(["x"])
