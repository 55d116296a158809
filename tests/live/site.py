"""The services under test, as our identity reaches them: the product's adapters, and requests of our own."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Any
from urllib.parse import quote

import requests
from azure.identity import DefaultAzureCredential

from shared.adapters.azure_devops import AzureDevOpsOrganizations
from shared.adapters.azure_devops.connection import Connections, client
from shared.adapters.azure_devops.guard import SCOPE
from shared.adapters.azure_ml import AzureMLWorkspaces
from shared.domain.targets import Target
from tests.live.settings import LiveSettings

DEVOPS_VERSION = "7.1"
PACKAGES_VERSION = "7.1-preview.1"
# The one that azure-ai-ml 1.35 writes environments with.
ARM_VERSION = "2023-04-01-preview"
_ARM = "https://management.azure.com"
_SECONDS = 60


class Site:
    """Everything that the settings name.

    Attributes:
        settings: what may be touched.
        azure_devops: the product's adapters.
        azure_ml: the product's adapter.
    """

    def __init__(self, settings: LiveSettings) -> None:
        self.settings = settings
        self._credential = DefaultAzureCredential()
        self._connections = Connections(self._credential)
        self.azure_devops = AzureDevOpsOrganizations(self._credential)
        self.azure_ml = AzureMLWorkspaces(self._credential)
        self._count = 0

    def target(self, branch: str) -> Target:
        """The target on a branch."""
        target = self.settings.target
        return Target(
            target.name, target.organization, target.project, target.repository, branch, target.pipeline, target.feeds,
            target.workspaces,
        )  # fmt: skip

    def new_name(self) -> str:
        """A name that begins with the run's prefix and that nobody has."""
        self._count += 1
        return f"{self.settings.prefix}-{self._count}"

    # Azure DevOps

    @property
    def organization(self) -> str:
        """Its address."""
        return self.settings.target.organization

    @cached_property
    def feeds_url(self) -> str:
        """Where the REST API of feeds is, as the service says."""
        return self._base("feed")

    @cached_property
    def packages_url(self) -> str:
        """Where packages are."""
        return self._base("py_pi_api")

    def _base(self, name: str) -> str:
        return str(client(self._connections.to(self.organization), name).config.base_url).rstrip("/")

    @property
    def feed_project(self) -> str:
        """`/PROJECT` for the feed of a project, and nothing for one of the organisation."""
        project = self.settings.feed.project
        return f"/{quote(project)}" if project else ""

    @property
    def git_api(self) -> str:
        """Below the organisation, where the repository is."""
        target = self.settings.target
        return f"/{quote(target.project)}/_apis/git/repositories/{quote(target.repository)}"

    @property
    def runs_api(self) -> str:
        """Below the organisation, where runs of the pipeline are queued."""
        target = self.settings.target
        return f"/{quote(target.project)}/_apis/pipelines/{target.pipeline}/runs"

    @property
    def builds_api(self) -> str:
        """Below the organisation, where builds are."""
        return f"/{quote(self.settings.target.project)}/_apis/build/builds"

    @property
    def feed_api(self) -> str:
        """Below the feeds' address, where the feed is."""
        return f"{self.feed_project}/_apis/packaging/Feeds/{quote(self.settings.feed.name)}"

    @property
    def simple_index(self) -> str:
        """Address of the feed's simple index, without a slash at the end."""
        return f"{self.packages_url}{self.feed_project}/_packaging/{quote(self.settings.feed.name)}/pypi/simple"

    @property
    def upload_url(self) -> str:
        """Where twine uploads to."""
        return f"{self.packages_url}{self.feed_project}/_packaging/{quote(self.settings.feed.name)}/pypi/upload/"

    def version_url(self, name: str, version: str) -> str:
        """Address of one version for who maintains the feed."""
        feed = quote(self.settings.feed.name)
        below = f"/_apis/packaging/feeds/{feed}/pypi/packages/{quote(name)}/versions/{quote(version)}"
        return f"{self.packages_url}{self.feed_project}{below}"

    def token(self) -> str:
        """Our token for Azure DevOps."""
        return self._credential.get_token(SCOPE).token

    def ask(
        self,
        method: str,
        url: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        version: str | None = DEVOPS_VERSION,
    ) -> requests.Response:
        """Send a request of our own, signed in, and give its answer whatever it is; redirects are not followed."""
        address = url if url.startswith("http") else f"{self.organization}{url}"
        return requests.request(
            method,
            address,
            params={**(query or {}), **({"api-version": version} if version else {})},
            json=body,
            data=raw,
            headers={"Authorization": f"Bearer {self.token()}", "X-TFS-FedAuthRedirect": "Suppress", **(headers or {})},
            timeout=_SECONDS,
            allow_redirects=False,
        )

    def git_environment(self) -> dict[str, str]:
        """What signs git in: variables, which no list of processes shows."""
        return {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"http.{self.organization}/.extraHeader",
            "GIT_CONFIG_VALUE_0": f"Authorization: Bearer {self.token()}",
            "GIT_TERMINAL_PROMPT": "0",
        }

    @property
    def clone_url(self) -> str:
        """Address to clone the repository from."""
        target = self.settings.target
        return f"{self.organization}/{quote(target.project)}/_git/{quote(target.repository)}"

    def now(self) -> datetime:
        """The service's time, in whole seconds."""
        shown = self.ask("GET", f"{self.git_api}/refs", query={"filter": "heads/none"}).headers.get("Date")
        return parsedate_to_datetime(shown) if shown else datetime.now(UTC)

    def next_moment(self) -> datetime:
        """A moment that lies behind everything that was done before, and before everything that is done after."""
        moment = self.now() + timedelta(seconds=1)
        while self.now() <= moment:
            time.sleep(0.2)
        return moment

    # Azure ML

    @property
    def workspace_url(self) -> str:
        """Address of the workspace at Azure Resource Manager."""
        workspace = self.settings.workspace
        return (
            f"{_ARM}/subscriptions/{workspace.subscription}/resourceGroups/{workspace.resource_group}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{workspace.name}"
        )

    def arm_token(self) -> str:
        """Our token for Azure."""
        return self._credential.get_token(f"{_ARM}/.default").token

    def ask_arm(self, method: str, below: str, body: Any = None, *, version: str = ARM_VERSION) -> requests.Response:
        """Send a request to Azure Resource Manager about the workspace."""
        return requests.request(
            method,
            f"{self.workspace_url}{below}",
            params={"api-version": version},
            json=body,
            headers={"Authorization": f"Bearer {self.arm_token()}"},
            timeout=_SECONDS,
        )

    def follow_arm(self, link: str) -> requests.Response:
        """The next page of a list."""
        return requests.get(link, headers={"Authorization": f"Bearer {self.arm_token()}"}, timeout=_SECONDS)

    def put_environment(self, name: str, version: str, **properties: Any) -> requests.Response:
        """Register an environment, or change it."""
        return self.ask_arm("PUT", f"/environments/{quote(name)}/versions/{version}", {"properties": properties})
