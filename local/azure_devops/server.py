"""The organisation at its hosts, each on a port of its own: REST, git, package index, storage; and fault switches."""

import re
import socket
import threading
import uuid
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from local.azure_devops import index
from local.azure_devops.api import Api
from local.azure_devops.builds import BuildRecords
from local.azure_devops.feed import Feed
from local.azure_devops.feed_api import FeedApi
from local.azure_devops.git_http import smart_http
from local.azure_devops.hooks import Hooks
from local.azure_devops.index import PackageIndex
from local.azure_devops.locations import Host
from local.azure_devops.names import Names, is_called
from local.azure_devops.pipelines import Definition, Pipelines
from local.azure_devops.pypi_api import PyPiApi
from local.azure_devops.repository import GitRepository
from local.environments import PIPELINE_FOLDER
from local.faults import Fault, Faults
from local.identity import IdentityEndpoint
from local.processes import StandError, hold_ports
from local.upstream import Upstream

__all__ = ["Names", "Organization"]

_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]
_GIT = re.compile(r"/(?P<project>[^/]+)/_git/(?P<repository>[^/]+)(?P<below>/.*)?", re.IGNORECASE)


@dataclass
class Organization:
    """Everything behind the organisation's addresses.

    Attributes:
        port: where its own address is served; the other hosts have ports of their own.
        folder: for git and packages.
        names: how things are called.
        upstream: the public index, or None for a feed without upstream.
        hook_time_scale: what the waits of service hooks are multiplied with.
        urls: its address at each host.
    """

    port: int
    folder: Path
    names: Names = field(default_factory=Names)
    upstream: Upstream | None = None
    hook_time_scale: float = 1.0

    def __post_init__(self) -> None:
        """Build the parts and connect them."""
        names = self.names
        feeds, packages, storage = hold_ports(3)
        self._hosts = {self.port: Host.DEVOPS, feeds: Host.FEEDS, packages: Host.PACKAGES}
        self._storage_port = storage
        self.urls = {host: f"http://127.0.0.1:{port}/{names.organization}" for port, host in self._hosts.items()}
        self.url = self.urls[Host.DEVOPS]
        self.faults = Faults()
        self.identity = IdentityEndpoint()
        self.api = Api(names.organization, names.project, self.faults, self.urls)
        self.repository = GitRepository(names.repository, self.folder / "repository.git", project=names.project)
        self.feed = Feed(project=names.project, name=names.feed, folder=self.folder / "feed", upstream=self.upstream)
        self.index = PackageIndex(
            self.feed, self.faults, url=self.urls[Host.PACKAGES], storage=f"http://127.0.0.1:{storage}/packages"
        )
        self.hooks = Hooks(self.url, names, time_scale=self.hook_time_scale)
        self.pipelines = Pipelines(names.project)
        self.pipelines.define(
            Definition(
                names.pipeline, "rebuild-environments", f"{PIPELINE_FOLDER}/azure-pipelines.yml", self.repository
            )
        )
        parts = (FeedApi(self.feed), PyPiApi(self.feed), self.hooks, self.pipelines, BuildRecords(self.pipelines))
        for part in (self.repository, *parts):
            part.serve(self.api)
        self.feed.published.append(self._tell_of_package)
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def password(self) -> str:
        """What a developer shows to the feed and to the repository, in place of a personal access token."""
        return self.index.password

    @property
    def feed_name(self) -> str:
        """The feed as settings name it."""
        return f"{self.names.project}/{self.names.feed}"

    @property
    def feed_url(self) -> str:
        """Address of the feed's Python endpoint."""
        return f"{self.urls[Host.PACKAGES]}/{self.names.project}/_packaging/{self.names.feed}/pypi"

    def feed_index(self, token: str) -> str:
        """Address of the feed's simple index, with the credentials of a job."""
        return self.feed_url.replace("://", f"://build:{token}@") + "/simple/"

    @property
    def clone_url(self) -> str:
        """Address to clone the repository from; it asks for a sign-in."""
        return f"{self.url}/{self.names.project}/_git/{self.names.repository}"

    @property
    def developers_clone_url(self) -> str:
        """The same with a developer's credentials."""
        return self.clone_url.replace("://", f"://developer:{self.password}@")

    def _tell_of_package(self, name: str, version: str) -> None:
        self.hooks.package_changed(feed_id=self.feed.id, name=name, version=version)

    # Serving

    def start(self) -> None:
        """Serve in a thread of this process.

        Raises:
            StandError: somebody has one of the ports.
        """
        sockets = [_listening(port) for port in (*self._hosts, self._storage_port)]
        config = uvicorn.Config(self.application(), log_level="critical", access_log=False)
        server = uvicorn.Server(config)
        server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        self._server = server
        self._thread = threading.Thread(target=server.run, args=(sockets,), name="azure-devops", daemon=True)
        self._thread.start()
        while not server.started and self._thread.is_alive():
            self._thread.join(0.01)

    def stop(self) -> None:
        """Stop serving."""
        self.hooks.stop()
        if self._server and self._thread:
            self._server.should_exit = self._server.force_exit = True
            self._thread.join(10)

    def application(self) -> ASGIApp:
        """The ASGI application of all hosts; which one is asked, the port says."""
        storage = Starlette(routes=[Route("/packages/{name}/{version}/{file}", self.index.stored, methods=["GET"])])
        service = _Signed(
            Starlette(
                routes=[
                    self.identity.route(),
                    Route("/_stand/faults", self._switch, methods=["GET", "POST", "DELETE"]),
                    Route("/{organization}{below:path}", self._serve, methods=_METHODS),
                ]
            )
        )

        async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
            is_storage = scope["type"] == "http" and scope["server"][1] == self._storage_port
            await (storage if is_storage else service)(scope, receive, send)

        return dispatch

    async def _switch(self, request: Request) -> Response:
        if request.method == "DELETE":
            self.faults.clear()
        elif request.method == "POST":
            wish = await request.json()
            try:
                headers = {str(name): str(value) for name, value in wish.get("headers", {}).items()}
                self.faults.set(str(wish["operation"]), str(wish["fault"]), int(wish.get("times", 1)), headers)
            except (KeyError, ValueError, AttributeError) as problem:
                return JSONResponse({"error": str(problem), "faults": [fault.value for fault in Fault]}, 400)
        return JSONResponse({"calls": self.faults.calls})

    async def _serve(self, request: Request) -> Response:
        host = self._hosts[request.scope["server"][1]]
        if request.path_params["organization"].casefold() != self.names.organization.casefold():
            return JSONResponse({"message": "There is no such organisation."}, 404)
        below = request.path_params["below"] or "/"
        if host is Host.DEVOPS and (found := _GIT.fullmatch(below)):
            is_here = is_called(found["project"], self.names.project, self.names.project_id)
            if not is_here or not self.repository.is_called(found["repository"]):
                return Response("There is no such repository.", 404, media_type="text/plain")
            return await smart_http(request, self.repository, found["below"] or "/", self.password)
        if host is Host.PACKAGES and (found := index.PATH.fullmatch(below)):
            return await self.index.answer(request, found)
        return await self.api.serve(request, below, host)


class _Signed:
    """Adds to every answer what the service adds: ids for its support, and the charset of what is text."""

    def __init__(self, application: ASGIApp) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""

        async def signed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                activity = str(uuid.uuid4())
                headers["ActivityId"] = headers["X-VSS-E2EID"] = activity
                headers["X-TFS-ProcessId"] = _PROCESS
                if headers.get("Content-Type") == "application/json":
                    headers["Content-Type"] = "application/json; charset=utf-8"
            await send(message)

        await self._application(scope, receive, signed)


_PROCESS = str(uuid.uuid4())


def _listening(port: int) -> socket.socket:
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind(("127.0.0.1", port))
        made.listen()
    except OSError:
        made.close()
        raise StandError(f"port {port} for the Azure DevOps stand-in is in use") from None
    return made
