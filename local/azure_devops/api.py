"""Dispatch: signs in, applies faults, finds the handler, and answers in the service's forms.

A handler is a plain function of a `Call`; it returns a JSON value, or `Raw`, or raises `ServiceError`.
"""

import base64
import hmac
import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from local.azure_devops.answers import NotInTheStand, Raw, ServiceError, collection
from local.azure_devops.faulty import failing, spoiled
from local.azure_devops.locations import ALL, RESOURCE_AREAS, Host, Location, resource_areas
from local.azure_devops.names import is_called, project_id
from local.azure_devops.queries import check_query
from local.azure_devops.versions import check_version
from local.faults import Fault, Faults, Switch
from local.identity import claims_of

__all__ = ["Api", "Call", "NotInTheStand", "Raw", "ServiceError", "collection"]

# The resource id of Azure DevOps in Microsoft Entra ID: the audience of every token that it accepts.
AUDIENCE = "499b84ac-1321-427f-aa17-267ca6975798"

# Whose token a pipeline's job has, and all that the stand lets it do here beside the feed and reading the repository.
BUILD_SERVICE = "build-service"
_BUILD_SERVICE_MAY = frozenset({"resource areas", "builds"})

# What these do is asked for without the last part of their location's address; with it, it would be something else.
_WITHOUT_LAST_PART = frozenset(
    {"items", "blobs", "push", "queue run", "timeline", "artifacts", "packages", "list subscriptions",
     "create subscription"}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Call:
    """One call of an operation.

    Attributes:
        project: from the address, if it is there, by its name.
        parameters: from the address.
        query: from the query string; names in lower case.
        body: of the request.
        base: address of the organisation at this host, for links in answers.
        media_type: that the request states for its body.
    """

    project: str | None
    parameters: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes
    base: str
    media_type: str = "application/json"

    @property
    def project_url(self) -> str:
        """Address of the project, by its GUID, as in the service's own links."""
        return f"{self.base}/{project_id(self.project)}" if self.project else self.base

    def json(self) -> Any:
        """The body.

        Raises:
            ServiceError: it is not JSON, or does not say that it is.
        """
        if self.body and self.media_type.casefold() != "application/json":
            raise ServiceError(
                415,
                "UnsupportedMediaTypeException",
                f"The request entity's media type '{self.media_type}' is not supported for this resource.",
            )
        try:
            return json.loads(self.body or b"null")
        except ValueError:
            raise ServiceError(400, "ArgumentException", "The body of the request contains invalid Json.") from None


type Handler = Callable[[Call], Any]


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one resource."""

    name: str
    method: str
    location: Location
    handler: Handler
    pattern: re.Pattern[str]
    status: int = 200


@dataclass(frozen=True, slots=True)
class Recorded:
    """One request and its answer, for contract tests."""

    operation: str
    method: str
    path: str
    query: Mapping[str, str]
    body: bytes
    status: int
    answer: bytes
    accept: str = ""


class Api:
    """The REST API of one organisation.

    Attributes:
        urls: the organisation's address at each host.
    """

    def __init__(self, organization: str, project: str, faults: Faults, urls: Mapping[Host, str]) -> None:
        self.organization = organization
        self.project = project
        self.faults = faults
        self.urls = urls
        self.recorded: list[Recorded] | None = None
        self._operations: list[Operation] = []
        self.add("resource areas", "GET", RESOURCE_AREAS, self._areas)

    def _areas(self, call: Call) -> Any:
        areas = resource_areas(self.urls)
        wanted = call.parameters.get("areaId")
        if wanted is None:
            return collection(areas)
        found = next((area for area in areas if area["id"] == wanted.casefold()), None)
        if found is None:
            raise ServiceError(404, "LocationServiceException", f"The area {wanted} is not there.")
        return found

    def _project(self, wanted: str | None) -> str | None:
        """The name of the organisation's only project, addressed by its name or GUID; no other one is there."""
        if wanted is None:
            return None
        if not is_called(wanted, self.project, project_id(self.project)):
            raise ServiceError(
                404,
                "ProjectDoesNotExistWithNameException",
                f"TF200016: The following project does not exist: {wanted}.",
            )
        return self.project

    def add(self, name: str, method: str, location: Location, handler: Handler, *, status: int = 200) -> None:
        """Serve an operation."""
        self._operations.append(Operation(name, method, location, handler, location.pattern(), status))

    async def serve(self, request: Request, below: str, host: Host) -> Response:
        """Answer a request to an address below the organisation at one of the hosts."""
        if request.method == "OPTIONS" and below.rstrip("/").casefold() == "/_apis":
            return JSONResponse(collection([location.described() for location in ALL if location.is_at(host)]))
        for operation in self._operations:
            found = operation.pattern.fullmatch(below)
            if found and operation.method == request.method and operation.location.is_at(host):
                return await self._serve(request, below, operation, found.groupdict())
        return _refusal(NotInTheStand(f"`{request.method} {below}` at {host}"))

    async def _serve(
        self, request: Request, below: str, operation: Operation, groups: dict[str, str | None]
    ) -> Response:
        switch = self.faults.next(operation.name)
        if not is_signed_in(request):
            return failing(Switch(operation.name, Fault.UNAUTHORIZED, 1))
        if caller(request) == BUILD_SERVICE and operation.name not in _BUILD_SERVICE_MAY:
            return _refusal(
                ServiceError(
                    403, "UnauthorizedRequestException", f"The build service may not do this here: {operation.name}."
                )
            )
        if switch and not switch.fault.has_effect:
            return failing(switch)
        body = await request.body()
        response = await self._answer(request, operation, groups, body)
        await run_in_threadpool(self.faults.took_effect, operation.name)
        if self.recorded is not None:
            self.recorded.append(
                Recorded(
                    operation=operation.name,
                    method=operation.method,
                    path=below,
                    query=dict(request.query_params),
                    body=body,
                    status=response.status_code,
                    answer=bytes(response.body),
                    accept=request.headers.get("Accept", ""),
                )
            )
        return spoiled(response, switch) if switch else response

    async def _answer(
        self, request: Request, operation: Operation, groups: dict[str, str | None], body: bytes
    ) -> Response:
        query = {key.casefold(): value for key, value in request.query_params.items()}
        try:
            check_version(request.method, operation.location, query, request.headers.get("Accept", ""))
            check_query(operation.name, query)
            _check_address(operation, groups)
            call = Call(
                project=self._project(groups.get("project")),
                parameters={key: value for key, value in groups.items() if value is not None and key != "project"},
                query=query,
                body=body,
                base=f"{request.url.scheme}://{request.url.netloc}/{self.organization}",
                media_type=request.headers.get("Content-Type", "").partition(";")[0].strip(),
            )
            answer = await run_in_threadpool(operation.handler, call)
        except ServiceError as error:
            return _refusal(error)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as problem:
            return _refusal(
                ServiceError(400, "InvalidArgumentValueException", f"The request is malformed: {problem!r}.")
            )
        if isinstance(answer, Raw):
            return Response(answer.content, media_type=answer.media_type)
        return JSONResponse(answer, operation.status)


def _refusal(error: ServiceError) -> Response:
    return JSONResponse(error.body(), error.status)


def _check_address(operation: Operation, groups: Mapping[str, str | None]) -> None:
    last = operation.location.template.rpartition("/")[2].strip("{}")
    if operation.name in _WITHOUT_LAST_PART and groups.get(last) is not None:
        raise NotInTheStand(f"`{operation.name}` with `{last}` in the address")


def is_signed_in(request: Request) -> bool:
    """Whether a request carries a token for Azure DevOps that is still good."""
    claims = _claims(request)
    return claims.get("aud") == AUDIENCE and float(claims.get("exp", 0)) > time.time()


def shows_password(request: Request, password: str) -> bool:
    """Whether a request carries a password, as developers' tools send a personal access token."""
    return hmac.compare_digest((_basic_password(request) or "").encode(), password.encode())


def caller(request: Request) -> str | None:
    """Whose token a request carries."""
    return _claims(request).get("oid")


def _claims(request: Request) -> dict[str, Any]:
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    return claims_of((_basic_password(request) or "") if scheme.casefold() == "basic" else value)


def _basic_password(request: Request) -> str | None:
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.casefold() != "basic":
        return None
    try:
        return base64.b64decode(value).decode().partition(":")[2]
    except ValueError:
        return None
