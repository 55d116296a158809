"""Delivery of service hooks, as the service does it: retries after some answers, probation after all others."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from local.azure_devops.hooks import PACKAGE_CHANGED, Hooks
from tests.waiting import wait_for


class Receiver:
    """Answers with the given statuses, one after the other, the last one for ever."""

    def __init__(self) -> None:
        self.statuses = [202]
        self.got = 0
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(receiver.statuses[min(receiver.got, len(receiver.statuses) - 1)])
                receiver.got += 1
                self.end_headers()

            def log_message(self, *_: object) -> None:
                return

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
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
