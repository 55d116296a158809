"""Azure Resource Manager for Azure ML workspaces, as far as environments go.

The calls and their rules are those that azure-ai-ml 1.35 makes and needs: a version's content cannot be changed (409),
`latestVersion` is the one created last, `nextVersion` the highest number and one.
"""

import socket
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import uvicorn
from azure.storage.blob import ContainerSasPermissions, generate_container_sas
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.azure_ml.refusals import Refused, check_api_version, environment_properties
from local.azurite import ACCOUNT, ACCOUNT_KEY
from local.certificates import Certificates
from local.faults import Fault, Faults
from local.identity import claims_of
from local.processes import StandError

HOSTS = ("management.azure.com", "login.microsoftonline.com")
BLOB_HOSTS = "*.blob.core.windows.net"
CONTAINER = "azureml-blobstore"
_WORKSPACE = "/subscriptions/{s}/resourceGroups/{g}/providers/Microsoft.MachineLearningServices/workspaces/{w}"
_AUDIENCES = ("https://management.azure.com", "https://management.core.windows.net")
# What makes a version's content; everything else of it may be changed.
_CONTENT = ("dockerfilePath", "image", "condaFile", "inferenceConfig")


@dataclass
class Version:
    """One registered version of an environment."""

    name: str
    number: str
    properties: dict[str, Any]
    created: datetime = field(default_factory=lambda: datetime.now(UTC))

    def content(self) -> tuple[object, ...]:
        """What cannot be changed once it is registered."""
        return _content(self.properties)


def _content(properties: dict[str, Any]) -> tuple[object, ...]:
    build = properties.get("build") or {}
    return (
        build.get("contextUri"),
        build.get("dockerfilePath") or "Dockerfile",
        properties.get("osType") or "Linux",
        *(str(properties.get(key)) for key in _CONTENT[1:]),
    )


class AzureML:
    """The workspaces of one subscription.

    Attributes:
        workspaces: names of those that are there.
        faults: its fault switches, by operation: `get environment`, `put version`, `list secrets`, …
        endless: fault switch: lists of versions lead back to themselves.
        requests: every request, as (method, path).
        environments: workspace → environment → versions, oldest first.
        certificates: what it shows who asks.
    """

    def __init__(self, *, port: int, certificates: Certificates, workspaces: tuple[str, ...]) -> None:
        self.port = port
        self.workspaces = workspaces
        self.faults = Faults()
        self.endless = False
        self.requests: list[tuple[str, str]] = []
        self.environments: dict[str, dict[str, list[Version]]] = {name: {} for name in workspaces}
        self.certificates = certificates
        self._lock = threading.Lock()
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Serve over TLS in a thread.

        Raises:
            StandError: it cannot listen on its port.
        """
        try:
            listener = socket.create_server(("127.0.0.1", self.port))
        except OSError as problem:
            raise StandError(f"the Azure ML stand-in cannot listen on port {self.port}: {problem.strerror}") from None
        server = uvicorn.Server(
            uvicorn.Config(
                self.application(),
                log_level="critical",
                access_log=False,
                ssl_certfile=str(self.certificates.certificate),
                ssl_keyfile=str(self.certificates.key),
            )
        )
        server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        self._server = server
        self._thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="azure-ml", daemon=True)
        self._thread.start()
        while not server.started and self._thread.is_alive():
            self._thread.join(0.01)

    def stop(self) -> None:
        """Stop serving."""
        if self._server and self._thread:
            self._server.should_exit = self._server.force_exit = True
            self._thread.join(10)

    def application(self) -> Starlette:
        """The ASGI application."""
        routes = [
            ("", "GET", "get workspace", self._get_workspace),
            ("/datastores/{datastore}", "GET", "get datastore", self._get_datastore),
            ("/datastores/{datastore}/listSecrets", "POST", "list secrets", self._list_secrets),
            ("/environments", "GET", "list environments", self._list_environments),
            ("/environments/{name}", "GET", "get environment", self._get_environment),
            ("/environments/{name}/versions", "GET", "list versions", self._list_versions),
            ("/environments/{name}/versions/{version}", "GET", "get version", self._get_version),
            ("/environments/{name}/versions/{version}", "PUT", "put version", self._put_version),
        ]
        known = [
            Route(_WORKSPACE + path, self._checked(operation, handler), methods=[method])
            for path, method, operation, handler in routes
        ]
        return Starlette(
            routes=known, exception_handlers={404: self._unknown, 405: self._unknown, Refused: self._refused}
        )

    async def _unknown(self, request: Request, _: Exception) -> Response:
        self.requests.append((request.method, request.url.path))
        what = f"{request.method} {request.url.path}"
        return _error(400, "NotInTheStand", f"The stand does not know {what}.")

    async def _refused(self, _: Request, problem: Exception) -> Response:
        if not isinstance(problem, Refused):
            raise problem
        return _error(problem.status, problem.code, problem.message)

    def _checked(self, operation: str, handler: Any) -> Any:
        async def serve(request: Request) -> Response:
            self.requests.append((request.method, request.url.path))
            switch = self.faults.next(operation)
            fault = switch.fault if switch else None
            scheme, _, token = request.headers.get("Authorization", "").partition(" ")
            claims = claims_of(token) if scheme == "Bearer" else {}
            known = str(claims.get("aud", "")).rstrip("/") in _AUDIENCES
            if not known or float(claims.get("exp", 0)) <= time.time() or fault is Fault.UNAUTHORIZED:
                return _error(401, "InvalidAuthenticationToken", "The access token is missing, wrong or expired.")
            if fault is not None and fault is not Fault.AFTER:
                status = int(fault.value) if fault.value.isdigit() else 503
                return _error(status, "Fault", "This call goes wrong on purpose.")
            check_api_version(request.query_params)
            if request.path_params["w"] not in self.workspaces:
                return _error(404, "ResourceNotFound", f"The workspace {request.path_params['w']} was not found.")
            response: Response = await handler(request)
            return _error(503, "Fault", "The answer gets lost on purpose.") if fault is Fault.AFTER else response

        return serve

    async def _get_workspace(self, request: Request) -> Response:
        return JSONResponse({"id": request.url.path, "name": request.path_params["w"], "properties": {}})

    async def _get_datastore(self, request: Request) -> Response:
        name = request.path_params["datastore"]
        if name != "workspaceblobstore":
            return _error(404, "UserError", f"The datastore {name} was not found.")
        return JSONResponse(
            {
                "id": request.url.path,
                "name": name,
                "properties": {
                    "datastoreType": "AzureBlob",
                    "accountName": ACCOUNT,
                    "containerName": CONTAINER,
                    "endpoint": "core.windows.net",
                    "protocol": "https",
                    "isDefault": True,
                    "credentials": {"credentialsType": "Sas"},
                },
            }
        )

    async def _list_secrets(self, request: Request) -> Response:  # noqa: ARG002
        token = generate_container_sas(
            ACCOUNT, CONTAINER, account_key=ACCOUNT_KEY,
            permission=ContainerSasPermissions.from_string("racwdl"),
            expiry=datetime.now(UTC) + timedelta(hours=1),
        )  # fmt: skip
        return JSONResponse({"secretsType": "Sas", "sasToken": token})

    def _of(self, request: Request) -> dict[str, list[Version]]:
        return self.environments[request.path_params["w"]]

    async def _list_environments(self, request: Request) -> Response:
        rows = [_container(request, name, versions) for name, versions in sorted(self._of(request).items())]
        return JSONResponse({"value": rows})

    async def _get_environment(self, request: Request) -> Response:
        name = request.path_params["name"]
        versions = self._of(request).get(name)
        if not versions:
            return _error(404, "UserError", f"Environment {name} was not found.")
        return JSONResponse(_container(request, name, versions))

    async def _list_versions(self, request: Request) -> Response:
        name = request.path_params["name"]
        versions = self._of(request).get(name)
        if not versions:
            return _error(404, "UserError", f"Environment {name} was not found.")
        rows = [_described(request, version) for version in versions]
        if "desc" in request.query_params.get("$orderBy", ""):
            rows.reverse()
        if top := request.query_params.get("$top"):
            rows = rows[: int(top)]
        more = {"nextLink": str(request.url)} if self.endless else {}
        return JSONResponse({"value": rows, **more})

    async def _get_version(self, request: Request) -> Response:
        found = self._find(request)
        if found is None:
            return _error(404, "UserError", f"Environment {request.path_params['name']} has no such version.")
        return JSONResponse(_described(request, found))

    async def _put_version(self, request: Request) -> Response:
        name, number = request.path_params["name"], request.path_params["version"]
        try:
            body = await request.json()
        except ValueError:
            body = None
        wanted = {
            "tags": {},
            "properties": {},
            "osType": "Linux",
            **environment_properties(name, body),
            "environmentType": "UserCreated",
            "provisioningState": "Succeeded",
        }
        with self._lock:
            found = self._find(request)
            if found is None:
                found = Version(name, number, wanted)
                self._of(request).setdefault(name, []).append(found)
                return JSONResponse(_described(request, found), 201)
            if found.content() != _content(wanted):
                return _error(
                    409,
                    "UserError",
                    f"Environment {name} with version {number} is already registered and cannot be changed.",
                )
            found.properties = wanted
            return JSONResponse(_described(request, found))

    def _find(self, request: Request) -> Version | None:
        versions = self._of(request).get(request.path_params["name"], [])
        return next((version for version in versions if version.number == request.path_params["version"]), None)


def _container(request: Request, name: str, versions: list[Version]) -> dict[str, Any]:
    numbers = [int(version.number) for version in versions if version.number.isdigit()]
    return {
        "id": f"{_base(request)}/environments/{name}",
        "name": name,
        "properties": {
            "latestVersion": versions[-1].number,
            "nextVersion": str(max(numbers, default=0) + 1),
            "isArchived": False,
        },
    }


def _described(request: Request, version: Version) -> dict[str, Any]:
    moment = version.created.isoformat().replace("+00:00", "Z")
    return {
        "id": f"{_base(request)}/environments/{version.name}/versions/{version.number}",
        "name": version.number,
        "properties": version.properties,
        "systemData": {"createdAt": moment, "lastModifiedAt": moment, "createdBy": "pipeline"},
    }


def _base(request: Request) -> str:
    p = request.path_params
    return _WORKSPACE.format(s=p["s"], g=p["g"], w=p["w"])


def _error(status: int, code: str, message: str) -> Response:
    return JSONResponse({"error": {"code": code, "message": message}}, status)
