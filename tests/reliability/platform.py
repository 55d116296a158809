"""The Functions platform as far as promises depend on it: at-least-once messages, retries, poison queues, a timer."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from shared.composition import App
from shared.limits import MAX_DEQUEUE_COUNT
from tests.fakes.storage import Leased, MemoryQueue
from tests.reliability.actors import Actor, Crash, stop_at_every_call
from tests.services.world import World

type QueueName = Literal["signals", "rebuilds"]

# What the platform does (host.json, and a message whose host died).
AGAIN_AFTER = timedelta(seconds=30)
LEASE = timedelta(minutes=10)

# No function call makes more calls of ports than this in these small worlds: it ends, whatever the services answer.
MOST_CALLS = 600


@dataclass
class _Job:
    actor: Actor
    queue: MemoryQueue | None = None
    message: Leased | None = None
    give_up: Callable[[str], None] | None = None


class Worker:
    """One process of the Function app: its memory is its own, and it works on one thing at a time."""

    def __init__(self, world: World, most_calls: int = MOST_CALLS) -> None:
        self._world = world
        self._most_calls = most_calls
        self.app: App = world.start()
        self.job: _Job | None = None
        self.failures: list[BaseException] = []
        self.stopped: Callable[[], bool] = lambda: False

    @property
    def is_busy(self) -> bool:
        """Whether it is in the middle of something."""
        return self.job is not None

    def take(self, name: QueueName) -> bool:
        """Take a visible message and stop before its first call; False if there is none, or it is busy."""
        world, app = self._world, self.app
        queue = world.signals if name == "signals" else world.rebuilds
        if self.job or (message := queue.lease(LEASE)) is None:
            return False
        if name == "signals":
            handle, give_up = app.worker.signal, app.worker.signal_given_up
        else:
            handle, give_up = app.worker.turn, app.worker.turn_given_up
        self.job = _Job(Actor(lambda: handle(message.text, message.count)), queue, message, give_up)
        return True

    def begin(self, work: Callable[[App], object]) -> bool:
        """Begin something else, such as the timer's work."""
        if self.job:
            return False
        app = self.app
        self.job = _Job(Actor(lambda: (work(app), None)[1]))
        return True

    def step(self, calls: int = 1) -> None:
        """Go on over some stops."""
        for _ in range(calls):
            if self.job is None:
                return
            if not self.job.actor.step():
                self._ended()
            elif self.stopped():
                self.kill()

    def finish(self) -> None:
        """Go on to the end of what it does."""
        while self.job:
            self.step()

    def kill(self) -> str:
        """The process dies where it stands, and another one takes its place; returns where that was."""
        place = "idle"
        if self.job:
            place = self.job.actor.place
            self.job.actor.kill()
            self._ended()
        self.app = self._world.start()
        return place

    def _ended(self) -> None:
        job, self.job = self.job, None
        assert job is not None
        assert job.actor.calls <= self._most_calls, f"{job.actor.calls} calls in one function call"
        problem = job.actor.problem
        if problem is not None and not isinstance(problem, Exception | Crash):
            raise problem
        if problem is not None and not isinstance(problem, Crash):
            self.failures.append(problem)
        if job.queue is None or job.message is None:
            return
        if problem is None:
            job.queue.done(job.message)
        elif isinstance(problem, Crash):
            return  # nobody has told the platform: the message comes again when its lease is over
        elif job.message.count < MAX_DEQUEUE_COUNT:
            job.queue.give_back(job.message, AGAIN_AFTER)
        else:
            job.queue.done(job.message)
            text, give_up = job.message.text, job.give_up
            if give_up:
                self.begin(lambda _: give_up(text))
                self.finish()


class Platform:
    """A world with workers that can be moved step by step."""

    def __init__(self, world: World, workers: int = 1, most_calls: int = MOST_CALLS) -> None:
        self.world = world
        self.parts = (world.store, world.signals, world.rebuilds, world.repository, world.feed, world.pipeline,
                      world.azure_ml)  # fmt: skip
        stop_at_every_call(*self.parts)
        self.workers = [Worker(world, most_calls) for _ in range(workers)]
        self.stops = 0
        self.crashes: list[str] = []

    def crash_at(self, *stops: int) -> None:
        """Let whoever works die at some of the coming stops, counted from 1."""
        due = set(stops)
        self.stops = 0

        def stopped(worker: Worker) -> bool:
            self.stops += 1
            if self.stops not in due:
                return False
            job = worker.job
            self.crashes.append(f"stop {self.stops}, {job.actor.place if job else 'idle'}")
            return True

        for worker in self.workers:
            worker.stopped = lambda worker=worker: stopped(worker)  # type: ignore[misc]

    def hook(self, body: dict[str, object], worker: Worker | None = None) -> None:
        """A service hook is delivered; its sender tries again if it gets no answer."""
        worker = worker or self.workers[0]
        raw = json.dumps(body).encode()
        answers: list[str] = []
        while not answers:
            worker.finish()
            worker.begin(lambda app: answers.append(app.intake.accept(raw).outcome))
            worker.finish()

    def run(self, worker: Worker | None = None, within: timedelta = timedelta.max) -> None:
        """Work until no message is left, or none becomes visible in time; the clock moves to the next one."""
        worker = worker or self.workers[0]
        began = self.world.clock.now()
        for _ in range(3000):
            worker.finish()
            if worker.take("signals") or worker.take("rebuilds"):
                continue
            moments = [m for m in (self.world.signals.next_visible(), self.world.rebuilds.next_visible()) if m]
            if not moments or min(moments) - began > within:
                return
            self.world.clock.advance(max(min(moments) - self.world.clock.now(), timedelta()))
        raise AssertionError("the queues are never empty")

    def timer(self, worker: Worker | None = None) -> None:
        """The timer fires."""
        worker = worker or self.workers[0]
        worker.finish()
        worker.begin(lambda app: app.repair.run())
        worker.finish()

    def recover(self, least: int = 3, most: int = 10) -> None:
        """What heals everything: the workers go on, the timer fires a few times, every queue is worked off.

        What was parked takes some rounds: a rebuild goes on, its runs are worked off, and those that follow them.
        """
        for part in self.parts:
            part.faults.clear()
            part.lost.clear()
        for worker in self.workers:
            worker.finish()
        for done in range(1, most + 1):
            self.run()
            self.pipeline_works()
            self.run()
            self.world.clock.advance(timedelta(minutes=20))
            self.timer()
            self.run()
            going = any(run.result is None for run in self.world.pipeline.runs)
            if done >= least and not going and not self.world.app.ledger.following("main"):
                return

    def pipeline_works(self) -> None:
        """Every run that is not over is worked off; nobody tells."""
        for run in list(self.world.pipeline.runs):
            if run.result is None:
                self.world.build(run)
