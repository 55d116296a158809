"""pip of the environment's own Python, as the steps run it: it installs nothing, and nothing of a package runs."""

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from shared.steps.commands import say
from shared.steps.job_state import target_python

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
# `--only-binary` does not hold for what a wheel requires by its URL, and `--no-binary` in a file lifts it: pip would
# build that, and run the package's code. It does so in processes of their own, so it may start none.
_BUILD_REFUSED = "it has no wheel and would have to be built"
_START = f"""\
import runpy, subprocess
class Refused(subprocess.Popen):
    def __init__(self, *_, **__):
        raise PermissionError("{_BUILD_REFUSED}")
subprocess.Popen = Refused
runpy.run_module("pip", run_name="__main__", alter_sys=True)
"""
_COLLECTED = re.compile(r"^(?:Collecting|Processing) (?P<what>.+)", re.MULTILINE)
# In pip's own log: an index that refuses, or is in trouble, looks in its output like one that has nothing.
_NOT_FETCHED = re.compile(r"Could not fetch URL \S+ (?P<why>.+)")
_NO_FILE = re.compile(r"No matching distribution found for (?P<requirement>.+)")
# How many of a package's versions an error names.
_MOST_VERSIONS = 8
_VERSIONS = re.compile(r"\(from versions: (?P<versions>[^)]*)\)")


def run_pip(arguments: Sequence[str], folder: Path, *, index: bool) -> subprocess.CompletedProcess[str]:
    """Run pip and show what it says.

    Args:
        arguments: its command and options.
        folder: where relative paths of requirements files begin.
        index: whether packages may be fetched at all.
    """
    done = subprocess.run(
        # -I: nothing that lies in the folder can take the place of pip or of a module that it imports.
        [str(target_python()), "-I", "-c", _START, *arguments, "--disable-pip-version-check", "--no-input",
         "--progress-bar", "off"],
        cwd=folder, env=installer_environment(os.environ, index=index), capture_output=True, text=True, check=False,
    )  # fmt: skip
    for line in (done.stdout + done.stderr).splitlines():
        say(line)
    return done


def installer_environment(variables: Mapping[str, str], *, index: bool = True) -> dict[str, str]:
    """The variables that pip and uv run with: no configuration file, and of their own only the harmless ones.

    Args:
        variables: the step's.
        index: whether packages may be fetched at all.
    """
    kept = _KEPT if index else set()
    clean = {name: value for name, value in variables.items() if not name.startswith(("PIP_", "UV_")) or name in kept}
    return {**clean, "PIP_CONFIG_FILE": os.devnull}


def explain_pip(output: str, python: str, details: str = "") -> str:
    """Say why pip failed, in one line.

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
    if _BUILD_REFUSED in output:
        collected = _COLLECTED.findall(output.split(_BUILD_REFUSED, maxsplit=1)[0])
        what = collected[-1].strip() if collected else "a package"
        return f"{what}: {_BUILD_REFUSED}, which would run its code; publish a wheel of it (`pip wheel`) to the feed"
    if found := _NO_FILE.search(output):
        versions = _VERSIONS.search(output)
        known = [v.strip() for v in versions["versions"].split(",")] if versions else []
        shown = ", ".join((["…"] if len(known) > _MOST_VERSIONS else []) + known[-_MOST_VERSIONS:])
        none = (
            "the feed has no version with a wheel for it; build one (`pip wheel`) on Linux with this Python, and "
            "publish it to the feed"
        )
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
