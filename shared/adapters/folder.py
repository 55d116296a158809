"""A folder of the machine as a repository: its files are its blobs, each named by what it holds."""

import hashlib
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from shared.domain.definitions import Problem
from shared.domain.inventory.catalog import Catalog, Link, Listing, Missing, Shelf
from shared.domain.inventory.scan import scan
from shared.errors import InvalidInput

# Folders that belong to tools and hold no environments of the repository.
_TOOLS = {".git", "node_modules", "__pycache__", ".mypy_cache", ".tox"}

# What Python puts into each virtual environment.
_VENV = "pyvenv.cfg"
_GITMODULES = ".gitmodules"
_SUBMODULE = re.compile(r"""^[ \t]*path[ \t]*=[ \t]*"?(?P<path>[^"\r\n]*[^"\s])/?"?[ \t]*$""", re.MULTILINE)


@dataclass(slots=True)
class Folder:
    """A folder with environments in it.

    Attributes:
        root: where it is.
        shelf: what has been read of it.
    """

    root: Path
    shelf: Shelf = field(default_factory=Shelf)

    def catalog(self, commit: str = "", leave_out: frozenset[str] = frozenset()) -> Catalog:
        """Read the environments; links are not followed.

        Args:
            commit: what the catalog shall call the state of the folder.
            leave_out: names of folders that do not belong to it.
        """
        files, links, unread = self._listed(leave_out)
        found = scan(Listing(commit, _Blobs(self.root, files, self.shelf), links), self.shelf)
        if isinstance(found, Missing):
            raise TypeError("the bytes of a file are not here, and its id is known")
        return replace(found, warnings=(*found.warnings, *unread)) if unread else found

    def listing(self, commit: str = "", leave_out: frozenset[str] = frozenset()) -> Listing:
        """List the files as the repository would: its submodules are none of it, checked out or not."""
        files, links, _ = self._listed(leave_out)
        return Listing(commit, {path: path for path in files}, links)

    def _listed(self, leave_out: frozenset[str]) -> tuple[list[str], dict[str, Link], list[Problem]]:
        """List the files, the links, and what of the folder cannot be read.

        Raises:
            InvalidInput: the folder itself cannot be read.
        """
        files: list[str] = []
        unread: list[Problem] = []
        links = dict.fromkeys(self._submodules(unread), Link.SUBMODULE)
        left, waiting = _TOOLS | leave_out, [""]
        while waiting:
            inside = waiting.pop()
            try:
                entries = _entries(f"{self.root}/{inside}")
            except OSError as problem:
                if not inside:
                    raise InvalidInput(f"{self.root} cannot be read: {problem.strerror}") from None
                unread.append(Problem(inside, f"{_why(problem)}, nor what lies in it"))
                continue
            if inside and any(entry.name == _VENV for entry in entries):
                continue
            for entry in entries:
                path = inside + entry.name
                if entry.is_symlink():
                    links[path] = Link.SYMBOLIC
                elif entry.is_file():
                    files.append(path)
                elif entry.is_dir() and entry.name not in left and path not in links:
                    waiting.append(f"{path}/")
        return files, links, unread

    def read(self, path: str) -> bytes | None:
        """The bytes of a file, or None if there is no such file (a link is none).

        Raises:
            InvalidInput: there is one and it cannot be read.
        """
        file = self.root / path
        try:
            return file.read_bytes() if _is_file(file) else None
        except OSError as problem:
            raise InvalidInput(f"{file} cannot be read: {problem.strerror}") from None

    def write(self, changes: Mapping[str, bytes]) -> None:
        """Replace files, all of them or none.

        Raises:
            InvalidInput: one cannot be written.
        """
        replace_files({self.root / path: raw for path, raw in changes.items()})

    def _submodules(self, unread: list[Problem]) -> list[str]:
        """The paths of the submodules, as git's own file in the root states them ("gitmodules")."""
        file = self.root / _GITMODULES
        try:
            text = file.read_text("utf-8", "replace") if file.is_file() else ""
        except OSError as problem:
            unread.append(Problem(_GITMODULES, _why(problem)))
            return []
        return [found["path"] for found in _SUBMODULE.finditer(text)]


class _Blobs(Mapping[str, str]):
    """The ids of a folder's files by their paths: a file gets one when it is asked for, and has been read then.

    Files that hold the same have the same id, so that they are taken apart once.
    """

    def __init__(self, root: Path, paths: Iterable[str], shelf: Shelf) -> None:
        self._root = root
        self._ids: dict[str, str | None] = dict.fromkeys(paths)
        self._shelf = shelf

    def __getitem__(self, path: str) -> str:
        blob = self._ids[path]
        if blob is None:
            blob = self._ids[path] = self._read(path)
        return blob

    def __contains__(self, path: object) -> bool:
        return path in self._ids

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)

    def __len__(self) -> int:
        return len(self._ids)

    def _read(self, path: str) -> str:
        try:
            with open(f"{self._root}/{path}", "rb", buffering=0) as file:  # noqa: PTH123 (half the time of pathlib)
                raw = file.read()
        except OSError as problem:
            self._shelf.broken[path] = _why(problem)
            return path
        blob = hashlib.sha256(raw).hexdigest()
        self._shelf.raw[blob] = raw
        return blob


def replace_files(changes: Mapping[Path, bytes]) -> None:
    """Replace files, all of them or none; each is old or new at any moment and keeps its rights.

    Where one is a link, what it leads to is replaced.

    Raises:
        InvalidInput: one cannot be written; the others are as they were.
    """
    staged: list[tuple[Path, Path]] = []
    before: dict[Path, bytes] = {}
    file = Path()
    try:
        for file, raw in changes.items():
            target = file.resolve()
            handle, name = tempfile.mkstemp(dir=target.parent, prefix=".rebuilder-")
            staged.append((Path(name), target))
            with os.fdopen(handle, "wb") as beside:
                beside.write(raw)
            Path(name).chmod(target.stat().st_mode & 0o7777)
        for beside_path, file in staged:
            old = file.read_bytes()
            beside_path.replace(file)
            before[file] = old
    except OSError as problem:
        for target, old in before.items():
            with suppress(OSError):
                target.write_bytes(old)
        raise InvalidInput(f"{file} cannot be written: {problem.strerror}; nothing was changed") from None
    finally:
        for beside_path, _ in staged:
            with suppress(OSError):
                beside_path.unlink(missing_ok=True)


def _entries(folder: str) -> list[os.DirEntry[str]]:
    """What lies in a folder; an OSError where none of it could be opened either."""
    with os.scandir(folder) as entries:
        found = list(entries)
    os.stat(f"{folder}/..")  # noqa: PTH116 (a folder may let its names be listed and nothing be opened)
    return found


def _why(problem: OSError) -> str:
    return f"it cannot be read ({problem.strerror})"


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()
