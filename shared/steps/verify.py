"""Proves that the environment installs offline, from its build context alone.

In an empty virtual environment of the environment's own Python, without an index, a configuration file or any variable
that could bring a package from elsewhere; then `pip check`. It proves the installation, not the Dockerfile.
"""

import os
import subprocess
import tempfile
from pathlib import Path

import pathspec

from shared.steps.commands import say
from shared.steps.package import counted, explain_pip, pip_environment, wheels_in
from shared.steps.work import Job, StepFailed, Work, context_folder, packages_folder, target_python


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
    _check_ignored(job)
    with tempfile.TemporaryDirectory() as scratch:
        venv = Path(scratch) / "venv"
        _run([str(python), "-m", "venv", str(venv)], Path(scratch), "an empty virtual environment cannot be made")
        pip = [str(venv / "bin" / "python"), "-m", "pip", "--isolated", "--disable-pip-version-check"]
        folder = str(packages_folder(job))
        install = [*pip, "install", "--no-index", "--find-links", folder, "--quiet", *work.pip_arguments]
        done = _pip(install, context_folder(job))
        if done.returncode:
            raise StepFailed(f"the offline install fails: {explain_pip(done.stdout + done.stderr, work.python)}")
        checked = _pip([*pip, "check"], context_folder(job))
        if checked.returncode:
            lines = [line for line in checked.stdout.splitlines() if line.strip()]
            raise StepFailed(f"what was installed does not fit together: {'; '.join(lines[:3])}")
    say(f"offline install proven: {counted(len(wheels))} on Python {work.python}")
    return work


def _check_ignored(job: Job) -> None:
    """Nothing that the image build needs may be kept out of the upload (azure-ai-ml obeys `.amlignore`)."""
    context = context_folder(job)
    lines = (context / ".amlignore").read_text(errors="replace").splitlines()
    ignored = pathspec.GitIgnoreSpec.from_lines(lines)
    lost = [
        path.relative_to(context).as_posix()
        for path in sorted(context.rglob("*"))
        if path.is_file() and ignored.match_file(path.relative_to(context).as_posix())
    ]
    needed = [
        path for path in lost if path.startswith("pip_packages/") or path.endswith((".txt", "Dockerfile", ".yml"))
    ]
    if needed:
        raise StepFailed(f".amlignore keeps {needed[0]} out of the upload, which the image build needs")


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
