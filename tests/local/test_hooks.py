"""Delivery of service hooks, as the service does it: retries after some answers, probation after all others."""

import json
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from local.azure_devops.hooks import BUILD_COMPLETED, PACKAGE_CHANGED, RUN_STATE_CHANGED, Delivery, Hooks
from local.azure_devops.names import Names
from shared.domain.notifications import Ignored, read_notification
from shared.domain.releases import FeedName
from shared.domain.targets import Target
from tests.waiting import wait_for


class Receiver:
    """Answers with the given statuses, one after the other, the last one for ever."""

    def __init__(self) -> None:
        self.statuses = [202]
        self.got = 0
        self.shown: dict[str, str] = {}
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                receiver.shown = {name.lower(): value for name, value in self.headers.items()}
                self.send_response(receiver.statuses[min(receiver.got, len(receiver.statuses) - 1)])
                receiver.got += 1
                self.end_headers()

            def log_message(self, *_: object) -> None:
                return

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.server.shutdown()


@pytest.mark.parametrize(
    ("statuses", "sent", "result", "after"),
    [
        ([202], 1, "succeeded", "enabled"),
        ([200], 1, "succeeded", "enabled"),
        ([503, 502, 504, 408, 202], 5, "succeeded", "enabled"),
        ([503], 9, "failed", "onProbation"),
        ([500], 1, "failed", "onProbation"),
        ([429], 1, "failed", "onProbation"),
        ([401], 1, "failed", "onProbation"),
        ([302], 1, "failed", "onProbation"),
        ([410], 1, "failed", "disabledBySystem"),
    ],
)
def test_answers_decide_what_becomes_of_a_subscription(
    receiver: Receiver, statuses: list[int], sent: int, result: str, after: str
) -> None:
    receiver.statuses = statuses
    hooks = Hooks("http://127.0.0.1:1/contoso", time_scale=0.001)
    subscription = hooks.subscribe(PACKAGE_CHANGED, receiver.url, password="x")

    hooks.package_changed(feed_id="1", name="a", version="1")

    (delivery,) = hooks.deliveries
    wait_for(lambda: delivery.result != "queued", "the delivery is over")
    hooks.stop()
    assert (len(delivery.statuses), delivery.result, subscription.status) == (sent, result, after)


def test_on_probation_events_are_lost(receiver: Receiver) -> None:
    receiver.statuses = [500, 202]
    hooks = Hooks("http://127.0.0.1:1/contoso")
    hooks.subscribe(PACKAGE_CHANGED, receiver.url, password="x")
    hooks.package_changed(feed_id="1", name="a", version="1")
    wait_for(lambda: hooks.deliveries[0].result == "failed", "the first delivery failed")

    hooks.package_changed(feed_id="1", name="a", version="2")

    hooks.stop()
    assert len(hooks.deliveries) == 1


def send(hooks: Hooks, version: str = "1") -> Delivery:
    """Let a package be published and its one notification be over."""
    hooks.package_changed(feed_id="1", name="a", version=version)
    delivery = hooks.deliveries[-1]
    wait_for(lambda: delivery.result != "queued", "the delivery is over")
    return delivery


def test_probation_grows_longer_and_ends_with_the_subscription(receiver: Receiver) -> None:
    receiver.statuses = [500]
    hooks = Hooks("http://127.0.0.1:1/contoso")
    subscription = hooks.subscribe(PACKAGE_CHANGED, receiver.url, password="x")
    windows = []
    while subscription.status != "disabledBySystem":
        subscription.probation_until = 0.0  # the window is over
        send(hooks)
        windows.append(round((subscription.probation_until - time.monotonic()) / 60))

    hooks.package_changed(feed_id="1", name="a", version="2")

    hooks.stop()
    assert windows[:-1] == [10, 20, 40, 80, 160, 320, 640]
    # The delivery that began it, and seven probes.
    assert receiver.got == len(hooks.deliveries) == 8


def test_a_probe_that_succeeds_ends_probation_and_the_next_one_begins_anew(receiver: Receiver) -> None:
    receiver.statuses = [500, 500, 202, 500]
    hooks = Hooks("http://127.0.0.1:1/contoso")
    subscription = hooks.subscribe(PACKAGE_CHANGED, receiver.url, password="x")
    seen = []
    for _ in range(4):
        send(hooks)
        seen.append((subscription.status, round((subscription.probation_until - time.monotonic()) / 60)))
        if subscription.status == "onProbation":
            subscription.probation_until = 0.0
    hooks.stop()
    assert [status for status, _ in seen] == ["onProbation", "onProbation", "enabled", "onProbation"]
    assert (seen[0][1], seen[1][1], seen[3][1]) == (10, 20, 10)


def test_deliveries_that_were_under_way_together_fail_as_one(receiver: Receiver) -> None:
    receiver.statuses = [500]
    hooks = Hooks("http://127.0.0.1:1/contoso")
    subscription = hooks.subscribe(PACKAGE_CHANGED, receiver.url, password="x")
    hooks.duplicates = 5
    send(hooks)
    wait_for(lambda: all(one.result == "failed" for one in hooks.deliveries), "all are over")
    hooks.stop()
    assert (len(hooks.deliveries), subscription.failures) == (6, 1)


# Notifications as the documentation shows them

NAMES = Names()


def finished(hooks: Hooks, result: str = "succeeded") -> None:
    hooks.run_finished(run=11, pipeline=3, name="publish", result=result)


@pytest.fixture
def hooks(receiver: Receiver) -> Iterator[Hooks]:
    made = Hooks("http://127.0.0.1:1/contoso", NAMES)
    for event in (PACKAGE_CHANGED, BUILD_COMPLETED, RUN_STATE_CHANGED):
        made.subscribe(event, receiver.url, password="x")
    made.subscribe(BUILD_COMPLETED, receiver.url, password="x", version="1.0")
    yield made
    made.stop()


def test_every_notification_has_the_services_envelope(hooks: Hooks) -> None:
    hooks.package_changed(feed_id="1", name="a", version="1")
    finished(hooks)
    publishers = {}
    for delivery in hooks.deliveries:
        body = delivery.body
        publishers[body["eventType"]] = body["publisherId"]
        assert set(body["message"]) == set(body["detailedMessage"]) == {"text", "html", "markdown"}
        containers = body["resourceContainers"]
        assert set(containers) == {"collection", "account", "project"}
        assert containers["project"]["id"] == NAMES.project_id
        assert all(place["baseUrl"] == "http://127.0.0.1:1/contoso/" for place in containers.values())
        assert body["notificationId"] == 1
        assert datetime.fromisoformat(body["createdDate"]).tzinfo
    assert publishers == {PACKAGE_CHANGED: "tfs", BUILD_COMPLETED: "tfs", RUN_STATE_CHANGED: "pipelines"}
    assert {(one.event, one.body["resourceVersion"]) for one in hooks.deliveries} == {
        (PACKAGE_CHANGED, "1.0"), (BUILD_COMPLETED, "2.0"), (BUILD_COMPLETED, "1.0"),
        (RUN_STATE_CHANGED, "5.1-preview.1"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("result", "older"), [("succeeded", "succeeded"), ("failed", "failed"), ("canceled", "stopped")]
)
def test_a_build_says_its_outcome_in_the_words_of_its_version(hooks: Hooks, result: str, older: str) -> None:
    finished(hooks, result)
    told = {
        one.body["resourceVersion"]: (one.body["resource"]["status"], one.body["resource"].get("result"))
        for one in hooks.deliveries
        if one.event == BUILD_COMPLETED
    }
    assert told == {"2.0": ("completed", result), "1.0": (older, None)}


@pytest.mark.parametrize(
    ("event", "inputs", "result", "sent"),
    [
        (BUILD_COMPLETED, {"buildStatus": "Succeeded", "definitionName": "publish"}, "succeeded", 1),
        (BUILD_COMPLETED, {"buildStatus": "Failed"}, "succeeded", 0),
        (BUILD_COMPLETED, {"buildStatus": ""}, "failed", 1),
        (BUILD_COMPLETED, {"definitionName": "another"}, "succeeded", 0),
        (RUN_STATE_CHANGED, {"pipelineId": "3", "runStateId": "Completed", "runResultId": "Succeeded"}, "succeeded", 1),
        (RUN_STATE_CHANGED, {"pipelineId": "4"}, "succeeded", 0),
        (RUN_STATE_CHANGED, {"runStateId": "InProgress"}, "succeeded", 0),
        (RUN_STATE_CHANGED, {"projectId": "another"}, "succeeded", 0),
    ],
)
def test_a_subscription_gets_what_it_asks_for_and_nothing_else(
    receiver: Receiver, event: str, inputs: dict[str, str], result: str, sent: int
) -> None:
    hooks = Hooks("http://127.0.0.1:1/contoso", NAMES)
    hooks.subscribe(event, receiver.url, password="x", **inputs)
    finished(hooks, result)
    hooks.stop()
    assert len(hooks.deliveries) == sent


@pytest.mark.parametrize(
    ("details", "messages", "detailed"),
    [("all", "all", "all"), ("", "", ""), ("minimal", "none", "none"), ("none", "text", "html"),
     ("all", "none", "markdown")],
)  # fmt: skip
def test_whatever_a_subscription_leaves_out_the_product_understands_the_rest(
    receiver: Receiver, details: str, messages: str, detailed: str
) -> None:
    hooks = Hooks("https://dev.azure.com/contoso", NAMES)
    for event, version in (
        (PACKAGE_CHANGED, None), (BUILD_COMPLETED, "2.0"), (BUILD_COMPLETED, "1.0"), (RUN_STATE_CHANGED, None),
    ):  # fmt: skip
        made = hooks.subscribe(event, receiver.url, password="x", version=version)
        made.consumer_inputs |= {
            "resourceDetailsToSend": details, "messagesToSend": messages, "detailedMessagesToSend": detailed,
        }  # fmt: skip
    target = Target("main", "https://dev.azure.com/contoso", "ml", "environments", "main", 7,
                    (FeedName("packages", "ml"),))  # fmt: skip
    hooks.package_changed(feed_id="1", name="a", version="1")
    finished(hooks)
    hooks.stop()
    assert len(hooks.deliveries) == 4
    for delivery in hooks.deliveries:
        read = read_notification(json.dumps(delivery.body).encode(), [target])
        assert not isinstance(read, Ignored), (delivery.body, read)
        expected = {"text": {"text"}, "html": {"html"}, "markdown": {"markdown"}}
        for said, asked in (("message", messages), ("detailedMessage", detailed)):
            assert (delivery.body[said] is None) == (asked == "none")
            assert asked not in expected or set(delivery.body[said]) == expected[asked]


def test_headers_of_a_subscription_are_sent(receiver: Receiver) -> None:
    hooks = Hooks("http://127.0.0.1:1/contoso", NAMES)
    made = hooks.subscribe(PACKAGE_CHANGED, receiver.url, password="x")
    made.consumer_inputs = {"url": receiver.url, "httpHeaders": "X-Secret: it\nX-Other:more"}
    send(hooks)
    hooks.stop()
    assert (receiver.shown["x-secret"], receiver.shown["x-other"]) == ("it", "more")
    assert "authorization" not in receiver.shown
    assert receiver.shown["content-type"] == "application/json; charset=utf-8"
