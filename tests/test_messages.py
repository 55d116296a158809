import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.releases import ReleaseId
from shared.domain.signals import FeedSignal, ReleaseSignal, RunSignal, Signal, Source, UnreadableSignal
from shared.errors import InvalidMessage
from shared.limits import MESSAGE_BYTES, UNREADABLE_CHARACTERS
from shared.messages import Rerun, Turn, decode_signal, decode_turn, encode

SIGNALS: list[Signal] = [
    ReleaseSignal("ml/packages", "our-package", "1.1", Source.PUBLISHER),
    ReleaseSignal("f", "p", "1", Source.PERSON, target="main", attempt=2, environments=("a/b.yml",), tries=3),
    FeedSignal(Source.TIMER),
    RunSignal(7, None, Source.RUN_HOOK),
    UnreadableSignal("no JSON", "{"),
]


@pytest.mark.parametrize("signal", SIGNALS, ids=lambda signal: signal.kind)
def test_a_signal_comes_out_of_the_queue_as_it_went_in(signal: Signal) -> None:
    assert decode_signal(encode(signal)) == signal


@pytest.mark.parametrize("rerun", [None, Rerun(ReleaseId.of("f", "p", "1"), 1, ("a.yml",))])
def test_a_turn_comes_out_of_the_queue_as_it_went_in(rerun: Rerun | None) -> None:
    turn = Turn("main", rerun, tries=4)

    assert decode_turn(encode(turn)) == turn


def test_every_message_carries_the_schema() -> None:
    assert {json.loads(encode(message))["schema"] for message in [*SIGNALS, Turn("main")]} == {1}


def test_a_message_of_another_schema_is_refused_in_one_line() -> None:
    with pytest.raises(InvalidMessage, match=r"^the message has schema 2; this version reads 1$"):
        decode_turn('{"schema": 2, "target": "main", "kind": "turn"}')


@given(st.text(max_size=UNREADABLE_CHARACTERS, alphabet=st.characters(exclude_categories=["Cs"])))
def test_the_largest_unreadable_notification_fits_into_a_message(body: str) -> None:
    assert len(encode(UnreadableSignal("why", body)).encode()) <= MESSAGE_BYTES


@given(st.one_of(st.text(), st.sampled_from(["[]", "null", "{}", '{"schema":1}', "[" * 100_000, "1" * 5000])))
def test_anything_else_is_refused_with_its_own_error(text: str) -> None:
    for decode in (decode_signal, decode_turn):
        with pytest.raises(InvalidMessage):
            decode(text)
