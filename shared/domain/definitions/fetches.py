"""Clones and downloads: content that commands bring into an image from elsewhere.

What lies there is no file of the repository, whatever its name.
"""

import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from shared.domain.definitions.traced import Traced

CLONE = "git clone"
_ADDRESS = re.compile(r"(?:[a-z+]+://|[\w.-]+@[\w.-]+:)\S", re.IGNORECASE)
_CLONE_WITH_VALUE = {
    "-b", "--branch", "--depth", "-c", "--config", "-o", "--origin", "-u", "--upload-pack", "--reference", "-j",
    "--jobs", "--filter", "--template", "--shallow-since", "--shallow-exclude", "--separate-git-dir", "--server-option",
}  # fmt: skip
_TO = {"curl": ("-o", "--output"), "wget": ("-O", "--output-document")}


@dataclass(frozen=True, slots=True)
class Fetch:
    """One clone or download.

    Attributes:
        target: the file or folder that it makes, seen from where the script began.
        what: the command in two words.
    """

    target: str
    what: str


def fetches(program: str, arguments: Sequence[Traced], folder: str) -> Iterator[Fetch]:
    """The content that a command fetches.

    Args:
        program: the command.
        arguments: its words.
        folder: the folder that it runs in.
    """
    words = [word.text for word in arguments]
    if program == "git":
        yield from _clone(words, folder)
    elif program in _TO:
        yield from _download(program, words, folder)


def fetched_name(address: str) -> str:
    """Return the name of the file or folder that an address leads to."""
    return posixpath.basename(re.split(r"[?#]", address)[0].rstrip("/")).rpartition(":")[2].removesuffix(".git")


def is_address(text: str) -> bool:
    """Tell whether something has to be fetched."""
    return bool(_ADDRESS.match(text))


def _clone(words: list[str], folder: str) -> Iterator[Fetch]:
    rest = iter(words)
    named: list[str] = []
    for word in rest:
        if word == "-C":
            folder = posixpath.join(folder, next(rest, ""))
        elif word in _CLONE_WITH_VALUE:
            next(rest, None)
        elif not word.startswith("-"):
            named.append(word)
    if len(named) > 1 and named[0] == "clone":
        yield Fetch(posixpath.join(folder, named[2] if named[2:] else fetched_name(named[1])), CLONE)


def _download(program: str, words: list[str], folder: str) -> Iterator[Fetch]:
    target, remote = None, program == "wget"
    for at, word in enumerate(words):
        following = words[at + 1] if at + 1 < len(words) else ""
        short = word[:2] == _TO[program][0] and len(word) > 2
        if word in _TO[program]:
            target = following
        elif word.startswith(f"{_TO[program][1]}="):
            target = word.partition("=")[2]
        elif short:
            target = word[2:]
        elif re.fullmatch(r"-[a-zA-Z]*[oO]", word) and word[-1] == _TO[program][0][1]:
            target = following  # `-sSLo file`
        elif word == "--remote-name" or (program == "curl" and re.fullmatch(r"-[a-zA-Z]*O[a-zA-Z]*", word)):
            remote = True
        elif program == "wget" and word in ("-P", "--directory-prefix"):
            folder = posixpath.join(folder, following)
    if target is not None:
        yield Fetch(posixpath.join(folder, target), program)
    elif remote:
        for word in words:
            if is_address(word):
                yield Fetch(posixpath.join(folder, fetched_name(word)), program)
