"""The machine that the agent works on: its tool cache, its Azure CLI, and what it may sign in to."""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from local.processes import StandError

# The interpreter of the steps: `.venv`'s, with what `requirements.txt` locks installed already, as on an agent that
# somebody has prepared. Anything else that a step installs goes into the agent's own copy.
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
    """

    folder: Path
    find_python: Callable[[str], str | None]
    feed_indexes: Callable[[], Mapping[str, str]]
    access_token: Callable[[], str]
    connections: Mapping[str, Callable[[], str]] = field(default_factory=dict)
    azure_environment: Mapping[str, str] = field(default_factory=dict)
    az_seconds: float = 0
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
        if version == STEPS_PYTHON:
            _make_steps_python(location)
            return location
        found = self.find_python(version)
        if found is None:
            return None
        binaries = location / "bin"
        binaries.mkdir(parents=True)
        for name in ("python", "python3", f"python{version}"):
            (binaries / name).symlink_to(Path(found).resolve())
        return location


def _make_steps_python(location: Path) -> None:
    """A virtual environment that sees the packages of the project's own."""
    base = Path(sys.executable).resolve()
    done = subprocess.run([str(base), "-m", "venv", "--without-pip", str(location)], capture_output=True, check=False)
    if done.returncode:
        raise StandError(f"the agent's Python cannot be made: {done.stderr.decode().strip().splitlines()[-1]}")
    own = Path(shutil.__file__).parent.name  # python3.13
    packages = location / "lib" / own / "site-packages"
    ours = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "prepared.pth").write_text("\n".join(ours) + "\n")
