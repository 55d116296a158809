"""What is given up is parked in one entry that says what and why, whatever happens on the way."""

from itertools import count
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.signals import FeedSignal, ParkedSignal, ReleaseSignal, RunSignal, Source
from shared.domain.states import RebuildState, ReleaseState
from shared.errors import AccessDenied, ServiceUnavailable
from shared.limits import STANDSTILL, TRIES
from shared.messages import SIGNALS, Turn, decode_signal, encode
from shared.services.operator.parked import ParkedThing
from tests.services.crashes import Crash, Crashes
from tests.services.world import FEED, World

DENIED = AccessDenied("feed ml/packages may not be read")


def parked(world: World) -> ParkedThing:
    (thing,) = world.app.parked.all()
    return thing


def test_a_release_that_never_came_is_parked_with_the_reason() -> None:
    world = World()
    world.announce()
    world.work()

    thing = parked(world)
    assert world.known().state is ReleaseState.PARKED
    assert (thing.target, thing.entry.what) == ("main", "release our-package 1.1 on ml/packages")
    assert thing.entry.why == world.known().reason == "feed ml/packages did not show it within 30 minutes"


def test_what_is_parked_again_is_the_same_entry_with_the_last_reason() -> None:
    world = World()
    world.feed.fail("version", "before", DENIED)
    world.announce()
    world.work()
    first = parked(world)
    world.feed.fail("version", "before", AccessDenied("now it is this"))

    world.app.parked.requeue(first.id)
    world.work()

    assert (parked(world).id, parked(world).entry.why) == (first.id, "now it is this")
    assert world.known().state is ReleaseState.PARKED


def test_a_turn_that_is_given_up_parks_all_that_was_due_in_one_entry() -> None:
    world = World()
    world.publish()
    world.publish(version="1.2")
    world.step()
    world.step()
    world.clock.advance(world.app.settings.settle_time)

    world.give_up_the_turn()

    thing = parked(world)
    assert thing.entry.what == "our-package 1.1 on ml/packages, our-package 1.2 on ml/packages"
    assert len(thing.entry.marks) == 2
    assert world.app.ledger.due("main") == []
    assert {world.known(version=v).state for v in ("1.1", "1.2")} == {ReleaseState.PARKED}


def test_what_is_not_due_yet_is_not_parked_with_a_turn() -> None:
    world = World()
    world.publish()
    world.step()

    world.give_up_the_turn()

    assert world.app.parked.all() == []
    world.work()
    assert world.commits == ["Bump our-package 1.1"]


def test_a_turn_that_is_given_up_parks_the_rebuild_that_has_the_lease() -> None:
    world = World()
    world.pipeline.fail("runs_since", "before", ServiceUnavailable("no answer"), times=TRIES + 1)
    world.publish()
    world.work()

    thing = parked(world)
    assert world.rebuild().state is RebuildState.PARKED
    assert thing.entry.what == f"rebuild {world.rebuild().id} of our-package 1.1 on ml/packages"
    assert thing.entry.why == world.rebuild().reason == f"no answer (tried {TRIES} times)"
    assert world.known().state is ReleaseState.PARKED
    assert world.app.lease.present("main") is None
    assert world.app.ledger.due("main") == []


def test_a_rebuild_whose_runs_are_queued_is_not_parked_and_what_it_did_is_not_done_again() -> None:
    """All that is left of it is to say so, and that is left to the next turn."""
    seen = 0
    for call in count(1):
        world = World()
        world.publish()
        world.work()
        world.finish()
        world.app.reruns.ask(feed=None, name="our-package", version="1.1")
        world.step()
        crashes = Crashes(world)
        crashes.at(call, "before")
        try:
            world.step()
        except Crash:
            world.start()
        else:
            break
        crashes.off()
        if world.rebuilds_made()[-1].is_underway or not world.app.ledger.due("main") or len(world.pipeline.runs) < 2:
            continue
        seen += 1

        world.give_up_the_turn()
        assert world.app.parked.all() == [], call
        world.clock.advance(STANDSTILL * 2)
        world.app.repair.run()
        world.work()

        assert len(world.pipeline.runs) == 2, call
        assert world.is_at_rest(), call
    assert seen > 1


def test_a_rerun_that_is_given_up_before_its_release_was_told_of_parks_the_release() -> None:
    world = World()
    world.feed.publish("our-package", "1.1")
    world.app.reruns.ask(name="our-package", version="1.1", feed=None, environments=("scoring/environment.yml",))
    world.step()
    world.rebuilds.waiting.clear()

    world.give_up_the_turn()

    assert parked(world).entry.releases == (world.known().id,)
    assert world.known().state is ReleaseState.PARKED


@pytest.mark.parametrize(
    "signal",
    [
        FeedSignal(Source.BUILD_HOOK, tries=TRIES),
        RunSignal(12, 7, Source.RUN_HOOK, tries=TRIES),
        ReleaseSignal("6a5b9c1e-0d43-4b70-9f0e-3d1f4f1b2a77", "our-package", "1.1", Source.PACKAGE_HOOK, tries=TRIES),
    ],
    ids=lambda signal: signal.kind,
)
def test_a_signal_that_concerns_no_single_target_is_kept_as_it_was(signal: FeedSignal | RunSignal) -> None:
    world = World()

    for _ in range(2):
        world.fail_for_good(encode(signal), SIGNALS)

    thing = parked(world)
    assert thing.target is None
    (text,) = thing.entry.signals
    assert decode_signal(text).tries == 0
    assert decode_signal(text).kind == signal.kind


def test_a_person_who_requeues_in_vain_finds_it_parked_still() -> None:
    world = World()
    world.announce()
    world.work()
    thing = parked(world)

    world.fail_for_good(encode(ParkedSignal("main", thing.id)), SIGNALS)

    assert parked(world) == thing


def test_a_signal_of_a_release_that_is_further_is_kept_and_changes_nothing() -> None:
    world = World()
    world.publish()
    world.work()
    before = world.known()

    world.fail_for_good(encode(ReleaseSignal(FEED, "our-package", "1.1", Source.TIMER)), SIGNALS)

    assert world.known() == before
    assert parked(world).entry.what == "a signal of our-package 1.1 on ml/packages"


def test_what_a_target_that_is_gone_has_due_waits_until_it_is_configured_again() -> None:
    world = World(targets=2)
    world.publish()
    world.step()
    world.target_count = 1
    world.start()
    world.work()
    assert world.app.parked.all() == []

    world.target_count = 2
    world.start()
    world.clock.advance(STANDSTILL * 2)
    world.app.repair.run()
    world.work()

    assert world.known(target="second").state is ReleaseState.SETTLED


def test_a_turn_with_nothing_to_do_leaves_nothing() -> None:
    world = World()

    world.give_up_the_turn()

    assert world.app.parked.all() == []


@pytest.mark.parametrize("prepared", ["due", "committed"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_while_parking_the_entry_is_one_and_can_be_requeued(
    prepared: str, when: Literal["before", "after"]
) -> None:
    for call in count(1):
        world = World()
        if prepared == "committed":
            world.pipeline.fail("runs_since", "before", ServiceUnavailable("no answer"))
        world.publish()
        world.publish(version="1.2")
        for _ in range(2 if prepared == "due" else 3):
            world.step()
        world.clock.advance(world.app.settings.settle_time)
        world.rebuilds.waiting.clear()
        crashes = Crashes(world)
        crashes.at(call, when)
        try:
            world.give_up_the_turn()
        except Crash:
            killed = True
            world.start()
            world.give_up_the_turn()
        else:
            killed = False
        crashes.off()

        thing = parked(world)
        states = {world.known(version=version).state for version in ("1.1", "1.2")}
        assert ReleaseState.PARKED in states, call
        assert states <= {ReleaseState.PARKED, ReleaseState.SETTLED}, call
        assert world.app.ledger.due("main") == [], call
        world.app.parked.requeue(thing.id)
        world.work()
        assert world.commits == ["Bump our-package 1.2"], call
        assert world.app.parked.all() == [], call
        assert len(world.pipeline.runs) == 1, call
        if not killed:
            return


@given(
    st.one_of(
        st.text(max_size=60),
        st.binary(max_size=60).map(lambda raw: raw.decode(errors="replace")),
        st.sampled_from(
            [
                encode(Turn("main")),
                encode(Turn("gone")),
                encode(FeedSignal(Source.TIMER)),
                encode(ReleaseSignal("elsewhere", "a", "1", Source.TIMER)),
                "[" * 100_000,
            ]
        ),
    )
)
def test_no_text_in_a_poison_queue_fails_and_each_leaves_a_trace(text: str) -> None:
    world = World()
    world.announce()
    world.step()

    world.app.worker.signal_given_up(text)
    world.app.worker.turn_given_up(text)

    assert world.app.parked.count() + world.app.quarantine.count() >= 1


def test_poison_is_recorded_even_while_suspended() -> None:
    world = World(REBUILDER_SUSPENDED="true")

    world.fail_for_good(encode(FeedSignal(Source.TIMER)), SIGNALS)
    world.fail_for_good("garbage", SIGNALS)

    assert (world.app.parked.count(), world.app.quarantine.count()) == (1, 1)
