import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import NotAuthentic, ServiceUnavailable
from tests.services.world import SECRET, World

OTHER = "fedcba9876543210"


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


def test_an_unreadable_notification_ends_in_the_ledger() -> None:
    world = World()

    receipt = world.app.intake.accept(b"\xff not json")
    world.work()

    assert receipt.outcome == "rejected"
    (key,) = world.store.keys("_/unreadable/")
    assert "not json" in world.store.blobs[key].raw.decode()


@given(st.binary(max_size=20_000))
def test_any_bytes_are_taken_in(body: bytes) -> None:
    world = World()

    assert world.app.intake.accept(body).outcome in ("accepted", "ignored", "rejected")
    world.work()
