import base64
import json
import logging
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import NotAuthentic, ServiceUnavailable
from shared.ledger_entries import QuarantinedEntry, quarantined_key
from shared.limits import QUARANTINE_BYTES, QUARANTINE_LIFETIME
from tests.services.world import SECRET, World

OTHER = "fedcba9876543210"


def quarantined(world: World) -> list[QuarantinedEntry]:
    ledger = world.app.quarantined
    return [ledger.get(quarantined_key(*place)) for place in ledger.quarantined()]


def basic(password: str, user: str = "anybody") -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize(
    ("authorization", "secret"),
    [(basic(SECRET), None), (basic(SECRET, ""), None), (None, SECRET), (None, OTHER), ("Bearer x", OTHER)],
)
def test_either_secret_opens_the_endpoint_in_either_place(authorization: str | None, secret: str | None) -> None:
    world = World(REBUILDER_HOOK_SECRETS=f"{SECRET} {OTHER}")

    world.app.intake.authenticate(authorization=authorization, secret=secret)


@pytest.mark.parametrize(
    ("authorization", "secret"),
    [
        (None, None),
        (None, ""),
        (None, SECRET[:-1]),
        (None, SECRET + "x"),
        (basic(""), None),
        (basic("wrong"), None),
        ("Basic", None),
        ("Basic !!!", None),
        ("Basic " + base64.b64encode(b"\xff:\xff").decode(), None),
        (f"Bearer {SECRET}", None),
        (None, "sécret-ünïcode-\udce9"),
        ("Basic é", None),
        ("Basic dTpwé", None),
        ("Basic \udce9", None),
        ("Basic " + base64.b64encode(f"u:{SECRET}".encode()).decode().rstrip("=") + "\u00a0é", None),
        ("Basic ==", None),
        ("Basic A", None),
        ("Basic\u2003é", None),
        ("\u0130asic x", None),
    ],
)
def test_anything_else_does_not(authorization: str | None, secret: str | None) -> None:
    with pytest.raises(NotAuthentic):
        World().app.intake.authenticate(authorization=authorization, secret=secret)


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_text_is_a_surprise(authorization: str, secret: str) -> None:
    world = World()
    try:
        world.app.intake.authenticate(authorization=authorization, secret=secret)
    except NotAuthentic:
        return
    assert SECRET in (secret, authorization)


def test_accepting_has_exactly_one_effect() -> None:
    world = World()

    world.announce()

    assert len(world.signals.waiting) == 1
    assert (world.store.calls, world.feed.calls, world.repository.calls, world.pipeline.calls) == ([], [], [], [])


def test_what_is_ignored_has_no_effect() -> None:
    world = World()

    receipt = world.app.intake.accept(b'{"eventType": "git.push"}')

    assert (receipt.outcome, receipt.reason) == ("ignored", "event type git.push is not used")
    assert world.signals.waiting == []


def test_a_queue_that_does_not_take_it_is_the_senders_business() -> None:
    world = World()
    world.signals.fail("send", "before", ServiceUnavailable("no answer"))

    with pytest.raises(ServiceUnavailable):
        world.app.intake.accept(json.dumps({"feed": "packages", "name": "a", "version": "1"}).encode())


def test_what_cannot_be_read_is_quarantined_and_nothing_is_enqueued(caplog: pytest.LogCaptureFixture) -> None:
    world = World()

    with caplog.at_level(logging.ERROR):
        receipt = world.app.intake.accept(b"\xff not json")

    assert receipt.outcome == "rejected"
    assert (world.signals.waiting, world.store.calls, world.quarantine.calls) == ([], [], ["create"])
    (entry,) = quarantined(world)
    assert (entry.at, entry.size, entry.body) == (world.clock.now(), 10, "\\xff not json")
    assert entry.why == receipt.reason
    assert "quarantined entry=2026-01-05/" in caplog.text


def test_the_same_body_again_is_the_same_entry() -> None:
    world = World()

    for body in (b"no json", b"no json", b"something else"):
        world.app.intake.accept(body)

    assert sorted(entry.body for entry in quarantined(world)) == ["no json", "something else"]


def test_of_a_large_body_the_beginning_is_kept_and_its_size() -> None:
    world = World()

    world.app.intake.accept(b"x" * (QUARANTINE_BYTES + 1))

    (entry,) = quarantined(world)
    assert (entry.size, entry.body) == (QUARANTINE_BYTES + 1, "x" * QUARANTINE_BYTES)


def test_what_cannot_even_be_quarantined_is_the_senders_business() -> None:
    world = World()
    world.quarantine.fail("create", "before", ServiceUnavailable("no answer"))

    with pytest.raises(ServiceUnavailable):
        world.app.intake.accept(b"no json")


@pytest.mark.parametrize("reading", ["signal", "notification"])
def test_what_was_quarantined_is_deleted_when_it_expires(reading: str) -> None:
    world = World()
    if reading == "signal":
        world.app.worker.signal("no json")
    else:
        world.app.intake.accept(b"no json")
    world.quarantine.create("put/here/by/somebody.txt", b"else")

    world.clock.advance(QUARANTINE_LIFETIME)
    world.app.repair.run()
    assert world.app.quarantine.count() == 1
    world.clock.advance(timedelta(days=1))
    world.app.repair.run()

    assert list(world.quarantine.blobs) == ["put/here/by/somebody.txt"]


@given(st.binary(max_size=20_000))
def test_any_bytes_are_taken_in(body: bytes) -> None:
    world = World()

    assert world.app.intake.accept(body).outcome in ("accepted", "ignored", "rejected")
    world.work()
