"""Work that crosses other work on its way: nothing of it may be lost, done twice, or undone."""

from itertools import count
from typing import Literal

import pytest

from shared.domain.states import ReleaseState
from shared.errors import AccessDenied, DamagedEntry, ServiceUnavailable
from shared.ledger_entries import LeaseEntry, lease_key, plan_key
from shared.limits import HELD_PER_PACKAGE, HELD_PERIOD, STANDSTILL
from tests.services.crashes import Crashes
from tests.services.world import RULES, World, environment

TRAINING = "training/environment.yml"
SCORING = "scoring/environment.yml"
DENIED = AccessDenied("the pipeline may not be queued")


def decision(world: World, version: str) -> str:
    """What the latest plan says of a release and its only environment."""
    plan = world.app.ledger.get(plan_key("main", world.known(version=version).plan or ""))
    return str(plan.verdicts[0].decision)


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
        world.finish()
    world.announce("our-package", "1.1")
    world.work()
    for run in world.pipeline.runs:
        if run.result is None:
            world.finish()

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
    world.finish()
    world.announce("our-package", "1.1")
    world.work()
    known = world.known()
    assert known.history[-1].what.startswith("nothing new to do")

    world.announce("our-package", "1.1")
    world.work()

    assert world.known() == known


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
        world.give_up_the_turn()
        world.rebuilds.waiting.clear()
    else:
        world.repository.commit({"README.md": b"somebody else was here\n"})
    world.feed.delete("our-package", "1.2")
    if is_parked:
        world.app.parked.requeue()
    world.work()

    assert b"our-package==1.1" in world.file("training/context/requirements.txt")


def test_a_parked_rebuild_registers_nothing_over_one_that_a_person_asked_for_at_once() -> None:
    """Both begin in the same second."""
    world = World({"rebuilder.yml": RULES, **environment("training", b"our-package==1.0\nour-library==1.0\n")})
    world.publish()
    world.park_the_rebuild()
    first = world.rebuild()
    world.feed.publish("our-library", "1.1")
    world.app.reruns.ask(feed=None, name="our-library", version="1.1")
    while not world.pipeline.runs:
        assert world.step()
    second = world.rebuild("our-library", "1.1")
    assert second.created > first.created, "whatever the clock says, the lease tells which is the later one"

    world.app.parked.requeue()
    world.work()

    assert [run.commit for run in world.pipeline.runs] == [second.commit]


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
            world.start().worker.signal(text)
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
    world.app.ledger.create(lease_key("main"), LeaseEntry("x", world.clock.now()))
    world.store.replace("main/lease.json", b"broken", world.store.read("main/lease.json").etag)  # type: ignore[union-attr]

    with pytest.raises(DamagedEntry):
        world.app.repair.run()
    world.work()

    assert world.known(target="second").state is ReleaseState.PLANNED
