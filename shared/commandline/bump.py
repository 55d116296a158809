"""`python -m shared bump`: an explicit bump. Raises exact pins of one package in the named files, in place."""

import os
from collections.abc import Sequence
from pathlib import Path

from shared.adapters.folder import replace_files
from shared.commandline.console import Console
from shared.domain.files.credentials import credential_lines
from shared.domain.files.text import Edit, apply, line_numbers
from shared.domain.planning.explicit_bump import Left, raise_pins, read_definition
from shared.domain.releases import Release
from shared.errors import InvalidInput, Unreadable
from shared.limits import DEFINITION_BYTES


def bump(release: Release, files: Sequence[Path], *, check: bool) -> None:
    """Raise the pins of a package in files, and say what changed and what was left.

    Args:
        release: the package and its version.
        files: the files; nothing is written before all of them could be read.
        check: only say it.

    Raises:
        InvalidInput: a file is not there, cannot be read from the disk, or cannot be written.
    """
    console = Console()
    contents = {file: _read(file) for file in _each_once(files)}
    looked_at = {file: _looked_at(file, raw, release) for file, raw in contents.items()}
    changes = {file: apply(contents[file], edits) for file, (edits, _, _) in looked_at.items() if edits}
    if not check:
        replace_files(changes)
    count = 0
    for file, (edits, left, notes) in looked_at.items():
        raw = contents[file]
        count += len(edits)
        for number, edit in line_numbers(raw, edits):
            console.edit(str(file), number, edit.old, edit.new)
        for found in left:
            console.note(f"{file}{f':{found.line}' if found.line else ''}  left: {found.why}")
        for line in notes:
            console.note(f"{file}:{line}  warning: an address holds a credential: take it out and revoke it")
    done = "to raise" if check else "raised"
    where = f" in {len(changes)} file{'' if len(changes) == 1 else 's'}" if changes else ""
    console.note(f"{release.id.package} {release.spelling}: {count or 'nothing'} {done}{where}")


def _looked_at(file: Path, raw: bytes, release: Release) -> tuple[list[Edit], list[Left], tuple[int, ...]]:
    try:
        if len(raw) > DEFINITION_BYTES:
            raise Unreadable(f"it is larger than {DEFINITION_BYTES // 1024} KiB")
        definition = read_definition(file.name, raw)
    except Unreadable as problem:
        return [], [Left(problem.line, problem.why)], ()
    edits, left = raise_pins(str(file), definition, release)
    return edits, left, credential_lines(definition.source.text)


def _each_once(files: Sequence[Path]) -> list[Path]:
    """The files, each once, however it is spelled and whatever links lead to it."""
    return list({os.path.realpath(file): file for file in reversed(files)}.values())[::-1]


def _read(file: Path) -> bytes:
    try:
        if not file.is_file():
            raise InvalidInput(f"{file} is not a file")
        # What a link leads to is edited, and the link stays a link.
        return file.read_bytes()
    except OSError as problem:
        raise InvalidInput(f"{file} cannot be read: {problem.strerror}") from None
