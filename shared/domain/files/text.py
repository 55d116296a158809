"""Bytes as text and back, and edits that touch nothing but the bytes they name."""

import codecs
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from shared.errors import Conflict, Unreadable

# The order matters: the mark of UTF-16 is the beginning of the mark of UTF-32.
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# PEP 263, as pip applies it to requirements files: in the first two lines.
_STRIDE = 1024
# https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md: a pointer's first line.
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_CODING = re.compile(rb"coding[:=]\s*([-\w.]+)")


@dataclass(frozen=True, slots=True)
class SourceText:
    """A file's text together with what is needed to find its bytes again.

    Attributes:
        text: the characters, without a byte order mark.
        encoding: the codec that gives the bytes back exactly.
        bom: the byte order mark in front, if any.
    """

    text: str
    encoding: str
    bom: bytes = b""
    # Byte offsets of every so many characters, once they are asked for: many spans of one file stay cheap.
    _marks: list[int] = field(default_factory=list, init=False, repr=False, compare=False)

    @classmethod
    def decode(cls, raw: bytes) -> "SourceText":
        """Decode as pip does: byte order mark, coding comment in the first two lines, else UTF-8.

        Raises:
            Unreadable: the bytes are not text in that encoding, or stand for a file that lies elsewhere.
        """
        if raw.startswith(_LFS_POINTER):
            raise Unreadable("it is a Git LFS pointer, and the file itself lies elsewhere")
        for bom, encoding in _BOMS:
            if raw.startswith(bom):
                return cls._checked(raw[len(bom) :], encoding, bom)
        for line in raw.split(b"\n")[:2]:
            if line.startswith(b"#") and (declared := _CODING.search(line)):
                return cls._checked(raw, declared[1].decode("ascii"), b"")
        return cls._checked(raw, "utf-8", b"")

    @classmethod
    def _checked(cls, raw: bytes, encoding: str, bom: bytes) -> "SourceText":
        try:
            text = raw.decode(encoding)
            exact = text.encode(encoding) == raw
        except UnicodeError:
            raise Unreadable(f"it is not {encoding} text") from None
        except LookupError:
            raise Unreadable(f"its encoding {encoding!r} is not known") from None
        if not exact:
            raise Unreadable(f"its {encoding} text cannot be written back byte for byte")
        if "\0" in text:
            raise Unreadable("it is not text (it holds NUL)")
        return cls(text=text, encoding=encoding, bom=bom)

    def span(self, start: int, end: int) -> "Span":
        """Turn a range of characters into the range of bytes that holds them."""
        if self.encoding == "utf-8" and self.text.isascii():  # one byte for each: nothing has to be counted
            return Span(len(self.bom) + start, len(self.bom) + end)
        return Span(self._offset(start), self._offset(end))

    def _offset(self, position: int) -> int:
        if not self._marks:
            self._marks.append(len(self.bom))
            for at in range(0, len(self.text), _STRIDE):
                self._marks.append(self._marks[-1] + len(self.text[at : at + _STRIDE].encode(self.encoding)))
        mark = position // _STRIDE
        return self._marks[mark] + len(self.text[mark * _STRIDE : position].encode(self.encoding))


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A range of bytes in a file."""

    start: int
    end: int


@dataclass(frozen=True, slots=True, order=True)
class Edit:
    """One replacement in one file.

    Attributes:
        path: the file, from the repository's root.
        span: where the old bytes stand.
        old: what stands there (checked when the edit is applied).
        new: what shall stand there.
        encoding: the file's encoding.
        package: the package whose version or hashes it raises; empty for an environment's own version.
    """

    path: str
    span: Span
    old: str
    new: str
    encoding: str = "utf-8"
    package: str = ""


def apply(raw: bytes, edits: Iterable[Edit]) -> bytes:
    """Return a file's bytes with the edits made; every other byte stays.

    Raises:
        Conflict: the file does not hold what an edit expects, or two edits overlap.
    """
    parts: list[bytes] = []
    done = 0
    for edit in sorted(set(edits)):
        if edit.span.start < done:
            raise Conflict(f"{edit.path}: two edits touch byte {edit.span.start}")
        if raw[edit.span.start : edit.span.end] != edit.old.encode(edit.encoding):
            raise Conflict(f"{edit.path}: byte {edit.span.start} does not hold {edit.old!r} any more")
        parts += [raw[done : edit.span.start], edit.new.encode(edit.encoding)]
        done = edit.span.end
    return b"".join([*parts, raw[done:]])


def line_numbers(raw: bytes, edits: Iterable[Edit]) -> list[tuple[int, Edit]]:
    """Edits of one file with the number of the line, from 1, that each begins on in the file before, by line feeds."""
    found = []
    line, done = 1, 0
    for edit in sorted(set(edits)):
        line += raw[done : edit.span.start].decode(edit.encoding, errors="replace").count("\n")
        done = edit.span.start
        found.append((line, edit))
    return found
