"""Work that crosses other work on its way: nothing of it may be lost, done twice, or undone."""

from datetime import timedelta

from shared.domain.states import RebuildState, ReleaseState
from shared.errors import AccessDenied, ServiceUnavailable
from shared.ledger import carried_key, rebuild_key
from shared.limits import HELD_PERIOD
from shared.messages import Turn, encode
from tests.services.world import HOPELESS, RULES, World, environment

TRAINING = "training/environment.yml"
SCORING = "scoring/environment.yml"
DENIED = AccessDenied("the pipeline may not be queued")


def give_up_the_turn(world: World) -> None:
    world.app.worker.turn(encode(Turn("main")), HOPELESS)


def test_a_parked_rebuild_registers_nothing_over_a_later_one() -> None:
    world = World()
    world.publish()
    world.pipeline.fail("queue", "before", ServiceUnavailable("no answer"))
    world.app.worker.signal(world.signals.receive() or "")
    world.clock.advance(timedelta(minutes=5))
    world.app.worker.turn(world.rebuilds.receive() or "")
    give_up_the_turn(world)
    world.rebuilds.waiting.clear()
    first = world.rebuild()
    assert first.state is RebuildState.PARKED
    assert first.commit
    world.publish(version="1.2")
    world.work()
    second = world.rebuild(version="1.2")

    world.app.parked.release()
    world.work()
    for run in world.pipeline.runs:
        world.build(run)
    world.app.repair.run()
    world.work()

    assert [run.commit for run in world.pipeline.runs] == [second.commit]
    carried = world.app.ledger.get(carried_key("main", TRAINING))
    assert (carried.rebuild, carried.versions) == (second.id, {"our-package": "1.2"})
    assert world.app.ledger.get(rebuild_key("main", first.id)).state is RebuildState.FINISHED
    assert world.known().state is ReleaseState.SETTLED


def test_a_rebuild_parked_after_a_push_whose_answer_was_lost_builds_its_commit() -> None:
    world = World()
    world.publish()
    world.repository.fail("push", "after", ServiceUnavailable("no answer"))
    world.app.worker.signal(world.signals.receive() or "")
    world.clock.advance(timedelta(minutes=5))
    world.app.worker.turn(world.rebuilds.receive() or "")
    give_up_the_turn(world)
    world.rebuilds.waiting.clear()
    assert len(world.commits) == 1

    world.app.parked.release()
    world.work()

    assert len(world.commits) == 1
    assert [run.commit for run in world.pipeline.runs] == [world.repository.head]


def test_what_a_first_rerun_holds_is_planned_again() -> None:
    files = {
        "rebuilder.yml": RULES + b'    environments: ["training"]\n',
        **environment("training", b"our-package==1.0\n"),
        **environment("scoring", b"our-package==1.0\n"),
    }
    world = World(files)
    world.feed.publish("our-package", "1.1")
    world.app.reruns.ask(feed=None, name="our-package", version="1.1")
    world.work()
    assert b"our-package==1.0" in world.file("scoring/context/requirements.txt")
    for run in world.pipeline.runs:
        world.build(run)
    world.app.repair.run()
    world.work()
    world.repository.commit({"rebuilder.yml": RULES})
    for _ in range(3):
        world.app.repair.run()
        world.work()
        world.clock.advance(HELD_PERIOD)
    assert b"our-package==1.1" in world.file("scoring/context/requirements.txt")
