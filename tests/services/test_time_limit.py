"""A turn, and a look at runs, that take longer than a function may run."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta

import pytest

from shared.domain.records.run_outcomes import RunOutcome
from shared.domain.states import RebuildState
from shared.errors import RebuilderError
from shared.limits import SIDE_BY_SIDE, TURN_TIME
from shared.ports import Changes, PipelineRun, RegisteredVersion, Sought, Stored, Write
from tests.fakes.azure_devops import FakePipeline
from tests.fakes.azure_ml import FakeAzureML
from tests.fakes.clock import FakeClock
from tests.fakes.storage import MemoryLedgerStore
from tests.services.test_budgets import world_of
from tests.services.world import World

# host.json's functionTimeout.
FUNCTION_TIME = timedelta(minutes=5)


class SlowPipeline(FakePipeline):
    """Every run that is queued takes its time."""

    seconds = 50

    def queue(self, commit: str, parameters: Mapping[str, str]) -> PipelineRun:
        assert isinstance(self._clock, FakeClock)
        self._clock.advance(timedelta(seconds=self.seconds))
        return super().queue(commit, parameters)

    def outcome(self, run: int) -> RunOutcome:
        assert isinstance(self._clock, FakeClock)
        self._clock.advance(timedelta(seconds=self.seconds))
        return super().outcome(run)


class SlowAzureML(FakeAzureML):
    """Every look-up takes its time."""

    clock: FakeClock

    def registered(self, sought: Iterable[Sought]) -> Sequence[RegisteredVersion | RebuilderError | None]:
        wanted = list(sought)
        self.clock.advance(timedelta(seconds=2) * len(wanted))
        return super().registered(wanted)


class SlowStore(MemoryLedgerStore):
    """Every call takes its time; of many at once, ten are under way together."""

    clock: FakeClock | None = None
    pause = timedelta()

    @contextmanager
    def _call(self, method: str) -> Iterator[None]:
        if self.clock:
            self.clock.advance(self.pause)
        with super()._call(method):
            yield

    def read_many(self, keys: Iterable[str]) -> Mapping[str, Stored]:
        with self._side_by_side():
            return super().read_many(keys)

    def write_many(self, writes: Iterable[Write]) -> Sequence[bool]:
        with self._side_by_side():
            return super().write_many(writes)

    @contextmanager
    def _side_by_side(self) -> Iterator[None]:
        whole, self.pause = self.pause, self.pause / SIDE_BY_SIDE
        yield
        self.pause = whole


def longest_function(world: World) -> timedelta:
    """Handle messages until both queues are empty, and return what the slowest took."""
    longest = timedelta()
    while moments := [m for m in (world.signals.next_visible(), world.rebuilds.next_visible()) if m]:
        began = max(world.clock.now(), min(moments))
        world.step()
        longest = max(longest, world.clock.now() - began)
    return longest


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(World, "Pipeline", SlowPipeline)
    return world_of(affected=600, environments=600)


def test_it_stops_at_a_safe_point_and_goes_on_with_the_next_message(world: World) -> None:
    world.publish()
    assert TURN_TIME <= longest_function(world) < FUNCTION_TIME
    assert world.is_at_rest()
    assert len(world.commits) == 1
    batches = [int(run.parameters["batch"]) for run in world.pipeline.runs]
    assert sorted(batches) == list(range(1, 13))


def test_each_message_does_something_however_slow_the_service_is(world: World) -> None:
    world.pipeline.seconds = 250  # type: ignore[attr-defined]
    world.publish()
    world.work()
    assert world.is_at_rest()
    assert len(world.pipeline.runs) == 12


@pytest.mark.parametrize(("milliseconds", "environments", "releases"), [(50, 3000, 1), (2000, 100, 1), (50, 1, 1000)])
def test_a_slow_storage_only_delays(
    monkeypatch: pytest.MonkeyPatch, milliseconds: int, environments: int, releases: int
) -> None:
    monkeypatch.setattr(World, "Store", SlowStore)
    world = world_of(environments, environments)
    for number in range(1, releases + 1):
        world.feed.publish("our-package", f"1.{number}")
        world.hook(version=f"1.{number}")
    while text := world.signals.receive():
        world.app.worker.signal(text)
    assert isinstance(world.store, SlowStore)
    world.store.clock, world.store.pause = world.clock, timedelta(milliseconds=milliseconds)

    longest = longest_function(world)

    assert longest < FUNCTION_TIME, longest
    assert world.is_at_rest()
    assert world.app.ledger.parked("main") == []
    assert len(world.commits) == 1
    assert sorted(path for run in world.pipeline.runs for path in run.paths) == sorted(
        f"env{number:05}/environment.yml" for number in range(environments)
    )
    assert f"our-package==1.{releases}" in world.file("env00000/context/requirements.txt").decode()


def built(monkeypatch: pytest.MonkeyPatch, environments: int, workspaces: Iterable[str] = ("training",)) -> World:
    """A world whose runs are all over, and nobody has looked at them yet."""
    monkeypatch.setattr(World, "AzureML", SlowAzureML)
    world = world_of(environments, environments, workspaces)
    assert isinstance(world.azure_ml, SlowAzureML)
    world.azure_ml.clock = world.clock
    world.publish()
    world.work()
    for run in world.pipeline.runs:
        world.build(run)
    return world


def test_environments_that_ended_while_nobody_looked_are_followed_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    world = built(monkeypatch, 2000)
    ticks = 0
    while world.app.ledger.following("main"):
        ticks += 1
        before, asked = world.clock.now(), len(world.azure_ml.calls)
        world.app.repair.run()
        assert world.clock.now() - before < FUNCTION_TIME
        assert len(world.azure_ml.calls) > asked
    assert world.rebuild().state is RebuildState.FINISHED
    assert len(world.azure_ml.calls) == 2000  # each once
    assert {tuple(world.carried(e.path).registered) for e in world.rebuild().environments} == {("ml/training",)}
    assert ticks > 10


def test_a_hook_whose_run_takes_longer_goes_on_with_the_next_message(monkeypatch: pytest.MonkeyPatch) -> None:
    world = built(monkeypatch, 50, ["training", "testing", "production"])
    world.tell_of(world.pipeline.runs[0])
    messages = 0
    while world.signals.next_visible():
        messages += 1
        before = world.clock.now()
        world.step()
        assert world.clock.now() - before < FUNCTION_TIME
    assert messages == 2
    assert world.rebuild().state is RebuildState.FINISHED
    assert len(world.azure_ml.calls) == 150


def test_what_waits_for_long_keeps_nothing_else_from_being_looked_at(world: World) -> None:
    """There are more runs than one look reaches. Each look takes them in another order."""
    world.publish()
    world.work()
    over = world.pipeline.runs[-1]
    world.build(over)
    looks = 0
    while not all(e.is_settled for e in world.rebuild().environments if e.run == over.id):
        looks += 1
        assert looks < 50
        before = world.clock.now()
        world.app.repair.run()
        assert world.clock.now() - before < FUNCTION_TIME
    assert len(world.pipeline.runs) == 12


def test_a_timer_that_was_kept_waiting_looks_at_one_rebuild_still(
    monkeypatch: pytest.MonkeyPatch, world: World
) -> None:
    """Whatever else takes the timer's time: runs are followed, and it ends before the platform ends it."""
    world.publish()
    world.work()
    for run in world.pipeline.runs:
        world.build(run)
    changes = world.feed.changes

    def slowly(token: int) -> Changes:
        world.clock.advance(timedelta(minutes=3))
        return changes(token)

    world.app.repair.run()  # the change log begins
    monkeypatch.setattr(world.feed, "changes", slowly)
    settled = sum(e.is_settled for e in world.rebuild().environments)
    before = world.clock.now()
    world.app.repair.run()
    assert world.clock.now() - before < FUNCTION_TIME
    assert sum(e.is_settled for e in world.rebuild().environments) > settled


def test_each_run_that_waits_is_told_of_once_however_many_looks_it_takes(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.pipeline.hold("approval")
    world.publish()
    world.work()
    for _ in range(40):
        world.app.repair.run()
    told = [record.getMessage() for record in caplog.records if record.getMessage().startswith("run_waits")]
    assert len(told) == len(world.pipeline.runs) == 12
