"""Service hooks: subscriptions, and the delivery of their notifications with the service's retries and probation.

The documented events of builds and runs, and the package event, which no public list has.
"""

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

from local.azure_devops import locations
from local.azure_devops.api import Api, Call, ServiceError, collection

PACKAGE_CHANGED = "ms.azure-artifacts.packagemanagement-packagechanged-event"
BUILD_COMPLETED = "build.complete"
RUN_STATE_CHANGED = "ms.vss-pipelines.run-state-changed-event"
_EVENTS = (PACKAGE_CHANGED, BUILD_COMPLETED, RUN_STATE_CHANGED)

# Answers after which the service sends the same notification again ("Troubleshoot service hooks").
_TRANSIENT = {408, 502, 503, 504}
_WAITS = (1, 2, 4, 8, 16, 32, 60, 60)
_TIMEOUT = 30


@dataclass
class Subscription:
    """One web hook subscription."""

    id: str
    event: str
    version: str
    publisher_inputs: dict[str, str]
    consumer_inputs: dict[str, str]
    consumer: str = "webHooks"
    status: str = "enabled"
    probation_until: float = 0.0


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

    def __init__(self, organization_url: str, *, time_scale: float = 1.0) -> None:
        self._base = organization_url
        self.time_scale = time_scale
        self.duplicates = 0
        self.lost = False
        self.deliveries: list[Delivery] = []
        self._subscriptions: dict[str, Subscription] = {}
        self._senders = ThreadPoolExecutor(max_workers=4, thread_name_prefix="service-hooks")
        self._stopping = threading.Event()
        self._count = 0

    def subscribe(
        self, event: str, url: str, *, password: str, version: str = "2.0", **publisher_inputs: str
    ) -> Subscription:
        """Create a subscription as the portal does."""
        made = Subscription(
            str(uuid.uuid4()),
            event,
            version,
            publisher_inputs,
            {"url": url, "basicAuthUsername": "service-hooks", "basicAuthPassword": password},
        )
        self._subscriptions[made.id] = made
        return made

    def stop(self) -> None:
        """Deliver nothing more."""
        self._stopping.set()
        self._senders.shutdown(wait=False, cancel_futures=True)

    # Publishing

    def package_changed(self, *, project: str, feed_id: str, feed: str, name: str, version: str) -> None:
        """A version's first file arrived on a feed."""
        self._publish(
            PACKAGE_CHANGED,
            {
                "feed": {"id": feed_id, "name": feed, "project": {"name": project}},
                "package": {"name": name, "normalizedName": name, "protocolType": "PyPi"},
                "packageVersion": {"version": version, "normalizedVersion": version},
                "publishType": 1,
            },
            f"Package {name} {version} was published",
        )

    def run_finished(self, *, run: int, pipeline: int, name: str, result: str) -> None:
        """A pipeline's run ended: both events that exist for it, the older in both versions."""
        outcome = {"succeeded": "succeeded", "failed": "failed"}.get(result, "stopped")
        definition = {"id": pipeline, "name": name, "type": "build"}
        link = f"{self._base}/_apis/build/Builds/{run}"
        self._publish(
            BUILD_COMPLETED,
            {"id": run, "status": "completed", "result": result, "definition": definition, "url": link},
            f"Build {run} {outcome}",
            version="2.0",
        )
        self._publish(
            BUILD_COMPLETED,
            {"uri": f"vstfs:///Build/Build/{run}", "id": run, "status": outcome, "definition": definition, "url": link},
            f"Build {run} {outcome}",
            version="1.0",
        )
        links = {
            "self": {"href": f"{self._base}/_apis/Pipelines/{pipeline}/runs/{run}"},
            "web": {"href": f"{self._base}/_build/results?buildId={run}"},
        }
        self._publish(
            RUN_STATE_CHANGED,
            {
                "run": {
                    "_links": links,
                    "pipeline": {"id": pipeline, "name": name},
                    "state": "completed",
                    "result": result,
                }
            },
            f"Run {run} {outcome}",
        )

    def _publish(self, event: str, resource: Mapping[str, Any], text: str, version: str | None = None) -> None:
        for subscription in list(self._subscriptions.values()):
            if (
                subscription.consumer != "webHooks"
                or subscription.event != event
                or (version and subscription.version != version)
            ):
                continue
            if subscription.status not in ("enabled", "onProbation") or time.monotonic() < subscription.probation_until:
                continue  # on probation events are skipped, not kept
            self._count += 1
            body = {
                "subscriptionId": subscription.id,
                "notificationId": self._count,
                "id": str(uuid.uuid4()),
                "eventType": event,
                "publisherId": "tfs",
                "message": {"text": text},
                "resource": resource,
                "resourceVersion": subscription.version,
                "resourceContainers": {"account": {"baseUrl": f"{self._base}/"}},
                "createdDate": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
            }
            if self.lost:
                self.deliveries.append(Delivery(subscription.id, event, body, result="lost on purpose"))
                continue
            for _ in range(1 + self.duplicates):
                delivery = Delivery(subscription.id, event, body)
                self.deliveries.append(delivery)
                self._senders.submit(self._deliver, subscription, delivery)

    def _deliver(self, subscription: Subscription, delivery: Delivery) -> None:
        inputs = subscription.consumer_inputs
        shown = f"{inputs.get('basicAuthUsername', '')}:{inputs.get('basicAuthPassword', '')}"
        password = base64.b64encode(shown.encode()).decode()
        for wait in (*_WAITS, None):
            status = 0
            try:
                status = requests.post(
                    inputs["url"],
                    json=delivery.body,
                    headers={"Authorization": f"Basic {password}"},
                    timeout=_TIMEOUT,
                    allow_redirects=False,
                ).status_code
            except requests.Timeout:
                status = 408
            except requests.RequestException:
                status = 0
            delivery.statuses.append(status)
            if 200 <= status < 300:
                delivery.result = "succeeded"
                subscription.status = "enabled"
                return
            if status not in _TRANSIENT or wait is None:
                break
            if self._stopping.wait(wait * self.time_scale):
                return
        delivery.result = "failed"
        if delivery.statuses[-1] == 410:
            subscription.status = "disabledBySystem"
        else:
            subscription.status = "onProbation"
            subscription.probation_until = time.monotonic() + 600 * self.time_scale

    # REST

    def serve(self, api: Api) -> None:
        """Serve the REST calls."""
        api.add("list subscriptions", "GET", locations.SUBSCRIPTIONS, self._list)
        api.add("create subscription", "POST", locations.SUBSCRIPTIONS, self._create)

    def _list(self, call: Call) -> Any:
        event, consumer = call.query.get("eventtype"), call.query.get("consumerid")
        return collection(
            [
                _described(call.base, subscription)
                for subscription in self._subscriptions.values()
                if event in (None, subscription.event) and consumer in (None, subscription.consumer)
            ]
        )

    def _create(self, call: Call) -> Any:
        wish = call.json()
        if wish.get("eventType") not in _EVENTS:
            raise ServiceError(400, "SubscriptionInputException", f"There is no event type {wish.get('eventType')}.")
        made = Subscription(
            str(uuid.uuid4()),
            wish["eventType"],
            wish.get("resourceVersion") or "2.0",
            wish.get("publisherInputs") or {},
            wish.get("consumerInputs") or {},
            wish.get("consumerId") or "webHooks",
        )
        self._subscriptions[made.id] = made
        return _described(call.base, made)


def _described(base: str, subscription: Subscription) -> dict[str, Any]:
    shown = {key: "********" if "Password" in key else value for key, value in subscription.consumer_inputs.items()}
    return {
        "id": subscription.id,
        "url": f"{base}/_apis/hooks/subscriptions/{subscription.id}",
        "status": subscription.status,
        "publisherId": "tfs",
        "eventType": subscription.event,
        "resourceVersion": subscription.version,
        "consumerId": subscription.consumer,
        "consumerActionId": "httpRequest",
        "publisherInputs": subscription.publisher_inputs,
        "consumerInputs": shown,
    }
