from datetime import UTC, datetime

import pytest

from local.functions_host.schedule import Schedule


@pytest.mark.parametrize(
    ("text", "moment", "fires"),
    [
        ("0 */5 * * * *", datetime(2026, 1, 1, 0, 10, 0, tzinfo=UTC), True),
        ("0 */5 * * * *", datetime(2026, 1, 1, 0, 10, 1, tzinfo=UTC), False),
        ("0 */5 * * * *", datetime(2026, 1, 1, 0, 11, 0, tzinfo=UTC), False),
        ("0 30 9 * * 1-5", datetime(2026, 1, 2, 9, 30, tzinfo=UTC), True),
        ("0 30 9 * * 1-5", datetime(2026, 1, 4, 9, 30, tzinfo=UTC), False),
        ("0 0 0 1,15 * *", datetime(2026, 3, 15, tzinfo=UTC), True),
        ("*/20 * * * * *", datetime(2026, 1, 1, 0, 0, 40, tzinfo=UTC), True),
    ],
)
def test_a_timer_fires_in_the_seconds_that_its_schedule_names(text: str, moment: datetime, fires: bool) -> None:
    assert Schedule(text).fires_at(moment) is fires


@pytest.mark.parametrize("text", ["", "* * * * *", "60 * * * * *", "0 0 24 * * *", "x * * * * *"])
def test_a_wrong_schedule_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        Schedule(text)
