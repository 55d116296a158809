"""The HTTP front: routes, keys and the admin calls of the platform's host."""

import hmac
import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from azure_functions_runtime.bindings.datumdef import Datum
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route, request_response

from local.functions_host.invoker import Function, Invoker, http_datum, queue_datum, timer_datum

_LOGGER = logging.getLogger("host.http")


@dataclass(frozen=True, slots=True)
class Keys:
    """The host's own secrets; without them nothing is checked."""

    function: str | None = None
    master: str | None = None

    def allows(self, level: str, shown: str | None) -> bool:
        """Whether a key opens a function of an authorisation level."""
        known = [key for key in ((self.master,) if level == "ADMIN" else (self.function, self.master)) if key]
        if level == "ANONYMOUS" or not known:
            return True
        return any(hmac.compare_digest(key.encode(), (shown or "").encode()) for key in known)


class HttpFront:
    """Finds the function for a request, calls it and writes its answer."""

    def __init__(self, *, functions: Iterable[Function], invoker: Invoker, keys: Keys, prefix: str) -> None:
        self._invoker = invoker
        self._keys = keys
        self._functions = {function.name: function for function in functions}
        self._routes = [
            (_pattern(prefix, str(function.trigger.get("route") or function.name)), function)
            for function in self._functions.values()
            if function.trigger["type"].casefold() == "httptrigger"
        ]

    def application(self) -> Starlette:
        """The ASGI application."""
        return Starlette(
            routes=[
                Route("/admin/host/status", self._status, methods=["GET"]),
                Route("/admin/functions/{name}", self._start, methods=["POST"]),
                Mount("/", request_response(self._serve)),
            ]
        )

    async def _status(self, request: Request) -> Response:  # noqa: ARG002
        return JSONResponse({"state": "Running", "functions": sorted(self._functions)})

    async def _start(self, request: Request) -> Response:
        """Start any function by hand: `POST /admin/functions/{name}` with `{}` or `{"input": "…"}`."""
        if not self._keys.allows("ADMIN", _shown_key(request)):
            return Response(status_code=401)
        function = self._functions.get(request.path_params["name"])
        if function is None:
            return Response(status_code=404)
        body = await request.body()
        wish = await request.json() if body.strip() else {}
        kind = function.trigger["type"].casefold()
        metadata: Mapping[str, Datum] = {}
        if kind == "timertrigger":
            datum = timer_datum()
        elif kind == "queuetrigger":
            datum, metadata = queue_datum(str(wish.get("input", "")), id="admin", pop_receipt="", dequeue_count=1)
        else:
            return Response(status_code=400)
        outcome = await self._invoker.invoke(function, datum, metadata)
        if not outcome.ok:
            _LOGGER.error("function %s failed: %s", function.name, outcome.error)
            return JSONResponse({"error": outcome.error}, status_code=500)
        return Response(status_code=202)

    async def _serve(self, request: Request) -> Response:
        for pattern, function in self._routes:
            found = pattern.fullmatch(request.url.path)
            methods = [method.upper() for method in function.trigger.get("methods") or [request.method]]
            if found and request.method in methods:
                return await self._call(request, function, {k: v for k, v in found.groupdict().items() if v})
        # The platform's host answers a wrong method so too (azure-functions-host#10098).
        return Response(status_code=404)

    async def _call(self, request: Request, function: Function, route: dict[str, str]) -> Response:
        if not self._keys.allows(str(function.trigger.get("authLevel", "FUNCTION")).upper(), _shown_key(request)):
            return Response(status_code=401)
        datum = http_datum(
            method=request.method,
            url=str(request.url),
            headers=dict(request.headers),
            query=dict(request.query_params),
            route=route,
            body=await request.body(),
        )
        outcome = await self._invoker.invoke(function, datum, {})
        if not outcome.ok:
            _LOGGER.error("function %s failed: %s", function.name, outcome.error)
            return Response(status_code=500)
        return _response(outcome.returned)


def _response(returned: Any) -> Response:
    if returned.type != "http":
        return Response(str(returned.value or ""), media_type="text/plain")
    value = returned.value
    headers = {name: datum.value for name, datum in value["headers"].items()}
    return Response(value["body"].value, status_code=int(value["status_code"].value), headers=headers)


def _shown_key(request: Request) -> str | None:
    return request.headers.get("x-functions-key") or request.query_params.get("code")


def _pattern(prefix: str, route: str) -> re.Pattern[str]:
    """Translate a route template: `{name}` is a segment, `{*rest}` the rest."""
    parts = []
    for segment in f"{prefix}/{route}".strip("/").split("/"):
        if segment.startswith("{*"):
            parts.append(rf"(?P<{segment[2:-1]}>.*)")
        elif segment.startswith("{"):
            parts.append(rf"(?P<{segment[1:-1]}>[^/]+)")
        else:
            parts.append(re.escape(segment))
    return re.compile("/" + "/".join(parts) + "/?", re.IGNORECASE)
