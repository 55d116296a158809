"""What `Queue` promises, kept by the adapter (on Azurite) and by the fake."""

import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

import pytest
from azure.storage.queue import QueueClient, QueueMessage

from local.azurite import Azurite
from shared.adapters.storage_queue import StorageQueue
from shared.ports import Queue
from tests.fakes.clock import FakeClock
from tests.fakes.credential import StubCredential
from tests.fakes.storage import MemoryQueue

SECOND = timedelta(seconds=1)


class QueueWorld(Protocol):
    """A queue, and who works on it."""

    @property
    def queue(self) -> Queue: ...

    def receive(self) -> str | None:
        """Take a visible message out."""
        ...

    def wait(self, until: Callable[[], bool]) -> bool:
        """Let time pass until something is so, two seconds at most; tells whether it came to be so."""
        ...


class AzuriteQueue:
    """In the storage emulator, a queue that nobody has created."""

    def __init__(self, azurite: Azurite, credential: StubCredential) -> None:
        name = f"work-{uuid.uuid4().hex[:12]}"
        self.queue: Queue = StorageQueue(azurite.queues, name, credential)
        self.client = QueueClient(azurite.queues, name, credential=credential)

    def take(self) -> QueueMessage | None:
        message = self.client.receive_message()
        if message is not None:
            self.client.delete_message(message)
        return message

    def receive(self) -> str | None:
        message = self.take()
        return message.content if message else None

    def wait(self, until: Callable[[], bool]) -> bool:
        end = time.monotonic() + 2
        while time.monotonic() < end:
            if until():
                return True
            time.sleep(0.05)
        return False


class QueueInMemory:
    """In memory."""

    def __init__(self) -> None:
        self._clock = FakeClock()
        self._memory = MemoryQueue(self._clock)
        self.queue: Queue = self._memory

    def receive(self) -> str | None:
        return self._memory.receive()

    def wait(self, until: Callable[[], bool]) -> bool:
        self._clock.advance(2 * SECOND)
        return until()


@pytest.fixture
def azurite_queue(azurite: Azurite, storage_credential: StubCredential) -> AzuriteQueue:
    return AzuriteQueue(azurite, storage_credential)


@pytest.fixture(params=["adapter", "fake"])
def world(request: pytest.FixtureRequest) -> QueueWorld:
    if request.param == "fake":
        return QueueInMemory()
    made: AzuriteQueue = request.getfixturevalue("azurite_queue")
    return made


@pytest.mark.parametrize(
    "text",
    [
        '{"schema": 1, "name": "our-package"}',
        "ünïcode 📦 \u2028 日本語",
        "<xml a='b'>&amp; ]]> \"quoted\"</xml>",
        "SGVsbG8=",
        "  spaces and\nlines\n",
        "x" * 48 * 1024,
    ],
    ids=["json", "unicode", "xml", "base64", "space", "large"],
)
def test_text_arrives_as_it_was_sent(world: QueueWorld, text: str) -> None:
    world.queue.send(text)
    assert world.receive() == text
    assert world.receive() is None


def test_a_message_without_delay_is_visible_at_once(world: QueueWorld) -> None:
    world.queue.send("first")
    world.queue.send("second")
    assert {world.receive(), world.receive()} == {"first", "second"}


def test_a_message_with_delay_is_visible_later(world: QueueWorld) -> None:
    world.queue.send("later", SECOND)
    world.queue.send("now")
    assert world.receive() == "now"
    assert world.receive() is None
    received: list[str] = []

    def arrived() -> bool:
        if text := world.receive():
            received.append(text)
        return bool(received)

    assert world.wait(arrived)
    assert received == ["later"]


def test_a_delay_that_is_over_is_none(world: QueueWorld) -> None:
    world.queue.send("at once", -SECOND)
    assert world.receive() == "at once"


# What only the service has


def test_a_message_never_expires(azurite_queue: AzuriteQueue) -> None:
    azurite_queue.queue.send("for ever")
    message = azurite_queue.take()
    assert message
    assert message.expires_on
    assert message.expires_on > datetime.now(UTC) + timedelta(days=365 * 100)


@pytest.mark.parametrize("delay", [timedelta(days=6), timedelta(milliseconds=400)])
def test_delays_may_be_long_or_below_a_second(azurite_queue: AzuriteQueue, delay: timedelta) -> None:
    azurite_queue.queue.send("text", delay)
    assert azurite_queue.client.get_queue_properties().approximate_message_count == 1


def test_a_queue_that_was_deleted_is_created_again(azurite_queue: AzuriteQueue) -> None:
    azurite_queue.queue.send("first")
    azurite_queue.client.delete_queue()
    azurite_queue.queue.send("second")
    assert azurite_queue.receive() == "second"
