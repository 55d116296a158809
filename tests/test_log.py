import json
import logging

import pytest

from shared.log import alert, event


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("plain", "plain"),
        ("ml/packages@Release", "ml/packages@Release"),
        (17, "17"),
        ("", '""'),
        ("two words", '"two words"'),
        ('a" release_confirmed target="main', r'"a\" release_confirmed target=\"main"'),
        ("first\nsecond\r\nthird", r'"first\nsecond\r\nthird"'),
        ("\u2028\x85\x1b[31m", r'"\u2028\u0085\u001b[31m"'),
        ("\ud800", r'"\ud800"'),
        ("a=b", '"a=b"'),
    ],
)
def test_each_value_stays_one_whatever_it_holds(value: object, shown: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        event("something_happened", what=value, nothing=None)

    (record,) = caplog.records
    assert record.getMessage() == f"something_happened what={shown}"
    assert shown == str(value) or json.loads(shown) == value


def test_what_a_person_has_to_look_at_is_an_error(caplog: pytest.LogCaptureFixture) -> None:
    alert("something_is_wrong")

    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [("ERROR", "something_is_wrong")]
