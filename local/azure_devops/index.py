"""The package index at its own host, and the storage behind it: what installers and twine talk to."""

import re
import secrets

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from local.azure_devops.api import is_signed_in, shows_password
from local.azure_devops.faulty import failing, spoiled
from local.azure_devops.feed import Feed
from local.azure_devops.names import is_called, project_id
from local.azure_devops.packages import Refused
from local.azure_devops.uploads import check_upload
from local.faults import Faults
from local.upstream import UpstreamDown

PATH = re.compile(
    r"/(?:(?P<project>[^/]+)/)?_packaging/(?P<feed>[^/@]+)(?:@(?P<view>[^/]+))?/pypi/(?P<below>.*)", re.IGNORECASE
)


class PackageIndex:
    """The index of a feed.

    Attributes:
        url: of the organisation at the host of packages.
        storage: address of the storage: files are there, signed for, and a token beside the signature is refused.
        password: what a developer shows in place of a personal access token.
    """

    def __init__(self, feed: Feed, faults: Faults, *, url: str, storage: str) -> None:
        self._feed = feed
        self._faults = faults
        self.url = url
        self.storage = storage
        self.password = secrets.token_urlsafe(24)
        self._signature = secrets.token_hex(16)

    async def answer(self, request: Request, address: re.Match[str]) -> Response:
        """Answer an installer or twine."""
        below = address["below"]
        operation = "upload" if request.method == "POST" else "index" if below.startswith("simple") else "download"
        switch = self._faults.next(operation)
        if switch and not switch.fault.has_effect:
            return failing(switch)
        if not (is_signed_in(request) or shows_password(request, self.password)):
            return Response("Sign in to use this feed.", 401, {"WWW-Authenticate": 'Basic realm="feed"'}, "text/plain")
        feed = self._feed
        right_place = is_called(address["project"] or "", feed.project, project_id(feed.project))
        if not right_place or not is_called(address["feed"], feed.name, feed.id):
            return Response("There is no such feed.", 404, media_type="text/plain")
        if operation == "upload":
            response = await self._upload(request, below)
        elif request.method not in ("GET", "HEAD"):
            response = Response(f"The stand does not know {request.method} here.", 400, media_type="text/plain")
        else:
            response = await run_in_threadpool(self._get, request, below, address["view"])
        return spoiled(response, switch) if switch else response

    async def _upload(self, request: Request, below: str) -> Response:
        if below.strip("/") != "upload":
            return Response(f"The stand takes no POST to {below}.", 400, media_type="text/plain")
        async with request.form(max_part_size=512 * 1024 * 1024) as form:
            content = form.get("content")
            if not isinstance(content, UploadFile) or not content.filename:
                return Response("There is no file in the upload.", 400, media_type="text/plain")
            raw, filename = await content.read(), content.filename
            fields = {name: value for name, value in form.items() if isinstance(value, str)}
        try:
            check_upload(fields, filename, raw)
            await run_in_threadpool(self._feed.publish, filename, raw)
        except Refused as problem:
            return Response(str(problem), problem.status, media_type="text/plain")
        return Response("", 202, media_type="text/plain")

    def _get(self, request: Request, below: str, view: str | None) -> Response:
        feed = self._feed
        try:
            match below.split("/"):
                case ["simple", name, ""] if name:
                    files = f"{self.url}/{project_id(feed.project)}/_packaging/{feed.id}/pypi/download"
                    page = feed.page(name, files, view)
                    return HTMLResponse(page) if page else _missing("There is no such package.")
                case ["simple", name] if name:
                    return RedirectResponse(f"{request.url.path}/", 301)
                case ["download", name, version, filename] if feed.file(name, version, filename) is not None:
                    where = f"{self.storage}/{name}/{version}/{filename}"
                    return RedirectResponse(f"{where}?sig={self._signature}", 303)
                case _:
                    return _missing("There is no such file.")
        except UpstreamDown as problem:
            return Response(f"The upstream source failed: {problem}.", 502, media_type="text/plain")

    async def stored(self, request: Request) -> Response:
        """A file at the storage: who shows a token beside the signature is refused, as Azure Storage does."""
        if "Authorization" in request.headers or request.query_params.get("sig") != self._signature:
            return Response("Server failed to authenticate the request.", 403, media_type="text/plain")
        wanted = (request.path_params[part] for part in ("name", "version", "file"))
        content = await run_in_threadpool(self._feed.file, *wanted)
        if content is None:
            return _missing("The specified blob does not exist.")
        return Response(content, media_type="application/octet-stream")


def _missing(why: str) -> Response:
    return Response(why, 404, media_type="text/plain")
