"""What `AzureML` promises, kept by the adapter (on the stand-in, over TLS under Azure's names) and by the fake."""

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import pytest

from local.agent.machine import Machine
from local.agent.tasks import signed_in
from local.azure_ml.proxy import Proxy
from local.azure_ml.server import HOSTS, Version
from local.azure_ml.server import AzureML as StandIn
from local.certificates import make_certificates
from local.faults import Fault
from local.identity import make_token
from local.processes import hold_ports
from shared.adapters.azure_ml import AzureMLWorkspaces
from shared.domain.targets import Workspace
from shared.errors import AccessDenied, NotThere, Permanent, RebuilderError, ServiceUnavailable, Throttled
from shared.ports import AzureML, RegisteredVersion, Sought
from shared.steps.job_state import Job, StepFailed, Work
from shared.steps.register import register, registered_before, versions_of
from tests.fakes.azure_ml import FakeAzureML
from tests.fakes.credential import StubCredential

WORKSPACE = Workspace("00000000-0000-0000-0000-000000000000", "ml", "training")


class World(Protocol):
    """A workspace, and a pipeline that registers in it."""

    @property
    def azure_ml(self) -> AzureML: ...

    def register(self, name: str, tags: dict[str, str]) -> str:
        """Register an environment; returns its version."""
        ...


class MemoryWorld:
    def __init__(self) -> None:
        self.azure_ml = FakeAzureML()

    def register(self, name: str, tags: dict[str, str]) -> str:
        return self.azure_ml.register(str(WORKSPACE), name, tags)


class StandWorld:
    def __init__(self, stand_in: StandIn) -> None:
        self.stand_in = stand_in
        self.azure_ml = AzureMLWorkspaces(StubCredential("https://management.azure.com"))

    def register(self, name: str, tags: dict[str, str]) -> str:
        versions = self.stand_in.environments["training"].setdefault(name, [])
        number = str(len(versions) + 1)
        build = {"contextUri": f"https://storage/{name}/"}
        versions.append(Version(name, number, {"tags": tags, "build": build, "osType": "Linux", "isArchived": False}))
        return number


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    folder = tmp_path_factory.mktemp("azure-ml")
    certificates = make_certificates(folder, ("localhost", *HOSTS))
    port, proxy_port = hold_ports(2)
    made = StandIn(port=port, certificates=certificates, workspaces=("training",))
    proxy = Proxy(proxy_port, dict.fromkeys(HOSTS, port))
    made.start()
    proxy.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HTTPS_PROXY", proxy.url)
        patch.setenv("NO_PROXY", "127.0.0.1")
        patch.setenv("REQUESTS_CA_BUNDLE", str(certificates.bundle))
        yield made
    proxy.stop()
    made.stop()


@pytest.fixture(params=["adapter", "fake"])
def world(request: pytest.FixtureRequest) -> World:
    if request.param == "fake":
        return MemoryWorld()
    made: StandIn = request.getfixturevalue("stand_in")
    made.environments["training"].clear()
    made.faults.clear()
    return StandWorld(made)


def look_up(
    azure_ml: AzureML, name: str, workspace: Workspace = WORKSPACE, values: tuple[str, ...] = ("0123",)
) -> RegisteredVersion | None:
    """What Azure ML answers when one version is sought."""
    (found,) = azure_ml.registered([Sought(workspace, name, "rebuilder-rebuild", values)])
    if isinstance(found, RebuilderError):
        raise found
    return found


def test_an_environment_that_is_not_there_is_none(world: World) -> None:
    assert look_up(world.azure_ml, "training_environment") is None


def test_the_version_with_the_tag_is_found_with_its_tags_and_context(world: World) -> None:
    world.register("training_environment", {"rebuilder-rebuild": "earlier"})
    version = world.register("training_environment", {"rebuilder-rebuild": "0123", "package-our-package": "1.1"})
    world.register("training_environment", {})

    found = look_up(world.azure_ml, "training_environment")

    assert found is not None
    assert found.version == version
    assert found.tags["package-our-package"] == "1.1"
    assert found.context is not None


def test_a_version_without_the_tag_is_none_of_ours(world: World) -> None:
    world.register("training_environment", {"rebuilder-rebuild": "another"})
    world.register("other_environment", {"rebuilder-rebuild": "0123"})

    assert look_up(world.azure_ml, "training_environment") is None


def test_of_several_rebuilds_the_first_that_has_a_version_counts(world: World) -> None:
    first = world.register("training_environment", {"rebuilder-rebuild": "aaaa"})
    second = world.register("training_environment", {"rebuilder-rebuild": "bbbb"})
    world.register("training_environment", {"rebuilder-rebuild": "cccc"})

    for values, version in ((("0123", "aaaa", "bbbb"), first), (("bbbb", "aaaa"), second)):
        found = look_up(world.azure_ml, "training_environment", values=values)
        assert found is not None
        assert found.version == version
    assert look_up(world.azure_ml, "training_environment", values=("0123", "dddd")) is None


def test_many_versions_are_sought_at_once_and_answered_in_order(world: World) -> None:
    versions = {name: world.register(name, {"rebuilder-rebuild": "0123", "name": name}) for name in ("b", "a", "c")}
    sought = [Sought(WORKSPACE, name, "rebuilder-rebuild", ("0123",)) for name in ("a", "nowhere", "c", "b")]

    found = world.azure_ml.registered(sought)

    told = [(one.version, one.tags["name"]) if isinstance(one, RegisteredVersion) else one for one in found]
    assert told == [(versions["a"], "a"), None, (versions["c"], "c"), (versions["b"], "b")]


def test_one_that_cannot_be_looked_up_keeps_no_other_from_being_found(stand_in: StandIn) -> None:
    world = StandWorld(stand_in)
    stand_in.environments["training"].clear()
    world.register("training_environment", {"rebuilder-rebuild": "0123"})
    lost = Sought(Workspace("0", "ml", "nowhere"), "training_environment", "rebuilder-rebuild", ("0123",))
    found = world.azure_ml.registered([lost, replace(lost, workspace=WORKSPACE)])
    assert isinstance(found[0], NotThere)
    assert isinstance(found[1], RegisteredVersion)


def test_without_a_connection_nothing_is_known(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    world = StandWorld(stand_in)
    (free,) = hold_ports(1)
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{free}")
    with pytest.raises(ServiceUnavailable):
        world.azure_ml.registered([Sought(WORKSPACE, "training_environment", "rebuilder-rebuild", ("0123",))])


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.UNAUTHORIZED, AccessDenied),
        (Fault.FORBIDDEN, AccessDenied),
        (Fault.TOO_MANY, Throttled),
        (Fault.UNAVAILABLE, ServiceUnavailable),
    ],
)
def test_faults_of_the_service_become_ours(stand_in: StandIn, fault: Fault, error: type[Exception]) -> None:
    world = StandWorld(stand_in)
    # The SDK tries again by itself.
    stand_in.faults.set("list versions", fault, times=20)
    with pytest.raises(error):
        look_up(world.azure_ml, "training_environment")
    stand_in.faults.clear()


def test_a_list_of_versions_without_end_ends(stand_in: StandIn) -> None:
    world = StandWorld(stand_in)
    stand_in.environments["training"].clear()
    world.register("training_environment", {"rebuilder-rebuild": "another"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stand_in, "endless", True)
        with pytest.raises(Permanent, match=r"training_environment.*does not end"):
            look_up(world.azure_ml, "training_environment")


def _job(run: str = "12", rebuild: str = "0123", earlier: tuple[str, ...] = ()) -> Job:
    return Job("e.yml", rebuild, "1", earlier, run, "c" * 40, (WORKSPACE,), Path("sources"), Path("folder"))


def _before(world: StandWorld, job: Job) -> str | None:
    from azure.ai.ml import MLClient

    client = MLClient(
        StubCredential("https://management.azure.com"), WORKSPACE.subscription, WORKSPACE.resource_group, WORKSPACE.name
    )
    return registered_before(versions_of(client, "workspace-tools"), job, "workspace-tools", WORKSPACE)


def test_a_registration_looks_first_what_is_there(stand_in: StandIn) -> None:
    stand_in.environments["training"].clear()
    world = StandWorld(stand_in)
    assert _before(world, _job()) is None

    world.register("workspace-tools", {"rebuilder-rebuild": "earlier", "rebuilder-run": "11"})
    world.register("workspace-tools", {"a-persons": "own"})
    assert _before(world, _job()) is None

    mine = world.register("workspace-tools", {"rebuilder-rebuild": "0123", "rebuilder-run": "12"})
    assert _before(world, _job()) == mine
    assert look_up(world.azure_ml, "workspace-tools") is not None


def test_what_an_earlier_rebuild_of_the_same_files_registered_is_not_registered_again(stand_in: StandIn) -> None:
    """A retry registers only in the workspaces where the first try did not."""
    stand_in.environments["training"].clear()
    world = StandWorld(stand_in)
    first = world.register("workspace-tools", {"rebuilder-rebuild": "aaaa", "rebuilder-run": "11"})
    world.register("workspace-tools", {"a-persons": "own"})

    assert _before(world, _job(earlier=("bbbb", "aaaa"))) == first
    assert _before(world, _job(earlier=("bbbb",))) is None
    assert _before(world, _job()) is None


def test_an_earlier_rebuild_that_registered_nothing_lets_nothing_be_registered_over_a_later_run(
    stand_in: StandIn,
) -> None:
    stand_in.environments["training"].clear()
    world = StandWorld(stand_in)
    world.register("workspace-tools", {"rebuilder-rebuild": "cccc", "rebuilder-run": "13"})

    with pytest.raises(StepFailed, match=r"^superseded by run 13"):
        _before(world, _job(earlier=("aaaa",)))


def test_an_older_run_registers_nothing_over_a_later_one(stand_in: StandIn) -> None:
    """Azure ML's newest version is the one that was created last, whatever it holds."""
    stand_in.environments["training"].clear()
    world = StandWorld(stand_in)
    world.register("workspace-tools", {"rebuilder-rebuild": "later", "rebuilder-run": "13"})

    with pytest.raises(StepFailed, match=r"^superseded by run 13: it has registered a version of workspace-tools in"):
        _before(world, _job())


def _register_with_an_expired_token(folder: Path, monkeypatch: pytest.MonkeyPatch, az_seconds: float = 0) -> None:
    machine = Machine(
        folder=folder, find_python=lambda _: None, feed_indexes=dict, access_token=str, az_seconds=az_seconds
    )
    machine.prepare()
    expired = make_token("https://management.azure.com", lifetime=-10)
    with signed_in(expired, folder) as variables:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("PATH", machine.environment()["PATH"])
        job = replace(_job(), folder=folder)
        Work(name="workspace-tools").save(job)
        register(job)


def test_a_registration_without_a_valid_token_fails_and_says_so(
    stand_in: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StepFailed, match=r"^Azure ML answers 401: "):
        _register_with_an_expired_token(tmp_path, monkeypatch)


def test_an_azure_cli_that_takes_half_a_minute_is_waited_for(
    stand_in: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What Azure ML says of the token shows that there was one. Time passes 50 times as fast for azure-identity."""
    patient = subprocess.check_output

    def hurried(command: list[str], *, timeout: float | None = None, **options: Any) -> Any:
        return patient(command, timeout=timeout and timeout / 50, **options)

    monkeypatch.setattr(subprocess, "check_output", hurried)

    with pytest.raises(StepFailed, match=r"^Azure ML answers 401: "):
        _register_with_an_expired_token(tmp_path, monkeypatch, az_seconds=30 / 50)


def test_a_registration_without_a_sign_in_says_so(
    stand_in: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    Work(name="workspace-tools").save(replace(_job(), folder=tmp_path))

    with pytest.raises(StepFailed, match=r"^no sign-in to Azure ML: Azure CLI not found"):
        register(replace(_job(), folder=tmp_path))


def test_no_identity_but_the_service_connections_is_used(
    stand_in: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IDENTITY_ENDPOINT", "http://127.0.0.1:1/an-agents-own-identity")
    monkeypatch.setenv("IDENTITY_HEADER", "x")

    with pytest.raises(StepFailed, match=r"^Azure ML answers 401: "):
        _register_with_an_expired_token(tmp_path, monkeypatch)


def test_a_workspace_that_is_not_there_is_not_there(stand_in: StandIn) -> None:
    world = StandWorld(stand_in)
    with pytest.raises(NotThere):
        look_up(world.azure_ml, "training_environment", Workspace("0", "ml", "nowhere"))
