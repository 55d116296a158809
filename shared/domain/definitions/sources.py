"""The origin of a file of an image: `COPY`, `ADD` and mounts lead from a place in the image to the build context."""

import posixpath
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from itertools import islice

from shared.domain.definitions.handed import Takes
from shared.domain.definitions.requirements import project_in

_DEEPEST = 10
# No image has more layers, so what was copied before these many is none of a file's history.
_LAYERS = 127
# Where a script runs, as long as nobody has said which folder that is.
HERE = "/<here>"
# In the place of a path: what lies there was fetched from elsewhere.
FETCHED = "://"


@dataclass(frozen=True, slots=True)
class Copy:
    """One `COPY`, `ADD` or mount.

    Attributes:
        sources: paths in the build context, or in the image of another stage.
        target: where they go, from the image's root.
        folder: `target` is a folder for sure.
        stage: for a copy out of another stage what that one has copied.
        foreign: it does not come from the build context.
        fetched: the command that brings it from elsewhere, if one does: then all that is below `target`.
    """

    sources: tuple[str, ...]
    target: str
    folder: bool = False
    stage: "Trail | None" = None
    foreign: bool = False
    fetched: str = ""


@dataclass(frozen=True, slots=True)
class Trail:
    """The copies up to a place, the latest first."""

    copy: Copy
    before: "Trail | None" = None

    def __iter__(self) -> Iterator[Copy]:
        trail: Trail | None = self
        while trail:
            yield trail.copy
            trail = trail.before


@dataclass(frozen=True, slots=True)
class HandedOver:
    """A path that a Dockerfile or a script of the build context installs from.

    Attributes:
        path: as it is written there.
        takes: what is made of it.
        constraint: it only constrains.
        step: the same for all files that one command takes; None if that is not known.
        folder: the one that the command runs in, from the image's root.
        place: from the image's root.
        copies: what has been copied by then.
        line: where it is named.
        extras: of a project.
        what: the command in a few words.
    """

    path: str
    takes: Takes = Takes.LIST
    constraint: bool = False
    step: int | None = None
    folder: str = ""
    place: str = ""
    copies: Trail | None = None
    line: int | None = None
    extras: frozenset[str] = frozenset()
    what: str = ""

    @property
    def conda(self) -> bool:
        """It goes to conda."""
        return self.takes is Takes.CONDA

    def moved(self, path: str) -> "HandedOver":
        """Another path that the same command installs from."""
        return replace(self, path=path, place=absolute(self.folder, path))

    def brought(self) -> str | None:
        """The command that brings it from elsewhere, if one does."""
        return next(
            (
                copy.fetched
                for copy in islice(self.copies or (), _LAYERS)
                if copy.fetched and _lies_in(self.place, copy)
            ),
            None,
        )


def called_by(script: HandedOver, handed: HandedOver) -> HandedOver:
    """Return what a script installs from, seen from the command that runs it."""

    def rooted(path: str) -> str:
        below = path.removeprefix(HERE)
        return path if below == path else absolute(script.folder, below.lstrip("/"))

    copies = script.copies
    for copy in reversed([*(handed.copies or ())]):
        copies = Trail(replace(copy, target=rooted(copy.target)), copies)
    return replace(handed, folder=rooted(handed.folder), place=rooted(handed.place), copies=copies, step=None)


def project_of(lines: HandedOver, written: str, line: int) -> HandedOver:
    """A project that a list of requirements names, seen from the command that takes the list."""
    folder, extras = project_in(written) or (written, frozenset())
    return replace(lines.moved(folder), takes=Takes.PROJECT, extras=extras, line=line, what=f"pip install {written}")


def absolute(folder: str, path: str) -> str:
    """A path from the image's root, seen from a folder."""
    return "/" + posixpath.normpath(posixpath.join(folder, path)).lstrip("/")


def places(handed: HandedOver) -> Iterator[str]:
    """The paths, from the build context's root, that a file may have been copied from, the latest first.

    Empty where a here-document writes it, and `FETCHED` where something brings it from elsewhere.
    """
    return _places(handed.place, handed.copies, set())


def origins(handed: HandedOver, inside: Collection[str], named: Mapping[str, Sequence[str]]) -> list[str]:
    """The files of the build context that are meant.

    Args:
        handed: what the Dockerfile names.
        inside: the paths of the files in the build context, from its root.
        named: the same by their last part.
    """
    found = next((path for path in places(handed) if path in ("", FETCHED) or path in inside), None)
    if found is not None:
        return [found] if found in inside else []
    # Moved about in a way that is not understood: then the longest common end of the path decides.
    parts = [part for part in handed.path.split("/") if part not in ("", ".", "..")]
    for start in range(len(parts)):
        tail = "/".join(parts[start:])
        if tail in inside:
            return [tail]
        if matches := [path for path in named.get(parts[-1], ()) if path.endswith(f"/{tail}")]:
            return matches
    return []


def by_last_part(paths: Iterable[str]) -> dict[str, list[str]]:
    """Paths by the name of their file."""
    found: dict[str, list[str]] = {}
    for path in paths:
        found.setdefault(posixpath.basename(path), []).append(path)
    return found


def copied(copies: Collection[Copy], inside: Collection[str], *, folders: bool) -> set[str]:
    """The files of the build context that are copied.

    Args:
        copies: the instructions.
        inside: the paths of the files in the build context, from its root.
        folders: whether a folder counts for all that is in it; it brings along what nobody may ever use.
    """
    patterns = {_inside(source) for copy in copies for source in copy.sources}
    return {path for path in inside if any(_covers(pattern, path, folders=folders) for pattern in patterns)}


def _places(place: str, copies: Trail | None, seen: set[tuple[str, int]], depth: int = 0) -> Iterator[str]:
    """Return what may have been put at a place of an image; "" if it is written there and copied from nowhere.

    Places of stages that have been `seen` are not looked at again: stages may copy from each other in many ways.
    """
    if (place, id(copies)) in seen:
        return
    seen.add((place, id(copies)))
    for copy in islice(copies or (), _LAYERS):
        if copy.fetched:
            if _lies_in(place, copy):
                yield FETCHED
                return
        elif not copy.sources and place == copy.target:
            yield ""  # a here-document
        for path in _candidates(place, copy):
            if not copy.foreign:
                yield path
            elif copy.stage is not None and depth < _DEEPEST:
                yield from _places(absolute("/", path), copy.stage, seen, depth + 1)


def _lies_in(place: str, copy: Copy) -> bool:
    return place == copy.target or place.startswith(copy.target.rstrip("/") + "/")


def _candidates(place: str, copy: Copy) -> Iterator[str]:
    """Return what a copy may have put at a place."""
    below = place[len(copy.target.rstrip("/")) + 1 :] if place.startswith(copy.target.rstrip("/") + "/") else None
    for source in copy.sources:
        pattern = _inside(source)
        name = posixpath.basename(pattern)
        if below is None:
            if place == copy.target and not copy.folder:
                yield pattern
        elif "/" not in below and pattern != "." and fnmatchcase(below, name):
            yield posixpath.normpath(posixpath.join(posixpath.dirname(pattern), below))
            yield posixpath.normpath(posixpath.join(pattern, below))
        else:
            yield posixpath.normpath(posixpath.join(pattern, below))


def _covers(pattern: str, path: str, *, folders: bool) -> bool:
    if folders and (pattern == "." or path.startswith(f"{pattern}/")):
        return True
    return path.count("/") == pattern.count("/") and fnmatchcase(path, pattern)


def _inside(source: str) -> str:
    """A source as a path from the build context's root."""
    return posixpath.normpath(source.lstrip("/") or ".").removeprefix("../")
