"""Sets the project up: `python3 local/bootstrap.py`, on a machine with git, Python 3.11+ and Node 20+.

Finds or gets uv, finds or lets uv get the Pythons, makes `.venv` with the locked packages, fetches the wheels of the
pipeline's steps and installs Azurite. It only installs; what is there already is left alone. Standard library
only: it runs before anything is installed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
VENV = PROJECT / ".venv"
TOOLS = PROJECT / ".tools"
UV_VERSION = "0.13.9"
OLDEST_NODE = 20
# The wheels of the rebuild pipeline's steps, for the tests that install them from a feed.
STEPS_WHEELS = TOOLS / "wheels"


class Problem(Exception):
    """What is missing, in one line."""


def main() -> int:
    """Set up, or say in one line what is missing."""
    try:
        check_tools()
        uv = find_uv()
        python = find_python(uv, wanted_python())
        install_packages(uv, python)
        fetch_steps_wheels()
        install_node_modules()
    except Problem as problem:
        sys.stderr.write(f"error: {problem}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("error: interrupted; what is missing is installed the next time\n")
        return 130
    return 0


def check_tools() -> None:
    """Name every missing tool at once, before anything starts."""
    problems: list[str] = []
    if sys.version_info < (3, 11):  # noqa: UP036 (it runs on whatever Python is there)
        problems.append(f"Python 3.11 or newer is needed to set up (this is {sys.version.split()[0]})")
    problems.extend(f"{tool} is needed and not on PATH" for tool in ("git", "node", "npm") if not shutil.which(tool))
    if shutil.which("node"):
        version = output("node", "--version")
        if int(version.lstrip("v").split(".")[0] or 0) < OLDEST_NODE:
            problems.append(f"Node {OLDEST_NODE} or newer is needed (this is {version})")
    if problems:
        raise Problem("; ".join(problems))


def find_uv() -> str:
    """Uv from PATH, if it runs there (a pyenv shim may not), else one of our own."""
    own = TOOLS / "bin" / "uv"
    for candidate in (shutil.which("uv"), str(own)):
        if candidate and output(candidate, "--version").startswith("uv "):
            return candidate
    say(f"getting uv {UV_VERSION}")
    run(sys.executable, "-m", "venv", str(TOOLS), what="making a virtual environment for uv")
    run(str(TOOLS / "bin" / "python"), "-m", "pip", "install", "--quiet", f"uv=={UV_VERSION}", what="installing uv")
    return str(own)


def wanted_python() -> str:
    """The Python that the project is made for."""
    return (PROJECT / ".python-version").read_text().strip()


def find_python(uv: str, version: str) -> str:
    """A Python of this version on PATH or in pyenv; else uv downloads one, and that is said."""
    found = installed_python(uv, version)
    if found:
        return found
    if os.environ.get("UV_PYTHON_DOWNLOADS") == "never":
        raise Problem(f"Python {version} is needed, is neither on PATH nor in pyenv, and UV_PYTHON_DOWNLOADS=never")
    say(f"Python {version} is neither on PATH nor in pyenv: uv downloads it")
    run(uv, "python", "install", version, what=f"downloading Python {version}")
    return output(uv, "python", "find", "--no-project", version) or version


def installed_python(uv: str, version: str) -> str | None:
    """A Python of this version on PATH or in pyenv, if there is one."""
    found = output(uv, "python", "find", "--no-project", "--no-python-downloads", "--system", version)
    if found:
        return found
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    for candidate in sorted(root.glob(f"versions/{version}*/bin/python{version}"), reverse=True):
        if output(str(candidate), "--version"):
            return str(candidate)
    return None


def install_packages(uv: str, python: str) -> None:
    """Make `.venv` hold exactly what requirements-dev.txt locks."""
    lock = PROJECT / "requirements-dev.txt"
    stamp = VENV / ".installed"
    state = digest(lock, python)
    if stamp.is_file() and stamp.read_text() == state and output(str(VENV / "bin" / "python"), "--version"):
        return
    say("installing the locked packages into .venv")
    run(uv, "venv", "--quiet", "--clear", "--python", python, str(VENV), what="making .venv")
    # Hash-checked: every file is one that was locked.
    run(
        uv, "pip", "sync", "--quiet", "--require-hashes", "--python", str(VENV / "bin" / "python"), str(lock),
        what="installing the locked packages",
    )  # fmt: skip
    stamp.write_text(state)


def fetch_steps_wheels() -> None:
    """Make `.tools/wheels` hold exactly what pipelines/requirements.txt locks, for this machine."""
    lock = PROJECT / "pipelines" / "requirements.txt"
    stamp = STEPS_WHEELS / ".fetched"
    state = digest(lock, wanted_python())
    if stamp.is_file() and stamp.read_text() == state:
        return
    say("fetching the wheels of the pipeline's steps into .tools")
    shutil.rmtree(STEPS_WHEELS, ignore_errors=True)
    run(
        str(VENV / "bin" / "python"), "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
        "--only-binary", ":all:", "--require-hashes", "--requirement", str(lock), "--dest", str(STEPS_WHEELS),
        what="fetching the wheels of the pipeline's steps",
    )  # fmt: skip
    stamp.write_text(state)


def install_node_modules() -> None:
    """Make `node_modules` hold exactly what package-lock.json locks: Azurite and the checker of pipeline YAML."""
    lock = PROJECT / "package-lock.json"
    stamp = PROJECT / "node_modules" / ".installed"
    state = digest(lock, "npm")
    if stamp.is_file() and stamp.read_text() == state:
        return
    say("installing Azurite and the pipeline checker into node_modules")
    run("npm", "ci", "--no-audit", "--no-fund", "--loglevel", "error", what="installing what package-lock.json locks")
    stamp.write_text(state)


def digest(lock: Path, extra: str) -> str:
    """What an installation was made from."""
    return hashlib.sha256(lock.read_bytes() + extra.encode()).hexdigest()


def output(*command: str) -> str:
    """What a command prints, or nothing if it does not run."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=PROJECT)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def run(*command: str, what: str) -> None:
    """Run a command, or say in one line why it failed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=PROJECT)
    if done.returncode:
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        raise Problem(f"{what} failed: {lines[-1].strip() if lines else f'status {done.returncode}'}")


def say(text: str) -> None:
    """Tell what takes time."""
    sys.stdout.write(f"setup: {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
