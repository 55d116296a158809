"""Ends the process, or lets another worker in, at any call of any port: the sweeps' tool."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Literal

from tests.fakes.faults import Faulty
from tests.services.world import World


class Crash(BaseException):
    """The process is gone: nothing in the product may catch this."""


class Crashes:
    """Counts the calls of all ports, and crashes at one of them."""

    def __init__(self, world: World) -> None:
        self.count = 0
        self._orders = (world.store.order, world.feed.order)
        self._at: int | None = None
        self._when: Literal["before", "after"] = "before"
        self._intruder: Callable[[], None] | None = None
        for part in (world.store, world.signals, world.rebuilds, world.repository, world.feed, world.pipeline):
            part._call = self._counting(part, part._call)  # type: ignore[method-assign,assignment]

    def at(self, call: int, when: Literal["before", "after"]) -> None:
        """Crash at this call, counted from now, before or after its effect."""
        self.let_in(call, when, None)

    def let_in(self, call: int, when: Literal["before", "after"], intruder: Callable[[], None] | None) -> None:
        """Let somebody else work at this call, before or after its effect; None kills the process."""
        for order in self._orders:
            order.seed(call)  # what is asked for at once is done in another order each time
        self.count, self._at, self._when, self._intruder = 0, call, when, intruder

    def off(self) -> None:
        """Crash no more."""
        self._at = None

    def _strike(self, where: str) -> None:
        self._at = None
        if self._intruder is None:
            raise Crash(where)
        self._intruder()

    def _counting(
        self, part: Faulty, inner: Callable[[str], AbstractContextManager[None]]
    ) -> Callable[[str], AbstractContextManager[None]]:
        @contextmanager
        def call(method: str) -> Iterator[None]:
            self.count += 1
            mine = self.count == self._at
            if mine and self._when == "before":
                self._strike(f"before call {self.count}: {type(part).__name__}.{method}")
            with inner(method):
                yield
            if mine and self._when == "after":
                self._strike(f"after call {self.count}: {type(part).__name__}.{method}")

        return call


def work_through_crashes(world: World, crashes: Crashes) -> bool:
    """Work; a message whose worker dies comes again to a new process. Tells whether one died."""
    crashed = False
    for _ in range(100):
        before = (list(world.signals.waiting), list(world.rebuilds.waiting))
        try:
            if not world.step():
                return crashed
        except Crash:
            crashed = True
            crashes.off()
            handled_signals = [m for m in before[0] if m not in world.signals.waiting]
            handled_turns = [m for m in before[1] if m not in world.rebuilds.waiting]
            for queue, messages in ((world.signals, handled_signals), (world.rebuilds, handled_turns)):
                queue.waiting.extend(messages)
            world.start()
    raise AssertionError("it never comes to rest")
