"""The packages that shell commands install.

Requirements and files that they hand to pip, conda files, packages of conda's channels, and what other tools and
scripts install. The forms of pip are those of its own reference ("pip install"), `uv pip` takes the same; conda's are
those of `conda install`, `conda create`, `conda env create` and `conda run`, which mamba and micromamba share.
"""

import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from shared.domain.definitions.commands import CONDA, CONDA_WITH_VALUE, PYTHON, prefixes, runs
from shared.domain.definitions.fetches import Fetch, fetches
from shared.domain.definitions.handed import Handed, Takes
from shared.domain.definitions.pip_options import COMMANDS, FLAGS_AND_FILE, REQUIREMENTS, WITH_VALUE
from shared.domain.definitions.requirements import identify, project_in
from shared.domain.definitions.shell import Shell
from shared.domain.definitions.tools import INSTALLERS, LOCKS, PROJECT_FILES
from shared.domain.definitions.traced import Traced
from shared.domain.files.credentials import masked

_PIP = re.compile(r"pip(?:\d+(?:\.\d+)*)?|pipx")
_SHELL = re.compile(r"(?:ba|da|z|k)?sh")
# pip and uv take their options from the environment too.
_LIMIT = re.compile(r"(?:PIP|UV)_CONSTRAINT=")
# A command that runs a command that runs a command: deeper ones exist only to break readers.
_DEEPEST = 10
# What takes the place of these is not known; they stay as they are written, however often they are read.
_SUBSTITUTIONS = ("$(", "`")
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
# `$(cat requirements.txt)`
_SUBSTITUTED_FILE = re.compile(r"\$\((?:cat\s+|<\s*)(?P<path>[^\s()|;&<>$`]+)\s*\)")
_WHEELS = re.compile(r"[^\s:$]*[*?\[][^\s:$]*")
# What a command writes that the next one of a pipe reads: the lines of files, or their names.
_SHOWS = {"cat", "ls"}
_EXEC = {"-exec", "-execdir"}
_SOURCES = {".", "source"}
# A file whose name does not tell the package.
_FILE = re.compile(r"\.(?:whl|zip|tar\.gz|tar\.bz2|tgz)\Z", re.IGNORECASE)
# Without any of these it is a name.
_UNCLEAR = re.compile(r"[/\\$`*?{%]|\A[^A-Za-z0-9]|\.(?:whl|zip|tar|tgz)\b", re.IGNORECASE)
_LONGEST_FOLDER = 4096
_VARIABLE = re.compile(r"\$\{\w+\}")
# A path with variables of loops stands for so many at the most.
_MOST_PATHS = 1000
_STDIN = {"-", "/dev/stdin"}
# `$(which python)` and `command -v pip` in backticks.
_WHICH = re.compile(r"(?:\$\(|`)\s*(?:which|command\s+-v)\s+(?P<program>[^\s`)]+)\s*[`)]")


@dataclass(slots=True)
class Installs:
    """The packages that a script installs.

    Attributes:
        requirements: as pip takes them.
        named: exact pins that other commands name.
        handed: the paths that it installs from.
        channel: packages that conda takes from its channels.
        opaque: what else installs something that is not seen: a word of the command, and it in a few words.
        fetches: what brings files from elsewhere.
        limits: constraints files that a variable of the environment names for every command of pip.
        _commands: how many commands of pip have been read.
        _depth: how many scripts stand around the one that is being read.
        _folders: the folders that the command and the subshells around it run in.
        _loops: the values of variables of loops.
        _word: the program.
        _words: the files that the command reads its words from, and whether it reads their names.
        _shown: the files whose lines the next command of a pipe reads, and those whose names it reads.
    """

    requirements: list[Traced] = field(default_factory=list)
    named: list[Traced] = field(default_factory=list)
    handed: list[Handed] = field(default_factory=list)
    channel: list[Traced] = field(default_factory=list)
    opaque: list[tuple[Traced, str]] = field(default_factory=list)
    fetches: list[Fetch] = field(default_factory=list)
    limits: list[Traced] = field(default_factory=list)
    _commands: int = 0
    _depth: int = 0
    _folders: list[str] = field(default_factory=lambda: [""])
    _loops: dict[str, list[Traced]] = field(default_factory=dict)
    _word: Traced | None = None
    _words: list[tuple[Traced, bool]] = field(default_factory=list)
    _shown: dict[str, list[Traced]] = field(default_factory=dict)

    @property
    def files(self) -> list[Handed]:
        """The lists of requirements."""
        return [file for file in self.handed if file.takes is Takes.LIST]

    @property
    def conda_files(self) -> list[Handed]:
        """The files that conda makes an environment of."""
        return [file for file in self.handed if file.takes is Takes.CONDA]

    def add_script(self, shell: Shell, script: Traced) -> None:
        """Read a script."""
        self._depth += 1
        outer = len(self._folders)
        for words in shell.commands(script):
            del self._folders[outer + shell.depth :]
            self._folders += self._folders[-1:] * (outer + shell.depth - len(self._folders))
            self.add_command(shell, words)
        del self._folders[outer:]
        self._depth -= 1

    def add_command(self, shell: Shell, words: Sequence[Traced]) -> None:
        """Read one command, and the one that it runs."""
        rest = list(words)
        limits = list(self.limits)
        many = False
        for _ in range(_DEEPEST):
            before = prefixes(rest)
            limits += (word[found.end() :] for word in rest[:before] if (found := _LIMIT.match(word.text)))
            many = many or any(word.text == "xargs" for word in rest[:before])
            rest = rest[before:]
            inner = runs(rest)
            if inner is None:
                break
            rest = inner
        if not rest:
            self._loose(words)
            return
        which = _WHICH.fullmatch(rest[0].text)
        program, arguments = (which["program"] if which else rest[0].text).rsplit("/", 1)[-1], rest[1:]
        self._words, self._word = self._read(shell), rest[0]
        self._shown = {program: arguments} if program in _SHOWS else {}
        if self._depth > _DEEPEST or (which is None and rest[0].text.startswith(_SUBSTITUTIONS)):
            self._loose(rest)
        elif _SHELL.fullmatch(program) or program in _SOURCES:
            self._shell(shell, program, arguments)
        elif _PIP.fullmatch(program):
            self._pip(arguments, limits, many=many)
        elif program == "uv":
            self._uv(rest, limits, many=many)
        elif program in CONDA:
            self._conda(program, rest)
        elif re.search(r"\s", program):
            self.add_script(Shell(shell.value), rest[0])
        elif program == "find" and (at := next((at for at, word in enumerate(rest) if word.text in _EXEC), None)):
            self._depth += 1
            self.add_command(shell, rest[at + 1 :])
            self._depth -= 1
        elif not self._moves(program, arguments) and program not in _OTHERS:
            self._tool(program, rest)

    def _moves(self, program: str, arguments: list[Traced]) -> bool:
        """Note what changes where the next commands find their files; tells whether it is such a command."""
        if program in ("cd", "pushd"):
            folder = posixpath.join(self._folders[-1], arguments[0].text if arguments else "/root")
            self._folders[-1] = folder if len(folder) <= _LONGEST_FOLDER else ""
        elif program == "for" and len(arguments) > 1 and arguments[1].text == "in":
            self._loops[f"${{{arguments[0].text}}}"] = arguments[2:]
            self._loose(arguments)
        else:
            self.fetches += fetches(program, arguments, self._folders[-1])
            return False
        return True

    def _read(self, shell: Shell) -> list[tuple[Traced, bool]]:
        """The files that a command reads its words from, and whether they are names of files."""
        found = [(file, False) for operator, file in shell.redirections if operator == "<"]
        if shell.piped:
            for program, arguments in self._shown.items():
                words = (word for word in arguments if not word.text.startswith("-"))
                found += ((word, program == "ls") for word in words)
        return found

    def _hand(
        self, path: Traced, takes: Takes, what: str, *, constraint: bool = False, extras: frozenset[str] = frozenset()
    ) -> None:
        paths = [path]
        for name in _VARIABLE.findall(path.text):
            values = self._loops.get(name)
            if values and len(paths) * len(values) <= _MOST_PATHS:
                paths = [Traced.nowhere(one.text.replace(name, value.text)) for one in paths for value in values]
        for each in paths:
            handed = Handed(each, takes, self._folders[-1], constraint, self._commands, extras, what, self._word)
            self.handed.append(replace(handed, fetched=len(self.fetches)))

    def _tool(self, program: str, words: list[Traced]) -> None:
        """Read what other tools install, and scripts."""
        arguments = words[1:]
        verb = next((word.text for word in arguments if not word.text.startswith("-")), "")
        what = f"{program} {verb}".strip()
        self._loose(words)
        if (lock := LOCKS.get(program)) and verb in lock.verbs:
            self._hand(Traced.nowhere(lock.file), Takes.LOCK, what)
        elif verb in INSTALLERS.get(program, ()):
            self.opaque.append((words[0], what))
        elif program == "pip-sync":
            named = [word for word in arguments if not word.text.startswith("-")]
            self._commands += 1
            for file in named or [Traced.nowhere("requirements.txt")]:
                self._hand(file, Takes.LIST, f"pip-sync {file.text}")
        elif PYTHON.fullmatch(program):
            script = next((word for word in arguments if not word.text.startswith("-")), None)
            options = {word.text for word in arguments[:1]}
            if script and script.text.endswith("setup.py"):
                if {"install", "develop", "bdist_wheel", "build"} & {word.text for word in arguments}:
                    folder = Traced.nowhere(posixpath.dirname(script.text) or ".")
                    self._hand(folder, Takes.PROJECT, f"{program} {script.text}")
            elif script and script.text.endswith(".py") and "-m" not in options and "-c" not in options:
                self._hand(script, Takes.SCRIPT, f"{program} {script.text}")
        elif words[0].text.endswith((".sh", ".bash", ".py")):
            self._hand(words[0], Takes.SCRIPT, words[0].text)

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

    def _shell(self, shell: Shell, program: str, arguments: Sequence[Traced]) -> None:
        """`bash -c "…"`: the word after the option is a script; without it, the first word names one."""
        for option, script in pairwise(arguments):
            if re.fullmatch(r"-[a-z]*c", option.text):
                inner = Shell(shell.value)
                self.add_script(inner, script)
                shell.comments += inner.comments
                return
        self._loose(arguments)
        for script in arguments:
            if not script.text.startswith("-"):
                self._hand(script, Takes.SCRIPT, f"{program} {script.text}")
                return

    def _uv(self, words: list[Traced], limits: list[Traced], *, many: bool) -> None:
        pip = next((at for at, word in enumerate(words) if word.text == "pip"), None)
        if pip is None:
            self._tool("uv", words)
        else:
            self._pip(words[pip + 1 :], limits, many=many)

    def _pip(self, arguments: list[Traced], limits: list[Traced], *, many: bool) -> None:
        rest = iter(arguments)
        for word in rest:
            if word.text in WITH_VALUE:
                next(rest, None)
            elif not word.text.startswith("-"):
                if word.text in COMMANDS or word.text in ("sync", "compile"):
                    before = len(self.requirements) + len(self.handed)
                    self._pip_arguments([*rest], files=word.text in ("sync", "compile"))
                    if many and before == len(self.requirements) + len(self.handed):
                        self._many(word, arguments)
                    for limit in limits:
                        self._file(limit, constraint=True)
                return

    def _many(self, word: Traced, arguments: list[Traced]) -> None:
        """`xargs pip install`: the words come from a file, or are names of files."""
        takes_files = arguments[-1].text in REQUIREMENTS
        for file, is_name in self._words:
            if is_name == takes_files:
                self._file(file, constraint=takes_files and REQUIREMENTS[arguments[-1].text])
            elif is_name:
                self._target(file, dependencies=True)
            else:
                self.opaque.append((word, f"xargs pip install -r < {file.text}"))
        if not self._words:
            self.opaque.append((word, "xargs pip install"))

    def _pip_arguments(self, arguments: list[Traced], *, files: bool) -> None:
        """Read the words behind `pip install`; `uv pip sync` takes files instead of packages."""
        self._commands += 1
        dependencies = all(word.text not in ("--no-deps", "--no-dependencies") for word in arguments)
        rest = iter(arguments)
        for word in rest:
            name, separator, _ = word.text.partition("=")
            if word.text in REQUIREMENTS:
                if value := next(rest, None):
                    self._file(value, constraint=REQUIREMENTS[word.text])
            elif separator and name in REQUIREMENTS:
                self._file(word[len(name) + 1 :], constraint=REQUIREMENTS[name])
            elif word.text[:2] in ("-r", "-c") and len(word.text) > 2:
                self._file(word[2:], constraint=word.text[:2] == "-c")
            elif separator and name == "--editable":
                self._target(word[len(name) + 1 :], dependencies=dependencies)
            elif FLAGS_AND_FILE.fullmatch(word.text):
                if value := next(rest, None):
                    self._file(value, constraint=word.text.endswith("c"))
            elif word.text in WITH_VALUE:
                next(rest, None)
            elif word.text.startswith("-"):
                continue
            elif files:
                self._file(word, constraint=False)
            elif word.strip():
                self._target(word.strip(), dependencies=dependencies)

    def _target(self, word: Traced, *, dependencies: bool) -> None:
        """A package, a path or an address that pip is told to install."""
        if file := _SUBSTITUTED_FILE.fullmatch(word.text):
            self._file(word[file.start("path") : file.end("path")], constraint=False)
            return
        for value in self._loops.get(word.text, ()):
            if value.text not in self._loops:
                self._target(value, dependencies=dependencies)
            else:
                self.opaque.append((value, f"pip install {value.text}"))
        if word.text in self._loops:
            return
        self.requirements.append(word)
        if not _UNCLEAR.search(word.text):
            return
        shown = f"pip install {masked(word.text)}"
        direct, name = identify(word.text)
        if word.text.startswith(_SUBSTITUTIONS) or (not direct and _FILE.search(word.text)):
            self.opaque.append((word, shown))
        elif not direct or name is not None:
            return
        elif project := project_in(word.text):
            if dependencies:
                folder, extras = project
                self._hand(word[: len(folder)], Takes.PROJECT, shown, extras=extras)
        elif _WHEELS.fullmatch(word.text):
            self._hand(word, Takes.WHEELS, shown)
        else:
            self.opaque.append((word, shown))

    def _file(self, path: Traced, *, constraint: bool) -> None:
        what = f"pip install {'-c' if constraint else '-r'} {masked(path.text)}"
        folder, _, name = path.text.rpartition("/")
        if path.text in _STDIN:
            files = [file for file, is_name in self._words if not is_name]
            for file in files:
                self._hand(file, Takes.LIST, what, constraint=constraint)
            if not files:
                self.opaque.append((path, what))
        elif "{}" in path.text:
            self.opaque.append((path, what))  # `find -exec`
        elif name in PROJECT_FILES:
            self._hand(Traced.nowhere(folder or "."), Takes.PROJECT, what)
        else:
            self._hand(path, Takes.LIST, what, constraint=constraint)

    def _conda(self, program: str, words: list[Traced]) -> None:
        arguments = words[1:]
        verbs = [word.text for word in arguments if not word.text.startswith("-")]
        command = verbs[0] if verbs else ""
        makes = command == "env" or program == "conda-env" or command in _CONDA_INSTALLS
        before = len(self.handed)
        rest = iter(arguments)
        for word in rest:
            name, separator, _ = word.text.partition("=")
            if word.text in ("-f", "--file"):
                if (value := next(rest, None)) and makes:
                    self._conda_file(value, command, program)
            elif separator and name in ("-f", "--file") and makes:
                self._conda_file(word[len(name) + 1 :], command, program)
            elif word.text in CONDA_WITH_VALUE:
                next(rest, None)
            elif not word.text.startswith("-") and command in _CONDA_INSTALLS and word.text != command:
                self.channel.append(word)
        verb = verbs[1] if command == "env" and len(verbs) > 1 else command
        if (command == "env" or program == "conda-env") and verb in ("create", "update") and before == len(self.handed):
            # What conda reads where no file is named (its documentation, "conda env create").
            self._hand(Traced.nowhere("environment.yml"), Takes.CONDA, f"{program} env {verb}")

    def _conda_file(self, value: Traced, command: str, program: str) -> None:
        # `conda install --file` takes a list of packages of its channels; micromamba takes both.
        if command == "env" or program in ("conda-env", "micromamba") or value.text.endswith((".yml", ".yaml")):
            self._hand(value, Takes.CONDA, f"conda -f {value.text}")
