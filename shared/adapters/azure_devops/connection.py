"""Signs in to Azure DevOps and turns its errors into ours.

The SDK takes no azure-identity credential (its issue 466), keeps the HTTP status to itself, and reads its cache folder
when it is imported.
"""

import os
import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import requests
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
    Transient,
)
from shared.limits import REQUEST_SECONDS

# The resource id of Azure DevOps in Microsoft Entra ID.
SCOPE = "499b84ac-1321-427f-aa17-267ca6975798/.default"

SIGN_IN = "the answer is not what was asked for, most likely a sign-in page"
_NOT_ACCEPTED = "Azure DevOps does not accept our identity (401)"
_STATUS = re.compile(r"Operation returned a (?:'?)(\d{3})")
_CODE = re.compile(r"\b(TF\d{6}|VS\d{6})\b")

# What the service calls its errors (`typeKey`), by what a caller can do about them.
_BY_TYPE: dict[str, type[RebuilderError]] = {
    "GitReferenceStaleException": BranchMoved,
    "GitRefUpdateRejectedByPolicyException": RejectedByPolicy,
    "GitRefLockedException": RejectedByPolicy,
    "GitNeedsPermissionException": AccessDenied,
    "GitUnresolvableToCommitException": NotThere,
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
    ("DoesNotExistWithNameException", NotThere),
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
        """Return a session that carries the token of this moment, and notes the answers' statuses."""
        _last.status = None
        self.token = {"access_token": self._token()}
        signed = super().signed_session(session)
        if _note_status not in signed.hooks["response"]:
            signed.hooks["response"].append(_note_status)
        return signed

    def authorization(self) -> str:
        """The value of the `Authorization` header at this moment, for what the SDK has no call for."""
        return f"{self.scheme} {self._token()}"

    def _token(self) -> str:
        return self._credential.get_token(SCOPE).token


class _Last(threading.local):
    """What the service answered last to this thread: the SDK's errors do not say it."""

    status: int | None = None
    retry_after: timedelta | None = None


_last = _Last()


def _note_status(response: requests.Response, *_: object, **__: object) -> None:
    _last.status = response.status_code
    asked = response.headers.get("Retry-After", "")
    # A number of seconds; the other form of the header, a date, is not used by Azure DevOps.
    _last.retry_after = timedelta(seconds=min(int(asked), 3600)) if asked.isdigit() else None


class Connections:
    """One connection per organisation.

    Attributes:
        authentication: what all of them sign in with.
    """

    def __init__(self, credential: TokenCredential) -> None:
        self.authentication = IdentityAuthentication(credential)
        self._connections: dict[str, Connection] = {}

    def to(self, organization: str) -> Connection:
        """The connection to an organisation; nothing is sent yet."""
        if organization not in self._connections:
            self._connections[organization] = Connection(organization, self.authentication, "environment-rebuilder")
        return self._connections[organization]


def client(connection: Connection, name: str) -> Any:
    """A client of the SDK's 7.1 classes (`git`, `build`, `feed`, …), with our time limit."""
    with translated(f"connecting to {connection.base_url}"):
        found = getattr(connection.clients_v7_1, f"get_{name}_client")()
    found.config.connection.timeout = REQUEST_SECONDS
    # What the service asks us to wait is waited by the queue's message and not slept inside a function.
    found.config.retry_policy.policy.respect_retry_after_header = False
    return found


def check_status(what: str, answer: requests.Response) -> None:
    """Raise what the status of an answer says that the SDK did not ask for; a success says nothing.

    Args:
        what: what was being done, to begin the error's line with.
        answer: of Azure DevOps itself.
    """
    _note_status(answer)
    if answer.status_code == 203:
        raise AccessDenied(f"{what}: {SIGN_IN}")
    if answer.status_code == 401:
        raise AccessDenied(f"{what}: {_NOT_ACCEPTED}")
    if answer.status_code != 200:
        raise _of_status(answer.status_code, f"{what}: Azure DevOps answers {answer.status_code}")


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
    except requests.JSONDecodeError as problem:
        raise AccessDenied(f"{what}: {SIGN_IN}") from problem
    except AzureDevOpsAuthenticationError as problem:
        raise AccessDenied(f"{what}: {_NOT_ACCEPTED}") from problem
    except AzureDevOpsClientRequestError as problem:
        raise _by_status(what, str(problem)) from problem
    except DeserializationError as problem:
        # 200 or 203 with a page instead of JSON: Azure DevOps answers so to who is not signed in.
        raise AccessDenied(f"{what}: {SIGN_IN}") from problem
    except ClientRequestError as problem:
        raise ServiceUnavailable(f"{what}: no answer from Azure DevOps") from problem
    except ClientException as problem:
        raise ServiceUnavailable(f"{what}: {_first_line(problem)}") from problem
    except AzureError as problem:
        raise ServiceUnavailable(f"{what}: no token for Azure DevOps: {_first_line(problem)}") from problem
    except OSError as problem:
        # requests' own errors, for instance a connection that breaks while an answer is streamed.
        raise ServiceUnavailable(f"{what}: {type(problem).__name__}") from problem
    except (ValueError, AttributeError, TypeError) as problem:
        # The SDK takes an answer apart without looking: an empty one ends so.
        raise ServiceUnavailable(f"{what}: the answer cannot be understood") from problem


def _service_error(what: str, problem: AzureDevOpsServiceError) -> RebuilderError:
    message = _first_line(problem)
    kind = str(problem.type_key or "")
    line = f"{what}: {message}"
    code = _CODE.search(message)
    error = _BY_TYPE.get(kind) or (_BY_CODE.get(code[1]) if code else None)
    error = error or next((error for ending, error in _BY_ENDING if kind.endswith(ending)), None)
    if error is not None:
        return error(line, _last.retry_after) if issubclass(error, Transient) else error(line)
    return _of_status(_last.status or 0, f"{line} ({kind or 'no type'})")


def _by_status(what: str, message: str) -> RebuilderError:
    found = _STATUS.search(message)
    status = int(found[1]) if found else _last.status or 500
    return _of_status(status, f"{what}: {message.splitlines()[0].strip()}")


def _of_status(status: int, line: str) -> RebuilderError:
    """What an HTTP status says where nothing else does."""
    if status in (401, 403):
        return AccessDenied(line)
    if status == 404:
        return NotThere(line)
    if status == 429:
        return Throttled(line, _last.retry_after)
    if status == 408 or status >= 500:
        return ServiceUnavailable(line, _last.retry_after)
    return Permanent(line)


def _first_line(problem: Exception) -> str:
    return (str(problem).strip().splitlines() or [type(problem).__name__])[0].strip()
