"""Calls side by side."""

from concurrent.futures import Future
from threading import Barrier, Event

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


def test_what_a_call_raises_is_raised_when_those_that_have_begun_are_over() -> None:
    together = Barrier(2, timeout=60)
    over = []

    def call(item: int) -> None:
        together.wait()
        if item == 0:
            raise ServiceUnavailable(f"item {item}")
        over.append(item)

    with pytest.raises(ServiceUnavailable, match="item 0"):
        SideBySide().map(call, range(2))
    assert over == [1]


def test_of_a_service_that_is_away_not_every_item_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    items, made, cancelled, go = 50, [], [], Event()
    cancel = Future.cancel

    def told(future: Future[None]) -> bool:
        done = cancel(future)
        cancelled.append(future)
        if len(cancelled) == items - 1:
            go.set()
        return done

    def call(item: int) -> None:
        made.append(item)
        if item == 3:
            raise ServiceUnavailable(f"item {item}")
        assert go.wait(60)

    monkeypatch.setattr(Future, "cancel", told)
    with pytest.raises(ServiceUnavailable, match="item 3"):
        SideBySide().map(call, range(items))
    assert set(range(SIDE_BY_SIDE)) <= set(made) <= set(range(SIDE_BY_SIDE + 1))
