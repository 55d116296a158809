"""A folder of the machine as a repository: its files are its blobs, each named by its own path."""

import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from shared.domain.catalog import Catalog, Listing, Missing, Shelf
from shared.domain.definitions import Problem
from shared.domain.survey import survey
from shared.errors import InvalidInput

# Folders that belong to tools and hold no environments of the repository.
_TOOLS = {".git", "node_modules", "__pycache__", ".mypy_cache", ".tox"}


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
        unread: list[Problem] = []
        files = self._files(_TOOLS | leave_out, unread)
        listing = Listing(commit, {path: path for path in files})
        while isinstance(found := survey(listing, self.shelf), Missing):
            for path in sorted(found.blobs):
                try:
                    self.shelf.raw[path] = files[path].read_bytes()
                except OSError as problem:
                    self.shelf.broken[path] = _why(problem)
        return replace(found, warnings=(*found.warnings, *unread)) if unread else found

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

    def _files(self, leave_out: frozenset[str] | set[str], unread: list[Problem]) -> dict[str, Path]:
        found: dict[str, Path] = {}

        def passed_over(problem: OSError) -> None:
            folder = Path(problem.filename).relative_to(self.root).as_posix()
            if folder == ".":
                raise InvalidInput(f"{self.root} cannot be read: {problem.strerror}")
            unread.append(Problem(f"{folder}/", f"{_why(problem)}, nor what lies in it"))

        for folder, folders, names in os.walk(self.root, onerror=passed_over):
            here = Path(folder)
            folders[:] = [name for name in folders if name not in leave_out and not _is_venv(here / name)]
            try:
                files = [here / name for name in names if _is_file(here / name)]
            except OSError as problem:  # none of what the folder lists can be opened
                passed_over(OSError(problem.errno, problem.strerror, folder))
                folders.clear()
                continue
            found.update({file.relative_to(self.root).as_posix(): file for file in files})
        return found


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


def _why(problem: OSError) -> str:
    return f"it cannot be read ({problem.strerror})"


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _is_venv(folder: Path) -> bool:
    with suppress(OSError):
        return (folder / "pyvenv.cfg").is_file()
    return False
