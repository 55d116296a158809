"""Proves that the environment installs offline, from its build context alone.

In an empty virtual environment of the environment's own Python, without an index, a configuration file or any variable
that could bring a package from elsewhere; then `pip check`. It proves the installation, not the Dockerfile.
"""

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pathspec

from shared.steps.commands import log_warning, say
from shared.steps.package import counted, explain_pip, pip_environment, wheels_in
from shared.steps.work import Job, StepFailed, Work, context_folder, packages_folder, target_python

# Nobody listens there.
_NO_WAY_OUT = "http://127.0.0.1:9"


def verify(job: Job) -> Work:
    """Install offline and check the result.

    Raises:
        StepFailed: with the cause in its first line.
    """
    work = Work.load(job)
    python = target_python()
    wheels = wheels_in(packages_folder(job))
    if not wheels:
        raise StepFailed("the build context has no packages in pip_packages")
    check_upload(job, work)
    with tempfile.TemporaryDirectory() as scratch:
        venv = Path(scratch) / "venv"
        # The Python's own pip installs into it, as it did the download: unpacking another one takes most of the time.
        empty = [str(python), "-I", "-m", "venv", "--without-pip", str(venv)]
        _run(empty, Path(scratch), "an empty virtual environment cannot be made")
        # -I: nothing that lies in the context can take pip's place. The proxy answers nothing: the way out is blocked.
        pip = [str(python), "-I", "-m", "pip", "--isolated", "--python", str(venv), "--disable-pip-version-check",
               "--proxy", _NO_WAY_OUT, "--retries", "0"]  # fmt: skip
        # --no-compile: what was installed is never run, and turning it into bytecode takes longer than installing it.
        install = [*pip, "install", "--no-index", "--find-links", str(packages_folder(job)), "--quiet", "--no-compile"]
        for wanted in (_installed(work, Path(scratch)), *([requirement] for requirement in work.own)):
            done = _pip([*install, *wanted], context_folder(job)) if wanted else None
            if done and done.returncode:
                raise StepFailed(f"the offline install fails: {explain_pip(done.stdout + done.stderr, work.python)}")
        checked = _pip([*pip, "check"], context_folder(job))
        if checked.returncode:
            lines = [line for line in checked.stdout.splitlines() if line.strip()]
            raise StepFailed(f"what was installed does not fit together: {'; '.join(lines[:3])}")
    say(f"offline install proven: {counted(len(wheels))} on Python {work.python}")
    return work


def _installed(work: Work, scratch: Path) -> list[str]:
    """What pip is told to install: the context's own files, since the image build reads those."""
    requirements = [part for name in work.requirements for part in ("--requirement", name)]
    constraints = [part for name in work.constraints for part in ("--constraint", name)]
    # pip cannot read a conda file, so what that one adds comes from the lists that were written for the download.
    return [*requirements, *constraints, *(work.written(scratch) if work.listed else [])]


def check_upload(job: Job, work: Work) -> None:
    """Nothing that the image build needs may be kept out of the upload, or out of Docker's sight."""
    context = context_folder(job)
    needed = [work.dockerfile, *work.files, *(f"pip_packages/{file.name}" for file in packages_folder(job).iterdir())]
    try:
        ignored = uploaded_without(context)
        lost = [path for path in needed if ignored(path)]
    except (OSError, ValueError) as problem:
        raise StepFailed(f".amlignore cannot be followed: {problem}") from None
    if lost:
        raise StepFailed(f".amlignore keeps {lost[0]} out of the upload, which the image build needs")
    for path in _unseen_by_docker(context, needed):
        log_warning(f".dockerignore keeps {path} from the image build, which needs it")
        break


def uploaded_without(context: Path) -> Callable[[str], bool]:
    """What azure-ai-ml keeps out of the upload, by path: its own reading of `.amlignore`, without its import.

    Every line is a pattern of its own, with the last match counting, and a byte order mark is none (azure-ai-ml 1.35,
    `_asset_utils.IgnoreFile`). A test holds this against the SDK.
    """
    lines = (context / ".amlignore").read_text(encoding="utf-8-sig").splitlines()
    return pathspec.PathSpec.from_lines("gitwildmatch", (line.rstrip() for line in lines)).match_file


def _unseen_by_docker(context: Path, needed: list[str]) -> Iterator[str]:
    """Patterns of .dockerignore begin at the context's root (docs.docker.com, "Build context")."""
    file = context / ".dockerignore"
    if not file.is_file():
        return
    rules = []
    for line in map(str.strip, file.read_text(encoding="utf-8-sig", errors="replace").splitlines()):
        if line and not line.startswith("#"):
            sign, path = ("!", line[1:]) if line.startswith("!") else ("", line)
            rooted = f"{sign}/{path.strip('/')}"
            rules += [rooted, f"{rooted}/**"]  # a folder stands for all that is in it
    with suppress(ValueError):
        spec = pathspec.PathSpec.from_lines("gitignore", rules)
        yield from (path for path in needed if path.startswith("pip_packages/") and spec.match_file(path))


def _run(command: list[str], folder: Path, what: str) -> None:
    done = _pip(command, folder)
    if done.returncode:
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        raise StepFailed(f"{what}: {lines[-1] if lines else 'no reason given'}")


def _pip(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command, cwd=folder, env=pip_environment(os.environ, index=False), capture_output=True, text=True, check=False
    )
    for line in (done.stdout + done.stderr).splitlines():
        say(line)
    return done
