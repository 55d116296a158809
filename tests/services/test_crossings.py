"""What is parked, told again, looked at and dismissed may cross: nothing of it is lost or stuck."""

from itertools import count
from typing import Literal

import pytest

from shared.domain.signals import ParkedSignal
from shared.domain.states import EnvironmentState, ReleaseState
from shared.errors import AccessDenied, PipelineRejected, RejectedByPolicy, ServiceUnavailable
from shared.limits import CLAIM_LIFETIME, HELD_PERIOD, STANDSTILL
from shared.messages import Turn, encode
from tests.services.crashes import Crash, Crashes
from tests.services.world import RULES, World, environment

TRAINING = "training/environment.yml"
SCORING = "scoring/environment.yml"
DENIED = AccessDenied("no permission")
ONE = {"rebuilder.yml": RULES, **environment("training", b"our-package==1.0\n")}


def settle(world: World) -> None:
    """All runs are worked off and the timer fires, until nothing is left to do."""
    for _ in range(4):
        world.work()
        for run in world.pipeline.runs:
            if run.result is None:
                world.build(run)
        world.clock.advance(STANDSTILL * 2)
        world.app.repair.run()
        world.work()


def at_rest(world: World) -> None:
    assert world.is_at_rest(), world.app.ledger.due("main")
    assert world.app.ledger.following("main") == []


def requeue_all(world: World) -> None:
    world.clock.advance(CLAIM_LIFETIME)
    world.app.parked.requeue()
    world.work()


def held_and_then_let_go(world: World) -> None:
    world.publish()
    world.work()
    assert world.known().state is ReleaseState.SETTLED
    world.repository.commit({"training/context/requirements.txt": b"our-package==1.0\n"})


@pytest.mark.parametrize("hours", [0, 1, 3])
def test_what_a_look_found_and_could_not_push_is_done_once_it_is_requeued(hours: int) -> None:
    world = World({"rebuilder.yml": RULES, **environment("training", b"our-package==1.0  # rebuilder: hold\n")})
    held_and_then_let_go(world)
    world.repository.fail("push", "before", RejectedByPolicy("no pushes"))
    world.app.repair.run()
    world.work()
    assert world.known().state is ReleaseState.PARKED
    for _ in range(hours):
        world.clock.advance(HELD_PERIOD)
        world.app.repair.run()
        world.work()

    requeue_all(world)
    settle(world)

    assert world.commits == ["Bump our-package 1.1"]
    assert world.known().state is ReleaseState.SETTLED
    at_rest(world)


@pytest.mark.parametrize("when", ["before", "after"])
def test_what_comes_at_any_call_of_a_refused_turn_is_settled_in_the_end(when: Literal["before", "after"]) -> None:
    """A promotion is told of, at any call of a turn whose runs are refused."""
    for call in count(1):
        world = World(ONE)
        world.pipeline.fail("queue", "before", PipelineRejected("no"))
        world.publish()
        world.step()
        crashes = Crashes(world)

        def told(world: World = world) -> None:
            world.feed.promote("our-package", "1.1", "Release")
            world.announce()
            world.app.worker.signal(world.signals.receive() or "")

        crashes.let_in(call, when, told)
        world.step()
        calls = crashes.count
        world.rebuilds.waiting.clear()
        world.work()
        settle(world)
        requeue_all(world)
        settle(world)
        settle(world)
        assert world.known().state is ReleaseState.SETTLED, (call, world.known().state)
        assert world.known().due_since is None, call
        assert world.app.parked.all() == [], call
        assert world.commits == ["Bump our-package 1.1"]
        assert len(world.pipeline.runs) == 1, call
        at_rest(world)
        if calls < call:
            return


def test_a_rebuild_that_is_parked_stays_so_for_a_worker_that_sees_the_branch_moved() -> None:
    """Of two workers at one rebuild one is refused and the other loses its push."""
    for owed in (False, True):
        for call in count(1):
            world = World(ONE)
            world.publish()
            if owed:
                world.work()
                world.build(world.pipeline.runs[0], failing={TRAINING: "no space"})
                world.tell_of(world.pipeline.runs[0])
                world.step()
            else:
                world.step()
            crashes = Crashes(world)

            def other(world: World = world) -> None:
                world.repository.fail("tip", "before", DENIED)
                world.start().worker.turn(encode(Turn("main")))  # in a process of its own
                world.repository.faults.clear()
                world.repository.commit({"README.md": b"x"})

            crashes.let_in(call, "before", other)
            world.step()
            calls = crashes.count
            world.rebuilds.waiting.clear()
            settle(world)
            if world.app.parked.all():
                requeue_all(world)
            settle(world)
            assert len(world.pipeline.runs) == 1 + owed, (owed, call)
            assert world.known().state is ReleaseState.SETTLED, (owed, call, world.known().state)
            at_rest(world)
            if calls < call:
                break


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_refusal_that_is_parked_by_a_process_that_dies_parks_nothing_that_is_done(
    when: Literal["before", "after"],
) -> None:
    for call in count(1):
        world = World(ONE)
        world.publish()
        world.step()
        world.repository.fail("tip", "before", DENIED)
        crashes = Crashes(world)
        crashes.at(call, when)
        texts = list(world.rebuilds.waiting)
        try:
            world.step()
            died = False
            crashes.off()
        except Crash:
            died = True
            world.repository.faults.clear()
            world.start()
            crashes.off()
            world.rebuilds.waiting.extend(m for m in texts if m not in world.rebuilds.waiting)
        settle(world)
        if world.app.parked.all():
            requeue_all(world)
            settle(world)
        assert world.known().state is ReleaseState.SETTLED, (call, world.known().state)
        assert len(world.pipeline.runs) == 1, call
        assert world.app.parked.all() == [], call
        at_rest(world)
        if not died:
            return


def test_a_release_whose_plan_was_overtaken_is_parked_with_its_turn() -> None:
    world = World(ONE)
    world.publish()
    while world.release() is None or world.known().state is not ReleaseState.PLANNED:
        world.repository.fail("push", "before", ServiceUnavailable("away"))
        assert world.step()
    world.repository.faults.clear()
    world.repository.commit({"README.md": b"x"})
    world.repository.fail("listing", "before", DENIED)
    world.work()
    assert len(world.app.parked.all()) == 1
    assert world.known().state is ReleaseState.PARKED
    requeue_all(world)
    settle(world)
    assert world.known().state is ReleaseState.SETTLED
    assert world.commits == ["Bump our-package 1.1"]


def test_a_rerun_whose_runs_are_queued_is_not_done_again_because_its_turn_is_given_up() -> None:
    for call in count(1):
        world = World(ONE)
        world.publish()
        settle(world)
        world.app.reruns.ask(feed=None, name="our-package", version="1.1")
        world.step()
        crashes = Crashes(world)
        crashes.at(call, "after")
        try:
            world.step()
            died = False
            crashes.off()
        except Crash:
            died = True
            world.start()
            crashes.off()
            world.give_up_the_turn()
        settle(world)
        if world.app.parked.all():
            requeue_all(world)
            settle(world)
        assert len(world.pipeline.runs) == 2, (call, len(world.pipeline.runs))
        at_rest(world)
        if not died:
            return


@pytest.mark.parametrize("when", ["before", "after"])
def test_what_is_dismissed_while_it_is_requeued_is_either(when: Literal["before", "after"]) -> None:
    for call in count(1):
        world = World(ONE)
        world.repository.fail("listing", "before", DENIED)
        world.publish()
        world.work()
        (thing,) = world.app.parked.all()
        world.clock.advance(CLAIM_LIFETIME)
        crashes = Crashes(world)

        def dismiss(world: World = world, parked: str = thing.id) -> None:
            if world.app.parked.all():
                world.app.parked.dismiss(parked, "me", "not needed")

        crashes.let_in(call, when, dismiss)
        world.app.worker.signal(encode(ParkedSignal("main", thing.id)))
        calls = crashes.count
        settle(world)
        built = len(world.pipeline.runs)
        state = world.known().state
        assert state is (ReleaseState.SETTLED if built else ReleaseState.PARKED), (call, state, built)
        if calls < call:
            return


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_run_found_by_a_requeue_that_dies_is_followed(when: Literal["before", "after"]) -> None:
    for call in count(1):
        world = World(ONE)
        world.pipeline.unlisted = 100
        world.pipeline.fail("queue", "after", ServiceUnavailable("answer lost"))
        world.publish()
        while not world.pipeline.runs:
            assert world.step()
        world.give_up_the_turn()
        world.rebuilds.waiting.clear()
        world.pipeline.unlisted = 0
        world.app.repair.run()
        world.work()
        (thing,) = world.app.parked.all()
        world.clock.advance(CLAIM_LIFETIME)
        crashes = Crashes(world)
        crashes.at(call, when)
        text = encode(ParkedSignal("main", thing.id))
        try:
            world.app.worker.signal(text)
            died = False
            crashes.off()
        except Crash:
            died = True
            world.start()
            crashes.off()
            world.app.worker.signal(text)
        world.work()
        settle(world)
        (found,) = world.rebuilds_made()[0].environments
        assert found.state is EnvironmentState.REGISTERED, (call, found.state)
        assert len(world.pipeline.runs) == 1
        at_rest(world)
        if not died:
            return


def test_what_a_look_found_is_planned_at_the_new_tip_where_its_push_was_too_late() -> None:
    world = World({"rebuilder.yml": RULES, **environment("training", b"our-package==1.0  # rebuilder: hold\n")})
    held_and_then_let_go(world)
    world.repository.fail("push", "before", ServiceUnavailable("away"))
    world.app.repair.run()
    world.step()
    world.repository.commit({"README.md": b"somebody else was here\n"})
    world.work()

    assert world.commits == ["Bump our-package 1.1"]
    settle(world)
    assert world.known().state is ReleaseState.SETTLED
    at_rest(world)
