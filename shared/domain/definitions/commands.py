"""The command that another one runs: behind `sudo`, `env`, `python -m`, `uv run` and the like."""

import re
from collections.abc import Sequence

from shared.domain.definitions.traced import Traced

_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*\+?=")
# Words in front of a command that do not change what it installs.
_PREFIXES = {"!", "{", "}", "if", "then", "elif", "else", "while", "until", "do", "time", "exec", "command", "eval",
             "env", "sudo", "nohup", "nice", "xargs", "retry", "yes"}  # fmt: skip
_PREFIXES_WITH_OPTIONS = {"sudo", "env", "nice", "xargs"}
# Of `xargs`, `nice` and `sudo`, each with a value behind it; xargs reads a file by `-a`.
_PREFIX_OPTIONS_WITH_VALUE = {"-n", "-P", "-L", "-I", "-s", "-u"}
PYTHON = re.compile(r"python(?:\d+(?:\.\d+)*)?|pypy\d*")
CONDA = {"conda", "mamba", "micromamba", "conda-env"}
_MODULES = {"pip", "uv", "pipx", "poetry", "pipenv", "pdm"}
_UV_WITH_VALUE = {"--python", "-p", "--extra", "--group", "--package", "--directory", "--project", "--env-file"}
CONDA_WITH_VALUE = {"-n", "--name", "-p", "--prefix", "-c", "--channel", "--cwd", "--platform", "--subdir",
                     "--repodata-fn", "--solver", "--experimental-solver", "-r", "--root-prefix"}  # fmt: skip


def prefixes(words: Sequence[Traced]) -> int:
    """Count the words in front of the command."""
    at = 0
    while at < len(words) and (words[at].text in _PREFIXES or _ASSIGNMENT.match(words[at].text)):
        options = words[at].text in _PREFIXES_WITH_OPTIONS
        at += 1
        while options and at < len(words) and words[at].text.startswith("-"):
            at += 2 if words[at].text in _PREFIX_OPTIONS_WITH_VALUE else 1
    return at


def runs(words: Sequence[Traced]) -> list[Traced] | None:
    """The command that another one runs: behind `python -m`, `uv run` and `conda run`."""
    program = words[0].text.rsplit("/", 1)[-1] if words else ""
    at = 1
    if PYTHON.fullmatch(program):
        while at < len(words) and words[at].text.startswith("-") and words[at].text != "-m":
            at += 1
        module = words[at + 1].text if at + 1 < len(words) and words[at].text == "-m" else ""
        return list(words[at + 1 :]) if module in _MODULES else None
    if program != "uv" and program not in CONDA:
        return None
    while at < len(words) and words[at].text.startswith("-"):
        at += 1
    if at == len(words) or words[at].text != "run":
        return None
    at += 1
    with_value = _UV_WITH_VALUE if program == "uv" else CONDA_WITH_VALUE
    while at < len(words) and words[at].text.startswith("-"):
        at += 2 if words[at].text in with_value else 1
    return list(words[at:])
