"""Listens to a queue for one function, as the platform's queue extension does.

What becomes of a message is decided as in `QueueProcessor` of Microsoft.Azure.WebJobs.Extensions.Storage.Queues.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from types import MappingProxyType
from typing import Any

from azure.core.exceptions import AzureError, ResourceExistsError, ResourceNotFoundError
from azure.storage.queue import QueueClient, QueueMessage

from local.functions_host.invoker import Function, Invoker, queue_datum

_LOGGER = logging.getLogger("host.queues")

# How the names of app settings begin that stand for `extensions.queues`.
OVERRIDES = "AzureFunctionsJobHost__extensions__queues__"


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """`extensions.queues` of host.json, with the platform's defaults.

    `invisible` is the host's own: a message stays invisible for that long and is renewed while its function runs. The
    platform has ten minutes; a stand takes less, or a killed host's messages come back late.
    """

    batch_size: int
    new_batch_threshold: int
    max_dequeue_count: int
    visibility_timeout: timedelta
    max_polling_interval: timedelta
    invisible: timedelta

    @classmethod
    def from_host_json(
        cls, host: dict[str, Any], invisible: timedelta, app_settings: Mapping[str, str] = MappingProxyType({})
    ) -> "QueueSettings":
        """Read the settings; base64 messages are refused, since this host passes text on as it is.

        App settings count more than host.json ("host.json reference", "Override host.json values").
        """
        queues = {
            **host.get("extensions", {}).get("queues", {}),
            **{
                name.removeprefix(OVERRIDES): value
                for name, value in app_settings.items()
                if name.startswith(OVERRIDES)
            },
        }
        if queues.get("messageEncoding", "base64") != "none":
            raise ValueError("host.json: this host serves `messageEncoding: none` only")
        batch = int(queues.get("batchSize", 16))
        return cls(
            batch_size=batch,
            new_batch_threshold=int(queues.get("newBatchThreshold", batch // 2)),
            max_dequeue_count=int(queues.get("maxDequeueCount", 5)),
            visibility_timeout=_time_span(queues.get("visibilityTimeout", "00:00:00")),
            max_polling_interval=_time_span(queues.get("maxPollingInterval", "00:01:00")),
            invisible=invisible,
        )


class QueueListener:
    """Fetches messages, invokes the function, deletes, delays or moves to the poison queue."""

    def __init__(
        self,
        *,
        function: Function,
        invoker: Invoker,
        queue: QueueClient,
        poison: QueueClient | None,
        settings: QueueSettings,
    ) -> None:
        """Make a listener; a queue that is a poison queue itself has none."""
        self._function = function
        self._invoker = invoker
        self._queue = queue
        self._poison = poison
        self._settings = settings
        self._running: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()

    async def listen(self) -> None:
        """Work until told to stop, then wait for what is in flight."""
        await asyncio.to_thread(_create, self._queue)
        pause = 0.1
        while not self._stopping.is_set():
            if len(self._running) > self._settings.new_batch_threshold:
                await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
                continue
            messages = await self._receive()
            for message in messages:
                task = asyncio.create_task(self._handle(message))
                self._running.add(task)
                task.add_done_callback(self._running.discard)
            if messages:
                pause = 0.1
                continue
            # Empty queues are asked less and less often, as the platform does.
            await self._pause(pause)
            pause = min(pause * 2, self._settings.max_polling_interval.total_seconds())
        await asyncio.gather(*self._running, return_exceptions=True)

    def stop(self) -> None:
        """Fetch nothing more."""
        self._stopping.set()

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return

    async def _receive(self) -> list[QueueMessage]:
        def receive() -> list[QueueMessage]:
            page = self._queue.receive_messages(
                max_messages=self._settings.batch_size,
                visibility_timeout=int(self._settings.invisible.total_seconds()),
            )
            return list(page)

        try:
            return await asyncio.to_thread(receive)
        except ResourceNotFoundError:
            await asyncio.to_thread(_create, self._queue)
            return []
        except AzureError as problem:
            _LOGGER.warning("queue %s: %s", self._queue.queue_name, str(problem).splitlines()[0])
            return []

    async def _handle(self, message: QueueMessage) -> None:
        dequeue_count = message.dequeue_count or 1
        if dequeue_count > self._settings.max_dequeue_count and self._poison:
            # Hosts that died with it never reported a failure.
            await self._tell(self._to_poison, self._poison, message)
            return
        datum, metadata = queue_datum(
            message.content, id=message.id, pop_receipt=message.pop_receipt or "", dequeue_count=dequeue_count
        )
        renewal = asyncio.create_task(self._renew(message))
        try:
            outcome = await self._invoker.invoke(self._function, datum, metadata)
        finally:
            renewal.cancel()
            await asyncio.gather(renewal, return_exceptions=True)
        if outcome.ok:
            await self._tell(self._queue.delete_message, message)
            return
        _LOGGER.error("function %s failed: %s", self._function.name, outcome.error)
        if self._poison is None:
            return  # it stays invisible as long as it was received for, so that it does not fail again at once
        if dequeue_count >= self._settings.max_dequeue_count:
            await self._tell(self._to_poison, self._poison, message)
        else:
            seconds = int(self._settings.visibility_timeout.total_seconds())
            await self._tell(partial(self._queue.update_message, visibility_timeout=seconds), message)

    async def _tell(self, call: Callable[..., object], *arguments: object) -> None:
        try:
            await asyncio.to_thread(call, *arguments)
        except AzureError as problem:
            # The message comes back by itself: delivery is at least once.
            _LOGGER.warning("queue %s: %s", self._queue.queue_name, str(problem).splitlines()[0])

    async def _renew(self, message: QueueMessage) -> None:
        seconds = self._settings.invisible.total_seconds()
        while True:
            await asyncio.sleep(seconds / 3)
            try:
                renewed = await asyncio.to_thread(self._queue.update_message, message, visibility_timeout=int(seconds))
                message.pop_receipt = renewed.pop_receipt
            except AzureError as problem:
                _LOGGER.warning("queue %s: %s", self._queue.queue_name, str(problem).splitlines()[0])

    def _to_poison(self, poison: QueueClient, message: QueueMessage) -> None:
        _create(poison)
        # Like the platform's host without a time to live: seven days.
        poison.send_message(message.content)
        self._queue.delete_message(message)


def _create(queue: QueueClient) -> None:
    try:
        queue.create_queue()
    except ResourceExistsError:
        return
    except AzureError as problem:
        _LOGGER.warning("queue %s: %s", queue.queue_name, str(problem).splitlines()[0])


def _time_span(text: str) -> timedelta:
    hours, minutes, seconds = text.split(":")
    return timedelta(hours=int(hours), minutes=int(minutes), seconds=float(seconds))
