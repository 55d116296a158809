from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from shared.adapters.retry_after import retry_after
from shared.limits import LONGEST_PAUSE

NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
DATE = format_datetime(NOW, usegmt=True)


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ("1", 1),
        (" 30 ", 30),
        ("31536000", 600),
        ("Mon, 05 Jan 2026 09:00:42 GMT", 42),
        ("Monday, 05-Jan-26 09:00:42 GMT", 42),
        ("Tue, 05 Jan 2027 09:00:00 GMT", 600),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 600),
    ],
)
def test_a_wait_is_a_number_of_seconds_or_a_date_and_never_too_long(asked: str, seconds: int) -> None:
    headers = CaseInsensitiveDict({"retry-after": asked, "date": DATE})
    assert retry_after(headers) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "asked",
    ["", "0", "-5", "1.5", "soon", "1e3", "\u00b2", "9" * 5000, "Mon, 05 Jan 2026 09:00:00 GMT",
     "Sun, 05 Jan 2025 09:00:00 GMT", "Mon, 99 Jan 2026 09:00:00 GMT"],
)  # fmt: skip
def test_what_is_past_or_makes_no_sense_is_no_wait(asked: str) -> None:
    assert retry_after({"Retry-After": asked, "Date": DATE}) is None


def test_who_asks_for_nothing_gets_none() -> None:
    assert retry_after({}) is None


def test_without_the_services_clock_ours_counts() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(minutes=5), usegmt=True)
    found = retry_after({"Retry-After": later})
    assert found
    assert timedelta(minutes=4) < found <= timedelta(minutes=5)


@given(st.text(), st.text())
def test_whatever_stands_there_is_a_bounded_wait_or_none(asked: str, date: str) -> None:
    found = retry_after({"Retry-After": asked, "Date": date})
    assert found is None or timedelta() < found <= LONGEST_PAUSE
