"""What is given up can be seen and released again, whatever happens on the way."""

import json
import logging
from datetime import timedelta
from itertools import count
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.signals import FeedSignal, ReleaseSignal, RunSignal, Source
from shared.domain.states import RebuildState, ReleaseState
from shared.errors import AccessDenied, Busy, NotKnown, ServiceUnavailable
from shared.ledger_entries import parked_key, rebuild_key
from shared.limits import STANDSTILL, TRIES
from shared.messages import SIGNALS, Rerun, Turn, decode_signal, decode_turn, encode
from shared.services.operator.parked import ParkedThing
from tests.services.crashes import Crash, Crashes
from tests.services.world import FEED, HOPELESS, World

DENIED = AccessDenied("feed ml/packages may not be read")


def parked(world: World) -> ParkedThing:
    (thing,) = world.app.parked.all()
    return thing


def give_up_the_turn(world: World) -> None:
    """The message of the target's turn is handed out for the last time."""
    world.app.worker.turn(encode(Turn("main")), HOPELESS)


def test_a_release_that_never_came_is_found_once_it_is_released() -> None:
    world = World()
    world.announce()
    world.work()
    assert world.known().state is ReleaseState.PARKED
    thing = parked(world)
    assert (thing.target, thing.entry.what) == ("main", "release our-package 1.1 on ml/packages")
    assert thing.entry.why == world.known().reason == "feed ml/packages did not show it within 30 minutes"
    world.feed.publish("our-package", "1.1")

    assert world.app.parked.release(thing.id) == [thing]
    world.work()

    assert world.commits == ["Bump our-package 1.1"]
    assert world.app.parked.all() == []


def test_a_release_that_the_feed_refuses_has_one_entry_whoever_gave_it_up() -> None:
    world = World()
    world.feed.fail("version", "before", DENIED, times=3)

    for text in (FEED, "packages"):
        world.announce(feed=text)
        world.work()
    give_up = ReleaseSignal("packages", "Our.Package", "1.1.0", Source.TIMER, tries=7)
    world.fail_for_good(encode(give_up), SIGNALS)

    (message,) = parked(world).entry.messages
    wish = ReleaseSignal(FEED, decode_signal(message.text).name, "1.1", Source.PERSON, target="main")  # type: ignore[union-attr]
    assert (message.queue, decode_signal(message.text)) == (SIGNALS, wish)
    assert world.known().state is ReleaseState.PARKED


def test_what_is_parked_again_is_the_same_entry_with_the_last_reason() -> None:
    world = World()
    world.feed.fail("version", "before", DENIED)
    world.announce()
    world.work()
    first = parked(world)
    world.feed.fail("version", "before", AccessDenied("now it is this"))

    world.app.parked.release(first.id)
    world.work()

    assert (parked(world).id, parked(world).entry.why) == (first.id, "now it is this")
    assert world.known().state is ReleaseState.PARKED


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_worker_that_is_faster_than_the_request_that_released_loses_no_entry(
    when: Literal["before", "after"],
) -> None:
    for call in count(1):
        world = World()
        world.feed.fail("version", "before", DENIED, times=1000)
        world.announce()
        world.work()
        crashes = Crashes(world)

        def work(world: World = world) -> None:
            world.clock.advance(STANDSTILL)
            world.work()

        crashes.let_in(call, when, work)
        world.app.parked.release()
        calls = crashes.count
        world.work()

        assert world.known().state is ReleaseState.PARKED
        assert len(world.app.parked.all()) == 1, call
        if calls < call:
            return


def test_a_turn_that_is_given_up_parks_its_releases_in_one_entry() -> None:
    world = World()
    world.publish()
    world.publish(version="1.2")
    world.step()
    world.step()

    give_up_the_turn(world)

    thing = parked(world)
    assert thing.entry.what == "our-package 1.1 on ml/packages, our-package 1.2 on ml/packages"
    assert len(thing.entry.messages) == 2
    assert {world.known(version=v).state for v in ("1.1", "1.2")} == {ReleaseState.PARKED}
    world.app.parked.release(thing.id)
    world.work()
    assert world.commits == ["Bump our-package 1.2"]
    assert world.app.parked.all() == []


def test_a_parked_rebuild_goes_on_where_it_was() -> None:
    world = World()
    world.pipeline.fail("runs_since", "before", ServiceUnavailable("no answer"), times=TRIES + 1)
    world.publish()
    world.work()
    assert world.rebuild().state is RebuildState.PARKED
    thing = parked(world)
    assert thing.entry.what == f"rebuild {world.rebuild().id} of our-package 1.1 on ml/packages"
    assert thing.entry.why == f"no answer (tried {TRIES} times)"

    world.app.parked.release(thing.id)
    world.work()

    assert (len(world.commits), len(world.pipeline.runs)) == (1, 1)
    assert world.rebuild().state is RebuildState.QUEUED
    assert world.app.parked.all() == []


@pytest.mark.parametrize("environments", [(), ("scoring/environment.yml",)])
def test_a_rerun_of_a_release_whose_rebuild_is_parked_takes_that_one_up_first(environments: tuple[str, ...]) -> None:
    """Its commit is on the branch: an environment that the rerun does not name would pin what nobody has built."""
    world = World()
    world.publish()
    world.park_the_rebuild()

    world.app.reruns.ask(feed=None, name="our-package", version="1.1", environments=environments)
    world.work()

    both = ["scoring/environment.yml", "training/environment.yml"]
    assert [run.paths for run in world.pipeline.runs] == [both, list(environments) or both]
    assert len(world.known().reruns) == 1


def test_a_rerun_of_one_environment_takes_nothing_from_a_release_that_is_parked() -> None:
    world = World()
    world.publish()
    world.step()
    give_up_the_turn(world)
    world.rebuilds.waiting.clear()
    assert world.known().state is ReleaseState.PARKED

    world.app.reruns.ask(feed=None, name="our-package", version="1.1", environments=("training/environment.yml",))
    world.work()
    world.clock.advance(timedelta(hours=1))
    world.app.repair.run()
    assert b"our-package==1.0" in world.file("scoring/context/requirements.txt")
    world.app.parked.release(parked(world).id)
    world.work()
    world.build(world.pipeline.runs[0])
    world.tell_of(world.pipeline.runs[0])
    world.work()

    assert b"our-package==1.1" in world.file("scoring/context/requirements.txt")


def test_a_rerun_of_one_environment_that_is_given_up_leaves_a_release_waiting_for_the_others() -> None:
    world = World()
    world.publish()
    world.step()
    world.app.reruns.ask(feed=None, name="our-package", version="1.1", environments=("training/environment.yml",))
    world.step()
    rerun = Rerun(world.known().id, 1, ("training/environment.yml",))
    world.rebuilds.waiting = [m for m in world.rebuilds.waiting if decode_turn(m.text).rerun is None]
    world.app.worker.turn(encode(Turn("main", rerun)), HOPELESS)
    assert parked(world).entry.what.startswith("rerun 1 of our-package 1.1")
    world.work()

    for name in ("scoring", "training"):
        assert b"our-package==1.1" in world.file(f"{name}/context/requirements.txt")


def test_a_parked_rebuild_goes_on_though_its_release_is_gone() -> None:
    """Its commit is on the branch: that nobody can install it any more has to be said, and not to be left."""
    world = World()
    world.publish()
    world.park_the_rebuild()
    rebuild = world.rebuild().id
    world.feed.delete("our-package", "1.1")
    world.announce()
    world.work()
    assert world.known().state is ReleaseState.REFUSED
    world.clock.advance(timedelta(hours=1))
    world.app.repair.run()

    world.app.parked.release(parked(world).id)
    world.work()

    assert [run.parameters["rebuild"] for run in world.pipeline.runs] == [rebuild]
    world.build(
        world.pipeline.runs[0],
        failing=dict.fromkeys(("scoring/environment.yml", "training/environment.yml"), "no file of our-package==1.1"),
    )
    world.tell_of(world.pipeline.runs[0])
    world.work()
    world.clock.advance(timedelta(hours=1))
    world.app.repair.run()
    assert world.app.parked.all() == []


def test_what_is_parked_stays_so_when_a_retry_of_it_comes_late() -> None:
    world = World()
    world.publish()
    world.park_the_rebuild()

    world.app.worker.turn(encode(Turn("main", retry=world.rebuild().id)))
    assert (world.rebuild().state, world.pipeline.runs) == (RebuildState.PARKED, [])
    world.app.worker.turn(encode(Turn("main", resume=world.rebuild().id)))
    world.work()
    assert (world.rebuild().state, len(world.pipeline.runs)) == (RebuildState.QUEUED, 1)


def test_a_rebuild_that_was_parked_before_it_wrote_anything_is_superseded_by_the_next_plan() -> None:
    world = World()
    world.publish()
    world.repository.fail("push", "before", ServiceUnavailable("away"))
    world.step()
    world.step()
    give_up_the_turn(world)
    world.rebuilds.waiting.clear()
    first = world.rebuild()
    assert first.state is RebuildState.PARKED

    world.app.parked.release(parked(world).id)
    world.work()

    assert world.app.ledger.get(rebuild_key("main", first.id)).state is RebuildState.SUPERSEDED
    assert world.commits == ["Bump our-package 1.1"]
    assert world.rebuild().id != first.id


def test_a_rerun_that_is_given_up_is_released_as_the_same_rerun() -> None:
    world = World()
    world.feed.publish("our-package", "1.1")
    world.app.reruns.ask(name="our-package", version="1.1", feed=None, environments=("scoring/environment.yml",))
    world.step()
    (waiting,) = world.rebuilds.waiting
    world.rebuilds.waiting.clear()
    world.app.worker.turn(waiting.text, HOPELESS)

    world.app.parked.release(parked(world).id)
    world.work()

    (run,) = world.pipeline.runs
    assert run.paths == ["scoring/environment.yml"]
    assert len(world.known().reruns) == 1


def test_a_rerun_that_is_given_up_behind_another_rebuild_is_not_lost() -> None:
    world = World()
    world.pipeline.fail("runs_since", "before", ServiceUnavailable("no answer"), times=TRIES * 3)
    world.publish(version="1.2")
    world.step()
    world.step()
    world.rebuilds.waiting.clear()
    world.feed.publish("our-package", "1.1")
    world.app.reruns.ask(name="our-package", version="1.1", feed=None)
    world.step()

    world.work()

    assert len(world.app.parked.all()) == 2
    world.pipeline.faults.clear()
    world.app.parked.release()
    world.work()
    assert world.rebuild(version="1.2").state is RebuildState.QUEUED
    assert world.known().state is ReleaseState.SETTLED
    assert len(world.known().reruns) == 1


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
    world.app.parked.release(thing.id)
    (waiting,) = world.signals.waiting
    assert decode_signal(waiting.text).tries == 0
    assert decode_signal(waiting.text).kind == signal.kind


def test_a_signal_of_a_release_that_is_further_is_kept_and_changes_nothing() -> None:
    world = World()
    world.publish()
    world.work()
    before = world.known()

    world.fail_for_good(encode(ReleaseSignal(FEED, "our-package", "1.1", Source.TIMER)), SIGNALS)
    world.clock.advance(STANDSTILL)
    world.app.repair.run()

    assert world.known() == before
    assert parked(world).entry.releases == ()


def test_a_turn_whose_releases_cannot_be_read_is_kept_itself() -> None:
    world = World()
    world.publish()
    world.step()
    (key,) = world.store.keys("main/releases/")
    world.store.blobs[key] = type(world.store.blobs[key])(b"damaged", "x")

    give_up_the_turn(world)

    (message,) = parked(world).entry.messages
    assert decode_turn(message.text) == Turn("main")


def test_a_turn_of_a_target_that_is_gone_is_kept() -> None:
    world = World()

    world.app.worker.turn(encode(Turn("gone")))

    thing = parked(world)
    assert (thing.target, thing.entry.what) == (None, "a turn of target gone")


@pytest.mark.parametrize(
    ("turn", "what"),
    [
        (Turn("main", retry="0123"), "the next attempt of rebuild 0123"),
        (Turn("main", resume="0123"), "rebuild 0123"),
    ],
)
def test_a_turn_of_one_rebuild_that_is_given_up_is_kept_and_parks_nothing_else(turn: Turn, what: str) -> None:
    world = World()
    world.publish()
    world.step()

    world.app.worker.turn(encode(turn), HOPELESS)

    thing = parked(world)
    assert (thing.entry.what, thing.entry.rebuild) == (what, "0123")
    assert decode_turn(thing.entry.messages[0].text) == turn
    assert world.known().state is ReleaseState.CONFIRMED


def test_a_turn_with_nothing_to_do_leaves_nothing() -> None:
    world = World()

    give_up_the_turn(world)

    assert world.app.parked.all() == []


@pytest.mark.parametrize("prepared", ["waiting", "underway"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_while_parking_the_entry_is_one_and_can_be_released(
    prepared: str, when: Literal["before", "after"]
) -> None:
    for call in count(1):
        world = World()
        if prepared == "underway":
            world.pipeline.fail("runs_since", "before", ServiceUnavailable("no answer"))
        world.publish()
        world.publish(version="1.2")
        for _ in range(2 if prepared == "waiting" else 3):
            world.step()
        world.rebuilds.waiting.clear()
        crashes = Crashes(world)
        crashes.at(call, when)
        try:
            give_up_the_turn(world)
        except Crash:
            killed = True
            world.start()
            give_up_the_turn(world)
        else:
            killed = False
        crashes.off()

        thing = parked(world)
        states = {world.known(version=version).state for version in ("1.1", "1.2")}
        assert ReleaseState.PARKED in states, call
        assert states <= {ReleaseState.PARKED, ReleaseState.SETTLED}, call
        world.app.parked.release(thing.id)
        world.work()
        assert world.commits == ["Bump our-package 1.2"], call
        assert world.app.parked.all() == [], call
        if not killed:
            return


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_while_releasing_nothing_is_lost_and_nothing_is_done_twice(when: Literal["before", "after"]) -> None:
    for call in count(1):
        world = World()
        world.announce()
        world.work()
        world.feed.publish("our-package", "1.1")
        crashes = Crashes(world)
        crashes.at(call, when)
        try:
            world.app.parked.release()
        except Crash:
            killed = True
            world.start()
            world.app.parked.release()
        else:
            killed = False
        crashes.off()

        world.work()
        assert (world.commits, len(world.pipeline.runs)) == (["Bump our-package 1.1"], 1), call
        assert world.app.parked.all() == [], call
        if not killed:
            return


def test_an_entry_whose_release_went_on_by_itself_is_cleared_away() -> None:
    world = World()
    world.announce()
    world.work()
    world.app.repair.run()
    assert len(world.app.parked.all()) == 1
    world.publish()
    world.work()
    world.clock.advance(STANDSTILL)

    world.app.repair.run()

    assert world.app.parked.all() == []


def test_a_young_entry_is_left_to_who_wrote_it() -> None:
    """The process may just be about to park the release."""
    world = World()
    world.announce()
    world.step()
    world.app.parking.put("main", "release", "no answer", [FeedSignal(Source.TIMER)], [world.known().id])

    world.app.repair.run()

    assert len(world.app.parked.all()) == 1


def test_while_suspended_nothing_is_released() -> None:
    world = World()
    world.announce()
    world.work()
    world.settings["REBUILDER_SUSPENDED"] = "true"
    world.start()

    with pytest.raises(Busy, match="suspended"):
        world.app.parked.release()

    assert len(world.app.parked.all()) == 1
    assert world.signals.waiting == []


def test_what_is_not_parked_cannot_be_released() -> None:
    world = World()
    world.announce()
    world.work()

    with pytest.raises(NotKnown, match="nothing is parked as 'elsewhere'"):
        world.app.parked.release("elsewhere")

    assert len(world.app.parked.all()) == 1


def test_an_entry_that_cannot_be_read_hides_no_other(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.announce()
    world.work()
    world.store.create(parked_key("main", "damaged").path, b"no entry")

    with caplog.at_level(logging.ERROR):
        assert len(world.app.parked.all()) == 1

    assert "ledger_damaged" in caplog.text


def test_the_timer_says_how_much_is_parked_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    with caplog.at_level(logging.ERROR):
        world.app.repair.run()
    assert "parked_count" not in caplog.text
    world.announce()
    world.work()
    world.app.intake.accept(b"no json")
    world.app.intake.accept(b"no json either")
    caplog.clear()

    with caplog.at_level(logging.ERROR):
        world.app.repair.run()

    assert [record.message for record in caplog.records] == ["parked_count parked=1 quarantined=2"]


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


def test_what_is_shown_is_plain_data() -> None:
    world = World()
    world.announce()
    world.work()

    shown = json.loads(json.dumps(parked(world).shown()))

    assert shown["at"] == (world.known().history[-1].at).isoformat(timespec="seconds").replace("+00:00", "Z")
    assert shown["target"] == "main"
    assert [message["queue"] for message in shown["messages"]] == ["signals"]
