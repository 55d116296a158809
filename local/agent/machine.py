"""The machine that the agent works on: its tool cache, its Azure CLI, and what it may sign in to."""

import os
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

# The Python of the steps, that of `.venv`.
STEPS_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"

_AZ = """#!{python}
# The Azure CLI, as far as azure-identity asks it: signed in only where AZURE_CONFIG_DIR says so.
import os, pathlib, sys, time
arguments = sys.argv[1:]
time.sleep({seconds})
if arguments[:1] == ["--version"]:
    print("azure-cli 2.0.0 (stand)"); sys.exit(0)
token = pathlib.Path(os.environ.get("AZURE_CONFIG_DIR", "/nowhere")) / "token"
if not token.is_file():
    sys.exit("ERROR: Please run 'az login' to setup account.")
if arguments[:2] != ["account", "get-access-token"]:
    sys.exit(f"ERROR: 'az {{' '.join(arguments[:2])}}' is not served by this stand")
print(token.read_text())
"""

_LENDING_PYTHON = """#!/bin/sh
# The steps' packages are asked for by hash, and nothing else is.
case " $* " in *" --require-hashes "*) exec {python} -I {lend} "$@" ;; esac
exec {python} "$@"
"""
_LEND = """
# Instead of pip: lets an empty environment see the packages of another one, if it is those that were asked for.
import os, pathlib, sys
arguments = sys.argv[1:]
environment = pathlib.Path(arguments[arguments.index("--python") + 1])
wanted = pathlib.Path(arguments[arguments.index("-r") + 1]).read_bytes()
if wanted != pathlib.Path({lock!r}).read_bytes():
    sys.exit("ERROR: this stand lends the packages of its own lock and no others")
if "PIP_INDEX_URL" not in os.environ:
    sys.exit("ERROR: the feed would not be asked: PipAuthenticate@1 has not signed in")
(packages,) = environment.glob("lib/python3*/site-packages")
(packages / "lent.pth").write_text({packages!r} + os.linesep)
"""


@dataclass
class Machine:
    """What jobs find on their machine.

    Attributes:
        folder: for tools and work folders.
        find_python: returns an interpreter of a version such as `3.10`, or None.
        feed_indexes: feed name (`project/feed`) → address of its simple index, credentials included.
        access_token: returns a job's own token for Azure DevOps, that of the build service.
        connections: service connection → returns an access token for Azure.
        azure_environment: variables that lead processes of `AzureCLI@2` to Azure's addresses.
        az_seconds: how long the Azure CLI takes before it does anything; set before `prepare`.
        lent: a folder with the installed packages of a lock, and the lock: jobs that install this lock get to see the
            folder instead of asking the feed. None if the feed is asked.
    """

    folder: Path
    find_python: Callable[[str], str | None]
    feed_indexes: Callable[[], Mapping[str, str]]
    access_token: Callable[[], str]
    connections: Mapping[str, Callable[[], str]] = field(default_factory=dict)
    azure_environment: Mapping[str, str] = field(default_factory=dict)
    az_seconds: float = 0
    lent: tuple[Path, Path] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def prepare(self) -> None:
        """Make what every job finds."""
        tools = self.folder / "bin"
        tools.mkdir(parents=True, exist_ok=True)
        az = tools / "az"
        az.write_text(_AZ.format(python=sys.executable, seconds=self.az_seconds))
        az.chmod(0o755)

    def environment(self) -> dict[str, str]:
        """What processes of jobs start with: nothing of the developer's own."""
        home = self.folder / "home"
        home.mkdir(parents=True, exist_ok=True)
        return {
            "PATH": os.pathsep.join([str(self.folder / "bin"), "/usr/local/bin", "/usr/bin", "/bin"]),
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "TF_BUILD": "True",
        }

    def python_location(self, version: str) -> Path | None:
        """The tool cache's folder of a Python version; None if there is none."""
        with self._lock:  # two jobs may look for the same one
            return self._find(version)

    def _find(self, version: str) -> Path | None:
        location = self.folder / "tools" / "Python" / version / "x64"
        if (location / "bin" / "python").exists():
            return location
        found = sys.executable if version == STEPS_PYTHON else self.find_python(version)
        if found is None:
            return None
        binaries = location / "bin"
        binaries.mkdir(parents=True)
        for name in ("python", "python3", f"python{version}"):
            (binaries / name).symlink_to(Path(found).resolve())
        if version == STEPS_PYTHON and self.lent:
            self._lend(binaries / "python", Path(found).resolve(), *self.lent)
        return location

    def _lend(self, python: Path, found: Path, packages: Path, lock: Path) -> None:
        """Have a Python lend packages instead of installing them."""
        lend = self.folder / "lend.py"
        lend.write_text(_LEND.format(lock=str(lock), packages=str(packages)))
        python.unlink()
        python.write_text(_LENDING_PYTHON.format(python=found, lend=lend))
        python.chmod(0o755)
