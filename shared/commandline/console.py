"""What a person sees: colours and columns on a terminal, plain lines in a pipe; notes go to the error stream."""

import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TextIO

from rich.console import Console as RichConsole
from rich.markup import escape
from rich.table import Table

from shared.domain.planning.decisions import Kind

_COLOURS = {
    Kind.BUMP: "green",
    Kind.REBUILD: "cyan",
    Kind.HELD: "yellow",
    Kind.CURRENT: "dim",
    Kind.UNAFFECTED: "dim",
}


class Console:
    """Writes to standard output and the error stream, whatever characters the names hold."""

    def __init__(self) -> None:
        for stream in (sys.stdout, sys.stderr):
            if reconfigure := getattr(stream, "reconfigure", None):
                reconfigure(errors="backslashreplace")
        self._terminal = RichConsole(highlight=False, soft_wrap=True)

    @property
    def is_terminal(self) -> bool:
        """Tell whether somebody looks on."""
        return self._terminal.is_terminal

    def line(self, text: str) -> None:
        """Write one line."""
        _write(sys.stdout, text)

    def note(self, text: str) -> None:
        """Write one line that is not part of the answer."""
        _write(sys.stderr, text)

    def edit(self, path: str, line: int, old: str, new: str) -> None:
        """Write one edit."""
        old, new = (" ".join(text.split()) if "\n" in text else text for text in (old, new))
        if self.is_terminal:
            self._terminal.print(f"{escape(path)}:{line}  [red]{escape(old)}[/] → [green]{escape(new)}[/]")
        else:
            self.line(f"{path}:{line}  {old} → {new}")

    def table(self, heads: Sequence[str], rows: Sequence[tuple[Kind, Sequence[str]]]) -> None:
        """Write a table; in a pipe its columns are tabs."""
        if not rows:
            return
        if not self.is_terminal:
            for _, cells in rows:
                self.line("\t".join(" ".join(cell.split()) for cell in cells))
            return
        table = Table(box=None, pad_edge=False, header_style="bold")
        for head in heads:
            table.add_column(head, overflow="fold")
        for kind, cells in rows:
            table.add_row(*(escape(cell) for cell in cells), style=_COLOURS[kind])
        self._terminal.print(table, soft_wrap=False)


def _write(stream: TextIO | None, text: str) -> None:
    """Write a line; that nobody listens any more is no reason to stop."""
    with suppress(BrokenPipeError):
        if stream is not None:
            stream.write(f"{text}\n")
