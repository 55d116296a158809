"""A folder of the machine as a repository: its files are its blobs, each named by its own path."""

import os
import re
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from shared.domain.catalog import Catalog, Link, Listing, Missing, Shelf
from shared.domain.survey import survey
from shared.errors import InvalidInput

# Folders that belong to tools and hold no environments of the repository.
_TOOLS = {".git", "node_modules", "__pycache__", ".mypy_cache", ".tox"}

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
        listing = self.listing(commit, leave_out)
        while isinstance(found := survey(listing, self.shelf), Missing):
            self.shelf.raw.update({path: (self.root / path).read_bytes() for path in found.blobs})
        return found

    def listing(self, commit: str = "", leave_out: frozenset[str] = frozenset()) -> Listing:
        """List the files as the repository would: its submodules are none of it, checked out or not."""
        files: dict[str, str] = {}
        links = dict.fromkeys(self._submodules(), Link.SUBMODULE)
        left, waiting = _TOOLS | leave_out, [""]
        while waiting:
            inside = waiting.pop()
            with os.scandir(self.root / inside) as entries:
                for entry in entries:
                    path = inside + entry.name
                    if entry.is_symlink():
                        links[path] = Link.SYMBOLIC
                    elif entry.is_file():
                        files[path] = path
                    elif entry.is_dir() and entry.name not in left and path not in links and not _is_venv(entry.path):
                        waiting.append(f"{path}/")
        return Listing(commit, files, links)

    def read(self, path: str) -> bytes | None:
        """The bytes of a file, or None if there is no such file (a link is none)."""
        file = self.root / path
        return file.read_bytes() if file.is_file() and not file.is_symlink() else None

    def write(self, changes: Mapping[str, bytes]) -> None:
        """Replace files, all of them or none.

        Raises:
            InvalidInput: one cannot be written.
        """
        replace_files({self.root / path: raw for path, raw in changes.items()})

    def _submodules(self) -> list[str]:
        """The paths of the submodules, as git's own file in the root states them ("gitmodules")."""
        file = self.root / ".gitmodules"
        text = file.read_text("utf-8", "replace") if file.is_file() else ""
        return [found["path"] for found in _SUBMODULE.finditer(text)]


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


def _is_venv(folder: str) -> bool:
    return Path(folder, "pyvenv.cfg").is_file()
