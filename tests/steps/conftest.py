"""A feed with tiny wheels, and a checkout to rebuild environments of."""

import atexit
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from local.azure_devops.api import AUDIENCE
from local.azure_devops.server import Organization
from local.environments import SAMPLE, serve_repository
from local.identity import make_token
from local.processes import hold_ports
from local.wheels import empty_wheel
from shared.domain.targets import Workspace
from shared.steps.job_state import Job
from shared.steps.package import package
from shared.steps.prepare import prepare

# The SDK of Azure DevOps reads this when it is imported, and keeps answers there for 12 hours.
if "AZURE_DEVOPS_CACHE_DIR" not in os.environ:
    os.environ["AZURE_DEVOPS_CACHE_DIR"] = tempfile.mkdtemp(prefix="azure-devops-sdk-")
    atexit.register(shutil.rmtree, os.environ["AZURE_DEVOPS_CACHE_DIR"], ignore_errors=True)

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
DOCKERFILE = b"FROM scratch\nCOPY pip_packages /pip_packages\nRUN pip install --no-index -r requirements.txt\n"
YAML = b"name: training\nbuild:\n  path: context\n"


@pytest.fixture(scope="session")
def organization(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Organization]:
    """A feed without upstream."""
    folder = tmp_path_factory.mktemp("feed")
    serve_repository(SAMPLE, folder / "repository.git")
    made = Organization(port=hold_ports(1)[0], folder=folder)
    for name, version, requires in (
        ("our-package", "1.0", ()),
        ("our-package", "1.1", ("our-helper>=2",)),
        ("our-helper", "2.5", ()),
        ("our-clash", "1.0", ("our-helper<2",)),
        *(("our-range", version, ()) for version in ("1.0", "1.1", "1.2", "2.0", "2.1rc1")),
        ("our-linux", "1.0", ('our-helper; python_version >= "3"',)),
    ):
        wheel = empty_wheel(name, version, folder / "wheels", requires=requires)
        made.feed.publish(wheel.name, wheel.read_bytes(), silent=True)
    later = empty_wheel("our-late", "1.0", folder / "wheels", requires_python=">=3.99")
    made.feed.publish(later.name, later.read_bytes(), silent=True)
    made.start()
    yield made
    made.stop()


@dataclass
class Checkout:
    """One job's checkout."""

    job: Job
    folder: Path
    variables: dict[str, str] = field(default_factory=dict)

    def write(self, files: Mapping[str, bytes]) -> None:
        """Write files into the checkout."""
        for path, raw in files.items():
            target = self.job.sources / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(raw)


def _checkout(folder: Path, organization: Organization, environment: pytest.MonkeyPatch) -> Checkout:
    tools = folder / "python" / "bin"
    tools.mkdir(parents=True)
    (tools / "python").symlink_to(Path(sys.executable).resolve())
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX"):
        environment.delenv(name, raising=False)
    environment.setenv("PIP_INDEX_URL", organization.feed_index(make_token(AUDIENCE)))
    environment.setenv("REBUILDER_PYTHON", str(folder / "python"))
    job = Job(
        environment="training/environment.yml",
        rebuild="0123456789abcdef",
        batch="1",
        earlier=(),
        run="12",
        commit="c" * 40,
        workspaces=(Workspace("s", "ml", "training"),),
        sources=folder / "sources",
        folder=folder / "job",
    )
    made = Checkout(job, folder)
    made.write(
        {
            "rebuilder.yml": f'deliver: push\npackages: [{{match: "our-*"}}]\npython: {{"**": "{PYTHON}"}}\n'.encode(),
            "training/environment.yml": YAML,
            "training/context/Dockerfile": DOCKERFILE,
            "training/context/requirements.txt": b"our-package==1.1\n",
        }
    )
    return made


@pytest.fixture
def checkout(tmp_path: Path, organization: Organization, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    """A checkout with one environment of this Python, signed in to the feed."""
    return _checkout(tmp_path, organization, monkeypatch)


@pytest.fixture(scope="session")
def _packaged(organization: Organization, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The job's folder after `prepare` and `package`, to be copied: pip needs its time."""
    with pytest.MonkeyPatch.context() as environment:
        made = _checkout(tmp_path_factory.mktemp("packaged"), organization, environment)
        prepare(made.job)
        package(made.job)
    return made.job.folder


@pytest.fixture
def packaged(checkout: Checkout, _packaged: Path) -> Checkout:
    """The same checkout after `prepare` and `package`."""
    shutil.copytree(_packaged, checkout.job.folder)
    return checkout
