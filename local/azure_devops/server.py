"""The organisation as one web server: REST, git, package index, and the stand's own switches."""

import base64
import hmac
import re
import secrets
import threading
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from local.azure_devops.api import Api, failing, is_signed_in, spoiled
from local.azure_devops.builds import BuildRecords
from local.azure_devops.feed import Feed
from local.azure_devops.feed_api import FeedApi
from local.azure_devops.hooks import Hooks
from local.azure_devops.packages import Refused
from local.azure_devops.pipelines import Definition, Pipelines
from local.azure_devops.pypi_api import PyPiApi
from local.azure_devops.repository import GitRepository, smart_http
from local.environments import PIPELINE_FOLDER
from local.faults import Fault, Faults
from local.identity import IdentityEndpoint
from local.upstream import Upstream, UpstreamDown

_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]
_GIT = re.compile(r"/(?P<project>[^/]+)/_git/(?P<repository>[^/]+)(?P<below>/.*)?", re.IGNORECASE)
_PACKAGING = re.compile(
    r"/(?:(?P<project>[^/]+)/)?_packaging/(?P<feed>[^/@]+)(?:@(?P<view>[^/]+))?/pypi/(?P<below>.*)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Names:
    """How things are called in the stand's organisation."""

    organization: str = "contoso"
    project: str = "ml"
    repository: str = "environments"
    feed: str = "packages"
    pipeline: int = 7


@dataclass
class Organization:
    """Everything behind the organisation's address.

    Attributes:
        port: where it is served.
        folder: for git and packages.
        names: how things are called.
        upstream: the public index, or None for a feed without upstream.
        stores_elsewhere: files are at another host, which the feed's addresses redirect to and which takes no token,
            as the service has it.
        hook_time_scale: what the waits of service hooks are multiplied with.
    """

    port: int
    folder: Path
    names: Names = field(default_factory=Names)
    upstream: Upstream | None = None
    hook_time_scale: float = 1.0
    stores_elsewhere: bool = False

    def __post_init__(self) -> None:
        """Build the parts and connect them."""
        names = self.names
        self.url = f"http://127.0.0.1:{self.port}/{names.organization}"
        self.faults = Faults()
        self.identity = IdentityEndpoint()
        # What a developer shows to the feed, in place of a personal access token.
        self.feed_password = secrets.token_urlsafe(24)
        self._signature = secrets.token_hex(16)
        self.api = Api(names.organization, names.project, self.faults)
        self.repository = GitRepository(names.repository, self.folder / "repository.git")
        self.feed = Feed(project=names.project, name=names.feed, folder=self.folder / "feed", upstream=self.upstream)
        self.hooks = Hooks(self.url, time_scale=self.hook_time_scale)
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
    def feed_name(self) -> str:
        """The feed as settings name it."""
        return f"{self.names.project}/{self.names.feed}"

    @property
    def feed_url(self) -> str:
        """Address of the feed's Python endpoint."""
        return f"{self.url}/{self.names.project}/_packaging/{self.names.feed}/pypi"

    def feed_index(self, token: str) -> str:
        """Address of the feed's simple index, with the credentials of a job."""
        return self.feed_url.replace("://", f"://build:{token}@") + "/simple/"

    @property
    def clone_url(self) -> str:
        """Address to clone the repository from."""
        return f"{self.url}/{self.names.project}/_git/{self.names.repository}"

    def _tell_of_package(self, name: str, version: str) -> None:
        self.hooks.package_changed(
            project=self.names.project, feed_id=self.feed.id, feed=self.feed.name, name=name, version=version
        )

    # Serving

    def start(self) -> None:
        """Serve in a thread of this process."""
        config = uvicorn.Config(
            self.application(), host="127.0.0.1", port=self.port, log_level="critical", access_log=False
        )
        server = uvicorn.Server(config)
        server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        self._server = server
        self._thread = threading.Thread(target=server.run, name="azure-devops", daemon=True)
        self._thread.start()
        while not server.started and self._thread.is_alive():
            self._thread.join(0.01)

    def stop(self) -> None:
        """Stop serving."""
        self.hooks.stop()
        if self._server and self._thread:
            self._server.should_exit = self._server.force_exit = True
            self._thread.join(10)

    def application(self) -> Starlette:
        """The ASGI application."""
        return Starlette(
            routes=[
                self.identity.route(),
                Route("/_stand/faults", self._switch, methods=["GET", "POST", "DELETE"]),
                Route("/_stand/storage/{name}/{version}/{file}", self._stored, methods=["GET"]),
                Route("/{organization}{below:path}", self._serve, methods=_METHODS),
            ]
        )

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
        if request.path_params["organization"].casefold() != self.names.organization.casefold():
            return JSONResponse({"message": "There is no such organisation."}, 404)
        below = request.path_params["below"] or "/"
        if found := _GIT.fullmatch(below):
            if found["repository"].casefold() != self.repository.name.casefold():
                return Response("There is no such repository.", 404)
            return await smart_http(request, self.repository, found["below"] or "/")
        if found := _PACKAGING.fullmatch(below):
            return await self._packages(request, found)
        return await self.api.serve(request, below)

    # The package index

    async def _packages(self, request: Request, address: re.Match[str]) -> Response:
        below = address["below"]
        operation = "upload" if request.method == "POST" else "index" if below.startswith("simple") else "download"
        switch = self.faults.next(operation)
        if switch and not switch.fault.has_effect:
            return failing(switch)
        if not self._may_use_feed(request):
            return Response("Sign in to use this feed.", 401, {"WWW-Authenticate": 'Basic realm="feed"'})
        right_place = (address["project"] or "").casefold() == self.names.project.casefold()
        if not right_place or address["feed"].casefold() not in (self.feed.name.casefold(), self.feed.id):
            return Response("There is no such feed.", 404)
        if operation == "upload" and below.strip("/") == "upload":
            response = await self._upload(request)
        else:
            response = await run_in_threadpool(self._get_package, request, below, address["view"])
        return spoiled(response, switch) if switch else response

    def _may_use_feed(self, request: Request) -> bool:
        scheme, _, value = request.headers.get("Authorization", "").partition(" ")
        if scheme.casefold() == "basic":
            try:
                password = base64.b64decode(value).decode().partition(":")[2]
            except ValueError:
                return False
            if hmac.compare_digest(password.encode(), self.feed_password.encode()):
                return True
        return is_signed_in(request)

    async def _upload(self, request: Request) -> Response:
        """Twine's form: the metadata's fields and the file in `content`."""
        async with request.form(max_part_size=512 * 1024 * 1024) as form:
            content = form.get("content")
            if not isinstance(content, UploadFile) or not content.filename:
                return Response("There is no file in the upload.", 400)
            raw, filename = await content.read(), content.filename
        try:
            await run_in_threadpool(self.feed.publish, filename, raw)
        except Refused as problem:
            return Response(str(problem), problem.status, media_type="text/plain")
        return Response("", 202)

    def _get_package(self, request: Request, below: str, view: str | None) -> Response:
        try:
            match below.split("/"):
                case ["simple", name, ""] if name:
                    page = self.feed.page(name, view)
                    return HTMLResponse(page) if page else Response("There is no such package.", 404)
                case ["simple", name] if name:
                    return RedirectResponse(f"{request.url.path}/", 301)
                case ["download", name, version, filename] if self.stores_elsewhere:
                    where = f"http://localhost:{self.port}/_stand/storage/{name}/{version}/{filename}"
                    return RedirectResponse(f"{where}?sig={self._signature}", 303)
                case ["download", name, version, filename]:
                    content = self.feed.file(name, version, filename)
                    if content is None:
                        return Response("There is no such file.", 404)
                    return Response(content, media_type="application/octet-stream")
                case _:
                    return Response("", 404)
        except UpstreamDown as problem:
            return Response(f"The upstream source failed: {problem}.", 502)

    async def _stored(self, request: Request) -> Response:
        """A file at the storage: who shows a token beside the signature is refused, as Azure Storage does."""
        if "Authorization" in request.headers or request.query_params.get("sig") != self._signature:
            return Response("Server failed to authenticate the request.", 403)
        wanted = (request.path_params[part] for part in ("name", "version", "file"))
        content = await run_in_threadpool(self.feed.file, *wanted)
        return Response(content or b"", 404 if content is None else 200, media_type="application/octet-stream")
