"""Definition files: the files that name an environment's requirements.

`requirements`, `conda`, `dockerfile`, `projects`, `setup_py` and `locks` read the kinds that pins stand in, `pins`
tells what one requirement says about its version. Reading is cheap on purpose: a file is read for its lines and
the files it includes, and a line becomes a requirement only when somebody asks for a package that it names.
`packaging` is asked about those alone.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from operator import itemgetter

from shared.domain.files.text import SourceText, Span
from shared.domain.names import PackageName, mention, words_of

# A requirement in every format, as most lines are one: to see that it can be read, it need not be.
_PLAIN = re.compile(r"\s*[A-Za-z0-9][A-Za-z0-9-]{0,98}[A-Za-z0-9](?:\s*==\s*[\w.+]{1,100})?\s*")


@dataclass(frozen=True, slots=True)
class Line:
    """One line as pip sees it: continuations joined, its characters still traceable to the file.

    Attributes:
        number: the line's number in the file, from 1.
        text: the joined text.
        pieces: for each joined part (position in `text`, position in the file's text), ascending; the latter is
            negative for what does not stand in the file.
    """

    number: int
    text: str
    pieces: tuple[tuple[int, int], ...]

    def locate(self, start: int, end: int) -> tuple[int, int] | None:
        """Translate a range of `text` into the file's, or None if it does not stand there in one piece."""
        at = bisect_right(self.pieces, start, key=itemgetter(0)) - 1
        if at < 0:
            return None
        begins, position = self.pieces[at]
        ends = self.pieces[at + 1][0] if at + 1 < len(self.pieces) else len(self.text)
        return (position + start - begins, position + end - begins) if position >= 0 and end <= ends else None


@dataclass(frozen=True, slots=True)
class Requirement:
    """One occurrence of one package in one definition file.

    Attributes:
        name: the package, or None where a direct reference does not tell it.
        line: where it stands.
        text: the requirement without options and comment.
        offset: where `text` begins in `line.text`.
        options: per-requirement options behind it, such as `--hash`.
        comment: the comment behind it, with its `#`.
        direct: it names a file, an address or a repository, not a version.
        installed: something installs it; otherwise a command only names it.
        extras: those of the project that bring it, if it is not always installed.
    """

    name: PackageName | None
    line: Line
    text: str
    offset: int = 0
    options: str = ""
    comment: str = ""
    direct: bool = False
    installed: bool = True
    extras: frozenset[str] = frozenset()

    def span(self, source: SourceText, start: int, end: int) -> Span | None:
        """The bytes that hold a range of `text`, or None if they are not in one piece."""
        found = self.line.locate(self.offset + start, self.offset + end)
        return source.span(*found) if found else None


@dataclass(frozen=True, slots=True)
class Include:
    """Another requirements file that a file includes (`-r`), is constrained by (`-c`), or was compiled from.

    Attributes:
        path: as it is written.
        line: where.
        constraint: it installs nothing by itself.
        source: what pip-compile or uv made the including file from.
        extras: those of the project that bring it, if it is not always installed.
    """

    path: str
    line: int
    constraint: bool
    source: bool = False
    extras: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Option:
    """An option of a requirements file that stands on a line of its own; what is included is an `Include`."""

    name: str
    value: str | None
    line: int


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in a file that cannot be read, in one line for a person."""

    path: str
    why: str
    line: int | None = None

    def __str__(self) -> str:
        return f"{self.path}{f' line {self.line}' if self.line else ''}: {self.why}"


@dataclass(frozen=True, slots=True)
class Found:
    """The requirements that some lines hold.

    Attributes:
        requirements: in the order of the file.
        unreadable: lines that are none, as (line, why).
    """

    requirements: tuple[Requirement, ...] = ()
    unreadable: tuple[tuple[int | None, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """A line that may be a requirement.

    Attributes:
        line: the line.
        comment: the comment that stands behind it outside of the line (in YAML).
        installed: something installs it; otherwise a command only names it, such as `echo`.
        extras: those of the project that bring it, if it is not always installed.
    """

    line: Line
    comment: str = ""
    installed: bool = True
    extras: frozenset[str] = frozenset()


@dataclass(frozen=True, eq=False)
class Definition:
    """The content of one definition file, independent of its path: the same blob reads the same everywhere.

    Attributes:
        source: its text.
        lines: gives the lines that may be requirements, in the order of the file, as often as it is called.
        read: turns such lines into requirements.
        includes: the files it includes, in the order of the file.
        options: likewise; none of them is asked when pins are decided about.
        unusual: what else cannot be read in it, as (line, why).
        strict: what cannot be read makes pip or conda refuse the file; in a Dockerfile it is one word of many.
        words: every word in it that may be a package's name, in normalised form.
        compiled: the file says that pip-compile or uv wrote it.
        python: for a conda file the exact version of Python it asks for.
        channel: packages that conda takes from its channels, as (name, line): never a feed's.
        opaque: commands and lines that install something which is not seen, as (line, what).
        projects: folders that it has pip install as projects, as (line, what is written); they are seen through the
            file that names them.
        locked: it is a lock, which only its own tool writes.
        shared: values that serve more than one package or purpose, as (from, to, name of the variable): places in the
            file's text.
    """

    source: SourceText
    lines: Callable[[], Iterable[Entry]] = tuple
    read: Callable[[Iterable[Entry]], Found] = lambda _: Found()
    includes: tuple[Include, ...] = ()
    options: tuple[Option, ...] = ()
    unusual: tuple[tuple[int | None, str], ...] = ()
    strict: bool = True
    words: frozenset[str] = frozenset()
    compiled: bool = False
    python: str | None = None
    channel: tuple[tuple[PackageName, int], ...] = ()
    opaque: tuple[tuple[int | None, str], ...] = ()
    projects: tuple[tuple[int, str], ...] = ()
    locked: bool = False
    shared: tuple[tuple[int, int, str], ...] = ()
    _naming: dict[PackageName, Found] = field(default_factory=dict, init=False, repr=False)

    def naming(self, package: PackageName) -> Found:
        """The requirements of one package, and the lines that name it and cannot be read."""
        if package not in self._naming:
            named = mention(package).search
            own: list[Requirement] = []
            unreadable: list[tuple[int | None, str]] = []
            for entry in self.lines() if package in self.words else ():
                if named(entry.line.text):
                    found = self.read((entry,))
                    own += (requirement for requirement in found.requirements if requirement.name == package)
                    if found.unreadable and package in words_of(entry.line.text):
                        unreadable += found.unreadable
            self._naming[package] = Found(tuple(own), tuple(unreadable))
        return self._naming[package]

    @property
    def requirements(self) -> tuple[Requirement, ...]:
        """All requirements, in the order of the file."""
        return self.read(self.lines()).requirements

    @cached_property
    def unreadable(self) -> tuple[tuple[int | None, str], ...]:
        """All that cannot be read, as (line, why)."""
        doubted = (entry for entry in self.lines() if not _PLAIN.fullmatch(entry.line.text)) if self.strict else ()
        return (*self.unusual, *self.read(doubted).unreadable)
