"""The command line, run in this process as a user would run it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from shared.__main__ import main

type Tree = dict[str, str | bytes]


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command did.

    Attributes:
        code: its exit code.
        out: what it wrote to standard output.
        err: what it wrote to the error stream.
    """

    code: int
    out: str
    err: str


type Run = Callable[..., Ran]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def command(*arguments: str | Path) -> Ran:
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return command


@pytest.fixture
def grow(tmp_path: Path) -> Callable[[Tree], Path]:
    """Write files into a folder of the test's own."""

    def write(files: Tree) -> Path:
        root = tmp_path / "repository"
        for path, content in files.items():
            file = root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content.encode() if isinstance(content, str) else content)
        return root

    return write


def tree(root: Path) -> dict[str, bytes]:
    """The files of a folder."""
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}
