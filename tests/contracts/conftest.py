"""The stand's parts, each test with an organisation of its own."""

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

# The SDK reads this when it is imported, and keeps answers there for 12 hours.
os.environ["AZURE_DEVOPS_CACHE_DIR"] = tempfile.mkdtemp(prefix="azure-devops-sdk-")

from azure.devops._file_cache import OPTIONS_CACHE, RESOURCE_CACHE
from azure.devops.client import Client

from local.azure_devops.api import AUDIENCE
from local.azure_devops.server import Organization
from local.azurite import Azurite
from local.certificates import make_certificates
from local.environments import SAMPLE, serve_repository
from local.processes import hold_ports
from shared.adapters.azure_devops import AzureDevOpsOrganizations
from shared.adapters.azure_devops.guard import Pause
from shared.domain.releases import FeedName
from shared.domain.targets import Target
from tests.contracts.recording import Recording, record
from tests.contracts.worlds import OnePackageUpstream, StandFeed, StandPipeline, StandRepository
from tests.fakes.clock import FakeStopwatch
from tests.fakes.credential import StubCredential

PROJECT = Path(__file__).resolve().parents[2]

atexit.register(shutil.rmtree, os.environ["AZURE_DEVOPS_CACHE_DIR"], ignore_errors=True)


@pytest.fixture(scope="session")
def _served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample as a bare repository, to be copied."""
    bare = tmp_path_factory.mktemp("served") / "repository.git"
    serve_repository(SAMPLE, bare)
    return bare


@contextmanager
def _running(served: Path, folder: Path) -> Iterator[Organization]:
    for cache in (OPTIONS_CACHE, RESOURCE_CACHE):
        cache.data.clear()
        cache.clear()
    Client._locations_cache.clear()
    shutil.copytree(served, folder / "repository.git")
    made = Organization(port=hold_ports(1)[0], folder=folder, upstream=OnePackageUpstream(folder / "public"))
    made.start()
    try:
        yield made
    finally:
        made.stop()


def _target(organization: Organization) -> Target:
    names = organization.names
    return Target(
        name="sample",
        organization=organization.url,
        project=names.project,
        repository=names.repository,
        branch="main",
        pipeline=names.pipeline,
        feeds=(FeedName.parse(organization.feed_name),),
    )


@pytest.fixture
def organization(_served: Path, tmp_path: Path) -> Iterator[Organization]:
    """The stand-in of Azure DevOps, on a free port."""
    with _running(_served, tmp_path / "organization") as made:
        yield made


@pytest.fixture
def target(organization: Organization) -> Target:
    """The stand-in as settings name it."""
    return _target(organization)


@pytest.fixture(scope="module")
def organization_of_module(_served: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Organization]:
    """A stand-in for all tests of a module."""
    with _running(_served, tmp_path_factory.mktemp("organization")) as made:
        yield made


@pytest.fixture(scope="module")
def target_of_module(organization_of_module: Organization) -> Target:
    """The module's stand-in as settings name it."""
    return _target(organization_of_module)


@pytest.fixture(scope="session")
def azure_devops() -> AzureDevOpsOrganizations:
    """The product's adapters; what the service asks them to wait is counted and not slept."""
    stopwatch = FakeStopwatch()
    return AzureDevOpsOrganizations(StubCredential(AUDIENCE), lambda: Pause(stopwatch.now, stopwatch.sleep))


@pytest.fixture(scope="session")
def recording(
    _served: Path, azure_devops: AzureDevOpsOrganizations, tmp_path_factory: pytest.TempPathFactory
) -> Recording:
    """Every call to Azure DevOps, made once."""
    with _running(_served, tmp_path_factory.mktemp("recorded")) as made:
        return record(made, azure_devops, _target(made), tmp_path_factory.mktemp("recording"))


@pytest.fixture
def stand_repository(
    organization: Organization, azure_devops: AzureDevOpsOrganizations, target: Target, tmp_path: Path
) -> StandRepository:
    """The adapter on the stand-in's repository."""
    return StandRepository(organization, azure_devops, target, tmp_path / "clone")


@pytest.fixture
def stand_feed(
    organization: Organization, azure_devops: AzureDevOpsOrganizations, target: Target, tmp_path: Path
) -> StandFeed:
    """The adapter on the stand-in's feed."""
    return StandFeed(organization, azure_devops, target, tmp_path / "wheels")


@pytest.fixture
def stand_pipeline(organization: Organization, azure_devops: AzureDevOpsOrganizations, target: Target) -> StandPipeline:
    """The adapter on the stand-in's pipeline."""
    return StandPipeline(organization, azure_devops, target)


@pytest.fixture(scope="session")
def storage_credential() -> StubCredential:
    """What the storage emulator lets in."""
    return StubCredential("https://storage.azure.com")


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    """The storage emulator."""
    folder = tmp_path_factory.mktemp("azurite")
    certificates = make_certificates(folder / "certificates")
    blob_port, queue_port = hold_ports(2)
    made = Azurite(
        node_modules=PROJECT / "node_modules",
        folder=folder,
        certificates=certificates,
        blob_port=blob_port,
        queue_port=queue_port,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REQUESTS_CA_BUNDLE", str(certificates.bundle))
        made.start()
        yield made
        made.stop()
