"""`make run`, as a user runs it."""

import json
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from local.azure_devops.repository import git
from tests.environments import write_environment
from tests.local.index import Index
from tests.local.running import run, run_here

pytestmark = pytest.mark.stand

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


CONDA = f"dependencies:\r\n- python={PYTHON}\r\n- pip:\r\n  - my.Tool==2.0 # x\r\n".encode()


@dataclass
class Done:
    """A run that is over.

    Attributes:
        environments: the folder that it was given.
        status: its exit status.
        told: its output.
        errors: its error output.
        seen: its JSON report.
    """

    environments: Path
    status: int
    told: str
    errors: str
    seen: dict[str, Any]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """A repository without rules, with line ends of two kinds, and an environment that asks for what nobody has."""
    folder = tmp_path_factory.mktemp("run")
    environments = folder / "environments"
    (environments / "a").mkdir(parents=True)
    (environments / "a" / "env.yml").write_bytes(b"name: a\r\nimage: x\r\nconda_file: conda.yml\r\nversion: '7'\r\n")
    (environments / "a" / "conda.yml").write_bytes(CONDA)
    write_environment(environments, "broken", "my-tool==2.0\nmy-other==1.0\n")
    report = folder / "seen.json"
    arguments = ["--json", str(report), "--repository", str(environments), "--release", "my-tool==3.1"]
    with Index() as nothing:
        ended = run(folder, "--once", *arguments, PIP_NO_INDEX="1", PIP_INDEX_URL=nothing.url)
    return Done(environments, ended.returncode, ended.stdout, ended.stderr, json.loads(report.read_text()))


def test_any_folder_and_any_release_will_do(done: Done, tmp_path: Path) -> None:
    """A package that exists nowhere else."""
    assert "no rebuilder.yml" in done.told
    row = next(row for row in done.seen["environments"] if row["name"] == "a")
    assert (row["state"], row["registered_version"], row["tags"]["package-my-tool"]) == ("registered", "8", "3.1")
    clone = tmp_path / "clone"
    git("clone", "--quiet", "-c", "core.autocrlf=false", done.seen["repository"], str(clone), at=tmp_path)
    assert (clone / "a" / "conda.yml").read_bytes() == CONDA.replace(b"2.0", b"3.1")
    assert (clone / "a" / "env.yml").read_bytes() == b"name: a\r\nimage: x\r\nconda_file: conda.yml\r\nversion: '8'\r\n"
    assert (done.environments / "a" / "conda.yml").read_bytes() == CONDA


def test_an_environment_that_is_not_registered_ends_it_with_one_line(done: Done) -> None:
    assert done.status == 1
    assert done.errors.startswith(
        "error: 1 of 2 environments are not registered: broken failed: no file of my-other==1.0"
    )
    assert len(done.errors.strip().splitlines()) == 1
    assert {row["name"]: row["state"] for row in done.seen["environments"]} == {"a": "registered", "broken": "failed"}


def test_in_report_nothing_is_rebuilt(tmp_path: Path) -> None:
    environments = tmp_path / "environments"
    write_environment(environments, "fine", "my-tool==2.0\n")
    (environments / "rebuilder.yml").write_text("deliver: report\npackages: [{match: '*', upto: major}]\n")
    report = tmp_path / "seen.json"
    arguments = ["--json", str(report), "--repository", str(environments), "--release", "my-tool==3.1"]

    done = run(tmp_path, "--once", *arguments, PIP_NO_INDEX="1")

    seen = json.loads(report.read_text())
    assert done.returncode == 0, done.stderr
    assert (seen["release"]["state"], seen["rebuild"]) == ("settled", None)
    assert [(row["name"], row["decision"], row["state"]) for row in seen["environments"]] == [("fine", "bump", None)]
    assert "nothing is rebuilt: 1 bump" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--release", "nonsense"], "write NAME==VERSION"),
        (["--release", "my tool==1"], "write NAME==VERSION"),
        (["--release", "my-tool==one"], "'one' is not a version"),
        (["--repository", "nowhere"], "there is no such folder"),
        (["--json", "nowhere/seen.json"], "No such file or directory"),
        (["--port", "99999"], "choose one from 1 to 65535"),
        (["--port", "-1"], "choose one from 1 to 65535"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    tmp_path: Path, arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_here(tmp_path, "--once", *arguments) != 0

    said = capsys.readouterr().err
    assert len(said.strip().splitlines()) == 1
    assert complaint in said


@pytest.mark.parametrize("repository", ["nowhere", "mine", "mine/environments"])
def test_nothing_of_anybody_else_is_deleted(
    tmp_path: Path, repository: str, capsys: pytest.CaptureFixture[str]
) -> None:
    thesis = tmp_path / "mine" / "thesis.txt"
    write_environment(tmp_path / "mine" / "environments", "fine", "my-tool==2.0\n")
    thesis.write_text("years of work")

    arguments = ["--folder", str(tmp_path / "mine"), "--repository", str(tmp_path / repository)]
    assert run_here(tmp_path, "--once", *arguments) == 1

    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert thesis.read_text() == "years of work"
    assert (tmp_path / "mine" / "environments" / "fine" / "environment.yml").exists()


def test_a_folder_that_is_a_file_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("x")

    assert run_here(tmp_path, "--once", "--folder", str(tmp_path / "file")) == 1
    assert capsys.readouterr().err == f"error: --folder {tmp_path / 'file'}: is a file\n"


def test_a_report_of_an_earlier_run_stays_where_this_one_does_not_begin(tmp_path: Path) -> None:
    report = tmp_path / "seen.json"
    report.write_text('{"earlier": true}')

    assert run_here(tmp_path, "--once", "--json", str(report), "--repository", "nowhere") == 1
    assert report.read_text() == '{"earlier": true}'


def test_a_busy_port_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]

        assert run_here(tmp_path, "--once", "--port", str(port)) == 1

    said = capsys.readouterr().err
    assert said == f"error: port {port} for the Function app is in use; choose another one with --port\n"


def test_a_stand_that_is_in_use_is_not_taken_away(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "stand").mkdir()
    (tmp_path / "stand" / "owner.pid").write_text("1")

    assert run_here(tmp_path, "--once") == 1
    assert "process 1 runs a stand in" in capsys.readouterr().err
