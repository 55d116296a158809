"""Definition files: the files that name an environment's requirements.

`requirements` and `conda` read the two kinds that pins stand in, `pins` tells what one requirement says about its
version. Reading is cheap on purpose (one regular expression a line): `packaging` is asked only about lines that
name a package in question.
"""

from dataclasses import dataclass

from shared.domain.names import PackageName
from shared.domain.text import SourceText, Span


@dataclass(frozen=True, slots=True)
class Line:
    """One line as pip sees it: continuations joined, its characters still traceable to the file.

    Attributes:
        number: the line's number in the file, from 1.
        text: the joined text.
        pieces: for each joined part (position in `text`, position in the file's text), ascending.
    """

    number: int
    text: str
    pieces: tuple[tuple[int, int], ...]

    def locate(self, start: int, end: int) -> tuple[int, int] | None:
        """Translate a range of `text` into the file's, or None if it is broken over two physical lines."""
        for at, (begins, position) in enumerate(self.pieces):
            ends = self.pieces[at + 1][0] if at + 1 < len(self.pieces) else len(self.text)
            if begins <= start and end <= ends:
                return position + start - begins, position + end - begins
        return None


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
    """

    name: PackageName | None
    line: Line
    text: str
    offset: int = 0
    options: str = ""
    comment: str = ""
    direct: bool = False

    def span(self, source: SourceText, start: int, end: int) -> Span | None:
        """The bytes that hold a range of `text`, or None if they are not in one piece."""
        found = self.line.locate(self.offset + start, self.offset + end)
        return source.span(*found) if found else None


@dataclass(frozen=True, slots=True)
class Include:
    """Another requirements file that a file includes (`-r`) or is constrained by (`-c`)."""

    path: str
    line: int
    constraint: bool


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
class Definition:
    """What one definition file says, independent of its path: the same blob reads the same everywhere.

    Attributes:
        source: its text.
        requirements: in the order of the file.
        includes: likewise.
        options: likewise; none of them is asked when pins are decided about.
        unreadable: lines that cannot be read, as (line, why).
        compiled: the file says that pip-compile or uv wrote it.
        python: for a conda file the exact version of Python it asks for.
    """

    source: SourceText
    requirements: tuple[Requirement, ...] = ()
    includes: tuple[Include, ...] = ()
    options: tuple[Option, ...] = ()
    unreadable: tuple[tuple[int | None, str], ...] = ()
    compiled: bool = False
    python: str | None = None
