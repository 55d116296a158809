"""A folder is read as far as its environments need it, each file once, and what is equal is taken apart once."""

import os
import sys
from collections import Counter
from pathlib import Path

from shared.adapters.folder import Folder
from tests.domain.repositories import DOCKERFILE, environment

OPENED: Counter[str] = Counter()
_WATCHED: list[str] = []


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and _WATCHED and str(arguments[0]).startswith(_WATCHED[-1]):
        OPENED[os.path.relpath(str(arguments[0]), _WATCHED[-1])] += 1


# There is no way to take one away again.
sys.addaudithook(_note)


def grown(root: Path, environments: int) -> Folder:
    """Environments with one Dockerfile in many places, and files that are none of theirs."""
    for at in range(environments):
        folder = root / f"e{at}"
        folder.mkdir()
        (folder / "environment.yml").write_text(environment(f"e{at}"))
        (folder / "Dockerfile").write_text(DOCKERFILE)
        (folder / "requirements.txt").write_text(f"our-pkg==1.{at % 3}\n")
        (folder / "model.bin").write_bytes(b"weights")
    return Folder(root)


def test_each_file_that_matters_is_read_once_and_no_other(tmp_path: Path) -> None:
    folder = grown(tmp_path, 6)
    OPENED.clear()
    _WATCHED.append(str(tmp_path))
    catalog = folder.catalog()
    _WATCHED.pop()

    assert len(catalog.environments) == 6
    wanted = ("environment.yml", "Dockerfile", "requirements.txt")
    assert {f"e{at}/{name}": 1 for at in range(6) for name in wanted} == OPENED


def test_files_that_hold_the_same_are_taken_apart_once(tmp_path: Path) -> None:
    catalog = grown(tmp_path, 6).catalog()
    found = catalog.definitions

    assert len({id(found[f"e{at}/Dockerfile"]) for at in range(6)}) == 1
    assert len({id(found[f"e{at}/requirements.txt"]) for at in range(6)}) == 3
