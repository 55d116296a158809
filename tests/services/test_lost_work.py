"""Work that crosses other work on its way: nothing of it may be lost, done twice, or undone."""

from itertools import count
from typing import Literal

import pytest

from shared.domain.states import EnvironmentState, RebuildState, ReleaseState
from shared.errors import AccessDenied
from shared.limits import RETRY_PAUSE
from shared.messages import Turn, encode
from tests.services.crashes import Crashes
from tests.services.world import HOPELESS, World

TRAINING = "training/environment.yml"
SCORING = "scoring/environment.yml"
DENIED = AccessDenied("the pipeline may not be queued")


def give_up_the_turn(world: World) -> None:
    world.app.worker.turn(encode(Turn("main")), HOPELESS)


def test_a_rerun_of_one_environment_takes_nothing_from_a_release_that_waits() -> None:
    world = World()
    world.publish()
    world.app.worker.signal(world.signals.receive() or "")
    world.app.reruns.ask(feed=None, name="our-package", version="1.1", environments=(TRAINING,))
    world.work()

    assert b"our-package==1.1" in world.file("training/context/requirements.txt")
    assert b"our-package==1.1" in world.file("scoring/context/requirements.txt")


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_rerun_whose_signal_comes_twice_at_once_stays_done(when: Literal["before", "after"]) -> None:
    for call in count(1):
        world = World()
        world.publish()
        world.work()
        for run in world.pipeline.runs:
            world.build(run)
        world.app.repair.run()
        world.work()
        world.app.reruns.ask(feed=None, name="our-package", version="1.1", environments=("nothing",))
        text = world.signals.receive() or ""
        crashes = Crashes(world)

        def other_worker(world: World = world, text: str = text) -> None:
            world.app.worker.signal(text)
            world.work()

        crashes.let_in(call, when, other_worker)
        world.app.worker.signal(text)
        calls = crashes.count
        world.work()
        world.app.repair.run()
        world.work()
        assert world.known().state is ReleaseState.SETTLED, call
        if calls < call:
            return


def test_a_retry_that_the_pipeline_refuses_ends_the_turn() -> None:
    world = World()
    world.publish()
    world.work()
    world.build(world.pipeline.runs[0], failing={TRAINING: "the disk is full"})
    world.tell_of(world.pipeline.runs[0])
    world.app.worker.signal(world.signals.receive() or "")
    world.pipeline.fail("queue", "before", DENIED, times=1000)
    world.clock.advance(RETRY_PAUSE * 2)
    world.app.worker.turn(world.rebuilds.receive() or "")
    assert world.rebuilds.waiting == []
    world.app.repair.run()
    world.work()
    states = {e.path: (e.state, e.reason) for e in world.rebuild().environments}
    assert states[TRAINING] == (EnvironmentState.FAILED, str(DENIED))
    assert world.rebuild().state is RebuildState.FINISHED
    assert world.known().state is ReleaseState.SETTLED
