"""What a Dockerfile says as far as it matters here: which files it hands to pip and conda, and which words it holds.

Versions that stand in its own commands are not read. What it names there is noted, so that an environment whose
Dockerfile installs a package by itself is held and not passed over.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from shared.domain.text import SourceText

# Where the pipeline puts the wheels, inside the build context.
PACKAGES_FOLDER = "pip_packages"

_PIP_FILE = re.compile(r"(?:^|\s)(?P<option>-r|--requirement|-c|--constraint)(?:\s+|=)?(?P<path>[^\s;&|\\]+)")
_CONDA_FILE = re.compile(r"(?:^|\s)(?:-f|--file)(?:\s+|=)(?P<path>[^\s;&|\\]+\.ya?ml)")
_FROM = re.compile(r"^[ \t]*FROM[ \t]+(?:--\S+[ \t]+)*(?P<image>\S+)", re.IGNORECASE | re.MULTILINE)
_ESCAPE = re.compile(r"#\s*escape\s*=\s*`", re.IGNORECASE)
# Instructions that can name packages to install.
_NAMING = re.compile(r"[ \t]*(?:RUN|ARG|ENV)\s", re.IGNORECASE)
_HEREDOC = re.compile(r"<<-?[\"']?(?P<end>[A-Za-z_]\w*)[\"']?")
# Quotes, and the JSON form of a command: what is inside counts.
_PUNCTUATION = str.maketrans("\"'[],", "     ")
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
        packaged: it uses the folder of wheels that the pipeline puts into the build context.
    """

    files: tuple[HandedOver, ...] = ()
    image: str | None = None
    words: frozenset[str] = frozenset()
    packaged: bool = True


def read_dockerfile(source: SourceText) -> Dockerfile:
    """Read a Dockerfile; there is none that cannot be read."""
    lines = _logical_lines(source.text)
    commands = "\n".join(_commands(lines))
    handed = commands.translate(_PUNCTUATION)
    images = _FROM.findall("\n".join(lines))
    return Dockerfile(
        files=(
            *(
                HandedOver(match["path"], constraint=match["option"] in ("-c", "--constraint"))
                for match in _PIP_FILE.finditer(handed)
            ),
            *(HandedOver(match["path"], conda=True) for match in _CONDA_FILE.finditer(handed)),
        ),
        image=images[-1] if images else None,
        words=words_of(commands),
        packaged=PACKAGES_FOLDER in "\n".join(lines),
    )


def _logical_lines(text: str) -> list[str]:
    """The lines without comments, continued ones joined by the file's escape character."""
    raw = text.splitlines()
    escape = "`" if any(_ESCAPE.match(line) for line in raw[:3]) else "\\"
    lines: list[str] = []
    going_on = False
    for line in raw:
        if line.lstrip().startswith("#"):
            continue
        body = line.rstrip()
        ends = body.endswith(escape)
        body = body.removesuffix(escape) if ends else line
        if going_on:
            lines[-1] += f" {body}"
        else:
            lines.append(body)
        going_on = ends
    return lines


def _commands(lines: list[str]) -> Iterator[str]:
    """The instructions that can name packages, with the bodies of their here-documents."""
    ends: list[str] = []
    for line in lines:
        if ends:
            if line.strip() == ends[0]:
                ends.pop(0)
            else:
                yield line
        elif _NAMING.match(line):
            ends = [found["end"] for found in _HEREDOC.finditer(line)]
            yield line


def words_of(text: str) -> frozenset[str]:
    """Every word of a text that may be a package's name, in normalised form (PEP 503)."""
    return frozenset(_SEPARATORS.sub("-", word).lower() for word in _WORD.findall(text))
