import json
import logging
from datetime import timedelta
from pathlib import Path

import pytest

from shared.domain.signals import FeedSignal, ReleaseSignal, Source
from shared.domain.states import RebuildState, ReleaseState
from shared.errors import ServiceUnavailable, Throttled
from shared.limits import FIRST_PAUSE, LONGEST_PAUSE, TRIES
from shared.messages import Turn, decode_turn, encode
from tests.reliability.actors import Actor, stop_at_every_call
from tests.services.world import FEED, HOPELESS, World


@pytest.mark.parametrize(
    "text",
    ["", "no json", "[]", '{"schema": 99}', '{"schema": [[[]]]}', '{"schema": 2, "kind": "unheard-of"}',
     '{"schema": 1, "kind": "turn", "target": "main"}',
     '{"schema": 2, "kind": "release", "feed": "f", "name": "p", "version": "1", "source": "timer", "rerun": 3}',
     "[" * 100_000, '{"schema": ' + "1" * 5000 + "}", "\ud800"],
    ids=lambda text: text[:20],
)  # fmt: skip
def test_a_message_that_cannot_be_read_is_quarantined_at_first_sight(text: str) -> None:
    world = World()

    world.app.worker.signal(text)
    world.app.worker.turn(text)

    assert world.app.quarantine.count() == 1
    assert (world.signals.waiting, world.rebuilds.waiting, world.store.blobs) == ([], [], {})


def test_while_suspended_messages_wait_unchanged_and_nothing_is_done() -> None:
    world = World(REBUILDER_SUSPENDED="true")
    world.publish()
    text = world.signals.waiting[0].text

    for _ in range(3):
        world.step()

    assert [message.text for message in world.signals.waiting] == [text]
    assert world.store.blobs == {}
    world.settings.clear()
    world.start()
    world.work()
    assert world.commits == ["Bump our-package 1.1"]


def test_while_suspended_for_days_nothing_is_parked_and_no_try_is_counted() -> None:
    world = World()
    world.publish()
    world.step()
    world.announce(version="1.2")
    texts = sorted(message.text for queue in (world.signals, world.rebuilds) for message in queue.waiting)
    world.settings["REBUILDER_SUSPENDED"] = "true"
    world.start()
    began = world.clock.now()

    while world.clock.now() - began < timedelta(hours=3):
        world.step()
    world.clock.advance(timedelta(days=30))
    # Even one whose host died again and again is only put back.
    for queue, work in ((world.signals, world.app.worker.signal), (world.rebuilds, world.app.worker.turn)):
        text = queue.receive()
        assert text
        work(text, HOPELESS)
    world.app.repair.run()

    assert sorted(message.text for queue in (world.signals, world.rebuilds) for message in queue.waiting) == texts
    assert world.app.parked.all() == []
    world.settings.clear()
    world.start()
    world.feed.publish("our-package", "1.2")
    world.work()
    assert world.commits == ["Bump our-package 1.2"]


def test_while_suspended_the_timer_does_nothing() -> None:
    world = World(REBUILDER_SUSPENDED="true")

    world.app.repair.run()

    assert (world.store.calls, world.feed.calls, world.quarantine.calls) == ([], [], [])


def test_pauses_grow_and_what_the_service_asks_for_is_kept() -> None:
    world = World()
    world.repository.fail("tip", "before", ServiceUnavailable("busy"), times=3)
    world.repository.fail("tip", "before", Throttled("slow down", timedelta(minutes=7)))
    world.repository.fail("tip", "before", Throttled("slow down", timedelta(days=365)))
    pauses = []
    text = encode(Turn("main"))
    world.publish()
    world.step()
    world.rebuilds.waiting.clear()
    world.clock.advance(world.app.settings.settle_time)

    for _ in range(5):
        world.app.worker.turn(text)
        (message,) = world.rebuilds.waiting
        pauses.append(message.visible - world.clock.now())
        world.rebuilds.waiting.clear()
        text = message.text

    assert pauses == [FIRST_PAUSE, FIRST_PAUSE * 2, FIRST_PAUSE * 4, timedelta(minutes=7), LONGEST_PAUSE]
    assert decode_turn(text).tries == 5


def test_a_service_that_never_answers_parks_what_waits_and_says_so() -> None:
    world = World()
    world.repository.fail("tip", "before", ServiceUnavailable("no answer"), times=1000)
    world.publish()

    world.work()

    assert world.known().state is ReleaseState.PARKED
    assert world.known().reason == f"no answer (tried {TRIES} times)"


def test_a_parked_rebuild_ends_its_lease_for_the_next_release() -> None:
    world = World()
    world.pipeline.fail("runs_since", "before", ServiceUnavailable("no answer"), times=TRIES + 1)
    world.publish()

    world.work()

    assert world.rebuild().state is RebuildState.PARKED
    assert world.app.lease.present("main") is None
    world.publish(version="1.2")
    world.work()
    assert world.commits == ["Bump our-package 1.1", "Bump our-package 1.2"]


def test_a_message_whose_host_dies_again_and_again_is_parked() -> None:
    world = World()
    world.publish()
    world.step()
    world.clock.advance(world.app.settings.settle_time)
    text = encode(Turn("main"))

    world.app.worker.turn(text, HOPELESS)

    assert world.known().state is ReleaseState.PARKED
    assert world.is_at_rest()


def test_a_message_that_is_given_up_before_anything_is_due_parks_nothing_and_takes_nothing() -> None:
    world = World()
    world.publish()
    world.step()

    world.app.worker.turn(encode(Turn("main")), HOPELESS)

    assert (world.known().state, world.app.parked.all()) == (ReleaseState.CONFIRMED, [])
    world.work()
    assert world.commits == ["Bump our-package 1.1"]


def test_a_message_is_parked_before_the_platform_does_it_and_not_a_try_earlier() -> None:
    host = json.loads((Path(__file__).parents[2] / "host.json").read_text())
    last = host["extensions"]["queues"]["maxDequeueCount"]
    world = World()
    world.publish()
    world.step()
    world.clock.advance(world.app.settings.settle_time)
    text = encode(Turn("main"))

    world.repository.fail("tip", "before", ValueError("a bug"))
    with pytest.raises(ValueError, match="a bug"):
        world.app.worker.turn(text, last - 1)
    assert world.known().state is ReleaseState.CONFIRMED
    world.app.worker.turn(text, last)

    assert world.known().state is ReleaseState.PARKED


def test_what_cannot_be_parked_at_the_last_try_is_left_to_the_poison_queue() -> None:
    world = World()
    world.publish()
    world.step()
    world.clock.advance(world.app.settings.settle_time)
    text = encode(Turn("main"))
    world.store.fail("create", "before", ServiceUnavailable("away"))

    with pytest.raises(ServiceUnavailable):
        world.app.worker.turn(text, HOPELESS)
    world.fail_for_good(text, "rebuilds")

    assert world.known().state is ReleaseState.PARKED


def test_a_signal_that_names_the_feed_without_its_project_parks_its_release() -> None:
    world = World()
    world.announce()
    world.step()

    world.fail_for_good(encode(ReleaseSignal("packages", "our-package", "1.1", Source.TIMER)), "signals")

    assert world.known().state is ReleaseState.PARKED


def test_a_poisoned_signal_parks_its_release() -> None:
    world = World()
    world.announce()
    world.step()
    assert world.known().state is ReleaseState.SIGNALLED

    world.fail_for_good(encode(ReleaseSignal(FEED, "our-package", "1.1", Source.TIMER)), "signals")

    assert world.known().state is ReleaseState.PARKED
    assert "the log tells why" in (world.known().reason or "")


@pytest.mark.parametrize("text", ["garbage", encode(FeedSignal(Source.TIMER))])
def test_other_poisoned_signals_are_reported(text: str, caplog: pytest.LogCaptureFixture) -> None:
    world = World()

    with caplog.at_level(logging.ERROR):
        world.fail_for_good(text, "signals")

    assert caplog.text


def test_a_turn_of_a_target_that_is_gone_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    world = World()

    with caplog.at_level(logging.ERROR):
        world.app.worker.turn(encode(Turn("gone")))

    assert "no target 'gone' is configured" in caplog.text
    assert world.rebuilds.waiting == []


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b'{"schema": 3, "entry": {}}', "has schema 3; this version reads 2"),
        (b'{"schema": 1, "entry": {}}', "has schema 1; this version reads 2"),
        (b'{"entry": {}}', "has schema None; this version reads 2"),
        (b'{"schema": 2, "entry": {}}', "is damaged: "),
        (b'{"schema": 2, "ent', "is damaged: it is not an entry"),
        (b"", "is damaged: it is not an entry"),
        (b"[]", "is damaged: it is not an entry"),
        (b"\xff\xfe\0", "is damaged: it is not an entry"),
    ],
    ids=["newer", "older", "of no schema", "of another form", "cut off", "empty", "no map", "no text"],
)
def test_a_damaged_ledger_entry_is_never_overwritten(raw: bytes, why: str, caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.publish()
    world.step()
    (key,) = world.store.keys("main/releases/")
    world.store.blobs[key] = type(world.store.blobs[key])(raw, "x")

    with caplog.at_level(logging.ERROR):
        world.work()

    assert world.store.blobs[key].raw == raw
    assert f"the ledger's {key} {why}" in caplog.text


def test_no_secret_is_ever_written_or_logged(caplog: pytest.LogCaptureFixture) -> None:
    canary = "canary-canary-canary"
    world = World(REBUILDER_HOOK_SECRETS=canary)

    with caplog.at_level(logging.DEBUG):
        world.app.intake.authenticate(authorization=None, secret=canary)
        world.publish()
        world.work()

    written = b"".join(blob.raw for blob in world.store.blobs.values())
    assert canary.encode() not in written
    assert canary not in caplog.text
    assert canary not in "".join(commit.message for commit in world.repository.history())


@pytest.mark.parametrize("fails", [False, True])
def test_turns_that_come_while_one_is_under_way_in_this_process_ask_nothing_and_are_one_after_it(fails: bool) -> None:
    world = World()
    world.publish()
    world.step()
    world.clock.advance(timedelta(minutes=3))
    stop_at_every_call(world.repository)
    text = world.rebuilds.receive()
    assert text
    first = Actor(lambda: world.app.worker.turn(text))
    first.step()
    asked = len(world.store.calls)

    for tries in (0, 7, 3):
        world.app.worker.turn(encode(Turn("main", tries=tries)))

    assert len(world.store.calls) == asked
    assert not world.rebuilds.waiting
    if fails:
        world.repository.fail("tip", "before", ServiceUnavailable("away"))
    first.finish()
    assert first.problem is None
    following = [decode_turn(message.text) for message in world.rebuilds.waiting]
    assert sorted(turn.tries for turn in following) == ([1, 7] if fails else [7])
    world.work()
    assert world.commits == ["Bump our-package 1.1"]
