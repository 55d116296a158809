"""Work that crosses other work on its way: nothing of it may be lost, done twice, or undone."""

from datetime import timedelta
from itertools import count
from typing import Literal

import pytest

from shared.domain.states import EnvironmentState, RebuildState, ReleaseState
from shared.errors import AccessDenied, DamagedEntry, ServiceUnavailable
from shared.ledger_entries import TurnEntry, carried_key, plan_key, rebuild_key, turn_key
from shared.limits import COMMITS_SEARCHED, HELD_PER_PACKAGE, HELD_PERIOD, RETRY_PAUSE, STANDSTILL
from shared.messages import Rerun, Turn, encode
from tests.services.crashes import Crashes
from tests.services.world import HOPELESS, RULES, World, environment

TRAINING = "training/environment.yml"
SCORING = "scoring/environment.yml"
DENIED = AccessDenied("the pipeline may not be queued")


def decision(world: World, version: str) -> str:
    """What the latest plan says of a release and its only environment."""
    plan = world.app.ledger.get(plan_key("main", world.known(version=version).plan or ""))
    return str(plan.verdicts[0].decision)


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


@pytest.mark.parametrize("when", ["at once", "while it is rebuilt", "afterwards"])
def test_a_release_that_was_rerun_for_one_environment_before_anybody_told_of_it_is_not_lost_for_the_others(
    when: str,
) -> None:
    world = World()
    world.feed.publish("our-package", "1.1")
    world.app.reruns.ask(feed=None, name="our-package", version="1.1", environments=(TRAINING,))
    if when != "at once":
        world.work()
        assert b"our-package==1.0" in world.file("scoring/context/requirements.txt")
    if when == "afterwards":
        world.build(world.pipeline.runs[0])
        world.tell_of(world.pipeline.runs[0])
        world.work()
    world.announce("our-package", "1.1")
    world.work()
    for run in world.pipeline.runs:
        if run.result is None:
            world.build(run)
            world.tell_of(run)
            world.work()

    assert b"our-package==1.1" in world.file("scoring/context/requirements.txt")
    known = world.known()
    world.announce("our-package", "1.1")
    world.work()
    assert world.known() == known, "told of it again, nothing is done again"


def test_a_release_that_was_rerun_wherever_it_is_needed_is_planned_for_all_once_and_not_with_every_duplicate() -> None:
    world = World({"rebuilder.yml": RULES, **environment("training", b"our-package==1.0\n")})
    world.feed.publish("our-package", "1.1")
    world.app.reruns.ask(feed=None, name="our-package", version="1.1", environments=(TRAINING,))
    world.work()
    world.build(world.pipeline.runs[0])
    world.tell_of(world.pipeline.runs[0])
    world.work()
    world.announce("our-package", "1.1")
    world.work()
    known = world.known()
    assert known.history[-1].what.startswith("nothing new to do")

    world.announce("our-package", "1.1")
    world.work()

    assert world.known() == known


@pytest.mark.parametrize("commits_since_then", [0, COMMITS_SEARCHED + 1])
def test_a_parked_rebuild_registers_nothing_over_a_later_one(commits_since_then: int) -> None:
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
    for number in range(commits_since_then):
        world.repository.commit({"README.md": str(number).encode()})

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


@pytest.mark.parametrize("is_parked", [False, True])
def test_a_version_that_gave_way_to_another_one_is_looked_at_again_if_that_one_is_gone(*, is_parked: bool) -> None:
    """Both are planned, nothing is pushed (somebody was faster, or it is parked), and the newer one is deleted."""
    world = World()
    world.publish(version="1.1")
    world.publish(version="1.2")
    world.repository.fail("push", "before", ServiceUnavailable("away"))
    while world.release("our-package", "1.2") is None or world.known(version="1.2").state is not ReleaseState.PLANNED:
        assert world.step()
    assert world.known(version="1.1").state is ReleaseState.SETTLED

    if is_parked:
        give_up_the_turn(world)
        world.rebuilds.waiting.clear()
    else:
        world.repository.commit({"README.md": b"somebody else was here\n"})
    world.feed.delete("our-package", "1.2")
    if is_parked:
        world.app.parked.release()
    world.work()

    assert b"our-package==1.1" in world.file("training/context/requirements.txt")


def test_a_parked_rebuild_registers_nothing_over_one_that_a_person_asked_for_at_once() -> None:
    """Both begin in the same second: which is the later one, the branch says."""
    world = World({"rebuilder.yml": RULES, **environment("training", b"our-package==1.0\nour-library==1.0\n")})
    world.publish()
    world.park_the_rebuild()
    first = world.rebuild()
    world.feed.publish("our-library", "1.1")
    world.app.reruns.ask(feed=None, name="our-library", version="1.1")
    while not world.pipeline.runs:
        assert world.step()
    second = world.rebuild("our-library", "1.1")
    assert second.created == first.created

    world.app.parked.release()
    world.work()

    assert [run.commit for run in world.pipeline.runs] == [second.commit]


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


def test_what_a_first_rerun_holds_is_planned_again() -> None:
    world = World()
    world.repository.commit({"rebuilder.yml": RULES + b'    environments: ["training"]\n'})
    world.feed.publish("our-package", "1.1")
    world.app.reruns.ask(feed=None, name="our-package", version="1.1")
    world.work()
    assert world.pipeline.runs[0].paths == [TRAINING]
    for run in world.pipeline.runs:
        world.build(run)
    world.app.repair.run()
    world.work()
    world.repository.commit({"rebuilder.yml": RULES})

    world.app.repair.run()
    world.work()

    assert world.pipeline.runs[1].paths == [SCORING]


def test_development_versions_push_no_release_out_that_is_held() -> None:
    world = World()
    world.repository.commit({"rebuilder.yml": b"deliver: [\n"})
    world.publish(version="1.1")
    world.work()
    for n in range(HELD_PER_PACKAGE + 1):
        world.publish(version=f"1.2.dev{n}")
        world.work()
    world.repository.commit({"rebuilder.yml": RULES})
    world.app.repair.run()
    world.work()
    assert world.commits == ["Bump our-package 1.1"]


def test_a_plan_says_why_a_release_is_held_now() -> None:
    files = {"rebuilder.yml": RULES + b"    view: Release\n", **environment("training", b"our-package==1.0\n")}
    world = World(files)
    world.publish(version="1.1rc1")
    world.work()
    assert decision(world, "1.1rc1") == "held(not in view Release)"

    world.feed.promote("our-package", "1.1rc1", "Release")
    world.announce(version="1.1rc1")
    world.work()

    assert decision(world, "1.1rc1") == "held(pre-release)"


def test_a_rerun_that_is_given_up_can_be_seen() -> None:
    world = World()
    world.publish()
    world.work()
    for run in world.pipeline.runs:
        world.build(run)
    world.app.repair.run()
    world.work()
    release = world.known().id
    world.app.worker.turn(encode(Turn("main", Rerun(release, 1, (TRAINING,)))), HOPELESS)
    assert len(world.app.parked.all()) == 1
    world.clock.advance(timedelta(minutes=30))
    world.app.repair.run()
    world.app.parked.release()
    world.work()
    assert len(world.pipeline.runs) == 2


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


def test_a_push_that_is_refused_is_not_tried_again_and_again() -> None:
    world = World()
    world.repository.commit({"scoring/context/requirements.txt": b"our-package==1.0  # rebuilder: hold\n"})
    world.repository.fail("push", "before", AccessDenied("no"), times=1000)
    world.publish()
    world.work()
    world.feed.promote("our-package", "1.1", "Release")
    world.announce()
    world.work()
    for _ in range(10):
        world.clock.advance(HELD_PERIOD)
        world.app.repair.run()
        world.work()
    assert world.repository.calls.count("push") <= 3


def test_a_target_that_cannot_be_looked_at_keeps_no_other_from_being_woken() -> None:
    world = World(targets=2)
    world.publish()
    world.app.worker.signal(world.signals.receive() or "")
    world.rebuilds.waiting.clear()
    world.clock.advance(STANDSTILL * 2)
    world.app.ledger.update(turn_key("main"), lambda _: TurnEntry("x"))
    world.store.replace("main/turn.json", b"broken", world.store.read("main/turn.json").etag)  # type: ignore[union-attr]

    with pytest.raises(DamagedEntry):
        world.app.repair.run()
    world.work()

    assert world.known(target="second").state is ReleaseState.PLANNED
