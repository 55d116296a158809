"""Calls of one service, several at a time: the only place where the product is concurrent by itself."""

from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait

from shared.limits import SIDE_BY_SIDE


class SideBySide:
    """Threads of one adapter. They last as long as it does, and so do their connections."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(SIDE_BY_SIDE)

    def map[I, R](self, call: Callable[[I], R], items: Iterable[I]) -> list[R]:
        """Return what a call returns for each item, in their order.

        Once a call has raised something no other begins: of a service that is away each would wait its time. Those that
        have begun are over when this returns.

        Raises:
            Exception: what a call raised; of several the first, in the order of the items.
        """
        futures = [self._threads.submit(call, item) for item in items]
        _, left = wait(futures, return_when=FIRST_EXCEPTION)
        for future in left:
            future.cancel()
        wait(futures)
        for future in futures:
            if not future.cancelled() and (problem := future.exception()):
                raise problem
        return [future.result() for future in futures]
