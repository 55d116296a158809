"""The catalog: every environment of a repository at one commit, with the files that decide its content.

It is built from a listing (which blob lies at which path) and from what each blob says. What a blob says does not
depend on where or when it lies, so it is read once for its blob id and kept (`Shelf`); a new commit costs only
the blobs that it brings. `survey` is pure: where it lacks a blob it says so, and is asked again.
"""

import posixpath
import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from shared.domain.definitions import Definition, Problem
from shared.domain.definitions.conda import read_conda
from shared.domain.definitions.dockerfile import PACKAGES_FOLDER, Dockerfile, HandedOver, read_dockerfile, words_of
from shared.domain.definitions.requirements import read_requirements
from shared.domain.environments import (
    Environment,
    EnvironmentFile,
    Use,
    python_of_image,
    read_environment,
)
from shared.domain.names import PackageName
from shared.domain.text import SourceText
from shared.errors import Unreadable
from shared.limits import DEFINITION_BYTES, INCLUDE_DEPTH

_YAML = (".yml", ".yaml")
_REQUIREMENTS = re.compile(r"requirements[^/]*\.txt", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Listing:
    """Which blob lies at which path at one commit.

    Attributes:
        commit: the commit's id.
        files: path from the root, without a leading slash → blob id. Symbolic links and submodules are left out.
    """

    commit: str
    files: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Missing:
    """Blobs whose bytes a survey needs and does not have."""

    blobs: frozenset[str]


@dataclass(frozen=True, slots=True)
class Catalog:
    """Every environment at one commit.

    Attributes:
        commit: the commit.
        environments: in the order of their paths.
        definitions: what each definition file that an environment uses says, by path.
        sources: the text of each environment's YAML, by path.
        blobs: the blob id of every file named in `definitions` and `sources`.
        named: which files name a package: their requirements do, or their text does where it is not read further
            (a Dockerfile's commands, files that cannot be read).
        readers: positions in `environments` of those that read a file.
        namesakes: positions in `environments` of those that bear a name.
        warnings: files that may be environments and cannot be read.
    """

    commit: str
    environments: tuple[Environment, ...]
    definitions: Mapping[str, Definition]
    sources: Mapping[str, SourceText]
    blobs: Mapping[str, str]
    named: Mapping[str, frozenset[str]]
    readers: Mapping[str, tuple[int, ...]]
    namesakes: Mapping[str, tuple[int, ...]]
    warnings: tuple[Problem, ...] = ()

    def naming(self, package: PackageName) -> list[Environment]:
        """The environments that name a package, in the order of their paths."""
        positions = {at for path in self.named.get(package, ()) for at in self.readers.get(path, ())}
        return [self.environments[at] for at in sorted(positions)]

    def reading(self, path: str) -> list[Environment]:
        """The environments that read a file."""
        return [self.environments[at] for at in self.readers.get(path, ())]

    def called(self, name: str) -> list[Environment]:
        """The environments that bear a name; more than one is a mistake in the repository."""
        return [self.environments[at] for at in self.namesakes.get(name, ())]


@dataclass(slots=True)
class Shelf:
    """What blobs say, by their id: filled once, good for every commit that holds them."""

    raw: dict[str, bytes] = field(default_factory=dict)
    _read: dict[tuple[str, str], object] = field(default_factory=dict)

    def get[T](self, blob: str, kind: str, read: Callable[[SourceText], T]) -> T:
        """Return what a blob says, read as `kind`.

        Raises:
            KeyError: the blob's bytes are not here.
            Unreadable: it cannot be read as that.
        """
        key = (blob, kind)
        if key not in self._read:
            raw = self.raw[blob]
            try:
                if len(raw) > DEFINITION_BYTES:
                    raise Unreadable(f"it is larger than {DEFINITION_BYTES // 1024} KiB")
                self._read[key] = read(SourceText.decode(raw))
            except Unreadable as problem:
                self._read[key] = Unreadable(problem.why, problem.line)  # without its traceback
        found = self._read[key]
        if isinstance(found, Unreadable):
            raise Unreadable(found.why, found.line)
        return found  # type: ignore[return-value]

    def words(self, blob: str) -> frozenset[str]:
        """Every word of a blob that may be a package's name: for what cannot be read.

        Raises:
            KeyError: the blob's bytes are not here, and it was never asked for.
        """
        key = (blob, "words")
        if key not in self._read:
            raw = self.raw[blob][:DEFINITION_BYTES]
            self._read[key] = words_of(raw.replace(b"\0", b"").decode("latin-1"))
        return self._read[key]  # type: ignore[return-value]

    def trim(self, listing: "Listing", keep: Iterable[str]) -> None:
        """Forget what the listing's commit does not hold, and the bytes of all blobs but a few.

        Args:
            listing: the commit that counts now.
            keep: blobs whose bytes may be needed for edits.
        """
        present = set(listing.files.values())
        self._read = {key: value for key, value in self._read.items() if key[0] in present}
        kept = set(keep)
        self.raw = {blob: raw for blob, raw in self.raw.items() if blob in kept}


def survey(listing: Listing, shelf: Shelf) -> Catalog | Missing:
    """Build the catalog of a listing, or say which blobs are missing for it."""
    surveyor = _Surveyor(listing, shelf)
    catalog = surveyor.catalog()
    return Missing(frozenset(surveyor.missing)) if surveyor.missing else catalog


class _Surveyor:
    def __init__(self, listing: Listing, shelf: Shelf) -> None:
        self.files = listing.files
        self.commit = listing.commit
        self.paths = sorted(listing.files)
        self.shelf = shelf
        self.missing: set[str] = set()
        self.definitions: dict[str, Definition] = {}
        self.sources: dict[str, SourceText] = {}
        self.named: defaultdict[str, set[str]] = defaultdict(set)

    def catalog(self) -> Catalog:
        environments: list[Environment] = []
        warnings: list[Problem] = []
        readers: defaultdict[str, list[int]] = defaultdict(list)
        namesakes: defaultdict[str, list[int]] = defaultdict(list)
        for path in self.paths:
            if not path.lower().endswith(_YAML):
                continue
            try:
                found = self._blob(path, "environment", read_environment)
            except Unreadable as problem:
                warnings.append(Problem(path, problem.why, problem.line))
                continue
            if found is None:
                continue
            environment = self._environment(path, found)
            self.sources[path] = found.source
            for read in {path, *(use.path for use in environment.uses), environment.dockerfile} - {None}:
                readers[str(read)].append(len(environments))
            namesakes[environment.name].append(len(environments))
            environments.append(environment)
        for path, definition in self.definitions.items():
            for requirement in definition.requirements:
                if requirement.name:
                    self.named[requirement.name].add(path)
        return Catalog(
            commit=self.commit,
            environments=tuple(environments),
            definitions=self.definitions,
            sources=self.sources,
            blobs={path: self.files[path] for path in {*self.definitions, *self.sources}},
            named={name: frozenset(paths) for name, paths in self.named.items()},
            readers={path: tuple(positions) for path, positions in readers.items()},
            namesakes={name: tuple(positions) for name, positions in namesakes.items()},
            warnings=tuple(warnings),
        )

    def _blob[T](self, path: str, kind: str, read: Callable[[SourceText], T]) -> T | None:
        blob = self.files[path]
        try:
            return self.shelf.get(blob, kind, read)
        except KeyError:
            self.missing.add(blob)
            return None

    def _below(self, folder: str) -> Iterator[str]:
        prefix = f"{folder}/" if folder else ""
        for path in self.paths[bisect_left(self.paths, prefix) :]:
            if not path.startswith(prefix):
                return
            yield path

    def _environment(self, path: str, file: EnvironmentFile) -> Environment:
        gathering = _Gathering(problems=[Problem(path, why, line) for line, why in file.unreadable])
        folder = posixpath.dirname(path)
        python = python_of_image(file.image) if file.image else None
        context = dockerfile = None
        if file.conda is not None:
            self.definitions[path] = file.conda
            if file.conda.unreadable:
                gathering.problems.extend(Problem(path, why, line) for line, why in file.conda.unreadable)
                self._name_all(path)
            gathering.uses.append(Use(path))
            self._follow(path, file.conda, gathering, constraint=False, chain=(path,))
            python = file.conda.python or python
        if file.conda_file is not None:
            python = self._conda_file(path, _resolve(folder, file.conda_file), file.conda_file, gathering) or python
        if file.build_path is not None:
            context = _resolve(folder, file.build_path)
            if context is None or "://" in file.build_path:
                gathering.warn(path, f"its build context {file.build_path!r} lies outside the repository")
                context = None
            else:
                dockerfile, content = self._context(path, context, file.dockerfile, gathering)
                python = (python_of_image(content.image) if content.image else None) or python
        return Environment(
            path=path,
            name=file.name,
            version=file.version,
            uses=tuple(gathering.uses),
            dockerfile=dockerfile,
            context=context,
            python=python,
            problems=tuple(gathering.problems),
            warnings=tuple(gathering.warnings),
        )

    def _conda_file(self, path: str, conda: str | None, written: str, gathering: "_Gathering") -> str | None:
        if conda is None or conda not in self.files:
            gathering.problems.append(Problem(path, f"its conda file {written!r} is not in the repository"))
            return None
        definition = self._use(conda, read_conda, gathering, constraint=False, chain=())
        return definition.python if definition else None

    def _context(self, path: str, context: str, written: str, gathering: "_Gathering") -> tuple[str | None, Dockerfile]:
        """Find the definition files of a build context; returns its Dockerfile's path, if it has one, and content."""
        found = posixpath.normpath(posixpath.join(context, written))
        dockerfile = Dockerfile()
        if found in self.files:
            try:
                read = self._blob(found, "dockerfile", read_dockerfile)
                if read is None:
                    return found, dockerfile  # what it hands over is asked for when it is here
                dockerfile = read
            except Unreadable as problem:
                gathering.problems.append(Problem(found, problem.why, problem.line))
                self._name_all(found)
            for word in dockerfile.words:
                self.named[word].add(found)
            if not dockerfile.packaged:
                what = f"it never uses {PACKAGES_FOLDER}: the image build would ask the feed, and be refused"
                gathering.warn(found, what)
        else:
            gathering.warn(path, f"its build context has no {found}")
        for file, handed in _handed_over(dockerfile, list(self._below(context)), context):
            reader = read_conda if handed.conda else read_requirements
            self._use(file, reader, gathering, constraint=handed.constraint, chain=())
        return (found if found in self.files else None), dockerfile

    def _name_all(self, path: str) -> None:
        """Note every name that stands in a file that cannot be read: it may be a requirement."""
        blob = self.files[path]
        try:
            words = self.shelf.words(blob)
        except KeyError:
            self.missing.add(blob)
            return
        for word in words:
            self.named[word].add(path)

    def _use(
        self,
        path: str,
        read: Callable[[SourceText], Definition],
        gathering: "_Gathering",
        *,
        constraint: bool,
        chain: tuple[str, ...],
    ) -> Definition | None:
        """Read a definition file for an environment, and what it includes."""
        use = Use(path, constraint)
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
        self.definitions[path] = definition
        if definition.unreadable:
            gathering.problems.extend(Problem(path, why, line) for line, why in definition.unreadable)
            self._name_all(path)
        self._follow(path, definition, gathering, constraint=constraint, chain=(*chain, path))
        return definition

    def _follow(
        self, path: str, definition: Definition, gathering: "_Gathering", *, constraint: bool, chain: tuple[str, ...]
    ) -> None:
        for include in definition.includes:
            target = _resolve(posixpath.dirname(path), include.path)
            where = (path, include.line)
            if "://" in include.path or include.path.startswith(("/", "\\")):
                gathering.warn(path, f"{include.path!r} is not in the repository and not read", include.line)
            elif target is None or target not in self.files:
                gathering.problems.append(Problem(*_at(where, f"it includes {include.path!r}, which is not there")))
            elif target in chain:
                gathering.problems.append(Problem(*_at(where, f"it includes {include.path!r}, which includes it")))
            elif len(chain) >= INCLUDE_DEPTH:
                gathering.problems.append(Problem(*_at(where, f"more than {INCLUDE_DEPTH} includes deep")))
            else:
                self._use(target, read_requirements, gathering,
                          constraint=constraint or include.constraint, chain=chain)  # fmt: skip


def _at(where: tuple[str, int], why: str) -> tuple[str, str, int]:
    return where[0], why, where[1]


@dataclass(slots=True)
class _Gathering:
    """What one environment is found to consist of, while it is looked at."""

    uses: list[Use] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    def warn(self, path: str, why: str, line: int | None = None) -> None:
        self.warnings.append(Problem(path, why, line))


def _resolve(folder: str, written: str) -> str | None:
    """The path, from the root, of what a file in `folder` calls `written`; None if that is outside."""
    path = written.replace("\\", "/")
    joined = posixpath.normpath(posixpath.join(folder, path))
    if posixpath.isabs(path) or joined == ".." or joined.startswith("../"):
        return None
    return "" if joined == "." else joined


def _handed_over(dockerfile: Dockerfile, inside: list[str], context: str) -> Iterator[tuple[str, HandedOver]]:
    """The definition files of a context.

    Those that the Dockerfile hands to pip or conda; where it names none that is there, every requirements*.txt that
    does not lie in a hidden folder.
    """
    found = False
    for handed in dockerfile.files:
        for path in _meant(handed.path, inside, context):
            found = True
            yield path, handed
    if not found:
        for path in inside:
            if _REQUIREMENTS.fullmatch(posixpath.basename(path)) and "/." not in f"/{path}":
                yield path, HandedOver(path)


def _meant(written: str, inside: list[str], context: str) -> list[str]:
    """The files of a context that a path in its Dockerfile can mean.

    COPY may have moved them, so the longest common end of the path decides.
    """
    parts = written.strip("/").split("/")
    for start in range(len(parts)):
        tail = "/".join(parts[start:])
        matches = [path for path in inside if path == tail or path.endswith(f"/{tail}")]
        exact = [path for path in matches if path == posixpath.normpath(posixpath.join(context, tail))]
        if matches:
            return exact or matches
    return []
