"""Work that crosses other work on its way: nothing of it may be lost, done twice, or undone."""

from shared.domain.states import EnvironmentState, RebuildState, ReleaseState
from shared.errors import AccessDenied
from shared.limits import RETRY_PAUSE
from shared.messages import Turn, encode
from tests.services.world import HOPELESS, World

TRAINING = "training/environment.yml"
SCORING = "scoring/environment.yml"
DENIED = AccessDenied("the pipeline may not be queued")


def give_up_the_turn(world: World) -> None:
    world.app.worker.turn(encode(Turn("main")), HOPELESS)


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
