"""The crash-point sweep over every call of every port, on the way from a hook to a queued run."""

from itertools import product

from shared.domain.states import RebuildState
from tests.services.crashes import Crashes, work_through_crashes
from tests.services.world import World


def test_killed_at_any_call_of_any_port_the_outcome_is_the_same() -> None:
    """The crash-point sweep: die before or after each call, come back with nothing in memory, get the message again."""
    world = World()
    crashes = Crashes(world)
    world.publish()
    crashes.at(0, "before")
    world.work()
    calls = crashes.count
    assert calls > 40

    for call, when in product(range(1, calls + 1), ("before", "after")):
        world = World()
        crashes = Crashes(world)
        world.publish()
        crashes.at(call, when)  # type: ignore[arg-type]
        crashed = work_through_crashes(world, crashes)

        where = f"{when} call {call}"
        assert crashed, where
        assert world.commits == ["Bump our-package 1.1"], where
        assert [run.parameters["environments"] for run in world.pipeline.runs] == [
            "1:scoring/environment.yml:,2:training/environment.yml:"
        ], where
        assert world.rebuild().state is RebuildState.QUEUED, where
        assert world.is_at_rest(), where
