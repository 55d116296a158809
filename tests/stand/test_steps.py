"""The steps as they run live: their packages come from the feed, and what else lies about does not get into them."""

import shutil
import stat
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from packaging.utils import parse_wheel_filename

from local.agent.machine import STEPS_PYTHON
from local.azure_devops.pipelines import Build
from local.azure_devops.repository import git
from local.bootstrap import STEPS_WHEELS
from local.environments import PIPELINE_FOLDER, PROJECT
from local.stand import Stand, StandSettings
from local.wheels import empty_wheel
from tests.environments import write_environment
from tests.local.index import Index
from tests.stand.conftest import TIMER_OFF, state_of
from tests.waiting import wait_for

pytestmark = pytest.mark.stand

RULES = f'deliver: push\npackages: [{{match: "my-*"}}]\npython: {{"**": "{STEPS_PYTHON}"}}\n'
DOCKERFILE = "FROM scratch\nCOPY pip_packages /pip_packages\nRUN pip install --no-index -r requirements.txt\n"
# Modules that Python or the steps import, of a name that the environments' repository may well use itself.
NAMES = ("yaml.py", "json.py", "sitecustomize.py", "usercustomize.py", "packaging.py", "pydantic.py", "typer.py",
         "uv.py", "pip.py", "venv.py", "runpy.py", "site.py", "azure/__init__.py", "encodings/__init__.py")  # fmt: skip


def marking(marker: Path, name: str) -> str:
    return f"import os; open({str(marker)!r}, 'a').write({name!r} + os.linesep)\n"


def write_repository(folder: Path, marker: Path) -> None:
    """Environments and this project's pipeline in one repository, and files of the team's own beside them."""
    write_environment(folder, "training", "my-tool==1.0\n")
    (folder / "training" / "docker-context" / "Dockerfile").write_text(DOCKERFILE)
    (folder / "rebuilder.yml").write_text(RULES)
    for part in ("shared", "pipelines"):
        shutil.copytree(PROJECT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    for name in NAMES:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(marking(marker, name))
    (folder / "uv.toml").write_text("no-index = true\n")


def keep_tools_at_the_root(stand: Stand, scratch: Path) -> None:
    """Set the pipeline's parameter `tools` as a team does whose repository holds everything."""
    repository = stand.organization.repository.path
    git("clone", "--quiet", str(repository), str(scratch), at=repository)
    pipeline = scratch / PIPELINE_FOLDER / "azure-pipelines.yml"
    pipeline.write_text(pipeline.read_text().replace(f"default: {PIPELINE_FOLDER}", "default: ."))
    shutil.rmtree(scratch / PIPELINE_FOLDER / "shared")
    git("add", "--all", at=scratch)
    git("-c", "user.name=t", "-c", "user.email=t@t.invalid", "commit", "--quiet", "-m", "Keep it here", at=scratch)
    git("push", "--quiet", "origin", "HEAD:main", at=scratch)


def public_index() -> Mapping[str, bytes]:
    """A simple index of the wheels that setting up has fetched."""
    pages: dict[str, bytes] = {}
    contents: dict[str, bytes] = {}
    for wheel in STEPS_WHEELS.glob("*.whl"):
        page = f"/simple/{parse_wheel_filename(wheel.name)[0]}/"
        pages[page] = pages.get(page, b"") + f'<a href="/{wheel.name}">{wheel.name}</a>\n'.encode()
        contents[f"/{wheel.name}"] = wheel.read_bytes()
    return {**pages, **contents}


def publish_hostile(stand: Stand, marker: Path) -> None:
    """A dependency of ours whose files Python would run when it starts, had it been installed for it."""
    wheel = empty_wheel("my-hostile", "1.0", stand.settings.folder / "wheels")
    with zipfile.ZipFile(wheel, "a") as changed:
        for name in ("hostile.pth", "sitecustomize.py", "usercustomize.py"):
            entry = zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0))
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            changed.writestr(entry, marking(marker, f"{name} of a wheel"))
    stand.organization.feed.publish(wheel.name, wheel.read_bytes(), silent=True)


@pytest.fixture(scope="module")
def marker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Written to by whatever must not run."""
    return tmp_path_factory.mktemp("marker") / "ran"


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory, marker: Path) -> Iterator[tuple[dict[str, Any], Build]]:
    """A release that has been rebuilt: what the app knows of it, and the run."""
    folder = tmp_path_factory.mktemp("steps")
    write_repository(folder / "environments", marker)
    with Index(public_index()) as index:
        settings = StandSettings(
            folder=folder / "stand",
            repository=folder / "environments",
            settle_seconds=0,
            hook_time_scale=0.1,
            app_settings={**TIMER_OFF, "REBUILDER_ATTEMPTS": "1"},
            steps_from_feed=True,
            index=index.url,
        )
        stand = Stand(settings)
        keep_tools_at_the_root(stand, folder / "clone")
        with stand:
            publish_hostile(stand, marker)
            stand.fire_timer()
            wheel = empty_wheel("my-tool", "1.1", folder / "wheels", requires=["my-hostile"])
            stand.organization.feed.publish(wheel.name, wheel.read_bytes())

            def look() -> dict[str, Any] | None:
                if stand.agent.is_working:
                    return None
                found = state_of(stand, "my-tool", "1.1")
                return found if found and found["state"] == "settled" and found["rebuild"] else None

            found = wait_for(look, "the release is rebuilt", seconds=280)
            (build,) = stand.organization.pipelines.builds
            yield found, build


def test_the_steps_packages_come_from_the_feed(settled: tuple[dict[str, Any], Build]) -> None:
    found, build = settled
    (row,) = found["environments"]

    assert row["state"] == "registered", row["reason"]
    assert build.result == "succeeded"
    assert build.timeline is not None
    (install,) = [record for record in build.timeline.records if record.name == "Install the steps"]
    assert install.result == "succeeded"


def test_neither_a_file_of_the_repository_nor_of_a_package_runs_in_a_step(
    settled: tuple[dict[str, Any], Build], marker: Path
) -> None:
    assert settled[1].result == "succeeded"
    assert not marker.exists(), marker.read_text()
