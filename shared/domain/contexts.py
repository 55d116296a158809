"""The build context of an environment: which of its files the Dockerfile hands to pip and conda, and which it lacks."""

import posixpath
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from shared.domain.definitions import Problem
from shared.domain.definitions.dockerfile import Dockerfile
from shared.domain.definitions.sources import HandedOver, copied, origins, places
from shared.domain.environments import is_template

_REQUIREMENTS = re.compile(r"requirements[^/]*\.txt", re.IGNORECASE)
# What they hold is no list of requirements.
_OTHERS = (".toml", ".py", ".cfg", ".lock")


@dataclass(frozen=True, slots=True)
class Context:
    """A build context and what is read of it.

    Attributes:
        folder: the folder, from the repository's root.
        inside: its files: path from its own root → path from the repository's.
        linked: says why a path, from the repository's root, is not there: it or a folder above it is a link.
    """

    folder: str
    inside: Mapping[str, str]
    linked: Callable[[str], str | None]

    def lack(self, dockerfile: str) -> str:
        """Say that a Dockerfile, by its path from the repository's root, is not here, and what may have been meant."""
        if not self.inside:
            return f"its build context {self.folder or '.'} is not in the repository"
        alike = next((path for path in self.inside.values() if path.casefold() == dockerfile.casefold()), None)
        return f"its build context has no {dockerfile}" + (f", but {alike}" if alike else "")

    def read(self, path: str, dockerfile: Dockerfile | None) -> "Contents":
        """Find the definition files of the context.

        Those that the Dockerfile hands to pip or conda; where it hands over none that is there, the requirements files
        that it copies by name, or in folders too if a variable says which one it hands over; without a Dockerfile,
        every requirements file that does not lie in a hidden folder.

        Args:
            path: the Dockerfile, from the repository's root.
            dockerfile: what it says, or None if there is none that can be read.
        """
        found: list[tuple[str, HandedOver]] = []
        unseen: dict[str, Problem] = {}
        opaque: dict[str, Problem] = {}
        for handed in dockerfile.files if dockerfile else ():
            if handed.path.endswith(_OTHERS):
                continue
            link = self._link(handed)
            here = [] if link else origins(handed, self.inside)
            found += [(self.inside[origin], handed) for origin in here]
            if here or handed.constraint or "" in places(handed):
                continue  # a constraint installs nothing, and what a here-document writes has been read
            if link:
                what = f"it installs from {handed.path!r}: {link}"
                unseen.setdefault(handed.path, Problem(path, what, handed.line))
            elif dockerfile and _is_copied(handed) and not _is_written(handed, dockerfile):
                what = f"it installs from {handed.path!r}, which is not in its build context"
                unseen.setdefault(handed.path, Problem(path, what, handed.line))
            else:
                what = f"{'conda -f' if handed.conda else 'pip install -r'} {handed.path}"
                opaque.setdefault(handed.path, Problem(path, what, handed.line))
        return Contents(found or self._by_name(dockerfile), [*unseen.values()], [*opaque.values()])

    def _by_name(self, dockerfile: Dockerfile | None) -> list[tuple[str, HandedOver]]:
        if dockerfile is None:
            candidates: Iterable[str] = self.inside.keys()
        else:
            somewhere = any(_is_variable(handed.path) for handed in dockerfile.files)
            candidates = copied(dockerfile.copies, self.inside.keys(), folders=somewhere)
        return [
            (self.inside[path], HandedOver(path))
            for path in sorted(candidates)
            if _REQUIREMENTS.fullmatch(posixpath.basename(path)) and "/." not in f"/{path}"
        ]

    def _link(self, handed: HandedOver) -> str | None:
        """Say which link a file would be read through, or None if it is there or nowhere."""
        for path in places(handed):
            if not path or path in self.inside:
                return None
            if link := self.linked(posixpath.normpath(posixpath.join(self.folder, path))):
                return link
        return None


@dataclass(frozen=True, slots=True)
class Contents:
    """What a build context holds.

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


def _is_copied(handed: HandedOver) -> bool:
    """Tell whether a file comes out of the build context, if it comes from anywhere."""
    return not _is_variable(handed.path) and "://" not in handed.path and any(places(handed))


def _is_written(handed: HandedOver, dockerfile: Dockerfile) -> bool:
    """Tell whether a command may write a file: its name stands in more places than copy it and install from it."""
    name = posixpath.basename(handed.path)
    known = [*(other.path for other in dockerfile.files), *(copy.target for copy in dockerfile.copies)]
    known += (source for copy in dockerfile.copies for source in copy.sources)
    return dockerfile.definition.source.text.count(name) > sum(posixpath.basename(path) == name for path in known)
