"""Signs in to Azure DevOps and turns its errors into ours.

The SDK takes no azure-identity credential (its issue 466), keeps the HTTP status to itself, and reads its cache folder
when it is imported.
"""

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from azure.core.credentials import TokenCredential
from azure.core.exceptions import AzureError, DeserializationError

# The SDK creates this folder while it is imported, below the home folder unless told otherwise: read-only in Azure.
os.environ.setdefault("AZURE_DEVOPS_CACHE_DIR", str(Path(tempfile.gettempdir()) / "environment-rebuilder-azure-devops"))

from azure.devops.connection import Connection
from azure.devops.exceptions import (
    AzureDevOpsAuthenticationError,
    AzureDevOpsClientRequestError,
    AzureDevOpsServiceError,
)
from msrest.authentication import BasicTokenAuthentication
from msrest.exceptions import ClientException, ClientRequestError

from shared.errors import (
    AccessDenied,
    BranchMoved,
    NotThere,
    Permanent,
    PipelineRejected,
    RebuilderError,
    RejectedByPolicy,
    ServiceUnavailable,
    Throttled,
)
from shared.limits import REQUEST_SECONDS

# The resource id of Azure DevOps in Microsoft Entra ID.
SCOPE = "499b84ac-1321-427f-aa17-267ca6975798/.default"

_STATUS = re.compile(r"Operation returned a (?:'?)(\d{3})")
_CODE = re.compile(r"\b(TF\d{6}|VS\d{6})\b")

# What the service calls its errors (`typeKey`), by what a caller can do about them.
_BY_TYPE: dict[str, type[RebuilderError]] = {
    "GitReferenceStaleException": BranchMoved,
    "GitRefUpdateRejectedByPolicyException": RejectedByPolicy,
    "GitRefLockedException": RejectedByPolicy,
    "GitNeedsPermissionException": AccessDenied,
    "PipelineValidationException": PipelineRejected,
    "BuildRequestValidationFailedException": PipelineRejected,
    "DefinitionDisabledException": PipelineRejected,
    "RequestBlockedException": Throttled,
    "ConcurrencyLimitExceededException": Throttled,
}
_BY_CODE: dict[str, type[RebuilderError]] = {
    "TF401028": BranchMoved,
    "TF402455": RejectedByPolicy,
    "TF401027": AccessDenied,
    "TF400813": AccessDenied,
    "TF400733": Throttled,
}
_BY_ENDING: tuple[tuple[str, type[RebuilderError]], ...] = (
    ("NotFoundException", NotThere),
    ("DoesNotExistException", NotThere),
    ("UnauthorizedException", AccessDenied),
    ("UnauthorizedRequestException", AccessDenied),
    ("AccessDeniedException", AccessDenied),
    ("AccessCheckException", AccessDenied),
    ("TimeoutException", ServiceUnavailable),
    ("UnavailableException", ServiceUnavailable),
)


class IdentityAuthentication(BasicTokenAuthentication):
    """Asks the credential for a token at every request: azure-identity caches it and renews it in time."""

    def __init__(self, credential: TokenCredential) -> None:
        super().__init__({"access_token": ""})
        self._credential = credential

    def signed_session(self, session: Any = None) -> Any:
        """Return a session that carries the token of this moment."""
        self.token = {"access_token": self._credential.get_token(SCOPE).token}
        return super().signed_session(session)


class Connections:
    """One connection per organisation."""

    def __init__(self, credential: TokenCredential) -> None:
        self._authentication = IdentityAuthentication(credential)
        self._connections: dict[str, Connection] = {}

    def to(self, organization: str) -> Connection:
        """The connection to an organisation; nothing is sent yet."""
        if organization not in self._connections:
            self._connections[organization] = Connection(organization, self._authentication, "environment-rebuilder")
        return self._connections[organization]


def client(connection: Connection, name: str) -> Any:
    """A client of the SDK's 7.1 classes (`git`, `build`, `feed`, …), with our time limit."""
    with translated(f"connecting to {connection.base_url}"):
        found = getattr(connection.clients_v7_1, f"get_{name}_client")()
    found.config.connection.timeout = REQUEST_SECONDS
    return found


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn the SDK's errors into ours.

    Args:
        what: what was being done, to begin the error's line with.
    """
    try:
        yield
    except AzureDevOpsServiceError as problem:
        raise _service_error(what, problem) from problem
    except AzureDevOpsAuthenticationError as problem:
        raise AccessDenied(f"{what}: Azure DevOps does not accept our identity (401)") from problem
    except AzureDevOpsClientRequestError as problem:
        raise _by_status(what, str(problem)) from problem
    except DeserializationError as problem:
        # 200 or 203 with a page instead of JSON: Azure DevOps answers so to who is not signed in.
        raise AccessDenied(f"{what}: the answer is not JSON, most likely a sign-in page") from problem
    except ClientRequestError as problem:
        raise ServiceUnavailable(f"{what}: no answer from Azure DevOps") from problem
    except ClientException as problem:
        raise ServiceUnavailable(f"{what}: {_first_line(problem)}") from problem
    except AzureError as problem:
        raise ServiceUnavailable(f"{what}: no token for Azure DevOps: {_first_line(problem)}") from problem
    except OSError as problem:
        # requests' own errors, for instance a connection that breaks while an answer is streamed.
        raise ServiceUnavailable(f"{what}: {type(problem).__name__}") from problem


def _service_error(what: str, problem: AzureDevOpsServiceError) -> RebuilderError:
    message = _first_line(problem)
    kind = str(problem.type_key or "")
    line = f"{what}: {message}"
    if kind in _BY_TYPE:
        return _BY_TYPE[kind](line)
    code = _CODE.search(message)
    if code and code[1] in _BY_CODE:
        return _BY_CODE[code[1]](line)
    for ending, error in _BY_ENDING:
        if kind.endswith(ending):
            return error(line)
    return Permanent(f"{line} ({kind or 'no type'})")


def _by_status(what: str, message: str) -> RebuilderError:
    found = _STATUS.search(message)
    status = int(found[1]) if found else 0
    line = f"{what}: {message.splitlines()[0].strip()}"
    if status in (401, 403):
        return AccessDenied(line)
    if status == 404:
        return NotThere(line)
    if status == 429:
        return Throttled(line)
    if 400 <= status < 500 and status != 408:
        return Permanent(line)
    return ServiceUnavailable(line)


def _first_line(problem: Exception) -> str:
    return (str(problem).strip().splitlines() or [type(problem).__name__])[0].strip()
