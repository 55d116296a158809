"""Azure DevOps through its Python SDK, `azure-devops` 7.1.0b4.

One module per part of the service; `guard` stands around every request, `connection` translates errors.
"""

from collections.abc import Callable

from azure.core.credentials import TokenCredential

from shared.adapters.azure_devops.connection import Connections
from shared.adapters.azure_devops.feed import AzureFeed
from shared.adapters.azure_devops.guard import Pause
from shared.adapters.azure_devops.hooks import AzureHooks
from shared.adapters.azure_devops.pipelines import AzurePipeline
from shared.adapters.azure_devops.repository import AzureRepository
from shared.domain.releases import FeedName
from shared.domain.targets import Target


class AzureDevOpsOrganizations:
    """The ports of every target, each built once."""

    def __init__(self, credential: TokenCredential, pause: Callable[[], Pause] = Pause) -> None:
        """Prepare; nothing is sent yet.

        Args:
            credential: our identity.
            pause: makes an organisation's pause between two calls.
        """
        self._connections = Connections(credential, pause)
        self._feeds: dict[tuple[str, FeedName], AzureFeed] = {}

    def repository(self, target: Target) -> AzureRepository:
        """The target's repository."""
        return AzureRepository(self._connections.to(target.organization), target)

    def pipeline(self, target: Target) -> AzurePipeline:
        """The target's rebuild pipeline."""
        return AzurePipeline(self._connections.to(target.organization), target)

    def feed(self, target: Target, feed: FeedName) -> AzureFeed:
        """One of the target's feeds."""
        key = (target.organization, feed)
        if key not in self._feeds:
            self._feeds[key] = AzureFeed(
                self._connections.to(target.organization),
                self._connections.authentication(target.organization),
                feed,
            )
        return self._feeds[key]

    def hooks(self, organization: str) -> AzureHooks:
        """The service hooks of an organisation."""
        return AzureHooks(self._connections.to(organization))
