"""From the published package to the registered environment: real pipeline, real installs, tiny local wheels."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from local.agent.machine import STEPS_PYTHON
from local.azure_devops.api import AUDIENCE
from local.azure_devops.pipelines import EDIT_QUEUE_CONFIGURATION
from local.azure_devops.repository import git
from local.azure_ml.server import Version
from local.identity import make_token
from local.stand import WORKSPACE, Stand, StandSettings
from local.wheels import empty_wheel
from tests.environments import write_environment
from tests.stand.conftest import TIMER_OFF, publish, state_of
from tests.waiting import wait_for

pytestmark = pytest.mark.stand

RULES = f"""
deliver: push
packages: [{{match: "my-*"}}]
python:
  "**": "{STEPS_PYTHON}"
  "old/*": "3.99"
"""
DOCKERFILE = "FROM scratch\nCOPY pip_packages /pip_packages\nRUN pip install --no-index -r requirements.txt\n"


def write_repository(folder: Path) -> None:
    for name in ("docker", "versioned", "ignoring", "old", "twice", "tagged"):
        write_environment(folder, name, "my-tool==1.0\nmy-library\n")
        (folder / name / "docker-context" / "Dockerfile").write_text(DOCKERFILE)
    write_environment(folder, "missing", "my-tool==1.0\nmy-other==9.9\n")
    write_environment(folder, "bare", "my-tool==1.0\n")
    (folder / "bare" / "docker-context" / "Dockerfile").unlink()
    (folder / "versioned" / "environment.yml").write_text(
        "name: versioned\nversion: '5'\nbuild:\n  path: docker-context\n"
    )
    (folder / "twice" / "environment.yml").write_text(
        "name: twice\nimage: mcr.microsoft.com/x\nbuild:\n  path: docker-context\n"
    )
    (folder / "tagged" / "environment.yml").write_text(
        "name: tagged\ntags: {team: 7}\nbuild:\n  path: docker-context\n"
    )
    (folder / "ignoring" / "docker-context" / ".amlignore").write_text("*.whl\n")
    (folder / "conda").mkdir()
    (folder / "conda" / "environment.yml").write_text(
        "name: conda\nimage: mcr.microsoft.com/x\nconda_file: conda.yml\n"
    )
    (folder / "conda" / "conda.yml").write_text(
        "dependencies:\n  - python>=3.10\n  - pip\n  - pip:\n"
        "    - --index-url https://pkgs.invalid/simple\n    - my-tool==1.0\n"
    )
    (folder / "rebuilder.yml").write_text(RULES)


@pytest.fixture(scope="module")
def working(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """A stand whose agent works; release 1.1 has been rebuilt, with every kind of trouble among the environments."""
    folder = tmp_path_factory.mktemp("working")
    write_repository(folder / "environments")
    settings = StandSettings(
        folder=folder / "stand",
        repository=folder / "environments",
        settle_seconds=0,
        upstream=False,
        hook_time_scale=0.1,
        app_settings={**TIMER_OFF, "REBUILDER_ATTEMPTS": "1"},  # what fails here fails again
    )
    with Stand(settings) as stand:
        # Before the timer looks for the first time: the change log is followed from then on, and this is no release.
        publish(stand, "my-library", "3.0", silent=True)
        stand.fire_timer()
        # Somebody registered this version with other content.
        stand.azure_ml.environments[WORKSPACE]["versioned"] = [Version("versioned", "6", {"image": "another"})]
        publish(stand, "my-tool", "1.1")
        finished(stand, "1.1")
        yield stand


def finished(stand: Stand, version: str) -> dict[str, Any]:
    """Wait until a release is settled by a rebuild that is finished."""

    def look() -> dict[str, Any] | None:
        found = None if stand.agent.is_working else state_of(stand, "my-tool", version)
        # The rebuild finishes first, and settles its releases then.
        done = found and found["rebuild"] and (found["state"], found["rebuild"]["state"]) == ("settled", "finished")
        return found if done else None

    return wait_for(look, f"my-tool {version} is rebuilt", seconds=240)


def environments(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in found["environments"]}


def test_environments_are_registered_with_what_ties_them_to_the_release(working: Stand) -> None:
    found = finished(working, "1.1")
    rows = environments(found)

    for name in ("docker", "conda"):
        assert (rows[name]["state"], rows[name]["registered_version"]) == ("registered", "1")
        assert rows[name]["tags"] == {
            "rebuilder-rebuild": found["rebuild"]["id"],
            "rebuilder-run": "1",
            "rebuilder-commit": found["rebuild"]["commit"],
            "package-my-tool": "1.1",
            **({"package-my-library": "3.0"} if name == "docker" else {}),
        }
        assert rows[name]["workspaces"][0]["workspace"] == "ml/training"
    assert found["state"] == "settled"


def test_an_environment_without_its_dockerfile_is_held_and_keeps_its_pin(working: Stand) -> None:
    row = environments(finished(working, "1.1"))["bare"]

    assert (row["decision"], row["state"]) == ("held", None)
    assert "its build context has no bare/docker-context/Dockerfile" in row["reason"]


def test_an_environment_that_azure_ml_would_refuse_is_held_before_any_run(working: Stand) -> None:
    row = environments(finished(working, "1.1"))["twice"]

    assert (row["decision"], row["state"]) == ("held", None)
    assert "`build` goes with neither `image` nor `conda_file` (it has image)" in row["reason"]


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("missing", f"no file of my-other==9.9 for Python {STEPS_PYTHON} on Linux x86_64"),
        ("tagged", "tagged/environment.yml: `tags` is not a map of texts: write keys and values in quotes"),
        ("old", "Version spec 3.99 for architecture x64 did not match any version in Agent.ToolsDirectory."),
        ("ignoring", ".amlignore keeps pip_packages/my_library-3.0-py3-none-any.whl out of the upload"),
        (
            "versioned",
            "Azure ML has version 6 with other content already: raise `version` in versioned/environment.yml",
        ),
    ],
)
def test_a_failed_environment_tells_the_cause_and_leaves_the_others_alone(
    working: Stand, name: str, cause: str
) -> None:
    row = environments(finished(working, "1.1"))[name]

    assert row["state"] == "failed"
    assert cause in row["reason"]
    assert "\n" not in row["reason"]
    assert row["registered_version"] is None


def test_trouble_shows_up_in_the_earliest_step(working: Stand) -> None:
    (build, *_) = working.organization.pipelines.builds
    assert build.timeline is not None
    failed = {}
    for job in (record for record in build.timeline.records if record.kind == "Job"):
        steps = [record for record in build.timeline.records if record.parent == job.id]
        failed[job.name.split("/")[0]] = next((step.name for step in steps if step.result == "failed"), None)

    assert failed == {
        "docker": None,
        "conda": None,
        "tagged": "Prepare the build context",
        "old": "Find the environment's Python",
        "missing": "Download the packages",
        "ignoring": "Prove the offline install",
        "versioned": "Register the environment",
    }


def test_the_uploaded_context_is_what_was_packaged_and_installs_offline(working: Stand, tmp_path: Path) -> None:
    row = environments(finished(working, "1.1"))["docker"]
    (build, *_) = working.organization.pipelines.builds
    assert build.timeline is not None
    artifacts = build.timeline.folder / "artifacts"
    (job,) = [one for one in build.timeline.records if (one.kind, one.name) == ("Job", "docker/environment.yml")]
    number = job.identifier.removeprefix("__default.rebuild_").partition(".")[0]
    published = artifacts / f"environment_{number}_1_1"

    context = working.download_context(row["context"], tmp_path / "context")

    def content(folder: Path) -> dict[str, bytes]:
        return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}

    assert content(context) == content(published / "context")
    assert sorted(content(context)) == [
        ".amlignore", "Dockerfile", "pip_packages/my_library-3.0-py3-none-any.whl",
        "pip_packages/my_tool-1.1-py3-none-any.whl", "requirements.txt",
    ]  # fmt: skip
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    install = [sys.executable, "-m", "pip", "--isolated", "--python", str(tmp_path / "venv"), "install", "--no-index",
               "--quiet", "--find-links", "pip_packages", "-r", "requirements.txt"]  # fmt: skip
    subprocess.run(install, cwd=context, check=True)


def test_new_content_is_a_new_version(working: Stand) -> None:
    wheel = empty_wheel("my-tool", "1.2", working.settings.folder / "wheels", requires=["my-library>=3"])
    working.organization.feed.publish(wheel.name, wheel.read_bytes(), silent=True)
    wish = {"name": "my-tool", "version": "1.2", "environments": ["docker/environment.yml"]}
    assert working.post("/api/rebuilds", wish).status_code == 202

    row = environments(finished(working, "1.2"))["docker"]

    assert (row["state"], row["registered_version"], row["tags"]["package-my-tool"]) == ("registered", "2", "1.2")


def test_a_run_that_is_queued_twice_registers_nothing_twice(working: Stand) -> None:
    before = finished(working, "1.2")
    first = environments(before)["docker"]["run"]
    versions = list(working.azure_ml.environments[WORKSPACE]["docker"])
    organization = working.organization
    build = organization.pipelines.build(first)
    wish = {
        "resources": {"repositories": {"self": {"refName": build.branch, "version": build.commit}}},
        "templateParameters": build.parameters,
    }

    answer = requests.post(
        f"{organization.url}/{organization.names.project}/_apis/pipelines/{build.definition.id}/runs?api-version=7.1",
        headers={"Authorization": f"Bearer {make_token(AUDIENCE)}"}, json=wish, timeout=30,
    )  # fmt: skip

    again = organization.pipelines.build(answer.json()["id"])
    wait_for(lambda: again.status == "completed", "the second run is over", seconds=120)
    assert again.timeline is not None
    (job,) = [record for record in again.timeline.records if record.kind == "Job"]
    steps = {record.name: record for record in again.timeline.records if record.parent == job.id}
    assert again.result == "failed"
    (issue,) = steps["Look for an older run"].issues
    assert issue[1].startswith(f"duplicate of run {first}: ")
    after = list(steps)[list(steps).index("Look for an older run") + 1 :]
    assert {steps[name].result for name in after if name != "Report"} == {"skipped"}
    assert working.azure_ml.environments[WORKSPACE]["docker"] == versions
    assert finished(working, "1.2")["rebuild"] == before["rebuild"]


def test_an_older_run_gives_way_to_a_later_one(working: Stand) -> None:
    later = Version("docker", "90", {"tags": {"rebuilder-run": "900"}, "image": "x"})
    working.azure_ml.environments[WORKSPACE]["docker"].append(later)

    row = rerun(working)

    working.azure_ml.environments[WORKSPACE]["docker"].remove(later)
    assert (row["state"], row["registered_version"]) == ("superseded", None)
    assert row["reason"].startswith("superseded by run 900: ")


def test_a_missing_permission_is_named_with_the_place_where_it_is_granted(working: Stand) -> None:
    pipelines = working.organization.pipelines
    runs = len(pipelines.builds)
    pipelines.permissions.remove(EDIT_QUEUE_CONFIGURATION)

    why = refused_rerun(working)

    assert "needs Edit queue build configuration permissions for build pipeline 7" in why
    assert "Pipelines, pipeline 7 of project ml, Manage security" in why
    assert len(pipelines.builds) == runs
    pipelines.permissions.add(EDIT_QUEUE_CONFIGURATION)


def test_the_same_content_again_is_the_same_version_with_new_tags(working: Stand) -> None:
    """And what was refused a moment ago for a permission is done as soon as somebody grants it."""
    runs = len(working.organization.pipelines.builds)

    row = rerun(working)

    (build,) = working.organization.pipelines.builds[runs:]
    assert (row["state"], row["registered_version"]) == ("registered", "2")
    assert row["tags"]["rebuilder-run"] == str(row["run"]) == str(build.id)
    assert build.timeline is not None
    logs = [build.timeline.log_file(number) for number in build.timeline.logs()]
    said = "".join(log.read_text() for log in logs if log.exists())
    assert "(the same content as before, with new tags)" in said


def test_a_stated_version_is_taken_again_with_the_same_content(working: Stand) -> None:
    working.azure_ml.environments[WORKSPACE]["versioned"].clear()  # whoever took it before is gone

    first, second = rerun(working, "versioned", "1.1"), rerun(working, "versioned", "1.1")

    assert [(row["state"], row["registered_version"]) for row in (first, second)] == [("registered", "6")] * 2
    assert first["run"] != second["run"]


def test_a_run_that_the_service_refuses_fails_the_rebuild_with_the_reason_in_one_line(
    working: Stand, tmp_path: Path
) -> None:
    runs = len(working.organization.pipelines.builds)
    clone = tmp_path / "clone"
    git("clone", "--quiet", working.organization.developers_clone_url, str(clone), at=tmp_path)
    template = clone / ".rebuilder" / "pipelines" / "rebuild.yml"
    template.write_text(template.read_text().replace("UsePythonVersion@0", "UsePythonVersion@9"))
    git("-c", "user.name=t", "-c", "user.email=t@t.invalid", "commit", "--quiet", "-am", "Break it", at=clone)
    git("push", "--quiet", "origin", "HEAD:main", at=clone)

    why = refused_rerun(working)

    assert why == "queueing pipeline 7: the task `UsePythonVersion@9` is not known to this agent"
    assert len(working.organization.pipelines.builds) == runs


def refused_rerun(stand: Stand) -> str:
    """Ask for the environment `docker` once more; returns why no run is queued for it."""
    wish = {"name": "my-tool", "version": "1.2", "environments": ["docker/environment.yml"]}
    assert stand.post("/api/rebuilds", wish).status_code == 202

    def look() -> str | None:
        found = state_of(stand, "my-tool", "1.2")
        return found["rebuild"]["reason"] if found and found["rebuild"]["state"] == "parked" else None

    why: str = wait_for(look, "the rebuild is parked", seconds=60)
    assert "\n" not in why
    return why


def rerun(stand: Stand, name: str = "docker", version: str = "1.2") -> dict[str, Any]:
    """Rebuild an environment once more; returns what became of it, in whichever rebuild that is."""

    def now() -> dict[str, Any]:
        return environments(state_of(stand, "my-tool", version) or {})[name]

    before = now()["rebuild"]
    wish = {"name": "my-tool", "version": version, "environments": [f"{name}/environment.yml"]}
    assert stand.post("/api/rebuilds", wish).status_code == 202

    def look() -> dict[str, Any] | None:
        row = None if stand.agent.is_working else now()
        if row is None or row["rebuild"] == before or row["owed"]:
            return None
        return row if row["state"] in ("registered", "failed", "superseded") else None

    return wait_for(look, f"{name} is rebuilt", seconds=240)
