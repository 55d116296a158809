"""A turn that takes longer than a function may run."""

from collections.abc import Mapping
from datetime import timedelta

import pytest

from shared.limits import TURN_TIME
from shared.ports import PipelineRun
from tests.fakes.azure_devops import FakePipeline
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
