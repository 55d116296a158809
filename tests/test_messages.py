import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.names import LONGEST_NAME
from shared.domain.releases import LONGEST_VERSION
from shared.domain.signals import FeedSignal, ParkedSignal, ReleaseSignal, RunSignal, Signal, Source
from shared.errors import InvalidMessage
from shared.limits import MESSAGE_BYTES
from shared.messages import Turn, decode_signal, decode_turn, encode

SIGNALS: list[Signal] = [
    ReleaseSignal("ml/packages", "our-package", "1.1", Source.PUBLISHER),
    ReleaseSignal("f", "p", "1", Source.PERSON, target="main", rerun=2, environments=("a/b.yml",), tries=3),
    FeedSignal(Source.TIMER),
    RunSignal(7, None, Source.RUN_HOOK),
    ParkedSignal("main", "0123456789ab", tries=2),
]


@pytest.mark.parametrize("signal", SIGNALS, ids=lambda signal: signal.kind)
def test_a_signal_comes_out_of_the_queue_as_it_went_in(signal: Signal) -> None:
    assert decode_signal(encode(signal)) == signal


def test_a_turn_comes_out_of_the_queue_as_it_went_in() -> None:
    turn = Turn("main", tries=4)

    assert decode_turn(encode(turn)) == turn


def test_a_turn_names_its_target_and_nothing_that_it_has_due() -> None:
    assert json.loads(encode(Turn("main", tries=4))) == {"schema": 2, "kind": "turn", "target": "main", "tries": 4}


def test_every_message_carries_the_schema() -> None:
    assert {json.loads(encode(message))["schema"] for message in [*SIGNALS, Turn("main")]} == {2}


def test_a_message_of_another_schema_is_refused_in_one_line() -> None:
    with pytest.raises(InvalidMessage, match=r"^the message has schema 3; this version reads 2$"):
        decode_turn('{"schema": 3, "target": "main", "kind": "turn"}')
    with pytest.raises(InvalidMessage, match=r"^the message has schema 1; this version reads 2$"):
        decode_turn('{"schema": 1, "target": "main", "kind": "turn", "resume": "0123"}')


# A queue takes 64 KiB, and one that is told to use base64 makes four bytes of three.
QUEUE_BYTES = 64 * 1024


def test_no_message_can_be_larger_than_a_queue_takes() -> None:
    assert MESSAGE_BYTES * 4 <= QUEUE_BYTES * 3
    name = "a" * LONGEST_NAME
    room = MESSAGE_BYTES - len(encode(ReleaseSignal("f", name, "1", Source.PERSON, "main", 1, ("",))))

    largest = ReleaseSignal("f", name, "1", Source.PERSON, "main", 1, ("x" * room,))

    assert len(encode(largest).encode()) == MESSAGE_BYTES
    with pytest.raises(InvalidMessage, match=f"at most {MESSAGE_BYTES}"):
        encode(replace(largest, environments=("x" * (room + 1),)))
    with pytest.raises(InvalidMessage, match=f"at most {MESSAGE_BYTES}"):
        encode(Turn("\U0001f4e6" * MESSAGE_BYTES))


def test_what_one_notification_makes_is_far_smaller() -> None:
    guid = "6a5b9c1e-0d43-4b70-9f0e-3d1f4f1b2a77"
    spelled = ReleaseSignal(guid, "a" * LONGEST_NAME, "1" * LONGEST_VERSION, Source.PACKAGE_HOOK)

    assert len(encode(spelled).encode()) < MESSAGE_BYTES // 32


@pytest.mark.parametrize(
    ("decode", "fields"),
    [
        (decode_signal, {"kind": "release", "feed": "f", "name": "p", "version": "no version", "source": "timer"}),
        (decode_signal, {"kind": "release", "feed": "f", "name": "../p", "version": "1", "source": "timer"}),
        (decode_signal, {"kind": "release", "feed": "f", "name": "p", "version": "1", "source": "timer", "tries": -1}),
        (decode_signal, {"kind": "release", "feed": "f", "name": "p", "version": "1", "source": "timer",
                         "target": "main", "rerun": 1}),
        (decode_signal, {"kind": "release", "feed": "f", "name": "p", "version": "1", "source": "person",
                         "rerun": 1}),
        (decode_signal, {"kind": "release", "feed": "f", "name": "p", "version": "1", "source": "person",
                         "target": "main", "environments": ["a.yml"]}),
        (decode_signal, {"kind": "run", "run": 0, "pipeline": 7, "source": "timer"}),
        (decode_signal, {"kind": "turn", "target": "main"}),
        (decode_turn, {"kind": "feeds", "source": "timer"}),
        (decode_turn, {"kind": "turn", "target": "main", "tries": -1}),
        (decode_turn, {"kind": "turn"}),
        (decode_signal, {"kind": "release", "feed": "f", "name": "p", "version": "1", "source": "person",
                         "target": "main", "rerun": -1}),
        (decode_signal, {"kind": "parked", "target": "main"}),
        (decode_signal, {"kind": "parked", "target": "main", "parked": "x", "tries": -1}),
    ],
)  # fmt: skip
def test_a_message_that_contradicts_itself_is_refused(
    decode: Callable[[str], object], fields: dict[str, object]
) -> None:
    with pytest.raises(InvalidMessage):
        decode(json.dumps({"schema": 2, **fields}))


@given(st.one_of(st.text(), st.sampled_from(["[]", "null", "{}", '{"schema":2}', "[" * 100_000, "1" * 5000])))
def test_anything_else_is_refused_with_its_own_error(text: str) -> None:
    for decode in (decode_signal, decode_turn):
        with pytest.raises(InvalidMessage):
            decode(text)
