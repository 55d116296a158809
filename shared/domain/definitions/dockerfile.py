"""Reads Dockerfiles: what their `RUN` instructions install, and which files of the build context they hand to pip.

All stages count: what one stage installs, another one copies. A version may stand in an `ARG` or `ENV` with a literal
value, whose place in the file is then that of the version.
"""

import posixpath
import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from shared.domain.definitions import Definition, Entry
from shared.domain.definitions.fetches import fetched_name, is_address
from shared.domain.definitions.handed import Handed, Takes
from shared.domain.definitions.installs import Installs
from shared.domain.definitions.instructions import Instruction, exec_form, instructions, is_held_line
from shared.domain.definitions.requirements import read_entries, words_of_entries
from shared.domain.definitions.shell import Shell
from shared.domain.definitions.sources import HERE, Copy, HandedOver, Trail, absolute
from shared.domain.definitions.traced import Traced
from shared.domain.files.text import SourceText
from shared.domain.names import PackageName, package_name
from shared.errors import InvalidName

# Where the pipeline puts the wheels, inside the build context.
PACKAGES_FOLDER = "pip_packages"

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_STAGE = re.compile(r"(?P<image>\S+)(?:\s+AS\s+(?P<name>\S+))?", re.IGNORECASE)
_USED = re.compile(r"\$\{?(?P<name>[A-Za-z_]\w*)")
_FILLED = re.compile(r"\$(?:\{(?P<braced>[A-Za-z_]\w*)(?::?-(?P<default>[^}]*))?\}|(?P<bare>[A-Za-z_]\w*))")
_PAIR = re.compile(r"(?P<name>[A-Za-z_]\w*)(?:=|$)")
_MOUNT = re.compile(r"--mount=(?P<options>\S+)")
# `RUN <<EOF` and `RUN bash <<EOF`: what follows is a script; otherwise it is what some command reads.
_READ_BY_SHELL = re.compile(r"\s*(?:(?:/\S*/)?(?:ba|da|z|k)?sh\b[^<]*)?<<")
_HELD = "# rebuilder: hold"
_LONGEST_VALUE = 10_000
_LIMITS = ("PIP_CONSTRAINT", "UV_CONSTRAINT")


@dataclass(frozen=True, slots=True)
class Dockerfile:
    """The content of one Dockerfile.

    Attributes:
        definition: what its own commands install.
        files: that it installs from.
        copies: every `COPY` and `ADD` of a file of the build context.
        image: the base image of its last stage.
        packaged: it uses the folder of wheels that the pipeline puts into the build context.
    """

    definition: Definition
    files: tuple[HandedOver, ...] = ()
    copies: tuple[Copy, ...] = ()
    image: str | None = None
    packaged: bool = True


def read_dockerfile(source: SourceText) -> Dockerfile:
    """Read a Dockerfile; there is none that cannot be read."""
    reader = _Reader(source)
    for instruction in instructions(source.text):
        reader.take(instruction)
    return reader.finished()


def read_script(source: SourceText) -> Dockerfile:
    """Read a shell script of the build context as what a `RUN` holds; its folders are seen from where it runs."""
    reader = _Reader(source)
    reader.stage.folder = HERE
    held = frozenset(at for at, line in enumerate(source.text.split("\n"), start=1) if is_held_line(line))
    reader.take(Instruction("RUN", (), Traced.at(source.text, 0), 1, held=held))
    return reader.finished()


@dataclass(slots=True)
class _Stage:
    """The values in force at a place of a stage; `environment` names the variables that `ENV` set; `ARG` sets none."""

    image: str = ""
    folder: str = "/"
    variables: dict[str, Traced] = field(default_factory=dict)
    environment: set[str] = field(default_factory=set)
    copies: Trail | None = None

    def continued(self) -> "_Stage":
        """Return the values in force in a stage that begins here."""
        return replace(self, variables=dict(self.variables), environment=set(self.environment))


class _Reader:
    def __init__(self, source: SourceText) -> None:
        self.source = source
        self.stage = _Stage()
        self.stages: dict[str, _Stage] = {}
        self.globals: dict[str, Traced] = {}
        self.count = 0
        self.steps = 0
        self.entries: list[Entry] = []
        self.files: list[HandedOver] = []
        self.copies: list[Copy] = []
        self.channel: list[Traced] = []
        self.opaque: list[tuple[int, str]] = []
        self.packaged = False
        # Values of variables by the place where they begin: (end, name); how often each is used, and by which package.
        self.values: dict[int, tuple[int, str]] = {}
        self.uses: Counter[int] = Counter()
        self.serves: Counter[tuple[int, PackageName]] = Counter()
        self.breaks = [found.start() for found in re.finditer("\n", source.text)]

    def take(self, instruction: Instruction) -> None:
        """Read one instruction."""
        if PACKAGES_FOLDER in instruction.text.text or any(PACKAGES_FOLDER in flag for flag in instruction.flags):
            self.packaged = True
        match instruction.keyword:
            case "FROM":
                self._from(instruction)
            case "ARG":
                self._arg(instruction)
            case "ENV":
                self._env(instruction)
            case "WORKDIR":
                self._note_uses(instruction.text)
                self.stage.folder = absolute(self.stage.folder, self._filled(instruction.text))
            case "COPY" | "ADD":
                self._copy(instruction)
            case "RUN":
                self._run(instruction)
            case _:
                self._note_uses(instruction.text)

    def finished(self) -> Dockerfile:
        """All that was read."""
        served: defaultdict[int, list[int]] = defaultdict(list)
        for (start, _), count in self.serves.items():
            served[start].append(count)
        shared = [
            (start, end, name)
            for start, (end, name) in self.values.items()
            if self.uses[start] and served[start] != [self.uses[start]]
        ]
        entries = tuple(self.entries)
        definition = Definition(
            self.source,
            lines=lambda: entries,
            read=read_entries,
            strict=False,
            words=words_of_entries(entries),
            channel=tuple(self._channel()),
            opaque=tuple(self.opaque),
            shared=tuple(sorted(shared)),
        )
        image = self.stage.image or None
        return Dockerfile(definition, tuple(self.files), tuple(self.copies), image, self.packaged)

    def _from(self, instruction: Instruction) -> None:
        self._note_uses(instruction.text, self.globals)
        found = _STAGE.match(self._filled(instruction.text, self.globals))
        image = found["image"] if found else ""
        base = self.stages.get(image.lower())
        self.stage = base.continued() if base else _Stage(image)
        self.stages[str(self.count)] = self.stage
        self.count += 1
        if found and found["name"]:
            self.stages[found["name"].lower()] = self.stage

    def _arg(self, instruction: Instruction) -> None:
        variables = self.stage.variables if self.count else self.globals
        for word in self._pairs(instruction.text):
            found = _PAIR.match(word.text)
            if found is None:
                continue
            name = found["name"]
            if self.count and name in self.stage.environment:
                continue
            if found[0].endswith("="):
                self._set(variables, name, word[found.end() :])
            elif self.count and name in self.globals:
                variables[name] = self.globals[name]

    def _env(self, instruction: Instruction) -> None:
        words = self._pairs(instruction.text)
        if words and "=" not in words[0].text:
            # `ENV NAME value`: all that follows is the value.
            value = instruction.text[instruction.text.text.find(words[0].text) + len(words[0].text) :].strip()
            parts = _words(value, self.stage.variables)
            self._set(self.stage.variables, words[0].text, parts[0] if len(parts) == 1 else value)
            self.stage.environment.add(words[0].text)
            return
        for word in words:
            found = _PAIR.match(word.text)
            if found and found[0].endswith("="):
                self._set(self.stage.variables, found["name"], word[found.end() :])
                self.stage.environment.add(found["name"])

    def _set(self, variables: dict[str, Traced], name: str, value: Traced) -> None:
        if len(value.text) > _LONGEST_VALUE:
            variables.pop(name, None)  # it holds itself many times over, and nothing that is a version
            return
        variables[name] = value
        start = value.places[0] if value.text else -1
        if start >= 0:
            self.values.setdefault(start, (value.places[-1] + 1, name))

    def _pairs(self, text: Traced) -> list[Traced]:
        """The words of an `ARG` or `ENV`; a value that is another variable's is not a use of that."""
        variables = self.stage.variables if self.count else self.globals
        for found in re.finditer(r"\S+", text.text):
            if not re.fullmatch(r"(?:[A-Za-z_]\w*=)?\"?\$\{?[A-Za-z_]\w*\}?\"?", found[0]):
                self._note_uses(text[found.start() : found.end()])
        return _words(text, variables)

    def _copy(self, instruction: Instruction) -> None:
        self._note_uses(instruction.text)
        installs = Installs()
        for heredoc in instruction.heredocs:
            installs.add_text(heredoc.body)
        self._note(installs, instruction)
        words = [self._filled(word) for word in exec_form(instruction.text) or _words(instruction.text, {})]
        if len(words) < 2:
            return
        *sources, target = words
        for source in filter(is_address, sources):
            name = fetched_name(source)
            is_file = target.endswith("/") and not re.search(r"\.git(?:$|[#?])", source)
            self._fetch(posixpath.join(target, name) if is_file else target, "ADD")
        stage = next((flag.partition("=")[2] for flag in instruction.flags if flag.startswith("--from=")), None)
        copy = Copy(
            sources=tuple(source for source in sources if not source.startswith("<<")),
            target=absolute(self.stage.folder, target),
            folder=target.endswith("/") or target in (".", "..") or len(sources) > 1,
            stage=self.stages[stage.lower()].copies if stage and stage.lower() in self.stages else None,
            foreign=stage is not None,
        )
        self.stage.copies = Trail(copy, self.stage.copies)
        if not copy.foreign:
            self.copies.append(copy)

    def _run(self, instruction: Instruction) -> None:
        copies = self.stage.copies
        for copy in self._mounted(instruction):
            copies = Trail(copy, copies)
        limits = [self.stage.variables[name] for name in _LIMITS if self.stage.variables.get(name)]
        installs = Installs(limits=limits)
        if (words := exec_form(instruction.text)) is not None:
            self._note_uses(instruction.text)
            installs.add_command(Shell(self.stage.variables.get), words)
        else:
            self._script(installs, instruction.text)
            is_script = _READ_BY_SHELL.match(instruction.text.text)
            for heredoc in instruction.heredocs:
                self._script(installs, heredoc.body) if is_script else installs.add_text(heredoc.body)
        self._note(installs, instruction, copies)

    def _script(self, installs: Installs, script: Traced) -> None:
        self._note_uses(script)
        installs.add_script(Shell(self.stage.variables.get), script)

    def _mounted(self, instruction: Instruction) -> Iterable[Copy]:
        for flag in instruction.flags:
            if not (found := _MOUNT.fullmatch(flag)):
                continue
            options = dict(option.partition("=")[::2] for option in found["options"].split(","))
            target = options.get("target") or options.get("dst") or options.get("destination")
            if options.get("type", "bind") == "bind" and target and "from" not in options:
                source = options.get("source") or options.get("src") or "."
                yield Copy((source,), absolute(self.stage.folder, target))

    def _note(self, installs: Installs, instruction: Instruction, copies: Trail | None = None) -> None:
        found = [*((text, True) for text in installs.requirements), *((text, False) for text in installs.named)]
        for text, installed in sorted(found, key=lambda pair: next(iter(pair[0].places), -1)):
            self._require(text, instruction, installed=installed)
        self.opaque += ((self._line_of(word) or instruction.number, what) for word, what in installs.opaque)
        before = self.steps
        fetched = 0
        for handed in installs.handed:
            for fetch in installs.fetches[fetched : handed.fetched]:
                copies = Trail(self._fetch(fetch.target, fetch.what), copies)
            fetched = max(fetched, handed.fetched)
            self.steps = before + handed.command
            self._hand_over(handed, instruction, copies)
        for fetch in installs.fetches[fetched:]:
            self._fetch(fetch.target, fetch.what)
        self.channel += installs.channel

    def _fetch(self, target: str, what: str) -> Copy:
        copy = Copy((), absolute(self.stage.folder, target), foreign=True, fetched=what)
        self.stage.copies = Trail(copy, self.stage.copies)
        return copy

    def _hand_over(self, handed: Handed, instruction: Instruction, copies: Trail | None) -> None:
        path, folder = handed.path.text, absolute(self.stage.folder, handed.folder)
        if not path or path == "-":
            return
        self.files.append(
            HandedOver(
                path,
                handed.takes,
                handed.constraint,
                step=self.steps if handed.takes is Takes.LIST else None,
                folder=folder,
                place=absolute(folder, path),
                copies=copies,
                line=self._line_of(handed.path) or self._line_of(handed.word or handed.path) or instruction.number,
                extras=handed.extras,
                what=handed.what,
            )
        )

    def _require(self, text: Traced, instruction: Instruction, *, installed: bool) -> None:
        number = self._line_of(text) or instruction.number
        self.entries.append(Entry(text.line(number), _HELD if number in instruction.held else "", installed))
        name = _name(text.text)
        for start in {place for place in text.places if place in self.values}:
            if name:
                self.serves[start, name] += 1

    def _line_of(self, text: Traced) -> int | None:
        place = next((place for place in text.places if place >= 0), None)
        return None if place is None else bisect_left(self.breaks, place) + 1

    def _channel(self) -> Iterable[tuple[PackageName, int]]:
        for word in self.channel:
            found = _NAME.match(word.text.rsplit("::", 1)[-1])
            if found and (name := _name(found[0])):
                yield name, self._line_of(word) or 0

    def _note_uses(self, text: Traced, variables: dict[str, Traced] | None = None) -> None:
        known = self.stage.variables if variables is None else variables
        for found in _USED.finditer(text.text):
            value = known.get(found["name"])
            if value and value.places[0] >= 0:
                self.uses[value.places[0]] += 1

    def _filled(self, text: Traced, variables: dict[str, Traced] | None = None) -> str:
        known = self.stage.variables if variables is None else variables

        def value(found: re.Match[str]) -> str:
            name = found["braced"] or found["bare"]
            return known[name].text if name in known else found["default"] or found[0]

        return _FILLED.sub(value, text.text).strip()


def _words(text: Traced, variables: dict[str, Traced]) -> list[Traced]:
    return [word for command in Shell(variables.get, separators=False).commands(text) for word in command]


def _name(text: str) -> PackageName | None:
    found = _NAME.match(text)
    try:
        return package_name(found[0]) if found else None
    except InvalidName:
        return None
