"""The local host's routes answer as the platform's do."""

import asyncio
from typing import Any, cast

import pytest
from azure_functions_runtime.bindings.datumdef import Datum

from local.functions_host.http import HttpFront, Keys
from local.functions_host.invoker import Function, Invoker, Outcome


class Host:
    async def invoke(self, function: Function, *_: object) -> Outcome:
        return Outcome(ok=True, returned=Datum(function.name, "string"))


def _function(name: str, route: str, methods: list[str] | None) -> Function:
    trigger = {"type": "httpTrigger", "name": "req", "authLevel": "ANONYMOUS", "route": route}
    return Function(name, name, ({**trigger, **({"methods": methods} if methods else {})},))


FUNCTIONS = (
    _function("read", "things", ["GET"]),
    _function("write", "things", ["POST"]),
    _function("any", "all", None),
)


def ask(method: str, path: str) -> tuple[int, bytes]:
    front = HttpFront(functions=FUNCTIONS, invoker=cast("Invoker", Host()), keys=Keys(), prefix="api")
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b"", "headers": [],
        "scheme": "http", "server": ("127.0.0.1", 80), "root_path": "", "http_version": "1.1",
    }  # fmt: skip
    asyncio.run(front.application()(scope, receive, send))
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


@pytest.mark.parametrize(
    ("method", "path", "answer"),
    [
        ("GET", "/api/things", (200, b"read")),
        ("POST", "/api/things", (200, b"write")),
        ("PUT", "/api/things", (404, b"")),
        ("HEAD", "/api/things", (404, b"")),
        ("PROPFIND", "/api/things", (404, b"")),
        ("PROPFIND", "/api/all", (200, b"any")),
        ("GET", "/api/nothing", (404, b"")),
        ("GET", "/things", (404, b"")),
    ],
)
def test_a_wrong_method_is_404_as_a_wrong_path_is(method: str, path: str, answer: tuple[int, bytes]) -> None:
    assert ask(method, path) == answer
