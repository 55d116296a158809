"""Service hooks: subscriptions, and the delivery of their notifications with the service's retries and probation."""

import base64
import threading
import time
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import requests

from local.azure_devops import events, locations
from local.azure_devops.answers import NotInTheStand, ServiceError, check_members, collection
from local.azure_devops.api import Api, Call
from local.azure_devops.events import BUILD_COMPLETED, KINDS, PACKAGE_CHANGED, RUN_STATE_CHANGED, Event
from local.azure_devops.names import Names

__all__ = ["BUILD_COMPLETED", "PACKAGE_CHANGED", "RUN_STATE_CHANGED", "Hooks"]

# Answers after which the service sends the same notification again ("Troubleshoot service hooks").
_TRANSIENT = {408, 502, 503, 504}
_WAITS = (1, 2, 4, 8, 16, 32, 60, 60)
_TIMEOUT = 30

# Probation: events within the window are lost, the first one after it is the probe; each probe that fails doubles the
# window, and after the last one the subscription is off [unverified: reported of the server release].
_WINDOW, _LONGEST_WINDOW = 600, 15 * 3600
_PROBES = 7

_FORMS = ("all", "text", "html", "markdown", "none")
# What a subscription can say of its deliveries, and the values of the REST reference.
_CONSUMER_INPUTS: Mapping[str, tuple[str, ...] | None] = {
    "url": None, "httpHeaders": None, "basicAuthUsername": None, "basicAuthPassword": None,
    "acceptUntrustedCerts": None, "resourceDetailsToSend": ("all", "minimal", "none"), "messagesToSend": _FORMS,
    "detailedMessagesToSend": _FORMS,
}  # fmt: skip
# All that `minimal` leaves of a resource [unverified: reported of the server release].
_MINIMAL = {"id", "url", "webUrl", "name", "pullRequestId", "workItemId", "pushId", "changesetId", "stageName",
            "attemptId", "runId", "runUrl", "approvalId"}  # fmt: skip


@dataclass
class Subscription:
    """One web hook subscription.

    Attributes:
        probation_until: end of the window in which events are lost (`time.monotonic`).
        failures: deliveries in a row that failed for good.
        sent: how many notifications it had.
    """

    id: str
    event: str
    version: str
    publisher_inputs: dict[str, str]
    consumer_inputs: dict[str, str]
    consumer: str = "webHooks"
    status: str = "enabled"
    probation_until: float = 0.0
    failures: int = 0
    sent: int = 0

    def wants(self, event: Event) -> bool:
        """Whether an event is one that it asks for, in the version that it asks for."""
        return (
            self.consumer == "webHooks"
            and self.event == event.kind
            and self.version in event.versions
            and all(
                not wanted or event.facts.get(name, "").casefold() == wanted.casefold()
                for name, wanted in self.publisher_inputs.items()
            )
        )


@dataclass
class Delivery:
    """One notification and what became of it: the subscription's history."""

    subscription: str
    event: str
    body: Mapping[str, Any]
    statuses: list[int] = field(default_factory=list)
    result: str = "queued"


class Hooks:
    """The subscriptions of the organisation.

    Attributes:
        time_scale: what the service's waits are multiplied with.
        duplicates: fault switch: deliver every notification this many times more.
        lost: fault switch: deliver nothing.
        deliveries: everything that was sent.
    """

    def __init__(self, organization_url: str, names: Names | None = None, *, time_scale: float = 1.0) -> None:
        self._base = organization_url
        self._names = names or Names()
        self.time_scale = time_scale
        self.duplicates = 0
        self.lost = False
        self.deliveries: list[Delivery] = []
        self._subscriptions: dict[str, Subscription] = {}
        self._senders = ThreadPoolExecutor(max_workers=4, thread_name_prefix="service-hooks")
        self._stopping = threading.Event()
        self._lock = threading.Lock()

    def subscribe(
        self, event: str, url: str, *, password: str, version: str | None = None, **publisher_inputs: str
    ) -> Subscription:
        """Create a subscription of the project as the portal does."""
        made = Subscription(
            str(uuid.uuid4()),
            event,
            version or KINDS[event].versions[0],
            {"projectId": self._names.project_id, **publisher_inputs},
            {"url": url, "basicAuthUsername": "service-hooks", "basicAuthPassword": password},
        )
        self._subscriptions[made.id] = made
        return made

    def stop(self) -> None:
        """Deliver nothing more."""
        self._stopping.set()
        self._senders.shutdown(wait=False, cancel_futures=True)

    # Publishing

    def package_changed(self, *, feed_id: str, name: str, version: str) -> None:
        """A version's first file arrived on a feed."""
        self._publish(events.package_changed(self._names, self._base, feed_id=feed_id, name=name, version=version))

    def run_finished(self, *, run: int, pipeline: int, name: str, result: str) -> None:
        """A pipeline's run ended."""
        for event in events.run_finished(self._names, self._base, run=run, pipeline=pipeline, name=name, result=result):
            self._publish(event)

    def _publish(self, event: Event) -> None:
        for subscription in list(self._subscriptions.values()):
            if not subscription.wants(event):
                continue
            if subscription.status not in ("enabled", "onProbation") or time.monotonic() < subscription.probation_until:
                continue  # on probation events are skipped, not kept
            subscription.sent += 1
            body = self._notification(subscription, event)
            if self.lost:
                self.deliveries.append(Delivery(subscription.id, event.kind, body, result="lost on purpose"))
                continue
            for _ in range(1 + self.duplicates):
                delivery = Delivery(subscription.id, event.kind, body)
                self.deliveries.append(delivery)
                self._senders.submit(self._deliver, subscription, delivery)

    def _notification(self, subscription: Subscription, event: Event) -> dict[str, Any]:
        inputs = subscription.consumer_inputs
        details = inputs.get("resourceDetailsToSend") or "all"
        resource = dict(event.resource)
        if details == "minimal":
            resource = {name: value for name, value in resource.items() if name in _MINIMAL}
        return {
            "subscriptionId": subscription.id,
            "notificationId": subscription.sent,
            "id": str(uuid.uuid4()),
            "eventType": event.kind,
            "publisherId": KINDS[event.kind].publisher,
            "message": _chosen(event.message(), inputs.get("messagesToSend")),
            "detailedMessage": _chosen(event.message(), inputs.get("detailedMessagesToSend")),
            "resource": None if details == "none" else resource,
            "resourceVersion": subscription.version,
            "resourceContainers": events.containers(self._names, self._base),
            "createdDate": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        }

    def _deliver(self, subscription: Subscription, delivery: Delivery) -> None:
        for wait in (*_WAITS, None):
            status = _post(subscription.consumer_inputs, delivery.body)
            delivery.statuses.append(status)
            if 200 <= status < 300:
                with self._lock:
                    subscription.status, subscription.failures, subscription.probation_until = "enabled", 0, 0.0
                delivery.result = "succeeded"
                return
            if status not in _TRANSIENT or wait is None:
                break
            if self._stopping.wait(wait * self.time_scale):
                return
        self._failed(subscription, terminal=delivery.statuses[-1] == 410)
        delivery.result = "failed"

    def _failed(self, subscription: Subscription, *, terminal: bool) -> None:
        """Put a subscription on probation, for longer each time, and switch it off in the end."""
        with self._lock:
            if terminal:
                subscription.status = "disabledBySystem"
                return
            if time.monotonic() < subscription.probation_until:
                return  # sent before the window began: it counts once
            subscription.failures += 1
            if subscription.failures > _PROBES:
                subscription.status = "disabledBySystem"
                return
            window = min(_WINDOW * 2 ** (subscription.failures - 1), _LONGEST_WINDOW)
            subscription.status = "onProbation"
            subscription.probation_until = time.monotonic() + window * self.time_scale

    # REST

    def serve(self, api: Api) -> None:
        """Serve the REST calls."""
        api.add("list subscriptions", "GET", locations.SUBSCRIPTIONS, self._list)
        api.add("create subscription", "POST", locations.SUBSCRIPTIONS, self._create)

    def _list(self, call: Call) -> Any:
        rows = [_described(call.base, subscription) for subscription in self._subscriptions.values()]
        asked = {
            name: call.query[name.casefold()]
            for name in ("publisherId", "eventType", "consumerId", "consumerActionId")
            if call.query.get(name.casefold())
        }
        return collection([row for row in rows if all(row[name] == value for name, value in asked.items())])

    def _create(self, call: Call) -> Any:
        wish = call.json()
        check_members("a subscription", wish, "publisherId", "eventType", "resourceVersion", "consumerId",
                      "consumerActionId", "publisherInputs", "consumerInputs")  # fmt: skip
        made = Subscription(
            str(uuid.uuid4()),
            str(wish["eventType"]),
            str(wish.get("resourceVersion") or ""),
            dict(wish.get("publisherInputs") or {}),
            dict(wish.get("consumerInputs") or {}),
            str(wish["consumerId"]),
        )
        if made.consumer != "webHooks" or wish["consumerActionId"] != "httpRequest":
            raise NotInTheStand(f"the consumer `{made.consumer}` with `{wish['consumerActionId']}`")
        kind = KINDS.get(made.event)
        if kind is None:
            raise NotInTheStand(f"the event type `{made.event}`")
        if wish["publisherId"] != kind.publisher:
            raise _wrong_input(f"The publisher {wish['publisherId']} has no event type {made.event}.")
        made.version = made.version or kind.versions[0]
        if made.version not in kind.versions:
            raise _wrong_input(f"{made.event} has no resource version {made.version}.")
        for name in made.publisher_inputs.keys() - kind.inputs:
            raise NotInTheStand(f"the publisher input `{name}` of `{made.event}`")
        _check_consumer(made.consumer_inputs)
        self._subscriptions[made.id] = made
        return _described(call.base, made)


def _check_consumer(inputs: Mapping[str, str]) -> None:
    if not str(inputs.get("url", "")).startswith(("https://", "http://")):
        raise _wrong_input("The consumer input url is not an address.")
    for name, value in inputs.items():
        if name not in _CONSUMER_INPUTS:
            raise NotInTheStand(f"the consumer input `{name}`")
        values = _CONSUMER_INPUTS[name]
        if values and value and value not in values:
            raise _wrong_input(f"The consumer input {name} is not one of {', '.join(values)}.")


def _wrong_input(why: str) -> ServiceError:
    return ServiceError(400, "SubscriptionInputException", why)


def _chosen(message: Mapping[str, str], form: str | None) -> dict[str, str] | None:
    """What a subscription wants of a message."""
    match form or "all":
        case "none":
            return None
        case "all":
            return dict(message)
        case one:
            return {one: message[one]}


def _post(inputs: Mapping[str, str], body: Mapping[str, Any]) -> int:
    """Send a notification; returns the status, as 408 where none came in time and 0 where none came at all."""
    lines = [line.partition(":") for line in inputs.get("httpHeaders", "").splitlines() if ":" in line]
    headers = {name.strip(): value.strip() for name, _, value in lines}
    if "basicAuthPassword" in inputs:
        shown = f"{inputs.get('basicAuthUsername', '')}:{inputs['basicAuthPassword']}"
        headers["Authorization"] = f"Basic {base64.b64encode(shown.encode()).decode()}"
    headers["Content-Type"] = "application/json; charset=utf-8"
    try:
        return requests.post(
            inputs["url"], json=body, headers=headers, timeout=_TIMEOUT, allow_redirects=False
        ).status_code
    except requests.Timeout:
        return 408
    except requests.RequestException:
        return 0


def _described(base: str, subscription: Subscription) -> dict[str, Any]:
    shown = {key: "********" if "Password" in key else value for key, value in subscription.consumer_inputs.items()}
    return {
        "id": subscription.id,
        "url": f"{base}/_apis/hooks/subscriptions/{subscription.id}",
        "status": subscription.status,
        "publisherId": KINDS[subscription.event].publisher,
        "eventType": subscription.event,
        "resourceVersion": subscription.version,
        "consumerId": subscription.consumer,
        "consumerActionId": "httpRequest",
        "publisherInputs": subscription.publisher_inputs,
        "consumerInputs": shown,
    }
