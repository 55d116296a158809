"""Tools besides pip and conda that install packages, and what tells that a script does."""

import re
from dataclasses import dataclass

from shared.domain.files.text import SourceText

# What says what a project requires, in the order in which it counts.
PROJECT_FILES = ("pyproject.toml", "setup.cfg", "setup.py")


@dataclass(frozen=True, slots=True)
class LockTool:
    """A tool that installs what a lock holds.

    Attributes:
        file: the lock, in the folder that the command runs in.
        verbs: its commands that install from it, or write a list from it.
    """

    file: str
    verbs: frozenset[str]


LOCKS = {
    "poetry": LockTool("poetry.lock", frozenset({"install", "sync", "export"})),
    "pipenv": LockTool("Pipfile.lock", frozenset({"install", "sync", "requirements"})),
    "uv": LockTool("uv.lock", frozenset({"sync", "export"})),
    "pdm": LockTool("pdm.lock", frozenset({"install", "sync", "export"})),
}
# Further ones, which are not read.
INSTALLERS = {
    "poetry": ("add", "update"), "pipenv": ("update",), "uv": ("add",), "pdm": ("add", "update"),
    "rye": ("sync", "add"), "pixi": ("install", "add"), "hatch": ("env",), "flit": ("install",),
    "conda-lock": ("install",),
}  # fmt: skip
_CALLED = re.compile(r"\b(?:pip|conda|mamba)\b")


def may_install(source: SourceText) -> bool:
    """Tell whether a script in Python may call an installer: it names pip or conda, and `install`."""
    return "install" in source.text and bool(_CALLED.search(source.text))
