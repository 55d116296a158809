"""Calls side by side."""

from threading import Barrier

import pytest

from shared.adapters.side_by_side import SideBySide
from shared.errors import ServiceUnavailable
from shared.limits import SIDE_BY_SIDE


def test_as_many_calls_as_allowed_are_made_at_the_same_time_and_come_back_in_order() -> None:
    together = Barrier(SIDE_BY_SIDE, timeout=60)

    def meet(item: int) -> int:
        together.wait()
        return item * 2

    items = range(SIDE_BY_SIDE * 2)
    assert SideBySide().map(meet, items) == [item * 2 for item in items]


def test_what_fails_keeps_no_other_call_from_being_made() -> None:
    made = []

    def call(item: int) -> None:
        made.append(item)
        if item in (3, 7):
            raise ServiceUnavailable(f"item {item}")

    with pytest.raises(ServiceUnavailable, match="item 3"):
        SideBySide().map(call, range(50))
    assert sorted(made) == list(range(50))
