"""`make run`, as a user runs it."""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from local.azure_devops.repository import git

pytestmark = pytest.mark.stand

ROOT = Path(__file__).resolve().parent.parent.parent


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "local", "run", "--folder", str(folder / "stand"), *arguments],
        cwd=ROOT, capture_output=True, text=True, check=False, env={**os.environ, "PIP_NO_INDEX": "1"},
    )  # fmt: skip


def test_the_story_of_a_release_is_told_and_ends_with_0(tmp_path: Path) -> None:
    report = tmp_path / "seen.json"

    done = run(tmp_path, "--once", "--json", str(report))

    assert done.returncode == 0, done.stdout + done.stderr
    seen = json.loads(report.read_text())
    assert seen["release"] == {
        "feed": "ml/packages",
        "package": "our-cool-reusable-package",
        "version": "1.1",
        "state": "planned",
    }
    assert seen["rebuild"]["state"] == "queued"
    assert {row["name"]: (row["decision"], row["state"]) for row in seen["environments"]} == {
        "exploration_environment": ("bump", "queued"),
        "reporting_environment": ("unaffected", None),
        "scoring_environment": ("bump", "queued"),
        "training_environment": ("bump", "queued"),
    }
    clone = tmp_path / "clone"
    git("clone", "--quiet", seen["repository"], str(clone), at=tmp_path)
    log = git("log", "--format=%H %an %s", at=clone).decode().splitlines()
    assert [line for line in log if "(by the stand)" not in line and "Import" not in line] == [
        f"{seen['rebuild']['commit']} Environment Rebuilder Bump our-cool-reusable-package 1.1"
    ]
    changed = git("show", "--format=", "--unified=0", "--word-diff=porcelain", "HEAD", at=clone).decode().splitlines()
    words = [line for line in changed if re.match(r"[-+](?![-+])", line)]
    assert len(words) == 6
    assert all(
        re.sub(r"[0-9.]", "", a[1:]) == re.sub(r"[0-9.]", "", b[1:])
        for a, b in zip(words[::2], words[1::2], strict=True)
    )
    topics = ("upload", "signal", "feed", "plan", "commit", "run")
    lines = done.stdout.splitlines()
    told = [line.split()[1] for line in lines if re.match(r"\d\d:\d\d:\d\d  ", line)]
    assert [topic for topic in told if topic in topics] == list(topics)


def test_any_folder_and_any_release_will_do(tmp_path: Path) -> None:
    """A repository without rules, with line ends of two kinds, and a package that exists nowhere else."""
    environments = tmp_path / "environments"
    (environments / "a").mkdir(parents=True)
    (environments / "a" / "env.yml").write_bytes(b"name: a\r\nimage: x\r\nconda_file: conda.yml\r\nversion: '7'\r\n")
    (environments / "a" / "conda.yml").write_bytes(b"dependencies:\r\n- pip:\r\n  - my.Tool==2.0 # x\r\n")
    report = tmp_path / "seen.json"

    done = run(
        tmp_path, "--once", "--json", str(report), "--repository", str(environments), "--release", "my-tool==3.1"
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "no rebuilder.yml" in done.stdout
    seen = json.loads(report.read_text())
    clone = tmp_path / "clone"
    git("clone", "--quiet", "-c", "core.autocrlf=false", seen["repository"], str(clone), at=tmp_path)
    assert (clone / "a" / "conda.yml").read_bytes() == b"dependencies:\r\n- pip:\r\n  - my.Tool==3.1 # x\r\n"
    assert (clone / "a" / "env.yml").read_bytes() == b"name: a\r\nimage: x\r\nconda_file: conda.yml\r\nversion: '8'\r\n"
    assert (environments / "a" / "conda.yml").read_bytes() == b"dependencies:\r\n- pip:\r\n  - my.Tool==2.0 # x\r\n"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--release", "nonsense"], "write NAME==VERSION"),
        (["--release", "my tool==1"], "write NAME==VERSION"),
        (["--release", "my-tool==one"], "'one' is not a version"),
        (["--repository", "nowhere"], "there is no such folder"),
        (["--json", "nowhere/seen.json"], "No such file or directory"),
    ],
)
def test_what_cannot_be_done_is_one_line(tmp_path: Path, arguments: list[str], complaint: str) -> None:
    done = run(tmp_path, "--once", *arguments)

    assert done.returncode != 0
    assert len(done.stderr.strip().splitlines()) == 1
    assert complaint in done.stderr


def test_a_busy_port_is_one_line(tmp_path: Path) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]

        done = run(tmp_path, "--once", "--port", str(port))

    assert (done.returncode, done.stderr.strip()) == (
        1,
        f"error: port {port} for the Function app is in use; choose another one with --port",
    )


def test_a_stand_that_is_in_use_is_not_taken_away(tmp_path: Path) -> None:
    (tmp_path / "stand").mkdir()
    (tmp_path / "stand" / "owner.pid").write_text("1")

    done = run(tmp_path, "--once")

    assert done.returncode == 1
    assert "process 1 runs a stand in" in done.stderr
