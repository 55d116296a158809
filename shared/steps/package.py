"""Downloads the packages for the environment's Python and platform into the build context.

One index only, the feed with its upstream source, signed in to by the job's own identity (`PipAuthenticate@1` sets
PIP_INDEX_URL): a second index would let a public package of the same name win.
"""

import os
import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from packaging.utils import parse_wheel_filename

from shared.domain.feed_facts import LINUX_PLATFORMS
from shared.steps.commands import log_warning, say
from shared.steps.job_state import Job, StepFailed, Work, context_folder, packages_folder
from shared.steps.pip import explain_pip, run_pip


def package(job: Job) -> Work:
    """Download everything that the environment installs.

    Raises:
        StepFailed: with the cause in its first line.
    """
    work = Work.load(job)
    folder = packages_folder(job)
    shutil.rmtree(folder, ignore_errors=True)  # a wheel left over would change the context's content
    folder.mkdir(parents=True)
    if os.environ.get("PIP_EXTRA_INDEX_URL"):
        log_warning(
            "PIP_EXTRA_INDEX_URL is ignored: with a second index a public package could take a private one's place"
        )
    if not os.environ.get("PIP_INDEX_URL"):
        raise StepFailed("PIP_INDEX_URL is not set: the step PipAuthenticate@1 has not signed in to the feed")
    if work.wanted:
        _download(job, work, work.written)
    for requirement in work.own:
        # A command of its own in the Dockerfile: it need not agree with what the files ask for.
        _download(job, work, partial(work.alone, requirement))
    work.packages = wheels_in(folder)
    work.save(job)
    say(f"{counted(len(work.packages))} for Python {work.python} in {folder.name}")
    return work


def _download(job: Job, work: Work, what: Callable[[Path], list[str]]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        log = Path(scratch) / "pip.log"
        arguments = [
            "download", "--only-binary", ":all:", "--implementation", "cp", "--python-version", work.python,
            *(part for platform in LINUX_PLATFORMS for part in ("--platform", platform)),
            "--dest", str(packages_folder(job)), "--log", str(log), *what(Path(scratch)),
        ]  # fmt: skip
        done = run_pip(arguments, context_folder(job), index=True)
        details = log.read_text(errors="replace") if log.exists() else ""
    if done.returncode:
        raise StepFailed(explain_pip(done.stdout + done.stderr, work.python, details))


def counted(number: int) -> str:
    """A number of packages in words."""
    return f"{number} package{'' if number == 1 else 's'}"


def wheels_in(folder: Path) -> dict[str, str]:
    """What a folder of wheels holds, name → version."""
    found = {}
    for wheel in sorted(folder.glob("*.whl")):
        name, version, *_ = parse_wheel_filename(wheel.name)
        found[str(name)] = str(version)
    return found
