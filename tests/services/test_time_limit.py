"""A turn, and a look at runs, that take longer than a function may run."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

import pytest

from shared.domain.records.run_outcomes import RunOutcome
from shared.domain.states import RebuildState
from shared.errors import RebuilderError
from shared.limits import TURN_TIME
from shared.ports import PipelineRun, RegisteredVersion, Sought
from tests.fakes.azure_devops import FakePipeline
from tests.fakes.azure_ml import FakeAzureML
from tests.fakes.clock import FakeClock
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


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(World, "Pipeline", SlowPipeline)
    return world_of(affected=600, environments=600)


def test_it_stops_at_a_safe_point_and_goes_on_with_the_next_message(world: World) -> None:
    world.publish()
    longest = timedelta()
    for _ in range(50):
        before = world.clock.now()
        visible = world.rebuilds.next_visible() or world.signals.next_visible()
        if not world.step():
            break
        longest = max(longest, world.clock.now() - max(before, visible or before))
    assert TURN_TIME <= longest < FUNCTION_TIME
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
