"""What shell commands install: requirements and files that they hand to pip, conda files, packages of conda's channels.

The forms of pip are those of its own reference ("pip install"), `uv pip` takes the same; conda's are those of `conda
install`, `conda create`, `conda env create` and `conda run`, which mamba and micromamba share.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from shared.domain.definitions.shell import Shell
from shared.domain.definitions.traced import Traced

_PIP = re.compile(r"pip(?:\d+(?:\.\d+)*)?|pipx")
_PYTHON = re.compile(r"python(?:\d+(?:\.\d+)*)?|pypy\d*")
_SHELL = re.compile(r"(?:ba|da|z|k)?sh")
_CONDA = {"conda", "mamba", "micromamba", "conda-env"}
# pip and uv take their options from the environment too.
_LIMIT = re.compile(r"(?:PIP|UV)_CONSTRAINT=")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*\+?=")
# Words in front of a command that do not change what it installs.
_PREFIXES = {"!", "{", "}", "if", "then", "elif", "else", "while", "until", "do", "time", "exec", "command", "eval",
             "env", "sudo", "nohup", "nice", "xargs", "retry", "yes"}  # fmt: skip
_PREFIXES_WITH_OPTIONS = {"sudo", "env", "nice", "xargs"}
# A command that runs a command that runs a command: deeper ones exist only to break readers.
_DEEPEST = 10
# What takes the place of these is not known; they stay as they are written, however often they are read.
_SUBSTITUTIONS = ("$(", "`")
_MODULES = {"pip", "uv", "pipx"}
_UV_WITH_VALUE = {"--python", "-p", "--extra", "--group", "--package", "--directory", "--project", "--env-file"}
_PIP_COMMANDS = {"install", "download", "wheel"}
# Options with a value of their own, of pip and `uv pip`; the word behind one that is missing here counts as a package.
_WITH_VALUE = {
    "-i", "--index-url", "--pypi-url", "--extra-index-url", "-f", "--find-links", "-t", "--target", "--prefix",
    "--root", "--src", "-d", "--dest", "--destination-directory", "-w", "--wheel-dir", "-b", "--build", "--build-dir",
    "--platform", "--python-version", "--implementation", "--abi", "--no-binary", "--only-binary", "--progress-bar",
    "--cache-dir", "--upgrade-strategy", "--trusted-host", "--proxy", "--retries", "--timeout", "--default-timeout",
    "--exists-action", "--cert", "--client-cert", "--log", "--log-file", "--report", "-C", "--config-settings",
    "--config-setting", "--global-option", "--build-option", "--install-option", "--use-feature", "--use-deprecated",
    "--root-user-action", "--python", "-p", "--keyring-provider", "--index", "--default-index", "--index-strategy",
    "--resolution", "--prerelease", "--exclude-newer", "--link-mode", "--override", "--overrides", "--build-constraint",
    "--build-constraints", "--group", "--extra", "--python-platform", "--refresh-package", "--reinstall-package",
    "--upgrade-package", "-P", "--no-build-isolation-package", "--allow-insecure-host", "--color", "--directory",
    "--project", "--config-file", "--torch-backend", "--fork-strategy", "--pip-args", "--suffix",
}  # fmt: skip
_REQUIREMENTS = {"-r": False, "--requirement": False, "--requirements": False,
                 "-c": True, "--constraint": True, "--constraints": True}  # fmt: skip
# `-Ur requirements.txt`
_FLAGS_AND_FILE = re.compile(r"-[UqvI]+[rc]")
_CONDA_WITH_VALUE = {"-n", "--name", "-p", "--prefix", "-c", "--channel", "--cwd", "--platform", "--subdir",
                     "--repodata-fn", "--solver", "--experimental-solver", "-r", "--root-prefix"}  # fmt: skip
_CONDA_INSTALLS = {"install", "create", "update", "upgrade"}
# What these commands name is installed by others, or is no pin at all.
_OTHERS = {"apt", "apt-get", "apk", "yum", "dnf", "microdnf", "tdnf", "zypper", "npm", "yarn", "gem", "cargo", "brew",
           "snap"}  # fmt: skip
# Their scripts say what a text is and what it shall be.
_EDITORS = {"sed", "awk", "perl"}
# An exact pin in the words of any other command: `echo "our-pkg==1.0" >> requirements.txt`.
_LOOSE = re.compile(
    r"(?<![A-Za-z0-9._/@-])[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?[ \t]*(?:\[[^\]\n]{0,200}\][ \t]*)?"
    r"===?[ \t]*[A-Za-z0-9](?:[A-Za-z0-9.!+_-]*[A-Za-z0-9])?"
)
# `printf 'our-pkg==1.0\nother==2.0\n'`: the letter belongs to the line break.
_ESCAPED = re.compile(r"\\[nrt]")
# `$(which python)` and `command -v pip` in backticks.
_WHICH = re.compile(r"(?:\$\(|`)\s*(?:which|command\s+-v)\s+(?P<program>[^\s`)]+)\s*[`)]")


@dataclass(frozen=True, slots=True)
class PipFile:
    """A file that a command hands to pip.

    Attributes:
        path: as it is written.
        constraint: it only constrains.
        command: the number of the command, within what is read together.
    """

    path: Traced
    constraint: bool
    command: int


@dataclass(slots=True)
class Installs:
    """What a script installs.

    Attributes:
        requirements: as pip takes them.
        named: exact pins that other commands name.
        files: requirements files.
        conda_files: files that conda makes an environment of.
        channel: packages that conda takes from its channels.
        limits: constraints files that a variable of the environment names for every command of pip.
        _commands: how many commands of pip have been read.
        _depth: how many scripts stand around the one that is being read.
    """

    requirements: list[Traced] = field(default_factory=list)
    named: list[Traced] = field(default_factory=list)
    files: list[PipFile] = field(default_factory=list)
    conda_files: list[Traced] = field(default_factory=list)
    channel: list[Traced] = field(default_factory=list)
    limits: list[Traced] = field(default_factory=list)
    _commands: int = 0
    _depth: int = 0

    def add_script(self, shell: Shell, script: Traced) -> None:
        """Read a script."""
        self._depth += 1
        for words in shell.commands(script):
            self.add_command(shell, words)
        self._depth -= 1

    def add_command(self, shell: Shell, words: Sequence[Traced]) -> None:
        """Read one command, and the one that it runs."""
        rest = list(words)
        limits = list(self.limits)
        for _ in range(_DEEPEST):
            prefixes = _prefixes(rest)
            limits += (word[found.end() :] for word in rest[:prefixes] if (found := _LIMIT.match(word.text)))
            rest = rest[prefixes:]
            inner = _runs(rest)
            if inner is None:
                break
            rest = inner
        if not rest:
            self._loose(words)
            return
        which = _WHICH.fullmatch(rest[0].text)
        program, arguments = (which["program"] if which else rest[0].text).rsplit("/", 1)[-1], rest[1:]
        if self._depth > _DEEPEST or (which is None and rest[0].text.startswith(_SUBSTITUTIONS)):
            self._loose(rest)
        elif _SHELL.fullmatch(program):
            self._shell(shell, arguments)
        elif _PIP.fullmatch(program):
            self._pip(arguments, limits)
        elif program == "uv":
            self._uv(arguments, limits)
        elif program in _CONDA:
            self._conda(program, arguments)
        elif re.search(r"\s", program):
            self.add_script(Shell(shell.value), rest[0])
        elif program not in _OTHERS:
            self._loose(rest)

    def add_text(self, text: Traced) -> None:
        """Read a text that becomes a file: the exact pins of its lines count."""
        at = 0
        for line in text.text.split("\n"):
            if not line.lstrip().startswith("#"):
                self._loose([text[at : at + len(line)]])
            at += len(line) + 1

    def _loose(self, words: Sequence[Traced]) -> None:
        if any(word.text in _EDITORS for word in words):
            return
        for word in words:
            for found in _LOOSE.finditer(_ESCAPED.sub("  ", word.text)):
                self.named.append(word[found.start() : found.end()])

    def _shell(self, shell: Shell, arguments: Sequence[Traced]) -> None:
        """`bash -c "…"`: the word after the option is a script."""
        for option, script in pairwise(arguments):
            if re.fullmatch(r"-[a-z]*c", option.text):
                inner = Shell(shell.value)
                self.add_script(inner, script)
                shell.comments += inner.comments
                return
        self._loose(arguments)

    def _uv(self, arguments: list[Traced], limits: list[Traced]) -> None:
        pip = next((at for at, word in enumerate(arguments) if word.text == "pip"), None)
        if pip is None:
            self._loose(arguments)
        else:
            self._pip(arguments[pip + 1 :], limits)

    def _pip(self, arguments: list[Traced], limits: list[Traced]) -> None:
        rest = iter(arguments)
        for word in rest:
            if word.text in _WITH_VALUE:
                next(rest, None)
            elif not word.text.startswith("-"):
                if word.text in _PIP_COMMANDS or word.text in ("sync", "compile"):
                    self._pip_arguments(rest, files=word.text in ("sync", "compile"))
                    for limit in limits:
                        self._file(limit, constraint=True)
                return

    def _pip_arguments(self, rest: Iterator[Traced], *, files: bool) -> None:
        """What stands behind `pip install`; `uv pip sync` takes files instead of packages."""
        self._commands += 1
        for word in rest:
            name, separator, _ = word.text.partition("=")
            if word.text in _REQUIREMENTS:
                if value := next(rest, None):
                    self._file(value, constraint=_REQUIREMENTS[word.text])
            elif separator and name in _REQUIREMENTS:
                self._file(word[len(name) + 1 :], constraint=_REQUIREMENTS[name])
            elif word.text[:2] in ("-r", "-c") and len(word.text) > 2:
                self._file(word[2:], constraint=word.text[:2] == "-c")
            elif word.text in ("-e", "--editable"):
                self.requirements += [value for value in (next(rest, None),) if value]
            elif _FLAGS_AND_FILE.fullmatch(word.text):
                if value := next(rest, None):
                    self._file(value, constraint=word.text.endswith("c"))
            elif word.text in _WITH_VALUE:
                next(rest, None)
            elif word.text.startswith("-"):
                continue
            elif files:
                self._file(word, constraint=False)
            elif word.strip():
                self.requirements.append(word.strip())

    def _file(self, path: Traced, *, constraint: bool) -> None:
        self.files.append(PipFile(path, constraint, self._commands))

    def _conda(self, program: str, arguments: list[Traced]) -> None:
        command = next((word.text for word in arguments if not word.text.startswith("-")), "")
        makes = command == "env" or program == "conda-env" or command in _CONDA_INSTALLS
        rest = iter(arguments)
        for word in rest:
            name, separator, _ = word.text.partition("=")
            if word.text in ("-f", "--file"):
                if (value := next(rest, None)) and makes:
                    self._conda_file(value, command, program)
            elif separator and name in ("-f", "--file") and makes:
                self._conda_file(word[len(name) + 1 :], command, program)
            elif word.text in _CONDA_WITH_VALUE:
                next(rest, None)
            elif not word.text.startswith("-") and command in _CONDA_INSTALLS and word.text != command:
                self.channel.append(word)

    def _conda_file(self, value: Traced, command: str, program: str) -> None:
        # `conda install --file` takes a list of packages of its channels; micromamba takes both.
        if command == "env" or program in ("conda-env", "micromamba") or value.text.endswith((".yml", ".yaml")):
            self.conda_files.append(value)


def _prefixes(words: Sequence[Traced]) -> int:
    """How many words stand in front of the command."""
    at = 0
    while at < len(words) and (words[at].text in _PREFIXES or _ASSIGNMENT.match(words[at].text)):
        options = words[at].text in _PREFIXES_WITH_OPTIONS
        at += 1
        while options and at < len(words) and words[at].text.startswith("-"):
            at += 1
    return at


def _runs(words: Sequence[Traced]) -> list[Traced] | None:
    """The command that another one runs: behind `python -m`, `uv run` and `conda run`."""
    program = words[0].text.rsplit("/", 1)[-1] if words else ""
    at = 1
    if _PYTHON.fullmatch(program):
        while at < len(words) and words[at].text.startswith("-") and words[at].text != "-m":
            at += 1
        module = words[at + 1].text if at + 1 < len(words) and words[at].text == "-m" else ""
        return list(words[at + 1 :]) if module in _MODULES else None
    if program != "uv" and program not in _CONDA:
        return None
    while at < len(words) and words[at].text.startswith("-"):
        at += 1
    if at == len(words) or words[at].text != "run":
        return None
    at += 1
    with_value = _UV_WITH_VALUE if program == "uv" else _CONDA_WITH_VALUE
    while at < len(words) and words[at].text.startswith("-"):
        at += 2 if words[at].text in with_value else 1
    return list(words[at:])
