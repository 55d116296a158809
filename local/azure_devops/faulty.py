"""Answers that go wrong on purpose: what the fault switches make of a call."""

from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from local.azure_devops.answers import ServiceError
from local.faults import Fault, Switch


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
            # Not the usual words of a stale ref: whatever a 409 says, somebody else was faster.
            return JSONResponse(ServiceError(409, "UnexpectedConflictException", "Somebody was faster.").body(), 409)
        case Fault.SERVER_ERROR:
            return JSONResponse(ServiceError(500, "UnexpectedException", "An error on purpose.").body(), 500)
        case _:
            return JSONResponse(ServiceError(503, "ServiceException", "Unavailable on purpose.").body(), 503)
