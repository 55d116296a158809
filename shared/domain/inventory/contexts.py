"""The build context of an environment: which of its files the Dockerfile hands to pip and conda, and which it lacks."""

import posixpath
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property

from shared.domain.definitions import Problem
from shared.domain.definitions.dockerfile import PACKAGES_FOLDER, Dockerfile
from shared.domain.definitions.fetches import CLONE
from shared.domain.definitions.handed import Takes
from shared.domain.definitions.requirements import ARCHIVE
from shared.domain.definitions.sources import FETCHED, HandedOver, by_last_part, copied, origins, places
from shared.domain.definitions.tools import PROJECT_FILES
from shared.domain.inventory.environments import is_template

_REQUIREMENTS = re.compile(r"requirements[^/]*\.txt", re.IGNORECASE)
_GLOB = re.compile(r"[*?\[]")
# What they hold is no list of requirements.
_OTHERS = (".toml", ".py", ".cfg", ".lock")


@dataclass(frozen=True)
class Context:
    """A build context and what is read of it; environments that share a folder share this.

    Attributes:
        folder: the folder, from the repository's root.
        inside: its files: path from its own root → path from the repository's.
        linked: says why a path, from the repository's root, is not there: it or a folder above it is a link.
    """

    folder: str
    inside: Mapping[str, str]
    linked: Callable[[str], str | None]

    @cached_property
    def lists(self) -> list[str]:
        """The files that are named like lists of requirements and lie in no hidden folder, from its root."""
        return [
            path
            for path in sorted(self.inside)
            if _REQUIREMENTS.fullmatch(posixpath.basename(path)) and "/." not in f"/{path}"
        ]

    @cached_property
    def named(self) -> Mapping[str, Sequence[str]]:
        """Its files by their last part, from its root."""
        return by_last_part(self.inside)

    @cached_property
    def _spelled(self) -> Mapping[str, str]:
        """Its files by their folded path, from the repository's root; the first of a spelling."""
        return {path.casefold(): path for path in reversed(list(self.inside.values()))}

    def lack(self, dockerfile: str) -> str:
        """Say that a Dockerfile, by its path from the repository's root, is not here, and what may have been meant."""
        if not self.inside:
            return f"its build context {self.folder or '.'} is not in the repository"
        alike = self._spelled.get(dockerfile.casefold())
        return f"its build context has no {dockerfile}" + (f", but {alike}" if alike else "")

    def read(self, path: str, dockerfile: Dockerfile | None) -> "Contents":
        """Find the definition files of the context.

        Those that the Dockerfile hands to pip or conda; where it hands over none that is there, the requirements files
        that it copies by name, or in folders too if a variable says which one it hands over, unless one is fetched from
        elsewhere; without a Dockerfile, every requirements file that does not lie in a hidden folder.

        Args:
            path: the Dockerfile, from the repository's root.
            dockerfile: what it says, or None if there is none that can be read.
        """
        files = dockerfile.files if dockerfile else ()
        contents = self.handed(path, files, dockerfile)
        lists = [handed for _, handed in contents.definitions if handed.takes in (Takes.LIST, Takes.CONDA)]
        if not lists and not any(FETCHED in places(handed) for handed in files):
            contents.definitions.extend(self._by_name(dockerfile))
        return contents

    def handed(self, path: str, files: Iterable[HandedOver], dockerfile: Dockerfile | None = None) -> "Contents":
        """Find what some commands install from.

        Args:
            path: the file in which the commands stand, from the repository's root.
            files: what they install from.
            dockerfile: the Dockerfile whose commands they are, if that is what they are.
        """
        found: list[tuple[str, HandedOver]] = []
        unseen: dict[str, Problem] = {}
        opaque: dict[str, Problem] = {}
        for handed in files:
            if handed.takes is Takes.LIST and handed.path.endswith(_OTHERS):
                continue
            link = self._link(handed)
            here = [] if link else self._here(handed)
            found += [(self.inside[origin], handed) for origin in here]
            if here or handed.constraint or "" in places(handed) or _is_packaged(handed):
                continue  # a constraint installs nothing, and what a here-document writes has been read
            listed = handed.takes in (Takes.LIST, Takes.CONDA)
            brought = handed.brought() if FETCHED in places(handed) else None
            if link:
                what = f"it installs from {handed.path!r}: {link}"
                unseen.setdefault(handed.path, Problem(path, what, handed.line))
            elif listed and dockerfile and _is_copied(handed) and not _is_written(handed, dockerfile):
                what = f"it installs from {handed.path!r}, which is not in its build context"
                unseen.setdefault(handed.path, Problem(path, what, handed.line))
            elif handed.takes is not Takes.SCRIPT or brought == CLONE:
                # A script that is not in the context is a tool of the image, or of the site that it is downloaded from.
                what = f"{handed.what}, which {brought} brings" if brought else handed.what
                opaque.setdefault(what, Problem(path, what, handed.line))
        return Contents(found, [*unseen.values()], [*opaque.values()])

    def _here(self, handed: HandedOver) -> list[str]:
        """The files of the context that are meant, from its root."""
        match handed.takes:
            case Takes.PROJECT:
                named = (handed.moved(posixpath.join(handed.path, name)) for name in PROJECT_FILES)
                return [origin for file in named for origin in self._exactly(file)]
            case Takes.LOCK:
                return self._exactly(handed)
            case Takes.WHEELS:
                return [path for path in self._exactly(handed) if ARCHIVE.search(path)]
            case Takes.SCRIPT:
                scripts = origins(handed, self.inside, self.named)
                return scripts if len(scripts) == 1 else []
            case _:
                if _GLOB.search(handed.path):
                    return self._exactly(handed)
                return origins(handed, self.inside, self.named)

    def _exactly(self, handed: HandedOver) -> list[str]:
        """The files that lie where a path leads, which may be a pattern."""
        for path in places(handed):
            if path in ("", FETCHED):
                return []
            if path in self.inside:
                return [path]
            if _GLOB.search(path) and (found := [one for one in self.inside if _fits(one, path)]):
                return sorted(found)
        return []

    def _by_name(self, dockerfile: Dockerfile | None) -> list[tuple[str, HandedOver]]:
        candidates: Iterable[str] = self.lists
        if dockerfile:
            somewhere = any(_is_variable(handed.path) for handed in dockerfile.files)
            candidates = sorted(copied(dockerfile.copies, self.lists, folders=somewhere))
        return [(self.inside[path], HandedOver(path)) for path in candidates]

    def _link(self, handed: HandedOver) -> str | None:
        """Say which link a file would be read through, or None if it is there or nowhere."""
        for path in places(handed):
            if path in ("", FETCHED) or path in self.inside:
                return None
            if link := self.linked(posixpath.normpath(posixpath.join(self.folder, path))):
                return link
        return None


@dataclass(frozen=True, slots=True)
class Contents:
    """The files of a build context.

    Attributes:
        definitions: its definition files, by their paths from the repository's root.
        unseen: what the Dockerfile installs from that should lie in the context and cannot be read.
        opaque: what it installs from that comes from elsewhere, or that its commands make.
    """

    definitions: list[tuple[str, HandedOver]]
    unseen: list[Problem]
    opaque: list[Problem]


def _is_variable(path: str) -> bool:
    return "$" in path or is_template(path)


def _is_packaged(handed: HandedOver) -> bool:
    """Tell whether a path leads to the folder in which the pipeline puts what other files ask for."""
    return any(path.split("/")[0] == PACKAGES_FOLDER for path in places(handed))


def _is_copied(handed: HandedOver) -> bool:
    """Tell whether a file comes out of the build context, if it comes from anywhere."""
    found = set(places(handed))
    return not _is_variable(handed.path) and "://" not in handed.path and bool(found - {""}) and FETCHED not in found


def _fits(path: str, pattern: str) -> bool:
    return path.count("/") == pattern.count("/") and fnmatchcase(path, pattern)


def _is_written(handed: HandedOver, dockerfile: Dockerfile) -> bool:
    """Tell whether a command may write a file: its name stands in more places than copy it and install from it."""
    name = posixpath.basename(handed.path)
    known = [*(other.path for other in dockerfile.files), *(copy.target for copy in dockerfile.copies)]
    known += (source for copy in dockerfile.copies for source in copy.sources)
    return dockerfile.definition.source.text.count(name) > sum(posixpath.basename(path) == name for path in known)
