"""The Azure ML workspaces, looked at with azure-ai-ml by our identity. Nothing is written here.

The SDK costs more than a second to import, so that happens where it is used.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from azure.core.credentials import TokenCredential
from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError

from shared.adapters.paging import bounded
from shared.adapters.side_by_side import SideBySide
from shared.adapters.storage import asked_to_wait
from shared.domain.targets import Workspace
from shared.errors import AccessDenied, NotThere, RebuilderError, ServiceUnavailable, Throttled
from shared.limits import AZURE_ML_CONNECT_SECONDS, AZURE_ML_PAGES, AZURE_ML_READ_SECONDS, AZURE_ML_RETRIES
from shared.ports import RegisteredVersion, Sought

if TYPE_CHECKING:
    from azure.ai.ml import MLClient


class AzureMLWorkspaces:
    """One client per workspace."""

    def __init__(self, credential: TokenCredential) -> None:
        self._credential = credential
        self._clients: dict[Workspace, MLClient] = {}
        self._side_by_side = SideBySide()

    def registered(self, sought: Iterable[Sought]) -> Sequence[RegisteredVersion | RebuilderError | None]:
        """Return the versions that are sought, in their order: None where there is none, or why it is not known.

        Raises:
            ServiceUnavailable: there is no connection to Azure ML.
        """
        wanted = [(self._client(one.workspace), one) for one in sought]
        return self._side_by_side.map(_look_up, wanted)

    def _client(self, workspace: Workspace) -> "MLClient":
        if workspace not in self._clients:
            from azure.ai.ml import MLClient

            self._clients[workspace] = MLClient(
                self._credential,
                subscription_id=workspace.subscription,
                resource_group_name=workspace.resource_group,
                workspace_name=workspace.name,
                connection_timeout=AZURE_ML_CONNECT_SECONDS,
                read_timeout=AZURE_ML_READ_SECONDS,
                retry_total=AZURE_ML_RETRIES,
            )
        return self._clients[workspace]


def _look_up(wanted: "tuple[MLClient, Sought]") -> RegisteredVersion | RebuilderError | None:
    client, sought = wanted
    what = f"looking for {sought.name} in workspace {sought.workspace}"
    try:
        return _found(what, client, sought)
    except ResourceNotFoundError as problem:
        if "workspace" in str(problem).replace(sought.name, "").casefold():
            return NotThere(f"{what}: {str(problem).splitlines()[0]}")
        return None
    except HttpResponseError as problem:
        if problem.status_code in (401, 403):
            return AccessDenied(f"{what}: our identity may not read it ({problem.status_code})")
        if problem.status_code == 429:
            return Throttled(f"{what}: the service is busy", asked_to_wait(problem))
        return ServiceUnavailable(f"{what}: {problem.status_code or 'no answer'}")
    except RebuilderError as problem:
        return problem
    except AzureError as problem:
        raise ServiceUnavailable(f"{what}: {type(problem).__name__}") from problem


def _found(what: str, client: "MLClient", sought: Sought) -> RegisteredVersion | None:
    # An ItemPaged, whatever the SDK declares.
    listed: Any = client.environments.list(name=sought.name)
    best = len(sought.values)
    found = None
    for environment in bounded(what, listed.by_page(), AZURE_ML_PAGES):
        value = (environment.tags or {}).get(sought.tag)
        if value in sought.values[:best]:
            best = sought.values.index(value)
            context = environment.build.path if environment.build else None
            found = RegisteredVersion(str(environment.version), dict(environment.tags), context)
        if best == 0:
            break
    return found
