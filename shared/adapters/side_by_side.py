"""Calls of one service, several at a time: the only place where the product is concurrent by itself."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait

from shared.limits import SIDE_BY_SIDE


class SideBySide:
    """Threads of one adapter. They last as long as it does, and so do their connections."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(SIDE_BY_SIDE)

    def map[I, R](self, call: Callable[[I], R], items: Iterable[I]) -> list[R]:
        """Return what a call returns for each item, in their order.

        All calls are made and over when this returns, whatever becomes of one.

        Raises:
            Exception: what the first item, in their order, raised whose call did not work.
        """
        futures = [self._threads.submit(call, item) for item in items]
        wait(futures)
        return [future.result() for future in futures]
