"""Runs functions through `azure-functions-runtime`, Microsoft's worker as a library.

It uses modules of that package that are not documented, so its version is pinned and one test watches for changes.
One app per process: the library keeps its state in module globals.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import azure_functions_runtime as runtime
from azure_functions_runtime import handle_event, native_invocation
from azure_functions_runtime.bindings.datumdef import Datum


class NotIndexed(Exception):
    """Azure would refuse to index the app."""


@dataclass(frozen=True, slots=True)
class Function:
    """One function as the worker describes it."""

    name: str
    id: str
    bindings: tuple[dict[str, Any], ...]

    @property
    def trigger(self) -> dict[str, Any]:
        """The binding that starts it."""
        return next(b for b in self.bindings if b["type"].casefold().endswith("trigger"))

    def is_disabled(self, settings: Mapping[str, str]) -> bool:
        """Whether the app settings keep its queue or schedule from starting it; the admin call still does.

        The setting is the platform's own ("How to disable functions in Azure Functions"). Unlike the platform, this
        host goes on serving HTTP functions.
        """
        return settings.get(f"AzureWebJobs.{self.name}.Disabled", "").casefold() in ("true", "1")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an invocation came to.

    Attributes:
        ok: whether the function returned.
        returned: what it returned, as the worker encodes it.
        error: the exception, if it raised one.
        traceback: likewise.
    """

    ok: bool
    returned: Any = None
    error: str = ""
    traceback: str = ""


def _record(**constants: int) -> type:
    def __init__(self: Any, **values: Any) -> None:  # noqa: N807
        self.__dict__.update(values)

    return type("Record", (), {"__init__": __init__, **constants})


_PROTOS = SimpleNamespace(
    WorkerInitResponse=_record(),
    WorkerMetadata=_record(),
    RpcException=_record(),
    RpcFunctionMetadata=_record(),
    RpcRetryOptions=_record(),
    StatusResult=_record(Failure=0, Success=1),
    BindingInfo=_record(**{"in": 0, "out": 1, "inout": 2, "undefined": 0}),
)


class Invoker:
    """Loads one app and calls its functions."""

    def __init__(self, app_folder: Path) -> None:
        self._folder = app_folder

    async def start(self) -> list[Function]:
        """Index the app as Azure would.

        Raises:
            NotIndexed: Azure would refuse it.
        """
        sys.path.insert(0, str(self._folder))
        runtime.start_threadpool_executor()
        request = SimpleNamespace(
            request=SimpleNamespace(
                worker_init_request=SimpleNamespace(capabilities={}, function_app_directory=str(self._folder))
            ),
            properties={"host": "127.0.0.1", "protos": _PROTOS},
        )
        response = await runtime.worker_init_request(request)
        if response.result.status != _PROTOS.StatusResult.Success:
            raise NotIndexed(str(response.result.exception.message))
        return [
            Function(m.name, m.function_id, tuple(json.loads(raw) for raw in m.raw_bindings))
            for m in handle_event._metadata_result or []
        ]

    async def invoke(self, function: Function, datum: Datum, metadata: Mapping[str, Datum]) -> Outcome:
        """Call a function with its trigger's data."""
        ok, returned, _, error, traceback = await native_invocation.invocation_request_native(
            str(uuid4()), function.id, [(function.trigger["name"], datum)], dict(metadata)
        )
        return Outcome(bool(ok), returned, error or "", traceback or "")


def http_datum(
    *,
    method: str,
    url: str,
    headers: Mapping[str, str],
    query: Mapping[str, str],
    route: Mapping[str, str],
    body: bytes,
) -> Datum:
    """An HTTP request in the worker's terms."""
    return Datum(
        {
            "method": Datum(method, "string"),
            "url": Datum(url, "string"),
            "headers": {name: Datum(value, "string") for name, value in headers.items()},
            "query": {name: Datum(value, "string") for name, value in query.items()},
            "params": {name: Datum(value, "string") for name, value in route.items()},
            "body": Datum(body, "bytes"),
        },
        "http",
    )


def queue_datum(text: str, *, id: str, pop_receipt: str, dequeue_count: int) -> tuple[Datum, dict[str, Datum]]:  # noqa: A002
    """A queue message in the worker's terms, with its metadata."""
    metadata = {
        "Id": Datum(id, "string"),
        "PopReceipt": Datum(pop_receipt, "string"),
        "DequeueCount": Datum(str(dequeue_count), "json"),
    }
    return Datum(text, "string"), metadata


def timer_datum(*, past_due: bool = False) -> Datum:
    """A timer's tick in the worker's terms."""
    return Datum(json.dumps({"Schedule": {}, "ScheduleStatus": None, "IsPastDue": past_due}), "json")
