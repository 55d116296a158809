"""Downloads the packages for the environment's Python and platform into the build context.

One index only, the feed with its upstream source, signed in to by the job's own identity (`PipAuthenticate@1` sets
PIP_INDEX_URL): a second index would let a public package of the same name win.
"""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from packaging.utils import parse_wheel_filename

from shared.domain.feed_facts import LINUX_PLATFORMS
from shared.steps.commands import log_warning, say
from shared.steps.work import Job, StepFailed, Work, context_folder, packages_folder, target_python

# Settings of pip that a job may bring along; everything else could change which files are taken.
_KEPT = {
    "PIP_INDEX_URL",
    "PIP_CERT",
    "PIP_CLIENT_CERT",
    "PIP_PROXY",
    "PIP_DEFAULT_TIMEOUT",
    "PIP_TIMEOUT",
    "PIP_RETRIES",
}
# In pip's own log: an index that refuses, or is in trouble, looks in its output like one that has nothing.
_NOT_FETCHED = re.compile(r"Could not fetch URL \S+ (?P<why>.+)")
_NO_FILE = re.compile(r"No matching distribution found for (?P<requirement>.+)")
# How many of a package's versions an error names.
_MOST_VERSIONS = 8
_VERSIONS = re.compile(r"\(from versions: (?P<versions>[^)]*)\)")


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
        _download(job, work, lambda _, requirement=requirement: [requirement])  # type: ignore[misc]
    work.packages = wheels_in(folder)
    work.save(job)
    say(f"{counted(len(work.packages))} for Python {work.python} in {folder.name}")
    return work


def _download(job: Job, work: Work, what: Callable[[Path], list[str]]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        log = Path(scratch) / "pip.log"
        command = [
            # -I: nothing that lies in the context can take pip's place.
            str(target_python()), "-I", "-m", "pip", "download", "--disable-pip-version-check", "--no-input",
            "--progress-bar", "off", "--only-binary", ":all:", "--implementation", "cp",
            "--python-version", work.python,
            *(part for platform in LINUX_PLATFORMS for part in ("--platform", platform)),
            "--dest", str(packages_folder(job)), "--log", str(log), *what(Path(scratch)),
        ]  # fmt: skip
        done = subprocess.run(
            command,
            cwd=context_folder(job),
            env=pip_environment(os.environ),
            capture_output=True,
            text=True,
            check=False,
        )
        details = log.read_text(errors="replace") if log.exists() else ""
    for line in (done.stdout + done.stderr).splitlines():
        say(line)
    if done.returncode:
        raise StepFailed(explain_pip(done.stdout + done.stderr, work.python, details))


def pip_environment(variables: Mapping[str, str], *, index: bool = True) -> dict[str, str]:
    """The variables that pip runs with: no configuration file, and of pip's and uv's own only the harmless ones.

    Args:
        variables: the step's.
        index: whether packages may be fetched at all.
    """
    kept = _KEPT if index else set()
    clean = {name: value for name, value in variables.items() if not name.startswith(("PIP_", "UV_")) or name in kept}
    # PYTHONPATH holds this project; the environment's interpreter has to do without.
    clean.pop("PYTHONPATH", None)
    return {**clean, "PIP_CONFIG_FILE": os.devnull}


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


def explain_pip(output: str, python: str, details: str = "") -> str:
    """Why pip failed, in one line.

    Args:
        output: what it printed.
        python: the environment's Python.
        details: its own log: that the index refused it stands only there.
    """
    causes = [found["why"] for found in _NOT_FETCHED.finditer(details) if "404 Client Error" not in found["why"]]
    if any("401 Client Error" in cause or "403 Client Error" in cause for cause in causes):
        return (
            "the feed does not accept the pipeline's identity (401): give the build service the role Reader on the feed"
        )
    if causes:
        return "the feed does not answer; a rerun may succeed"
    if found := _NO_FILE.search(output):
        versions = _VERSIONS.search(output)
        known = [v.strip() for v in versions["versions"].split(",")] if versions else []
        shown = ", ".join((["…"] if len(known) > _MOST_VERSIONS else []) + known[-_MOST_VERSIONS:])
        none = "the feed has no version with a wheel for it"
        has = none if shown in ("", "none") else f"the feed has wheels of {shown}"
        return f"no file of {found['requirement'].strip()} for Python {python} on Linux x86_64: {has}"
    if "ResolutionImpossible" in output or "conflicting dependencies" in output:
        causes = [line.strip() for line in output.splitlines() if " depends on " in line or "requested " in line]
        return f"the requirements contradict each other: {'; '.join(causes[:4])}"
    errors = [line.removeprefix("ERROR: ").strip() for line in output.splitlines() if line.startswith("ERROR:")]
    if errors:
        return f"pip: {errors[0]}"
    lines = [line for line in output.splitlines() if line.strip()]
    return f"pip: {lines[-1].strip() if lines else 'it failed without a word'}"
