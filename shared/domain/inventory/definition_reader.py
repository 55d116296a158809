"""Reads the definition files of an environment: lists and what they include, projects, locks, scripts, packages."""

import posixpath
from bisect import bisect_left
from collections.abc import Callable, Iterator

from shared.domain.definitions import Definition, Include, Problem
from shared.domain.definitions.conda import read_conda
from shared.domain.definitions.dockerfile import read_script
from shared.domain.definitions.handed import Takes
from shared.domain.definitions.locks import read_pipfile_lock, read_toml_lock
from shared.domain.definitions.projects import read_pyproject, read_setup_cfg
from shared.domain.definitions.requirements import read_requirements, read_wheel
from shared.domain.definitions.setup_py import read_setup_py
from shared.domain.definitions.sources import HandedOver, called_by, project_of
from shared.domain.definitions.tools import may_install
from shared.domain.files.text import SourceText
from shared.domain.inventory.catalog import Listing, Shelf
from shared.domain.inventory.contexts import Contents, Context
from shared.domain.inventory.environments import Use
from shared.domain.inventory.gathering import Gathering
from shared.errors import Unreadable
from shared.limits import INCLUDE_DEPTH

_PROJECT_FILES = {"pyproject.toml": read_pyproject, "setup.cfg": read_setup_cfg, "setup.py": read_setup_py}
# Scripts call each other; more are read for no environment.
_MOST_SCRIPTS = 50
_SETUP = ("setup.cfg", "setup.py")


class DefinitionReader:
    """What is read of a listing for one environment, and what was looked at for it."""

    def __init__(self, listing: Listing, shelf: Shelf, paths: list[str], contexts: dict[str, Context]) -> None:
        """Begin.

        Args:
            listing: the files.
            shelf: what they say.
            paths: their paths, sorted.
            contexts: by folder; many environments may share one, and it may be the whole repository.
        """
        self.files = listing.files
        self.links = listing.links
        self.paths = paths
        self.shelf = shelf
        self.contexts = contexts
        self.missing: set[str] = set()
        self.definitions: dict[str, Definition] = {}
        self.sources: dict[str, SourceText] = {}
        self.unread: dict[str, frozenset[str]] = {}
        self.looked_up: set[str] = set()
        self.listed: set[str] = set()

    def _is_file(self, path: str) -> bool:
        self.looked_up.add(path)
        return path in self.files

    def _blob[T](self, path: str, kind: str, read: Callable[[SourceText], T]) -> T | None:
        self.looked_up.add(path)
        blob = self.files[path]
        try:
            return self.shelf.get(blob, kind, read)
        except KeyError:
            self.missing.add(blob)
            return None

    def _below(self, folder: str) -> Iterator[str]:
        self.listed.add(folder)
        prefix = f"{folder}/" if folder else ""
        at = bisect_left(self.paths, prefix)
        while at < len(self.paths) and self.paths[at].startswith(prefix):
            yield self.paths[at]
            at += 1

    def _linked(self, path: str) -> str | None:
        """Say why a path leads elsewhere: it, or a folder above it, is a link; None if none is."""
        while path:
            if link := self.links.get(path):
                return f"{path} is {link}, which is not followed"
            path = posixpath.dirname(path)
        return None

    def _take(self, path: str, definition: Definition, gathering: Gathering) -> None:
        self.definitions[path] = definition
        gathering.opaque.extend(Problem(path, what, line) for line, what in definition.opaque)
        if definition.unusual:
            gathering.problems.extend(Problem(path, why, line) for line, why in definition.unusual)
            self._name_all(path)

    def _name_all(self, path: str) -> None:
        """Note every name that stands in a file that cannot be read: it may be a requirement."""
        blob = self.files[path]
        try:
            self.unread[path] = self.shelf.words(blob)
        except KeyError:
            self.missing.add(blob)

    def _use(
        self, use: Use, read: Callable[[SourceText], Definition], gathering: Gathering, *, chain: tuple[str, ...]
    ) -> Definition | None:
        """Read a definition file for an environment, and what it includes."""
        path = use.path
        if use in gathering.uses:
            return self.definitions.get(path)
        gathering.uses.append(use)
        try:
            definition = self._blob(path, read.__name__, read)
        except Unreadable as problem:
            gathering.problems.append(Problem(path, problem.why, problem.line))
            self._name_all(path)
            return None
        if definition is None:
            return None
        self._take(path, definition, gathering)
        self._follow(path, definition, gathering, use, chain=(*chain, path))
        return definition

    def _follow(
        self, path: str, definition: Definition, gathering: Gathering, use: Use, *, chain: tuple[str, ...]
    ) -> None:
        for include in definition.includes:
            if not use.installs(include.extras):
                continue
            target = resolve(posixpath.dirname(path), include.path)
            if include.source:
                # The command that compiled the file may have run in the repository's root.
                for source in (target, resolve("", include.path)):
                    if source is not None and source not in chain and self._is_file(source):
                        self._use(Use(source, source=True), read_requirements, gathering, chain=chain)
                        break
            elif why := self._refused(include, target, chain):
                # What a project reads may be there all the same when it is built.
                (gathering.unseen if use.own else gathering.problems).append(Problem(path, why, include.line))
            elif target is None or _is_elsewhere(include.path):
                if use.constraint or include.constraint:
                    gathering.warn(path, f"{include.path!r} is not in the repository and not read", include.line)
                else:
                    gathering.opaque.append(Problem(path, f"-r {include.path}", include.line))
            else:
                inner = Use(target, use.constraint or include.constraint, use.source, use.own)
                self._use(inner, read_requirements, gathering, chain=chain)

    def _refused(self, include: Include, target: str | None, chain: tuple[str, ...]) -> str | None:
        """Return why an include cannot be followed; one that leads elsewhere is no mistake."""
        if _is_elsewhere(include.path):
            return None
        if target is None or not self._is_file(target):
            link = self._linked(target) if target else None
            return f"it includes {include.path!r}" + (f": {link}" if link else ", which is not there")
        if target in chain:
            return f"it includes {include.path!r}, which includes it"
        return f"more than {INCLUDE_DEPTH} includes deep" if len(chain) >= INCLUDE_DEPTH else None

    def _reached(self, paths: set[str]) -> frozenset[str]:
        """Some files and all that they include: what one installation reads."""
        waiting, found = [*paths], set()
        while waiting:
            path = waiting.pop()
            if path in found or path not in self.definitions:
                continue
            found.add(path)
            for include in self.definitions[path].includes:
                target = None if include.source else resolve(posixpath.dirname(path), include.path)
                waiting += [target] if target else []
        return frozenset(found)

    def _install(self, path: str, contents: Contents, folder: Context, gathering: Gathering) -> str | None:
        """Read what the commands of a file install from; returns the Python that a conda file states."""
        gathering.unseen += contents.unseen
        gathering.opaque += contents.opaque
        python = None
        for file, handed in contents.definitions:
            match handed.takes:
                case Takes.CONDA:
                    definition = self._use(Use(file), read_conda, gathering, chain=())
                    python = (definition.python if definition else None) or python
                    self._projects(file, folder, handed, gathering)
                case Takes.LIST:
                    gathering.steps.setdefault(file if handed.step is None else handed.step, set()).add(file)
                    self._use(Use(file, handed.constraint), read_requirements, gathering, chain=())
                    self._projects(file, folder, handed, gathering)
                case Takes.SCRIPT:
                    python = self._script(path, file, handed, folder, gathering) or python
                case Takes.WHEELS:
                    self.definitions[file] = read_wheel(posixpath.basename(file))
                    gathering.uses.append(Use(file, own=True))
                case Takes.LOCK:
                    read = read_pipfile_lock if file.endswith("Pipfile.lock") else read_toml_lock
                    self._own(file, read, gathering, lambda found: found)
        self._project_files(path, contents, gathering)
        return python

    def _own[T](
        self,
        file: str,
        read: Callable[[SourceText], T],
        gathering: Gathering,
        definition: Callable[[T], Definition],
        extras: frozenset[str] = frozenset(),
    ) -> T | None:
        """Read a file that pip is not handed as a list."""
        try:
            found = self._blob(file, read.__name__, read)
        except Unreadable as problem:
            gathering.unseen.append(Problem(file, problem.why, problem.line))
            return None
        use = Use(file, own=True, extras=extras)
        if found is not None and use not in gathering.uses:
            gathering.uses.append(use)
            self._take(file, definition(found), gathering)
            self._follow(file, definition(found), gathering, use, chain=(file,))
        return found

    def _script(self, path: str, file: str, handed: HandedOver, folder: Context, gathering: Gathering) -> str | None:
        """A script of the context: one for the shell is read, of one for Python it is told whether it may install."""
        if file in gathering.scripts:
            return None
        if len(gathering.scripts) == _MOST_SCRIPTS:
            gathering.opaque.append(Problem(path, handed.what, handed.line))
            return None
        gathering.scripts.add(file)
        try:
            if file.endswith(".py"):
                if self._blob(file, "python script", may_install):
                    gathering.opaque.append(Problem(path, handed.what, handed.line))
                return None
        except Unreadable:
            gathering.opaque.append(Problem(path, handed.what, handed.line))
            return None
        script = self._own(file, read_script, gathering, lambda found: found.definition)
        inner = [called_by(handed, one) for one in script.files] if script else []
        return self._install(file, folder.handed(file, inner), folder, gathering)

    def _projects(self, path: str, folder: Context, handed: HandedOver, gathering: Gathering) -> None:
        """The projects that a list of requirements, or what it includes, has pip install from the build context."""
        for file in sorted(self._reached({path})):
            definition = self.definitions[file]
            if not handed.constraint and definition.projects:
                inner = [project_of(handed, written, line) for line, written in definition.projects]
                self._install(file, folder.handed(file, inner), folder, gathering)

    def _project_files(self, path: str, contents: Contents, gathering: Gathering) -> None:
        """The files of each project, until one says all that it requires."""
        projects: dict[HandedOver, list[str]] = {}
        for file, handed in contents.definitions:
            if handed.takes is Takes.PROJECT:
                projects.setdefault(handed, []).append(file)
        for handed, files in projects.items():
            computed = False
            for file in files:
                read = _PROJECT_FILES[posixpath.basename(file)]
                project = self._own(file, read, gathering, lambda found: found.definition, handed.extras)
                if project is None or project.complete:
                    break
                computed = computed or (project.computed_extras and bool(handed.extras))
            else:
                if computed or not any(file.endswith(_SETUP) for file in files):
                    gathering.opaque.append(Problem(path, handed.what, handed.line))


def _is_elsewhere(path: str) -> bool:
    return "://" in path or path.startswith(("/", "\\"))


def resolve(folder: str, written: str) -> str | None:
    """The path, from the root, of what a file in `folder` calls `written`; None if that is outside."""
    path = written.replace("\\", "/")
    joined = posixpath.normpath(posixpath.join(folder, path))
    if posixpath.isabs(path) or joined == ".." or joined.startswith("../"):
        return None
    return "" if joined == "." else joined
