"""Starts the host: `python -m local.functions_host --app FOLDER --port PORT`."""

import argparse
import asyncio
import json
import logging
import os
import signal
import socket
import sys
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import uvicorn
from azure.identity import ManagedIdentityCredential
from azure.storage.queue import QueueClient

from local.functions_host.http import HttpFront, Keys
from local.functions_host.invoker import Function, Invoker, NotIndexed, timer_datum
from local.functions_host.queues import QueueListener, QueueSettings
from local.functions_host.schedule import Schedule

_LOGGER = logging.getLogger("host")
_SERVED = {"httptrigger", "http", "queuetrigger", "timertrigger"}


async def serve(arguments: argparse.Namespace) -> int:
    """Serve an app until SIGTERM or SIGINT."""
    host = json.loads((arguments.app / "host.json").read_text())
    invoker = Invoker(arguments.app)
    try:
        functions = await invoker.start()
    except NotIndexed as problem:
        sys.stderr.write(f"the Function app does not start: {str(problem).strip().splitlines()[-1]}\n")
        return 1
    unknown = {b["type"] for f in functions for b in f.bindings if b["type"].casefold() not in _SERVED}
    if unknown:
        sys.stderr.write(f"this host does not serve bindings of type {', '.join(sorted(unknown))}\n")
        return 1
    settings = QueueSettings.from_host_json(host, timedelta(seconds=arguments.invisible), os.environ)
    keys = Keys(os.environ.get("HOST_FUNCTION_KEY"), os.environ.get("HOST_MASTER_KEY"))
    prefix = host.get("extensions", {}).get("http", {}).get("routePrefix", "api")
    front = HttpFront(functions=functions, invoker=invoker, keys=keys, prefix=prefix)
    try:
        door = socket.create_server(("127.0.0.1", arguments.port))
    except OSError as problem:
        sys.stderr.write(f"the Functions host cannot listen on port {arguments.port}: {problem.strerror}\n")
        return 1
    server = uvicorn.Server(uvicorn.Config(front.application(), log_level="warning", access_log=False))
    started = [f for f in functions if not f.is_disabled(os.environ)]
    listeners = [_listener(f, invoker, settings) for f in started if f.trigger["type"].casefold() == "queuetrigger"]
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    with suppress(NotImplementedError):
        for sign in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(sign, stopping.set)
    timers = [asyncio.create_task(_tick(f, invoker)) for f in started if f.trigger["type"].casefold() == "timertrigger"]
    working = [asyncio.create_task(listener.listen()) for listener in listeners]
    serving = asyncio.create_task(server._serve(sockets=[door]))
    await asyncio.wait([asyncio.create_task(stopping.wait()), serving], return_when=asyncio.FIRST_COMPLETED)
    # Stop taking in, let what is in flight finish, then go.
    for listener in listeners:
        listener.stop()
    for timer in timers:
        timer.cancel()
    await asyncio.gather(*working, *timers, return_exceptions=True)
    server.should_exit = True
    await serving
    return 0


def _listener(function: Function, invoker: Invoker, settings: QueueSettings) -> QueueListener:
    connection, name = str(function.trigger["connection"]), str(function.trigger["queueName"])
    address = os.environ[f"{connection}__queueServiceUri"]
    # Of the connection's own settings alone: AZURE_CLIENT_ID does not reach a trigger that says `managedidentity`.
    credential = ManagedIdentityCredential(client_id=os.environ.get(f"{connection}__clientId") or None)
    return QueueListener(
        function=function,
        invoker=invoker,
        queue=QueueClient(address, name, credential=credential, retry_total=0),
        poison=None
        if name.endswith("-poison")
        else QueueClient(address, f"{name}-poison", credential=credential, retry_total=0),
        settings=settings,
    )


async def _tick(function: Function, invoker: Invoker) -> None:
    schedule = Schedule(str(function.trigger["schedule"]))
    last = datetime.now(UTC).replace(microsecond=0)
    while True:
        await asyncio.sleep(0.25)
        now = datetime.now(UTC).replace(microsecond=0)
        if now > last and schedule.fires_at(now):
            outcome = await invoker.invoke(function, timer_datum(), {})
            if not outcome.ok:
                _LOGGER.error("function %s failed: %s", function.name, outcome.error)
        last = now


def main() -> int:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m local.functions_host", description="Serve a Function app.")
    parser.add_argument("--app", type=Path, required=True, help="folder of function_app.py and host.json")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--invisible", type=float, default=600, help="seconds a message stays invisible unrenewed")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for chatty in ("azure.core", "azure.identity", "msrest", "urllib3", "azure.storage", "azure_functions_runtime"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    return asyncio.run(serve(arguments))


if __name__ == "__main__":
    sys.exit(main())
