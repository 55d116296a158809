"""Dispatch: signs in, applies faults, finds the handler, and answers in the service's forms.

A handler is a plain function of a `Call`; it returns a JSON value, or `Raw`, or raises `ServiceError`.
"""

import base64
import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from local.azure_devops.locations import ALL, RESOURCE_AREAS, Location
from local.faults import Fault, Faults, Switch
from local.identity import claims_of

# The resource id of Azure DevOps in Microsoft Entra ID: the audience of every token that it accepts.
AUDIENCE = "499b84ac-1321-427f-aa17-267ca6975798"

# Whose token a pipeline's job has, and all that the stand lets it do here beside the feed.
BUILD_SERVICE = "build-service"
_BUILD_SERVICE_MAY = frozenset({"resource areas", "builds"})


@dataclass(frozen=True, slots=True)
class Call:
    """One call of an operation.

    Attributes:
        project: from the address, if it is there.
        parameters: from the address.
        query: from the query string; names in lower case.
        body: of the request.
        base: address of the organisation, for links in answers.
    """

    project: str | None
    parameters: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes
    base: str

    def json(self) -> Any:
        """The body.

        Raises:
            ServiceError: it is not JSON.
        """
        try:
            return json.loads(self.body or b"null")
        except ValueError:
            raise ServiceError(400, "VssPropertyValidationException", "The request body is not valid JSON.") from None


@dataclass(frozen=True, slots=True)
class Raw:
    """An answer that is not JSON."""

    content: bytes
    media_type: str


class ServiceError(Exception):
    """An error in the service's form."""

    def __init__(self, status: int, type_key: str, message: str, **more: Any) -> None:
        self.status = status
        self.type_key = type_key
        self.message = message
        self.more = more
        super().__init__(message)

    def body(self) -> dict[str, Any]:
        """What the service sends."""
        return {
            "$id": "1",
            "innerException": None,
            "message": self.message,
            "typeName": f"Microsoft.TeamFoundation.{self.type_key}, Microsoft.TeamFoundation",
            "typeKey": self.type_key,
            "errorCode": 0,
            "eventId": 3000,
            **self.more,
        }


def collection(values: list[Any]) -> dict[str, Any]:
    """A list in the service's envelope."""
    return {"count": len(values), "value": values}


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
    """The REST API of one organisation."""

    def __init__(self, organization: str, project: str, faults: Faults) -> None:
        self.organization = organization
        self.project = project
        self.faults = faults
        self.recorded: list[Recorded] | None = None
        self._operations: list[Operation] = []
        self.add("resource areas", "GET", RESOURCE_AREAS, lambda _: collection([]))

    def check_project(self, call: Call) -> None:
        """Refuse another project than the organisation's only one."""
        if call.project is not None and call.project.casefold() != self.project.casefold():
            raise ServiceError(
                404,
                "ProjectDoesNotExistWithNameException",
                f"TF200016: The following project does not exist: {call.project}.",
            )

    def add(self, name: str, method: str, location: Location, handler: Handler, *, status: int = 200) -> None:
        """Serve an operation."""
        self._operations.append(Operation(name, method, location, handler, location.pattern(), status))

    async def serve(self, request: Request, below: str) -> Response:
        """Answer a request to an address below the organisation."""
        if request.method == "OPTIONS" and below.rstrip("/").casefold() == "/_apis":
            return JSONResponse(collection([location.described() for location in ALL]))
        for operation in self._operations:
            found = operation.pattern.fullmatch(below)
            if found and operation.method == request.method:
                return await self._serve(request, below, operation, found.groupdict())
        return JSONResponse(
            ServiceError(404, "VssResourceNotFoundException", f"There is no {request.method} {below}.").body(), 404
        )

    async def _serve(
        self, request: Request, below: str, operation: Operation, groups: dict[str, str | None]
    ) -> Response:
        switch = self.faults.next(operation.name)
        if not is_signed_in(request):
            return failing(Switch(operation.name, Fault.UNAUTHORIZED, 1))
        if caller(request) == BUILD_SERVICE and operation.name not in _BUILD_SERVICE_MAY:
            refused = ServiceError(
                403, "UnauthorizedRequestException", f"The build service may not do this here: {operation.name}."
            )
            return JSONResponse(refused.body(), refused.status)
        if switch and not switch.fault.has_effect:
            return failing(switch)
        project = groups.pop("project", None)
        call = Call(
            project=project,
            parameters={key: value for key, value in groups.items() if value is not None},
            query={key.casefold(): value for key, value in request.query_params.items()},
            body=await request.body(),
            base=f"{request.url.scheme}://{request.url.netloc}/{self.organization}",
        )
        response = await self._answer(operation, call)
        await run_in_threadpool(self.faults.took_effect, operation.name)
        if self.recorded is not None:
            self.recorded.append(
                Recorded(
                    operation=operation.name,
                    method=operation.method,
                    path=below,
                    query=dict(request.query_params),
                    body=call.body,
                    status=response.status_code,
                    answer=bytes(response.body),
                    accept=request.headers.get("Accept", ""),
                )
            )
        return spoiled(response, switch) if switch else response

    async def _answer(self, operation: Operation, call: Call) -> Response:
        try:
            self.check_project(call)
            answer = await run_in_threadpool(operation.handler, call)
        except ServiceError as error:
            return JSONResponse(error.body(), error.status)
        except (KeyError, IndexError, TypeError, ValueError) as problem:
            malformed = ServiceError(400, "InvalidArgumentValueException", f"The request is malformed: {problem!r}.")
            return JSONResponse(malformed.body(), malformed.status)
        if isinstance(answer, Raw):
            return Response(answer.content, media_type=answer.media_type)
        return JSONResponse(answer, operation.status)


class Dropped(Response):
    """Closes the connection without an answer."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Promise an answer, and hang up."""
        del scope, receive
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"100")]})
        raise ConnectionResetError("the stand drops this connection on purpose")


def failing(switch: Switch) -> Response:
    """The answer of a call that goes wrong on purpose."""
    response = _failing(switch.fault)
    response.headers.update(switch.headers)
    return response


def spoiled(response: Response, switch: Switch) -> Response:
    """The answer of a call that was done, as a switch has it."""
    kind = response.headers.get("Content-Type")
    match switch.fault:
        case Fault.AFTER:
            return failing(switch)
        case Fault.EMPTY:
            response = Response(b"", response.status_code, media_type=kind)
        case Fault.TRUNCATED:
            whole = bytes(response.body)
            response = Response(whole[: len(whole) // 2], response.status_code, media_type=kind)
        case Fault.ODD:
            response = Response(switch.body, response.status_code, media_type=kind)
    response.headers.update(switch.headers)
    return response


_SIGN_IN = "<html><title>Azure DevOps Services | Sign In</title><body><form></form></body></html>"


def _failing(fault: Fault) -> Response:
    match fault:
        case Fault.DROP:
            return Dropped()
        case Fault.SIGN_IN:
            page = iter([_SIGN_IN])  # chunked, as the service does
            return StreamingResponse(page, 203, media_type="text/html")
        case Fault.PAGE:
            return HTMLResponse(_SIGN_IN)
        case Fault.REDIRECT:
            return RedirectResponse("http://localhost:1/_signin?realm=dev.azure.com", 302)
        case Fault.TOO_MANY:
            error = ServiceError(
                429,
                "RequestBlockedException",
                "TF400733: The request has been canceled: Request was blocked due to exceeding usage of resource "
                "'Concurrency' in namespace 'User'.",
            )
            return JSONResponse(error.body(), 429, {"Retry-After": "1"})
        case Fault.UNAUTHORIZED:
            return HTMLResponse("", 401, {"WWW-Authenticate": "Bearer"})
        case Fault.FORBIDDEN:
            error = ServiceError(403, "UnauthorizedRequestException", "TF400813: The user is not authorized.")
            return JSONResponse(error.body(), 403)
        case Fault.NOT_FOUND:
            return JSONResponse(ServiceError(404, "VssResourceNotFoundException", "It is not there.").body(), 404)
        case Fault.CONFLICT:
            error = ServiceError(409, "GitReferenceStaleException", "TF401028: The reference has already been updated.")
            return JSONResponse(error.body(), 409)
        case Fault.SERVER_ERROR:
            return JSONResponse(ServiceError(500, "UnexpectedException", "An error on purpose.").body(), 500)
        case _:
            return JSONResponse(ServiceError(503, "ServiceException", "Unavailable on purpose.").body(), 503)


def is_signed_in(request: Request) -> bool:
    """Whether a request carries a token for Azure DevOps that is still good."""
    claims = _claims(request)
    return claims.get("aud") == AUDIENCE and float(claims.get("exp", 0)) > time.time()


def caller(request: Request) -> str | None:
    """Whose token a request carries."""
    return _claims(request).get("oid")


def _claims(request: Request) -> dict[str, Any]:
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.casefold() == "basic":
        try:
            value = base64.b64decode(value).decode().partition(":")[2]
        except ValueError:
            return {}
    return claims_of(value)
