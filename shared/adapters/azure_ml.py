"""The Azure ML workspaces, looked at with azure-ai-ml by our identity. Nothing is written here.

The SDK costs more than a second to import, so that happens where it is used.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from azure.core.credentials import TokenCredential
from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError

from shared.adapters.paging import bounded
from shared.adapters.storage import asked_to_wait
from shared.domain.targets import Workspace
from shared.errors import AccessDenied, NotThere, ServiceUnavailable, Throttled
from shared.limits import AZURE_ML_PAGES
from shared.ports import RegisteredVersion

if TYPE_CHECKING:
    from azure.ai.ml import MLClient


class AzureMLWorkspaces:
    """One client per workspace."""

    def __init__(self, credential: TokenCredential) -> None:
        self._credential = credential
        self._clients: dict[Workspace, MLClient] = {}

    def registered(self, workspace: Workspace, name: str, tag: tuple[str, str]) -> RegisteredVersion | None:
        """Return the version of an environment that carries a tag, or None if there is none."""
        key, value = tag
        what = f"looking for {name} in workspace {workspace}"
        try:
            for environment in bounded(what, self._pages(workspace, name), AZURE_ML_PAGES):
                if (environment.tags or {}).get(key) == value:
                    context = environment.build.path if environment.build else None
                    return RegisteredVersion(str(environment.version), dict(environment.tags), context)
        except ResourceNotFoundError as problem:
            if "workspace" in str(problem).replace(name, "").casefold():
                raise NotThere(f"{what}: {str(problem).splitlines()[0]}") from problem
            return None
        except HttpResponseError as problem:
            if problem.status_code in (401, 403):
                raise AccessDenied(f"{what}: our identity may not read it ({problem.status_code})") from problem
            if problem.status_code == 429:
                raise Throttled(f"{what}: the service is busy", asked_to_wait(problem)) from problem
            raise ServiceUnavailable(f"{what}: {problem.status_code or 'no answer'}") from problem
        except AzureError as problem:
            raise ServiceUnavailable(f"{what}: {type(problem).__name__}") from problem
        return None

    def _pages(self, workspace: Workspace, name: str) -> Iterable[Iterable[Any]]:
        # An ItemPaged, whatever the SDK declares.
        found: Any = self._client(workspace).environments.list(name=name)
        pages: Iterable[Iterable[Any]] = found.by_page()
        return pages

    def _client(self, workspace: Workspace) -> "MLClient":
        if workspace not in self._clients:
            from azure.ai.ml import MLClient

            self._clients[workspace] = MLClient(
                self._credential,
                subscription_id=workspace.subscription,
                resource_group_name=workspace.resource_group,
                workspace_name=workspace.name,
            )
        return self._clients[workspace]
