"""Work queues in an Azure storage account.

Text goes as it is (`messageEncoding: none` in host.json): the SDK's default, while the Functions host's is base64.
"""

from datetime import timedelta
from math import ceil

from azure.core.credentials import TokenCredential
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.storage.queue import QueueClient

from shared.adapters.storage import client_options, translated


class StorageQueue:
    """One queue, created on first use."""

    def __init__(self, account_url: str, name: str, credential: TokenCredential) -> None:
        self._name = name
        self._client = QueueClient(account_url, name, credential=credential, **client_options())

    def send(self, text: str, delay: timedelta = timedelta()) -> None:
        """Put a message into the queue; it never expires (time to live -1)."""
        # Never too early: what is due at a moment would find that it is not, and nothing would come after it.
        seconds = max(0, ceil(delay.total_seconds()))
        with translated(f"sending to queue {self._name}"):
            try:
                self._client.send_message(text, visibility_timeout=seconds, time_to_live=-1)
                return
            except ResourceNotFoundError:
                self._create()
            self._client.send_message(text, visibility_timeout=seconds, time_to_live=-1)

    def _create(self) -> None:
        try:
            self._client.create_queue()
        except ResourceExistsError:
            return
