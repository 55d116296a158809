"""Git's own protocol, for clone, fetch and push: `git http-backend` does the work, for who signs in."""

import os
import subprocess
from urllib.parse import unquote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from local.azure_devops.api import BUILD_SERVICE, caller, is_signed_in, shows_password
from local.azure_devops.repository import GitRepository

_RECEIVE = "git-receive-pack"


async def smart_http(request: Request, repository: GitRepository, below: str, password: str) -> Response:
    """Answer git.

    Args:
        request: of git.
        repository: which is asked for.
        below: the rest of the address.
        password: a developer's, who signs in with it in place of a token.
    """
    if not (is_signed_in(request) or shows_password(request, password)):
        return Response("Sign in to use this repository.", 401, {"WWW-Authenticate": 'Basic realm="git"'}, "text/plain")
    pushes = below.strip("/") == _RECEIVE or request.query_params.get("service") == _RECEIVE
    if pushes and caller(request) == BUILD_SERVICE:
        return Response("TF401027: The build service may not contribute here.", 403, media_type="text/plain")
    body = await request.body()
    environment = {
        "PATH": os.environ["PATH"],
        "GIT_PROJECT_ROOT": str(repository.path),
        "GIT_HTTP_EXPORT_ALL": "1",
        "GIT_CONFIG_NOSYSTEM": "1",
        "REMOTE_USER": "developer",
        "REMOTE_ADDR": "127.0.0.1",
        "REQUEST_METHOD": request.method,
        "PATH_INFO": unquote(below),
        "QUERY_STRING": request.url.query,
        "CONTENT_TYPE": request.headers.get("content-type", ""),
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_CONTENT_ENCODING": request.headers.get("content-encoding", ""),
        "GIT_PROTOCOL": request.headers.get("git-protocol", ""),
    }

    def backend() -> bytes:
        return subprocess.run(
            ["git", "http-backend"], input=body, capture_output=True, check=False, env=environment
        ).stdout

    head, _, content = (await run_in_threadpool(backend)).partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
    status = int(headers.pop("Status", "200 OK").split(" ")[0])
    return Response(content, status, headers)
