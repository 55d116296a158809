"""Calls that go wrong on purpose."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

type When = Literal["before", "after"]


class Faulty:
    """Base of the fakes.

    Attributes:
        faults: method → what its next calls do, in order: fail ("before", without effect) or take effect and then
            fail ("after": the answer is lost). A call that finds nothing here works.
        calls: the methods that were called, in order.
    """

    def __init__(self) -> None:
        self.faults: dict[str, list[tuple[When, Exception]]] = {}
        self.calls: list[str] = []
        self.lost: dict[str, tuple[int, Exception]] = {}

    def fail(self, method: str, when: When, problem: Exception, times: int = 1) -> None:
        """Let the next calls of a method go wrong."""
        self.faults.setdefault(method, []).extend([(when, problem)] * times)

    def lose_answer(self, method: str, call: int, problem: Exception) -> None:
        """Let one call of a method, counted from 0 and from now, take effect and then go wrong."""
        self.lost = {**self.lost, method: (self.calls.count(method) + call, problem)}

    @contextmanager
    def _call(self, method: str) -> Iterator[None]:
        at, lost = self.lost.get(method, (None, None))
        mine = self.calls.count(method) == at
        self.calls.append(method)
        waiting = self.faults.get(method)
        when, problem = waiting.pop(0) if waiting else ("never", None)
        if problem is not None and when == "before":
            raise problem
        yield
        if problem is not None:
            raise problem
        if lost is not None and mine:
            raise lost
