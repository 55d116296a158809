"""What a Dockerfile says as far as it matters here: which files it hands to pip and conda, and which words it holds.

Versions that stand in its own commands are not read. What it names there is noted, so that an environment whose
Dockerfile installs a package by itself is held and not passed over.
"""

import re
from dataclasses import dataclass

from shared.domain.text import SourceText

_PIP_FILE = re.compile(r"(?:^|\s)(?P<option>-r|--requirement|-c|--constraint)(?:\s+|=)?(?P<path>[^\s;&|\"'\\]+)")
_CONDA_FILE = re.compile(r"(?:^|\s)(?:-f|--file)(?:\s+|=)(?P<path>[^\s;&|\"'\\]+\.ya?ml)")
_FROM = re.compile(r"^\s*FROM\s+(?:--\S+\s+)*(?P<image>\S+)", re.IGNORECASE | re.MULTILINE)
_CONTINUATION = re.compile(r"\\[ \t]*\r?\n")
# Instructions that can name packages to install.
_NAMING = re.compile(r"\s*(?:RUN|ARG|ENV)\s", re.IGNORECASE)
_WORD = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_SEPARATORS = re.compile(r"[-_.]+")


@dataclass(frozen=True, slots=True)
class HandedOver:
    """A file that a Dockerfile hands to pip (`-r`, `-c`) or conda (`-f`), as it is written there."""

    path: str
    constraint: bool = False
    conda: bool = False


@dataclass(frozen=True, slots=True)
class Dockerfile:
    """What one Dockerfile says.

    Attributes:
        files: that it hands to pip and conda.
        image: the base image of its last stage.
        words: everything in its commands that may be a package's name, normalised.
    """

    files: tuple[HandedOver, ...] = ()
    image: str | None = None
    words: frozenset[str] = frozenset()


def read_dockerfile(source: SourceText) -> Dockerfile:
    """Read a Dockerfile; there is none that cannot be read."""
    text = "\n".join(line for line in source.text.splitlines() if not line.lstrip().startswith("#"))
    text = _CONTINUATION.sub(" ", text)
    commands = "\n".join(line for line in text.splitlines() if _NAMING.match(line))
    images = _FROM.findall(text)
    return Dockerfile(
        files=(
            *(
                HandedOver(match["path"], constraint=match["option"] in ("-c", "--constraint"))
                for match in _PIP_FILE.finditer(commands)
            ),
            *(HandedOver(match["path"], conda=True) for match in _CONDA_FILE.finditer(commands)),
        ),
        image=images[-1] if images else None,
        words=words_of(commands),
    )


def words_of(text: str) -> frozenset[str]:
    """Every word of a text that may be a package's name, in normalised form (PEP 503)."""
    return frozenset(_SEPARATORS.sub("-", word).lower() for word in _WORD.findall(text))
