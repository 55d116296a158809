"""The service hook subscriptions of an organisation (REST: "Service hooks - Subscriptions")."""

from collections.abc import Sequence

from azure.devops.connection import Connection

from shared.adapters.azure_devops.connection import client, translated
from shared.ports import Subscription


class AzureHooks:
    """Web hooks only: the product listens to no other consumer."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def subscriptions(self) -> Sequence[Subscription]:
        """All web hook subscriptions that our identity may see."""
        with translated("listing service hook subscriptions"):
            found = client(self._connection, "service_hooks").list_subscriptions(consumer_id="webHooks")
            return [
                Subscription(str(s.id), str(s.event_type), str(s.status), (s.consumer_inputs or {}).get("url"))
                for s in found
            ]
