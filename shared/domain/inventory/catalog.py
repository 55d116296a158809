"""The catalog: every environment of a repository at one commit, with the files that decide its content.

It is built (`scan`) from a listing (which blob lies at which path) and from what each blob says. What a
blob says does not depend on where or when it lies, so it is read once for its blob id and kept (`Shelf`); a new commit
costs only the blobs that it brings.
"""

import posixpath
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from packaging.version import Version

from shared.domain.definitions import Definition, Problem, Requirement
from shared.domain.definitions.hashes import has_hashes
from shared.domain.definitions.pins import Exact, pin_of
from shared.domain.files.text import SourceText
from shared.domain.inventory.environments import Environment, EnvironmentFile
from shared.domain.inventory.surroundings import Surroundings
from shared.domain.names import PackageName, words_of
from shared.errors import Unreadable
from shared.limits import DEFINITION_BYTES


class Link(StrEnum):
    """A link or submodule: a path whose content lies elsewhere, which is not followed."""

    SYMBOLIC = "a symbolic link"
    SUBMODULE = "a submodule"


@dataclass(frozen=True, slots=True)
class Listing:
    """The blobs by their paths at one commit.

    Attributes:
        commit: the commit's id.
        files: path from the root, without a leading slash → blob id. Symbolic links and submodules are left out.
        links: the paths of those; nothing below them is listed.
    """

    commit: str
    files: Mapping[str, str]
    links: Mapping[str, Link] = field(default_factory=dict)


def folders_of(path: str) -> Iterator[str]:
    """The folders that a path lies in, up to the root, which is empty."""
    while path:
        path = posixpath.dirname(path)
        yield path


def content_of(environment: Environment, listing: Listing, *others: str) -> Mapping[str, str]:
    """Which blob, or which kind of link, lies at each path that may decide an environment's content.

    Args:
        environment: the environment.
        listing: the files of a commit.
        others: files that count besides its own and those of its build context.
    """
    named = {environment.path, environment.version_path, environment.dockerfile, *others}
    named.update(use.path for use in environment.uses)
    folder = None if environment.context is None else f"{environment.context}/" if environment.context else ""
    return {
        path: str(blob)
        for path, blob in {**listing.files, **listing.links}.items()
        if path in named or (folder is not None and path.startswith(folder))
    }


@dataclass(frozen=True, slots=True)
class Missing:
    """Blobs whose bytes a scan needs and does not have."""

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
        named: which files name a package: a word of theirs does, so they may require it.
        readers: positions in `environments` of those that read a file.
        namesakes: positions in `environments` of those that bear a name.
        doubtful: the environments that may require what nothing in them names (`Environment.doubt`).
        warnings: files that may be environments and cannot be read.
        findings: what should be fixed in the files: credentials in addresses.
        surroundings: what else uses packages and environments.
    """

    commit: str
    environments: tuple[Environment, ...]
    definitions: Mapping[str, Definition]
    sources: Mapping[str, SourceText]
    blobs: Mapping[str, str]
    named: Mapping[str, frozenset[str]]
    readers: Mapping[str, tuple[int, ...]]
    namesakes: Mapping[str, tuple[int, ...]]
    doubtful: tuple[Environment, ...] = ()
    warnings: tuple[Problem, ...] = ()
    findings: tuple[Problem, ...] = ()
    surroundings: Surroundings = field(default_factory=Surroundings)

    def naming(self, package: PackageName) -> list[Environment]:
        """The environments that name a package, in the order of their paths."""
        positions = {at for path in self.named.get(package, ()) for at in self.readers.get(path, ())}
        return [self.environments[at] for at in sorted(positions)]

    def reading(self, path: str) -> list[Environment]:
        """The environments that read a file."""
        return [self.environments[at] for at in self.readers.get(path, ())]

    def at(self, path: str) -> Environment | None:
        """The environment whose YAML file lies at a path."""
        return next((environment for environment in self.reading(path) if environment.path == path), None)

    def unread(self, environment: Environment) -> Problem | None:
        """Return the first problem of an environment's files; pip and conda would refuse it too."""
        for problem in environment.problems:
            return problem
        for use in environment.uses:
            definition = self.definitions.get(use.path)
            for line, why in definition.unreadable if definition else ():
                return Problem(use.path, why, line)
        return None

    def is_hashed(self, package: PackageName) -> bool:
        """Tell whether a requirement of a package carries hashes."""
        return any(has_hashes(requirement) for requirement in self._requirements(package))

    def pinned(self, package: PackageName) -> set[Version]:
        """The versions that files pin of a package."""
        found = set()
        for requirement in self._requirements(package):
            try:
                pin = pin_of(requirement)
            except Unreadable:
                continue
            if isinstance(pin, Exact):
                found.add(pin.version)
        return found

    def _requirements(self, package: PackageName) -> Iterator[Requirement]:
        for path in self.named.get(package, ()):
            definition = self.definitions.get(path)
            yield from definition.naming(package).requirements if definition else ()

    def called(self, name: str) -> list[Environment]:
        """The environments that bear a name; more than one is a mistake in the repository."""
        return [self.environments[at] for at in self.namesakes.get(name, ())]


@dataclass(frozen=True, slots=True)
class Survey:
    """One environment, worked out apart from all others, and what that was seen from.

    Attributes:
        file: what is written of it where it is defined.
        environment: the environment.
        reads: the files that decide its content, itself included.
        definitions: what the definition files say that it uses, by path.
        sources: the text of its YAML, and of the file that states its version.
        words: every word in a definition file that may be a package's name, by path; also of those that cannot be read.
        looked_up: paths that were looked for, whether there is something or not.
        listed: folders of which it was asked what lies below them.
    """

    file: EnvironmentFile
    environment: Environment
    reads: tuple[str, ...]
    definitions: Mapping[str, Definition]
    sources: Mapping[str, SourceText]
    words: Mapping[str, frozenset[str]]
    looked_up: tuple[str, ...]
    listed: tuple[str, ...]


@dataclass(slots=True)
class Shelf:
    """What is known of a repository from one commit to the next.

    The content of blobs by their id, which is read once and good for every commit that holds them, and the environments
    of the last commit, each of which is good until something changes that it was seen from.

    Attributes:
        raw: the bytes of blobs.
        broken: why the bytes of others cannot be had.
        surveys: environments by their file and their number in it: 0 for one that is registered.
    """

    raw: dict[str, bytes] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    surveys: dict[tuple[str, int], Survey] = field(default_factory=dict)
    _read: dict[tuple[str, str], object] = field(default_factory=dict)
    _listing: Listing | None = None
    _words: Mapping[str, frozenset[str]] = field(default_factory=dict)
    _named: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def turn_to(self, listing: Listing) -> None:
        """Forget the environments that may be others in a listing than in the one before."""
        before, self._listing = self._listing, listing
        if before is None or before is listing:
            return
        if before.links != listing.links:
            self.surveys.clear()
            return
        moved = before.files.keys() ^ listing.files.keys()
        changed = moved | {path for path, blob in listing.files.items() if before.files.get(path) != blob}
        folders = {folder for path in moved for folder in folders_of(path)}
        self.surveys = {
            place: survey
            for place, survey in self.surveys.items()
            if changed.isdisjoint(survey.looked_up) and folders.isdisjoint(survey.listed)
        }

    def named(self, words: Mapping[str, frozenset[str]]) -> Mapping[str, frozenset[str]]:
        """Which files name a word; only those that are new or say something new are gone through.

        Args:
            words: the words of each file.
        """
        gone: defaultdict[str, set[str]] = defaultdict(set)
        come: defaultdict[str, set[str]] = defaultdict(set)
        for path in self._words.keys() - words.keys():
            for word in self._words[path]:
                gone[word].add(path)
        for path, found in words.items():
            if (known := self._words.get(path, frozenset())) is not found:
                for word in known:
                    gone[word].add(path)
                for word in found:
                    come[word].add(path)
        named = dict(self._named)
        for word in [*gone.keys() - come.keys(), *come]:
            found = frozenset(named.pop(word, frozenset()) - gone.pop(word, set()) | come.pop(word, set()))
            if found:
                named[word] = found
        self._words, self._named = words, named
        return named

    def get[T](self, blob: str, kind: str, read: Callable[[SourceText], T]) -> T:
        """Return what a blob says, read as `kind`.

        Raises:
            KeyError: the blob's bytes are not here.
            Unreadable: it cannot be read as that.
        """
        key = (blob, kind)
        if key not in self._read:
            raw = self.raw[blob] if blob not in self.broken else b""
            try:
                if blob in self.broken:
                    raise Unreadable(self.broken[blob])
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

        def words() -> frozenset[str]:
            raw = self.raw[blob][:DEFINITION_BYTES] if blob not in self.broken else b""
            return words_of(raw.replace(b"\0", b"").decode("latin-1"))

        return self.once(blob, "words", words)

    def once[T](self, blob: str, kind: str, work_out: Callable[[], T]) -> T:
        """Return what follows from a blob alone, worked out once."""
        key = (blob, kind)
        if key not in self._read:
            self._read[key] = work_out()
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
