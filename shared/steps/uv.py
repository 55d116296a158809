"""uv, which unpacks wheels without running any Python, into an environment that no interpreter ever sees.

The one process that it starts is the environment's base interpreter, isolated, to ask for its version and tags
(docs.astral.sh/uv, "Using Python environments"); `--prefix` keeps what is installed out of that one's sight.
"""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from uv import find_uv_bin

from shared.steps.commands import say
from shared.steps.pip import installer_environment

_NO_SOLUTION = "No solution found when resolving dependencies"
_PART = re.compile(r"^(?:error|  cause): ", re.MULTILINE)
_WARNING = re.compile(r"^warning: (.+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Uv:
    """uv, without a network, an index, a configuration file or a cache that anybody else reads.

    Attributes:
        python: the base interpreter to install for.
        packages: the folder of wheels to install from.
        scratch: a folder of its own, for what it installs and its cache.
        folder: where it runs.
    """

    python: Path
    packages: Path
    scratch: Path
    folder: Path

    def install(self, *what: str) -> subprocess.CompletedProcess[str]:
        """Install requirements or files of wheels on top of what is installed; nothing is ever built."""
        return self._run(
            "install", "--no-index", "--no-build", "--find-links", str(self.packages),
            # A pre-release in the folder is one that pip chose for this environment.
            "--prerelease", "allow", *what,
        )  # fmt: skip

    def conflicts(self) -> list[str]:
        """Return what `pip check` would complain of, from the metadata alone."""
        done = self._run("list", "--strict")
        return _WARNING.findall(done.stderr) if done.returncode == 0 else [explain_uv(done.stderr)]

    def _run(self, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [find_uv_bin(), "pip", command, "--no-config", "--offline", "--no-python-downloads", "--no-progress",
             "--color", "never", "--cache-dir", str(self.scratch / "cache"), "--python", str(self.python),
             "--prefix", str(self.scratch / "environment"), *arguments],
            cwd=self.folder, env=installer_environment(os.environ, index=False), capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        for line in done.stderr.splitlines():
            say(line)
        return done


def explain_uv(output: str) -> str:
    """Say why uv failed, in one line."""
    parts = [" ".join(part.split("\n\n")[0].split()) for part in _PART.split(output)[1:]]
    causes = [part for part in parts if part != _NO_SOLUTION]
    if causes:
        return ": ".join(causes)
    lines = [line for line in output.splitlines() if line.strip()]
    return f"uv: {lines[-1].strip() if lines else 'it failed without a word'}"
