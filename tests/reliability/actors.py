"""Lets several workers run in turns: each stops before and after every call of a port until it is told to go on.

Real code, one worker at a time: whoever holds the test decides who moves next, so every race can be tried and every run
can be repeated. Workers are greenlets and not threads: a sweep changes between them some hundred thousand times.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from greenlet import getcurrent, greenlet

from tests.fakes.faults import Faulty


class Crash(BaseException):
    """The process is gone: nothing in the product may catch this."""


class Actor:
    """One worker that is in the middle of something.

    Attributes:
        calls: how many calls of ports it has begun.
        over: it has ended.
        problem: what it has ended with, if not well.
        place: where it stands.
    """

    def __init__(self, work: Callable[[], None]) -> None:
        self.calls = 0
        self.over = False
        self.problem: BaseException | None = None
        self.place = "begin"
        self._killed = False
        self._work = work
        self._worker = greenlet(self._run)
        self._caller = getcurrent()

    def step(self) -> bool:
        """Go on to the next stop; False once it is over."""
        if not self.over:
            self._caller = self._worker.parent = getcurrent()  # where it goes when it stops, or is over
            before, _current.actor = _current.actor, self
            self._worker.switch()
            _current.actor = before
        return not self.over

    def finish(self) -> None:
        """Go on to the end."""
        while self.step():
            pass

    def kill(self) -> None:
        """The process dies where it stands."""
        self._killed = True
        self.finish()

    def pause(self, place: str) -> None:
        """Called by the worker itself: stop here."""
        self.place = place
        if not self._killed:
            self._caller.switch()
        if self._killed:
            raise Crash(place)  # whatever the dying process would still like to do

    def _run(self) -> None:
        try:
            if self._killed:
                raise Crash(self.place)
            self._work()
        except BaseException as problem:  # noqa: BLE001 (it is told to whoever holds the test)
            self.problem = problem
        finally:
            self.over = True


class _Current:
    actor: Actor | None = None


_current = _Current()


def stop_at_every_call(*parts: Faulty) -> None:
    """Let workers stop before and after every call of some fakes; calls outside of a worker go through."""
    for part in parts:
        part._call = _stopping(part, part._call)  # type: ignore[method-assign,assignment]


def _stopping(
    part: Faulty, inner: Callable[[str], AbstractContextManager[None]]
) -> Callable[[str], AbstractContextManager[None]]:
    name = type(part).__name__

    @contextmanager
    def call(method: str) -> Iterator[None]:
        actor = _current.actor
        if actor is None:
            with inner(method):
                yield
            return
        actor.calls += 1
        actor.pause(f"before {name}.{method}")
        with inner(method):
            yield
        actor.pause(f"after {name}.{method}")

    return call
