"""What the local host does with a message is what the platform's queue extension does (WebJobs `QueueProcessor`)."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

import pytest
from azure.storage.queue import QueueClient, QueueMessage

from local.functions_host.invoker import Function, Invoker, Outcome
from local.functions_host.queues import QueueListener, QueueSettings

SETTINGS = QueueSettings.from_host_json(
    {"extensions": {"queues": {"messageEncoding": "none", "maxDequeueCount": 5, "visibilityTimeout": "00:00:30"}}},
    timedelta(minutes=10),
)


def test_an_app_setting_counts_more_than_host_json() -> None:
    host = {"extensions": {"queues": {"messageEncoding": "none", "maxPollingInterval": "00:00:10"}}}
    setting = {"AzureFunctionsJobHost__extensions__queues__maxPollingInterval": "00:00:02"}

    assert QueueSettings.from_host_json(host, timedelta()).max_polling_interval == timedelta(seconds=10)
    assert QueueSettings.from_host_json(host, timedelta(), setting).max_polling_interval == timedelta(seconds=2)


@dataclass
class RecordingQueue:
    """Hands one message out and notes what becomes of it."""

    queue_name: str
    message: QueueMessage | None = None
    did: list[tuple[str, Any]] = field(default_factory=list)

    def create_queue(self) -> None:
        return

    def receive_messages(self, **_: object) -> list[QueueMessage]:
        message, self.message = self.message, None
        return [message] if message else []

    def delete_message(self, message: QueueMessage) -> None:
        self.did.append(("delete", message.content))

    def update_message(self, _: QueueMessage, *, visibility_timeout: int) -> None:
        self.did.append(("visible again", visibility_timeout))

    def send_message(self, content: str, **options: object) -> None:
        self.did.append(("send", (content, options)))


@dataclass
class Host:
    """Calls nothing, and says that the function returned or raised."""

    ok: bool
    called: int = 0

    async def invoke(self, *_: object) -> Outcome:
        self.called += 1
        return Outcome(self.ok, error="" if self.ok else "ValueError()")


type Did = list[tuple[str, Any]]


def handle(host: Host, count: int, name: str = "work") -> tuple[Did, Did]:
    """Let a listener work on one message; returns what it did with its queue and with the poison queue."""
    message = QueueMessage(content="text", id="1")
    message.dequeue_count, message.pop_receipt = count, "receipt"
    queue, poison = RecordingQueue(name, message), RecordingQueue(f"{name}-poison")

    async def work() -> None:
        listener = QueueListener(
            function=Function(name, name, ({"type": "queueTrigger", "name": "msg"},)),
            invoker=cast("Invoker", host),
            queue=cast("QueueClient", queue),
            poison=None if name.endswith("-poison") else cast("QueueClient", poison),
            settings=SETTINGS,
        )
        listening = asyncio.create_task(listener.listen())
        while queue.message is not None:
            await asyncio.sleep(0)
        listener.stop()
        await listening

    asyncio.run(work())
    return queue.did, poison.did


def test_what_a_function_has_done_is_deleted() -> None:
    assert handle(Host(ok=True), 1) == ([("delete", "text")], [])


def test_what_fails_is_visible_again_after_a_while() -> None:
    assert handle(Host(ok=False), 4) == ([("visible again", 30)], [])


# Seven days, the storage's own time to live: nobody says another.
POISONED: tuple[Did, Did] = ([("delete", "text")], [("send", ("text", {}))])


def test_what_fails_for_the_last_time_is_moved() -> None:
    assert handle(Host(ok=False), 5) == POISONED


def test_what_came_too_often_is_moved_before_its_function_is_called() -> None:
    host = Host(ok=True)

    assert handle(host, 6) == POISONED
    assert host.called == 0


@pytest.mark.parametrize("count", [1, 5, 6])
def test_what_a_poison_function_fails_on_stays_invisible_and_is_tried_again(count: int) -> None:
    host = Host(ok=False)

    assert handle(host, count, "work-poison") == ([], [])
    assert host.called == 1
