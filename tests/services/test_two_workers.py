"""Two workers at once, and a storage that loses answers: the platform hands out several messages of a target."""

from itertools import product

import pytest

from shared.domain.states import RebuildState, ReleaseState
from shared.errors import ServiceUnavailable, StateChanged
from shared.messages import Turn, encode
from tests.services.crashes import Crashes
from tests.services.world import World


def assert_done(world: World, where: str) -> None:
    assert world.commits == ["Bump our-package 1.1"], where
    assert [run.parameters["environments"] for run in world.pipeline.runs] == [
        "1:scoring/environment.yml:,2:training/environment.yml:"
    ], where
    assert world.rebuild().state is RebuildState.QUEUED, where
    assert world.known().state is ReleaseState.PLANNED, where
    assert world.is_at_rest(), where


def calls_of_a_release() -> int:
    world = World()
    crashes = Crashes(world)
    world.publish()
    crashes.at(0, "before")
    world.work()
    return crashes.count


@pytest.mark.parametrize("trouble", ["none", "one look-up fails"])
def test_another_worker_at_any_moment_changes_nothing(trouble: str) -> None:
    for call, when in product(range(1, calls_of_a_release() + 1), ("before", "after")):
        world = World()
        crashes = Crashes(world)
        world.publish()
        if trouble != "none":
            world.pipeline.fail("runs_since", "before", ServiceUnavailable("away"))
        crashes.let_in(call, when, lambda world=world: world.start().worker.turn(encode(Turn("main"))))  # type: ignore[arg-type,misc]

        world.work()

        assert_done(world, f"{when} call {call}")


def test_the_same_signal_at_another_worker_at_any_moment_changes_nothing() -> None:
    """One notification that was delivered twice, at two instances at once."""
    for call, when in product(range(1, calls_of_a_release() + 1), ("before", "after")):
        world = World()
        crashes = Crashes(world)
        world.publish()
        text = world.signals.waiting[0].text
        crashes.let_in(call, when, lambda world=world, text=text: world.start().worker.signal(text))  # type: ignore[arg-type,misc]

        world.work()

        assert_done(world, f"{when} call {call}")


@pytest.mark.parametrize("method", ["create", "replace"])
def test_a_write_whose_answer_is_lost_and_that_the_sdk_repeats_changes_nothing(method: str) -> None:
    """The second try meets the effect of the first, and is told that the entry has changed."""
    world = World()
    world.publish()
    world.work()
    writes = world.store.calls.count(method)
    assert writes > 3

    for number in range(writes):
        world = World()
        world.store.lose_answer(method, number, StateChanged("412"))
        world.publish()

        world.work()

        assert_done(world, f"{method} {number}")


def test_a_storage_that_is_away_while_a_message_is_given_up_loses_nothing() -> None:
    world = World()
    world.publish()
    world.step()
    world.repository.exists = False
    text = world.rebuilds.waiting[0].text
    world.store.fail("read", "before", ServiceUnavailable("away"))

    with pytest.raises(ServiceUnavailable):
        world.app.worker.turn_given_up(text)


def test_work_that_stands_still_is_taken_up_by_the_timer() -> None:
    world = World()
    world.publish()
    world.step()
    world.rebuilds.waiting.clear()  # the turn's message is lost

    world.app.repair._wake()
    assert world.rebuilds.waiting == []
    world.clock.advance(world.app.settings.settle_time * 20)
    world.app.repair._wake()
    world.work()

    assert_done(world, "woken")


def test_a_rebuild_that_stands_still_is_taken_up_by_the_timer() -> None:
    world = World()
    world.publish()
    world.pipeline.fail("runs_since", "before", ServiceUnavailable("away"))
    while not world.commits:
        world.step()
    world.rebuilds.waiting.clear()

    world.clock.advance(world.app.settings.settle_time * 20)
    world.app.repair._wake()
    world.work()

    assert_done(world, "woken")
