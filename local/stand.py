"""The stand: Azurite, the Azure DevOps stand-in and the Function app in its host, started and stopped together."""

import json
import os
import secrets
import shutil
import sys
import sysconfig
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import requests
from azure.core.exceptions import AzureError
from azure.storage.blob import ContainerClient

from local.agent.agent import Agent, Place
from local.agent.machine import Machine
from local.azure_devops.api import AUDIENCE, BUILD_SERVICE
from local.azure_devops.hooks import BUILD_COMPLETED, PACKAGE_CHANGED, RUN_STATE_CHANGED
from local.azure_devops.server import Organization
from local.azure_ml.proxy import Proxy
from local.azure_ml.server import BLOB_HOSTS, CONTAINER, HOSTS, AzureML
from local.azurite import ACCOUNT, ACCOUNT_KEY, Azurite
from local.certificates import make_certificates
from local.environments import PROJECT, SAMPLE, Served, serve_repository
from local.identity import PATH as IDENTITY_PATH
from local.identity import make_token
from local.processes import Process, StandError, hold_ports
from local.pythons import find_python
from local.upstream import Upstream

# What azure-pipelines.yml names by default.
SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
RESOURCE_GROUP = "ml"
WORKSPACE = "training"
# Says that a folder is a stand's own, and which process uses it.
OWNER = "owner.pid"
# The packages of `.venv`, which are more than the steps' lock names.
_LENT = (Path(sysconfig.get_path("purelib")), PROJECT / "pipelines" / "requirements.txt")


@dataclass(frozen=True, slots=True)
class StandSettings:
    """How a stand is set up.

    Attributes:
        folder: for everything it writes; emptied first.
        repository: the environments, a git checkout or a folder.
        port: of the Function app; 0 for any.
        settle_seconds: how long the app gathers releases.
        upstream: whether the feed passes on to the public index.
        package_hook: whether the organisation has a hook for published packages.
        build_hook: whether it has hooks for finished pipelines.
        hook_time_scale: what the waits of service hooks are multiplied with.
        invisible_seconds: how long a message stays invisible after its host died.
        app_settings: further settings of the Function app, or other values for them.
        hosts: how many Functions hosts work at the same time; the first is the one that is called from outside.
        agent: whether an agent runs what is queued.
        steps_from_feed: whether each job installs the steps' packages from the feed, as it does live; if not, jobs are
            lent those of `.venv`.
        index: the public index behind the feed; None for the one that pip would use.
    """

    folder: Path
    repository: Path = SAMPLE
    port: int = 0
    settle_seconds: float = 2
    upstream: bool = True
    package_hook: bool = True
    build_hook: bool = True
    hook_time_scale: float = 1.0
    invisible_seconds: float = 60
    app_settings: Mapping[str, str] | None = None
    hosts: int = 1
    agent: bool = True
    steps_from_feed: bool = False
    index: str | None = None


def _take_over(folder: Path, repository: Path) -> None:
    """Empty the stand's folder, which has to be its own: nothing of anybody else is ever deleted.

    Raises:
        StandError: it is not, or another stand uses it.
    """
    if not repository.is_dir():
        raise StandError(f"--repository {repository}: there is no such folder")
    mine, theirs = folder.resolve(), repository.resolve()
    if mine == theirs or mine in theirs.parents:
        raise StandError(f"--folder {folder}: the repository lies there, and the folder is emptied; choose another one")
    if folder.exists():
        if not folder.is_dir():
            raise StandError(f"--folder {folder}: is a file")
        owner = folder / OWNER
        if any(folder.iterdir()) and not owner.is_file():
            raise StandError(f"--folder {folder}: holds files of somebody else; choose an empty one")
        with suppress(OSError, ValueError):
            process = int(owner.read_text())
            os.kill(process, 0)  # is there such a process?
            if process != os.getpid():
                raise StandError(f"process {process} runs a stand in {folder}; end it, or choose another --folder")
        shutil.rmtree(folder)
    try:
        folder.mkdir(parents=True)
        (folder / OWNER).write_text(str(os.getpid()))
    except OSError as problem:
        raise StandError(f"--folder {folder}: {problem.strerror}") from None


class Stand:
    """A running stand.

    Attributes:
        organization: the Azure DevOps stand-in.
        azurite: the storage emulator.
        functions: the Functions host's process.
        other_hosts: those of further hosts.
        served: what was done to the copy of the repository.
        azure_ml: the Azure ML stand-in.
        proxy: leads to it.
        agent: runs what is queued.
        token_lifetime: of the service connection's tokens, in seconds; a negative one is expired.
    """

    def __init__(self, settings: StandSettings) -> None:
        self.settings = settings
        self.token_lifetime = 600
        folder = settings.folder
        _take_over(folder, settings.repository)
        devops_port, blob_port, queue_port, functions_port, ml_port, proxy_port = hold_ports(6)
        self.functions_port = settings.port or functions_port
        self.served: Served = serve_repository(settings.repository, folder / "azure-devops" / "repository.git")
        self.organization = Organization(
            port=devops_port,
            folder=folder / "azure-devops",
            upstream=Upstream(settings.index) if settings.upstream else None,
            hook_time_scale=settings.hook_time_scale,
        )
        self.certificates = make_certificates(folder / "certificates", ("localhost", *HOSTS, BLOB_HOSTS))
        self.azurite = Azurite(
            node_modules=PROJECT / "node_modules",
            folder=folder,
            certificates=self.certificates,
            blob_port=blob_port,
            queue_port=queue_port,
        )
        self.azure_ml = AzureML(port=ml_port, certificates=self.certificates, workspaces=(WORKSPACE,))
        self.proxy = Proxy(proxy_port, {**dict.fromkeys(HOSTS, ml_port), BLOB_HOSTS: blob_port})
        self.agent = self._make_agent()
        self.hook_secret = secrets.token_urlsafe(24)
        self.function_key = secrets.token_urlsafe(24)
        self.functions = self._host(self.functions_port, "functions")
        others = hold_ports(settings.hosts - 1)
        self.other_hosts = {port: self._host(port, f"functions-{port}") for port in others}

    @property
    def app_url(self) -> str:
        """Address of the Function app."""
        return f"http://127.0.0.1:{self.functions_port}"

    def start(self) -> None:
        """Start all parts; what was started is stopped again if one does not start."""
        try:
            self.azurite.start()
            self._create_container()
            self.organization.start()
            self.azure_ml.start()
            self.proxy.start()
            if self.settings.agent:
                self.organization.pipelines.queued.append(self.agent.take)
                self.agent.start()
            self._subscribe()
            self.start_functions()
        except BaseException:
            self.stop()
            raise

    def start_functions(self) -> None:
        """Start the Function app and wait until it serves."""
        hosts = {self.functions_port: self.functions, **self.other_hosts}
        for host in hosts.values():
            host.start()
        for port, host in hosts.items():
            host.wait_for_port(port)

    def stop(self) -> None:
        """Stop all parts; the folder stays, to be looked at."""
        for host in (self.functions, *self.other_hosts.values()):
            host.stop()
        self.agent.stop()
        self.proxy.stop()
        self.azure_ml.stop()
        self.organization.stop()
        self.azurite.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # The Function app from outside

    def release(self, name: str, version: str, *, everything: bool = False) -> dict[str, Any] | None:
        """What the app knows of a release, or None."""
        answer = self.get(f"/api/releases/{name}/{version}", {"all": "1"} if everything else {})
        return answer.json() if answer.status_code == 200 else None

    def rebuild(self, rebuild: str) -> dict[str, Any] | None:
        """What the app knows of a rebuild, or None."""
        answer = self.get(f"/api/rebuilds/{rebuild}")
        return answer.json() if answer.status_code == 200 else None

    def get(self, path: str, query: Mapping[str, str] | None = None) -> requests.Response:
        """Ask the app something."""
        return requests.get(
            self.app_url + path, params=query, headers={"x-functions-key": self.function_key}, timeout=60
        )

    def post(self, path: str, body: object, *, seconds: float = 60) -> requests.Response:
        """Ask the app to do something."""
        headers = {"x-functions-key": self.function_key}
        return requests.post(self.app_url + path, json=body, headers=headers, timeout=seconds)

    def post_hook(self, body: object) -> requests.Response:
        """Send something to the hook endpoint, with the secret."""
        return requests.post(
            f"{self.app_url}/api/hooks", json=body, headers={"X-Rebuilder-Secret": self.hook_secret}, timeout=60
        )

    def download_context(self, address: str, folder: Path) -> Path:
        """Read an uploaded build context back from the storage, as the image build does."""
        container, prefix = urlsplit(address).path.lstrip("/").split("/", 1)
        client = self._container(container)
        for name in client.list_blob_names(name_starts_with=prefix):
            path = folder / name.removeprefix(prefix)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(client.download_blob(name).readall())
        return folder

    def fire_timer(self) -> requests.Response:
        """Let the repair timer fire now, with the host's admin call."""
        return self.post("/admin/functions/repair", {}, seconds=300)  # as long as a function may take

    def _host(self, port: int, log: str) -> Process:
        return Process(
            "the Function app",
            [
                sys.executable, "-m", "local.functions_host", "--app", str(PROJECT),
                "--port", str(port), "--invisible", str(self.settings.invisible_seconds),
            ],
            log=self.settings.folder / "logs" / f"{log}.log",
            environment=self._app_environment(),
        )  # fmt: skip

    def _make_agent(self) -> Agent:
        organization, names = self.organization, self.organization.names
        machine = Machine(
            folder=self.settings.folder / "agent",
            find_python=find_python,
            feed_indexes=lambda: {
                organization.feed_name: organization.feed_index(make_token(AUDIENCE, subject=BUILD_SERVICE))
            },
            access_token=lambda: make_token(AUDIENCE, subject=BUILD_SERVICE),
            connections={"azure-ml": lambda: make_token("https://management.azure.com", lifetime=self.token_lifetime)},
            azure_environment={"HTTPS_PROXY": self.proxy.url, "REQUESTS_CA_BUNDLE": str(self.certificates.bundle)},
            lent=None if self.settings.steps_from_feed else _LENT,
        )
        place = Place(names.project, organization.url, organization.clone_url)
        agent = Agent(machine=machine, place=place, folder=self.settings.folder / "agent")
        agent.finished.append(
            lambda build: organization.hooks.run_finished(
                run=build.id, pipeline=build.definition.id, name=build.definition.name, result=build.result or ""
            )
        )
        return agent

    def _create_container(self) -> None:
        """What Azure ML makes with a workspace: the container of its default datastore."""
        try:
            self._container(CONTAINER).create_container()
        except AzureError as problem:
            raise StandError(f"Azurite does not answer: {self.azurite.process.last_line()}") from problem

    def _container(self, name: str) -> ContainerClient:
        return ContainerClient(
            self.azurite.blobs,
            name,
            credential={"account_name": ACCOUNT, "account_key": ACCOUNT_KEY},
            connection_verify=str(self.certificates.bundle),
            retry_total=0,  # it is on this machine, and it listens
        )

    def _subscribe(self) -> None:
        url, hooks = f"{self.app_url}/api/hooks", self.organization.hooks
        if self.settings.package_hook:
            hooks.subscribe(PACKAGE_CHANGED, url, password=self.hook_secret)
        if self.settings.build_hook:
            hooks.subscribe(BUILD_COMPLETED, url, password=self.hook_secret, version="2.0")
            hooks.subscribe(RUN_STATE_CHANGED, url, password=self.hook_secret)

    def _app_environment(self) -> dict[str, str]:
        names = self.organization.names
        target = {
            "name": "main",
            "organization": self.organization.url,
            "project": names.project,
            "repository": names.repository,
            "branch": "main",
            "pipeline": names.pipeline,
            "feeds": [self.organization.feed_name],
            "workspaces": [{"subscription": SUBSCRIPTION, "resource_group": RESOURCE_GROUP, "name": WORKSPACE}],
        }
        kept = ("PATH", "HOME", "LANG", "TMPDIR")
        return {
            **{name: os.environ[name] for name in kept if name in os.environ},
            "PYTHONPATH": str(PROJECT),
            "PYTHONUNBUFFERED": "1",
            "REQUESTS_CA_BUNDLE": str(self.certificates.bundle),
            "HTTPS_PROXY": self.proxy.url,
            "NO_PROXY": "127.0.0.1",
            "AZURE_DEVOPS_CACHE_DIR": str(self.settings.folder / "azure-devops-cache"),
            "IDENTITY_ENDPOINT": f"http://127.0.0.1:{self.organization.port}{IDENTITY_PATH}",
            "IDENTITY_HEADER": self.organization.identity.header,
            "HOST_FUNCTION_KEY": self.function_key,
            "HOST_MASTER_KEY": self.function_key,
            "REBUILDER_TARGETS": json.dumps([target]),
            "REBUILDER_HOOK_SECRETS": self.hook_secret,
            "REBUILDER_STORAGE__blobServiceUri": self.azurite.blobs,
            "REBUILDER_STORAGE__queueServiceUri": self.azurite.queues,
            "REBUILDER_STORAGE__credential": "managedidentity",
            # A person watches: messages are looked for more often than where nobody does.
            "AzureFunctionsJobHost__extensions__queues__maxPollingInterval": "00:00:02",
            "REBUILDER_SETTLE_SECONDS": str(self.settings.settle_seconds),
            **(self.settings.app_settings or {}),
        }
