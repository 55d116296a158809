"""What the hook endpoint answers: its statuses are dictated by the sender, and so is that nothing is a surprise."""

import json
import logging

import azure.functions as func
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import triggers
from shared.composition import App
from shared.errors import AccessDenied, ServiceUnavailable
from shared.limits import DISMISSAL_CHARACTERS, HOOK_BODY_BYTES
from tests.services.world import FEED, SECRET, World

RELEASE = json.dumps({"feed": FEED, "name": "our-package", "version": "1.1"}).encode()
HEADERS = {"Content-Type": "application/json; charset=utf-8", "X-Rebuilder-Secret": SECRET}


def send(
    world: World, body: bytes = RELEASE, method: str = "POST", headers: dict[str, str] | None = None
) -> func.HttpResponse:
    request = func.HttpRequest(
        method=method, url="/api/hooks", headers=HEADERS if headers is None else headers, body=body
    )
    return triggers.hook(request, lambda: world.app)


def untouched(world: World) -> bool:
    return (world.signals.calls, world.quarantine.calls, world.store.calls) == ([], [], [])


@pytest.mark.parametrize(
    ("body", "status", "outcome"),
    [
        (RELEASE, 202, "accepted"),
        (b"\xef\xbb\xbf" + RELEASE, 202, "accepted"),
        (b'{"eventType": "git.push"}', 200, "ignored"),
        (b'{"feed": "elsewhere", "name": "our-package", "version": "1"}', 200, "ignored"),
        (b"", 200, "rejected"),
        (b"null", 200, "rejected"),
        (b"[" * 100_000, 200, "rejected"),
    ],
)
def test_an_authentic_body_is_answered_with_2xx(body: bytes, status: int, outcome: str) -> None:
    answer = send(World(), body)

    assert (answer.status_code, json.loads(answer.get_body())["outcome"]) == (status, outcome)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_other_methods_are_405_and_told_which_is_allowed(method: str) -> None:
    world = World()

    answer = send(world, method=method)

    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    assert untouched(world)


def test_a_body_over_the_cap_is_413_and_nothing_is_stored() -> None:
    world = World()

    assert send(world, b" " * (HOOK_BODY_BYTES + 1)).status_code == 413
    assert untouched(world)


@pytest.mark.parametrize("said", [str(HOOK_BODY_BYTES + 1), "9" * 5000])
def test_a_content_length_over_the_cap_is_413_whatever_was_sent(said: str) -> None:
    world = World()

    assert send(world, headers={**HEADERS, "Content-Length": said}).status_code == 413
    assert untouched(world)


@pytest.mark.parametrize("said", ["", "0", "-1", "x", "²", str(HOOK_BODY_BYTES)])
def test_a_content_length_that_lies_below_the_cap_changes_nothing(said: str) -> None:
    assert send(World(), headers={**HEADERS, "Content-Length": said}).status_code == 202
    assert send(World(), b" " * (HOOK_BODY_BYTES + 1), headers={**HEADERS, "Content-Length": said}).status_code == 413


@pytest.mark.parametrize("kind", [None, "", "text/plain", "application/x-www-form-urlencoded"])
def test_another_content_type_is_415(kind: str | None) -> None:
    world = World()
    headers = {"X-Rebuilder-Secret": SECRET, **({"Content-Type": kind} if kind is not None else {})}

    assert send(world, headers=headers).status_code == 415
    assert untouched(world)


def test_who_is_not_authentic_gets_401_an_empty_body_and_no_effect() -> None:
    world = World()

    answer = send(world, b"no json", headers={**HEADERS, "X-Rebuilder-Secret": "wrong"})

    assert (answer.status_code, answer.get_body()) == (401, b"")
    assert untouched(world)


def test_the_checks_have_one_order() -> None:
    """Each request fails all checks from one on: the first of them is the one that is told."""
    large = b"x" * (HOOK_BODY_BYTES + 1)

    statuses = [
        send(World(), large, "GET", {}).status_code,
        send(World(), b"x", "GET", {}).status_code,
        send(World(), b"x", "POST", {}).status_code,
        send(World(), b"x", "POST", {"Content-Type": "application/json"}).status_code,
        send(World(), b"x", "POST").status_code,
    ]

    assert statuses == [413, 405, 415, 401, 200]


@pytest.mark.parametrize("problem", [ServiceUnavailable("away"), AccessDenied("no role"), ValueError("a bug")])
@pytest.mark.parametrize("body", [RELEASE, b"no json"])
def test_what_cannot_be_kept_is_sent_again(body: bytes, problem: Exception) -> None:
    world = World()
    world.signals.fail("send", "before", problem)
    world.quarantine.fail("create", "before", problem)

    answer = send(world, body)

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
    assert send(world, body).status_code in (200, 202)


def test_a_lost_answer_of_the_queue_makes_a_duplicate_and_a_duplicate_changes_nothing() -> None:
    world = World()
    world.feed.publish("our-package", "1.1")
    world.signals.fail("send", "after", ServiceUnavailable("no answer"))

    assert [send(world).status_code for _ in range(2)] == [503, 202]
    world.work()

    assert (world.commits, len(world.pipeline.runs)) == (["Bump our-package 1.1"], 1)


def test_a_flood_is_accepted_as_a_whole_and_ends_in_one_commit() -> None:
    world = World()
    world.feed.publish("our-package", "1.1")

    assert {send(world).status_code for _ in range(60)} == {202}
    assert len(world.signals.waiting) == 60
    world.work()

    assert (world.commits, len(world.pipeline.runs)) == (["Bump our-package 1.1"], 1)


def test_an_old_notification_replayed_later_changes_nothing() -> None:
    world = World()
    world.publish()
    world.publish(version="1.2")
    world.work()
    before = world.repository.history()

    assert send(world).status_code == 202
    world.work()

    assert world.repository.history() == before
    assert len(world.pipeline.runs) == 1


def test_while_suspended_hooks_are_accepted_and_enqueued() -> None:
    world = World(REBUILDER_SUSPENDED="true")

    assert send(world).status_code == 202
    assert len(world.signals.waiting) == 1


def test_an_unexpected_error_is_logged_without_body_or_secret(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> App:
        raise ValueError(f"cannot do anything with {SECRET} {RELEASE!r}")

    request = func.HttpRequest(method="POST", url="/api/hooks", headers=HEADERS, body=RELEASE)
    with caplog.at_level(logging.DEBUG):
        answer = triggers.hook(request, broken)

    assert answer.status_code == 503
    assert "hook_failed error=ValueError" in caplog.text
    assert SECRET not in caplog.text + answer.get_body().decode()
    assert "our-package" not in caplog.text


def test_no_address_of_a_payload_is_ever_asked() -> None:
    world = World()
    address = "http://169.254.169.254/latest/meta-data"
    resource = {"id": 12, "url": address, "definition": {"id": 3, "url": address}, "_links": {"web": {"href": address}}}

    send(world, json.dumps({"eventType": "build.complete", "resource": resource}).encode())

    (message,) = world.signals.waiting
    assert address not in message.text
    assert (world.feed.calls, world.repository.calls, world.pipeline.calls) == ([], [], [])


@given(st.binary(max_size=2000), st.sampled_from(["POST", "GET"]), st.text(max_size=30), st.booleans())
def test_whatever_arrives_is_answered_with_a_status_of_the_table(
    body: bytes, method: str, kind: str, authentic: bool
) -> None:
    headers = {"Content-Type": f"json{kind}", **({"X-Rebuilder-Secret": SECRET} if authentic else {})}

    assert send(World(), body, method, headers).status_code in (200, 202, 401, 405, 413, 415)


# What a person asks


def ask(world: World, body: object) -> func.HttpResponse:
    request = func.HttpRequest(method="POST", url="/api/parked", body=json.dumps(body).encode())
    return triggers.requeue_parked(request, lambda: world.app)


def dismiss(world: World, body: object) -> func.HttpResponse:
    request = func.HttpRequest(method="POST", url="/api/parked/dismiss", body=json.dumps(body).encode())
    return triggers.dismiss_parked(request, lambda: world.app)


def listed(world: World) -> list[dict[str, object]]:
    request = func.HttpRequest(method="GET", url="/api/parked", body=b"")
    answer = triggers.parked(request, lambda: world.app)
    assert answer.status_code == 200
    found: list[dict[str, object]] = json.loads(answer.get_body())["parked"]
    return found


def never_came() -> World:
    """A world where a release was told of that the feed never showed: it is parked."""
    world = World()
    world.announce()
    world.work()
    return world


def test_parked_things_are_listed_and_requeued_over_http() -> None:
    world = never_came()
    (thing,) = listed(world)

    requeued = ask(world, {"id": thing["id"]})

    assert requeued.status_code == 202
    assert json.loads(requeued.get_body()) == {"outcome": "accepted", "requeued": [thing]}
    assert listed(world) == [thing]  # until it has begun
    world.feed.publish("our-package", "1.1")
    world.work()
    assert world.commits == ["Bump our-package 1.1"]
    assert ask(world, {"id": thing["id"]}).status_code == 404
    assert json.loads(ask(world, {"all": True}).get_body())["requeued"] == []


def test_all_that_is_parked_is_requeued_at_once_over_http() -> None:
    world = World()
    for version in ("1.1", "1.2"):
        world.announce(version=version)
    world.work()
    things = listed(world)
    assert len(things) == 2

    assert json.loads(ask(world, {"all": True}).get_body())["requeued"] == things

    for version in ("1.1", "1.2"):
        world.feed.publish("our-package", version)
    world.work()
    assert world.commits == ["Bump our-package 1.2"]
    assert listed(world) == []


@pytest.mark.parametrize("body", [{}, {"id": ""}, {"id": 7}, {"all": False}, {"all": 1}, {"id": "x", "all": True}, []])
def test_a_wish_that_says_not_what_is_400(body: object) -> None:
    world = World()

    assert ask(world, body).status_code == 400
    assert world.signals.calls == []


def test_while_suspended_requeueing_is_409() -> None:
    assert ask(World(REBUILDER_SUSPENDED="true"), {"all": True}).status_code == 409


def test_a_parked_thing_is_dismissed_over_http_with_who_and_why_and_never_done() -> None:
    world = never_came()
    (thing,) = listed(world)

    answer = dismiss(world, {"id": thing["id"], "by": "Ada", "why": "a typing mistake"})

    assert answer.status_code == 200
    assert json.loads(answer.get_body()) == {"outcome": "dismissed", "dismissed": [thing]}
    assert listed(world) == []
    assert world.known().state == "parked"
    assert world.known().history[-1].what == "dismissed by Ada: a typing mistake"
    assert (world.signals.waiting, world.rebuilds.waiting, world.is_at_rest()) == ([], [], True)
    assert dismiss(world, {"id": thing["id"], "by": "Ada", "why": "again"}).status_code == 404


def test_a_dismissed_release_that_is_told_of_again_is_done() -> None:
    world = never_came()
    (thing,) = listed(world)
    dismiss(world, {"id": thing["id"], "by": "Ada", "why": "not yet"})

    world.publish()
    world.work()

    assert world.commits == ["Bump our-package 1.1"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"id": "x"},
        {"id": "x", "by": "Ada"},
        {"id": "x", "why": "a mistake"},
        {"id": "x", "by": "", "why": "a mistake"},
        {"id": "x", "by": "Ada", "why": ""},
        {"id": "x", "by": "Ada", "why": 7},
        {"id": "x", "by": "Ada", "why": "a mistake", "all": True},
        {"all": True, "by": "Ada", "why": "a mistake"},
        {"id": "x", "by": "A" * (DISMISSAL_CHARACTERS + 1), "why": "a mistake"},
        {"id": "x", "by": "Ada", "why": "y" * (DISMISSAL_CHARACTERS + 1)},
    ],
)
def test_a_dismissal_without_what_who_and_why_is_400_and_nothing_is_forgotten(body: object) -> None:
    world = never_came()
    (thing,) = listed(world)
    if isinstance(body, dict) and body.get("id") == "x":
        body = {**body, "id": thing["id"]}

    assert dismiss(world, body).status_code == 400
    assert listed(world) == [thing]


ODD = [
    "é",
    "Basic é",
    "Basic \xff\xfe",
    "Basic \udce9",
    "Basic A",
    "Basic ====",
    "Bearer é",
    "\u2028",
    "\0",
    "Basic " + "A" * 100_000,
]


@pytest.mark.parametrize("value", ODD, ids=range(len(ODD)))
@pytest.mark.parametrize("header", ["Authorization", "X-Rebuilder-Secret"])
def test_a_secret_of_any_characters_is_wrong_and_never_a_failure(header: str, value: str) -> None:
    world = World()

    answer = send(world, headers={"Content-Type": "application/json", header: value})

    assert (answer.status_code, answer.get_body()) == (401, b"")
    assert untouched(world)


@pytest.mark.parametrize("value", ODD, ids=range(len(ODD)))
@pytest.mark.parametrize("header", ["Content-Length", "Content-Type", "Authorization"])
def test_a_header_of_any_characters_fails_nothing_beside_a_right_secret(header: str, value: str) -> None:
    assert send(World(), headers={**HEADERS, header: value}).status_code == (415 if header == "Content-Type" else 202)
