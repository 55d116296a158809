"""Runs of the rebuild pipeline are queued once each, whoever dies or is refused meanwhile."""

from collections.abc import Mapping
from datetime import timedelta

import pytest

from shared.domain.states import EnvironmentState, RebuildState
from shared.errors import PipelineRejected, ServiceUnavailable
from shared.ledger_entries import LeaseEntry, lease_key
from shared.limits import CLAIM_LIFETIME, ENVIRONMENTS_PER_RUN
from shared.messages import Turn, encode
from shared.ports import PipelineRun
from tests.services.crashes import Crash, Crashes, work_through_crashes
from tests.services.world import World, crowd


def test_a_run_that_is_refused_parks_the_rebuild_and_what_is_queued_goes_on() -> None:
    world, names = crowd(ENVIRONMENTS_PER_RUN + 1)
    original = world.pipeline.queue

    def refuse_the_second(commit: str, parameters: Mapping[str, str]) -> PipelineRun:
        if parameters["batch"] == "2":
            raise PipelineRejected("the queue is full")
        return original(commit, parameters)

    world.pipeline.queue = refuse_the_second  # type: ignore[method-assign]
    world.publish()

    world.work()

    rebuild = world.rebuild()
    states = [environment.state for environment in rebuild.environments]
    assert (rebuild.state, rebuild.reason) == (RebuildState.PARKED, "the queue is full")
    assert states.count(EnvironmentState.QUEUED) == ENVIRONMENTS_PER_RUN
    assert states.count(EnvironmentState.COMMITTED) == 1
    assert world.app.ledger.following("main") == [rebuild.id]
    assert world.is_at_rest()

    world.finish()
    states = [environment.state for environment in world.rebuild().environments]
    assert states.count(EnvironmentState.REGISTERED) == ENVIRONMENTS_PER_RUN

    world.pipeline.queue = original  # type: ignore[method-assign]
    world.app.parked.requeue()
    world.work()

    assert [run.paths for run in world.pipeline.runs[1:]] == [[f"{names[-1]}/environment.yml"]]
    assert (len(world.commits), world.rebuild().state) == (1, RebuildState.SUPERSEDED)


def test_a_run_that_goes_on_when_its_rebuild_is_requeued_is_followed_and_not_queued_again() -> None:
    world, names = crowd(ENVIRONMENTS_PER_RUN + 1)
    world.pipeline.faults["queue"] = [("never", None), ("before", PipelineRejected("full"))]  # type: ignore[list-item]
    world.publish()
    world.work()
    first, *_ = world.pipeline.runs

    world.app.parked.requeue()
    world.work()

    assert [run.paths for run in world.pipeline.runs[1:]] == [[f"{names[-1]}/environment.yml"]]
    world.finish()
    assert first.result == "succeeded"
    rebuild = world.rebuild()
    assert rebuild.state is RebuildState.SUPERSEDED
    states = [environment.state for environment in rebuild.environments]
    assert states == [EnvironmentState.REGISTERED] * ENVIRONMENTS_PER_RUN + [EnvironmentState.SUPERSEDED]


def test_a_run_whose_answer_is_lost_and_that_is_shown_late_is_not_queued_twice() -> None:
    world = World()
    world.pipeline.fail("queue", "after", ServiceUnavailable("the answer is lost"))
    world.pipeline.unlisted = 3
    world.publish()

    world.work()

    assert len(world.pipeline.runs) == 1
    assert world.rebuild().state is RebuildState.QUEUED


def test_a_claim_of_another_worker_is_respected_until_it_is_old() -> None:
    world = World()
    world.publish()
    crashes = Crashes(world)
    # The claim is written, and its worker is gone before it queues.
    original = world.pipeline.queue
    world.pipeline.queue = _crash  # type: ignore[method-assign,assignment]
    with pytest.raises(Crash):
        world.work()
    world.pipeline.queue = original  # type: ignore[method-assign]
    crashes.off()
    world.start()
    began = world.clock.now()
    world.rebuilds.send(encode(Turn("main")))
    world.work()

    assert len(world.pipeline.runs) == 1
    assert world.clock.now() - began >= CLAIM_LIFETIME


def _crash(*_: object) -> list[object]:
    raise Crash


def test_a_worker_whose_clock_was_ahead_hides_no_run_from_the_others() -> None:
    """The moments of leases rise, whatever a clock says; runs are looked for by the clock of who began the rebuild."""
    world = World()
    ahead = world.clock.now() + timedelta(hours=3)
    world.app.ledger.create(lease_key("main"), LeaseEntry(None, ahead))
    world.pipeline.fail("queue", "after", ServiceUnavailable("no answer"))
    world.publish()

    world.work()

    assert world.rebuild().created > ahead
    assert len(world.pipeline.runs) == 1
    assert world.rebuild().state is RebuildState.QUEUED


def test_many_environments_are_spread_over_runs_that_name_each_once() -> None:
    world, names = crowd(ENVIRONMENTS_PER_RUN * 2 + 1)
    world.publish()

    world.work()

    named = [path for run in world.pipeline.runs for path in run.paths]
    assert len(world.pipeline.runs) == 3
    assert sorted(named) == [f"{name}/environment.yml" for name in names]
    assert len(world.commits) == 1


def test_killed_after_the_first_of_three_runs_only_the_other_two_are_queued() -> None:
    world, _ = crowd(ENVIRONMENTS_PER_RUN * 2 + 1)
    world.pipeline.fail("queue", "after", ServiceUnavailable("lost"))
    world.publish()

    world.work()

    assert [run.parameters["batch"] for run in world.pipeline.runs] == ["1", "2", "3"]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("which", [0, 1, 2])
def test_killed_while_queueing_any_of_three_runs_only_what_is_missing_is_queued(which: int, when: str) -> None:
    world, _ = crowd(ENVIRONMENTS_PER_RUN * 2 + 1)
    world.pipeline.faults["queue"] = [*[("never", None)] * which, (when, Crash())]  # type: ignore[list-item]
    world.publish()

    assert work_through_crashes(world, Crashes(world))

    assert [run.parameters["batch"] for run in world.pipeline.runs] == ["1", "2", "3"]
    assert (len(world.commits), world.rebuild().state) == (1, RebuildState.QUEUED)
