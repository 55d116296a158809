"""Signs in to Azure DevOps and turns its errors into ours.

The SDK takes no azure-identity credential (its issue 466), keeps the HTTP status to itself, and reads its cache folder
when it is imported.
"""

import json
import math
import os
import re
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

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
from msrest.authentication import Authentication
from msrest.exceptions import ClientException, ClientRequestError
from urllib3.util import Retry

from shared.adapters.azure_devops.guard import LAST, Guard, MustWait, Pause, SignInPage, Stopped, Tokens
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
from shared.limits import ANSWER_BYTES, DEVOPS_FIRST_PAUSE, DEVOPS_RETRIES, REQUEST_SECONDS

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


class _Retries(Retry):
    """The SDK's own retries (msrest: ClientRetryPolicy) of what reads, in our measure.

    What the service asks us to wait is not waited here, and what is repeated sooner asks for more.
    """

    def is_retry(self, method: str, status_code: int, has_retry_after: bool = False) -> bool:  # noqa: FBT001, FBT002
        return not has_retry_after and super().is_retry(method, status_code)


_RETRIES = _Retries(
    total=DEVOPS_RETRIES,
    backoff_factor=DEVOPS_FIRST_PAUSE,
    status_forcelist=(408, 500, 502, 503, 504),
    respect_retry_after_header=False,
)


class IdentityAuthentication(Authentication):
    """Signs in to one organisation, and waits where it asks us to."""

    def __init__(self, credential: TokenCredential, pause: Pause | None = None) -> None:
        self._tokens = Tokens(credential)
        self._pause = pause or Pause()
        self._guard = Guard(self._tokens, self._pause, largest=ANSWER_BYTES)
        # Around requests of our own, which look at redirects and count bytes by themselves.
        self.guard = Guard(self._tokens, self._pause, follows=True)

    def signed_session(self, session: Any = None) -> Any:
        """Prepare a session of the SDK."""
        signed: Any = super().signed_session(session)
        signed.auth = self._guard
        for adapter in signed.adapters.values():
            adapter.max_retries = _RETRIES
        return signed


class Connections:
    """One connection per organisation, for all threads."""

    def __init__(self, credential: TokenCredential, pause: Callable[[], Pause] = Pause) -> None:
        self._credential = credential
        self._pause = pause
        self._lock = threading.Lock()
        self._connections: dict[str, tuple[Connection, IdentityAuthentication]] = {}

    def to(self, organization: str) -> Connection:
        """The connection to an organisation; nothing is sent yet."""
        return self._known(organization)[0]

    def authentication(self, organization: str) -> IdentityAuthentication:
        """What the connection signs in with."""
        return self._known(organization)[1]

    def _known(self, organization: str) -> tuple[Connection, IdentityAuthentication]:
        with self._lock:
            if organization not in self._connections:
                authentication = IdentityAuthentication(self._credential, self._pause())
                connection = Connection(organization, authentication, "environment-rebuilder")
                self._connections[organization] = connection, authentication
            return self._connections[organization]


def client(connection: Connection, name: str) -> Any:
    """A client of the SDK's 7.1 classes (`git`, `build`, `feed`, …), with our time limit."""
    with translated(f"connecting to {connection.base_url}"):
        found = getattr(connection.clients_v7_1, f"get_{name}_client")()
    found.config.connection.timeout = REQUEST_SECONDS
    return found


def listed(sdk: Any, location: str, version: str, route: Mapping[str, str], query: Mapping[str, str]) -> list[Any]:
    """A list as the service's JSON has it: to make its models of 50,000 items takes the SDK more than a second.

    Args:
        sdk: a client of the SDK.
        location: the id of the API's location, as the client's own method has it.
        version: of the API, likewise.
        route: what its route names.
        query: what stands in the address behind it.
    """
    quoted = ({name: quote(value, safe="") for name, value in values.items()} for values in (route, query))
    answer = sdk._send("GET", location, version, *quoted)
    found: list[Any] = answer.json()["value"]
    return found


def check_status(what: str, answer: requests.Response) -> None:
    """Raise what the status of an answer says that the SDK did not ask for; a success says nothing.

    Args:
        what: what was being done, to begin the error's line with.
        answer: of Azure DevOps itself.
    """
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
    except Stopped as problem:
        raise _stopped(what, problem) from problem
    except (requests.JSONDecodeError, DeserializationError) as problem:
        if _is_of_a_page(problem):
            raise AccessDenied(f"{what}: {SIGN_IN}") from problem
        raise ServiceUnavailable(f"{what}: the answer is cut off, or not what was asked for") from problem
    except AzureDevOpsAuthenticationError as problem:
        raise AccessDenied(f"{what}: {_NOT_ACCEPTED}") from problem
    except AzureDevOpsClientRequestError as problem:
        raise _by_status(what, str(problem)) from problem
    except ClientRequestError as problem:
        raise ServiceUnavailable(f"{what}: no answer from Azure DevOps") from problem
    except ClientException as problem:
        raise ServiceUnavailable(f"{what}: {_first_line(problem)}") from problem
    except AzureError as problem:
        raise ServiceUnavailable(f"{what}: no token for Azure DevOps: {_first_line(problem)}") from problem
    except OSError as problem:
        # requests' own errors, for instance a connection that breaks while an answer is streamed.
        raise ServiceUnavailable(f"{what}: {type(problem).__name__}") from problem
    except (ValueError, AttributeError, TypeError, LookupError, OverflowError, RecursionError) as problem:
        # The SDK takes an answer apart without looking: an empty one ends so, and one that is nested without end.
        raise ServiceUnavailable(f"{what}: the answer cannot be understood") from problem


def _stopped(what: str, problem: Stopped) -> RebuilderError:
    match problem:
        case MustWait():
            seconds = math.ceil(problem.remaining.total_seconds())
            line = f"{what}: not asked, Azure DevOps wants us to wait for {seconds} more seconds"
            return Throttled(line, problem.remaining)
        case SignInPage():
            return AccessDenied(f"{what}: {SIGN_IN}")
        case _:
            return Permanent(f"{what}: {problem}")


def _is_of_a_page(problem: BaseException | None) -> bool:
    """Tell whether what is no JSON begins as a page does, whatever its content type says."""
    while problem is not None:
        if isinstance(problem, json.JSONDecodeError):
            return problem.doc.lstrip("\ufeff \r\n\t").startswith("<")
        problem = problem.__cause__ or problem.__context__
    return False


def _service_error(what: str, problem: AzureDevOpsServiceError) -> RebuilderError:
    message = _first_line(problem)
    kind = str(problem.type_key or "")
    line = f"{what}: {message}"
    code = _CODE.search(message)
    error = _BY_TYPE.get(kind) or (_BY_CODE.get(code[1]) if code else None)
    error = error or next((error for ending, error in _BY_ENDING if kind.endswith(ending)), None)
    if error is not None:
        return error(line, LAST.retry_after) if issubclass(error, Transient) else error(line)
    return _of_status(LAST.status or 0, f"{line} ({kind or 'no type'})")


def _by_status(what: str, message: str) -> RebuilderError:
    found = _STATUS.search(message)
    status = int(found[1]) if found else LAST.status or 500
    return _of_status(status, f"{what}: {message.splitlines()[0].strip()}")


def _of_status(status: int, line: str) -> RebuilderError:
    """What an HTTP status says where nothing else does."""
    if status in (401, 403):
        return AccessDenied(line)
    if status == 404:
        return NotThere(line)
    if status == 429:
        return Throttled(line, LAST.retry_after)
    if status == 408 or status >= 500:
        return ServiceUnavailable(line, LAST.retry_after)
    return Permanent(line)


def _first_line(problem: Exception) -> str:
    return (str(problem).strip().splitlines() or [type(problem).__name__])[0].strip()
