import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from local import bootstrap

ROOT = Path(__file__).resolve().parent.parent.parent


def setup(path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "local" / "bootstrap.py")],
        capture_output=True, text=True, check=False, env={"PATH": str(path), "HOME": os.environ["HOME"], **environment},
    )  # fmt: skip


def test_all_missing_tools_are_named_in_one_line_before_anything_starts(tmp_path: Path) -> None:
    done = setup(tmp_path)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "error: git is needed and not on PATH; node is needed and not on PATH; npm is needed and not on PATH\n"
    )


def test_an_old_node_is_named(tmp_path: Path) -> None:
    for tool in ("git", "npm"):
        (tmp_path / tool).symlink_to(shutil.which(tool) or "")
    node = tmp_path / "node"
    node.write_text("#!/bin/sh\necho v18.19.0\n")
    node.chmod(0o755)

    done = setup(tmp_path)

    assert (done.returncode, done.stderr) == (1, "error: Node 20 or newer is needed (this is v18.19.0)\n")


def test_a_python_that_is_not_there_is_named_if_it_may_not_be_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS", "never")

    with pytest.raises(bootstrap.Problem, match=r"^Python 3\.99 is needed, is neither on PATH nor in pyenv, and UV_"):
        bootstrap.find_python(bootstrap.find_uv(), "3.99")


def test_a_python_of_pyenv_is_found_though_it_is_not_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = tmp_path / "versions" / "3.98.1" / "bin" / "python3.98"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\necho Python 3.98.1\n")
    python.chmod(0o755)
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))

    assert bootstrap.find_python(bootstrap.find_uv(), "3.98") == str(python)


def test_setting_up_again_does_nothing() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "local" / "bootstrap.py")], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
