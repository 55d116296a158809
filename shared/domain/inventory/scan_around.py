"""Scans what lies around the environments: inline environments, and references.

Inline environments are worked out like any other, by the scan itself; what they read is asked for with the rest.
"""

import posixpath
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from shared.domain.definitions import Definition, Include, Problem
from shared.domain.files.text import SourceText
from shared.domain.inventory.catalog import Survey
from shared.domain.inventory.environments import EnvironmentFile
from shared.domain.inventory.inline import InlineEnvironment, InPlace
from shared.domain.inventory.surroundings import Around, Gathered, Surroundings, read_python_around, read_yaml_around
from shared.errors import Unreadable
from shared.limits import PYTHON_FILES

_YAML, _PYTHON = (".yml", ".yaml"), (".py",)


# Reads a file as `kind`: None, and it is asked for, if its bytes are not here.
type Read = Callable[[str, str, Callable[[SourceText], Around]], Around | None]
# What an environment consists of: its file, its number in that, and what stands there.
type WorkOut = Callable[[str, int, EnvironmentFile], Survey]


def scan_around(paths: Sequence[str], foreign: frozenset[str], *, read: Read, work_out: WorkOut) -> Surroundings:
    """Find the inline environments and references of a repository.

    Args:
        paths: its files, sorted.
        foreign: those that belong to other tools.
        read: reads one.
        work_out: finds what an environment consists of, from what a file at a path says.
    """
    gathered = Gathered()
    python = [path for path in paths if path.endswith(_PYTHON)]
    skipped = len(python) if len(python) > PYTHON_FILES else 0
    wanted = [(path, "around", read_yaml_around) for path in paths if path.lower().endswith(_YAML)]
    wanted += [(path, "python", read_python_around) for path in python if not skipped]
    for path, kind, reading in wanted:
        try:
            around = read(path, kind, reading) if path not in foreign else None
        except Unreadable:
            continue  # not text: where it may be an environment, the catalog says so
        if around is None:
            continue
        for mention in around.mentions:
            gathered.mentions[mention.name].append((path, mention))
        if around.problem:
            gathered.unread.append((Problem(path, around.problem[1], around.problem[0]), around.words))
        for number, found in enumerate(around.in_place, start=1):
            survey = work_out(path, number, _complete(paths, path, found))
            doubt = survey.environment.doubt()
            why = doubt[1] if doubt else None
            inline = InlineEnvironment(path, found.line, survey.environment.uses, survey.definitions, why)
            gathered.add(inline, frozenset().union(*survey.words.values()))
    return gathered.surroundings(skipped)


def _complete(paths: Sequence[str], path: str, found: InPlace) -> EnvironmentFile:
    """Collect the content of an inline environment, with paths relative to its file."""
    file, requirements = found.file, found.requirements
    if found.loose:
        file = replace(
            file,
            conda_file=_anchored(paths, path, file.conda_file),
            build_path=_anchored(paths, path, file.build_path),
        )
        requirements = _anchored(paths, path, requirements)
    if requirements is None:
        return file
    return replace(file, conda=Definition(file.source, includes=(Include(requirements, found.line, constraint=False),)))


def _anchored(paths: Sequence[str], path: str, written: str | None) -> str | None:
    """A path that begins in an unknown folder: the file's own, or the nearest around it in which it leads somewhere."""
    folder = posixpath.dirname(path)
    for base in _folders(folder) if written else ():
        found = posixpath.normpath(posixpath.join(base, str(written).replace("\\", "/")))
        if _is_there(paths, found):
            return posixpath.relpath(found, folder or ".")
    return written


def _folders(folder: str) -> Iterator[str]:
    while folder:
        yield folder
        folder = posixpath.dirname(folder)
    yield ""


def _is_there(paths: Sequence[str], found: str) -> bool:
    """Tell whether a path names a file or a folder among sorted paths."""
    for wanted in (found, f"{found}/"):
        at = bisect_left(paths, wanted)
        if at < len(paths) and (paths[at] == found or paths[at].startswith(f"{found}/")):
            return True
    return False
