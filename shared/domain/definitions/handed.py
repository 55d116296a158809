"""Paths that commands install from."""

from dataclasses import dataclass
from enum import StrEnum

from shared.domain.definitions.traced import Traced


class Takes(StrEnum):
    """The use that a command makes of a path."""

    LIST = "a list of requirements"
    CONDA = "a conda file"
    PROJECT = "the folder of a project"
    LOCK = "a lock"
    WHEELS = "wheels"
    SCRIPT = "a script"


@dataclass(frozen=True, slots=True)
class Handed:
    """A path that a command installs from.

    Attributes:
        path: as it is written.
        takes: what is made of it.
        folder: the folder that the command runs in, seen from where the script began.
        constraint: it only constrains.
        command: the number of the command, within what is read together.
        extras: of a project.
        what: the command in a few words.
        word: a word of the command that stands in the file.
        fetched: how many fetches went before it.
    """

    path: Traced
    takes: Takes = Takes.LIST
    folder: str = ""
    constraint: bool = False
    command: int = 0
    extras: frozenset[str] = frozenset()
    what: str = ""
    word: Traced | None = None
    fetched: int = 0
