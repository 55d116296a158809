"""Surveys a repository: which environments it holds, and which files decide the content of each.

That is worked out from what the files say themselves: build contexts, `COPY`, `-r` and `-c`, conda files. It is pure:
where it lacks a blob it says so, and is asked again.
"""

import posixpath
import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from shared.domain.catalog import Catalog, Listing, Missing, Shelf
from shared.domain.credentials import credential_lines
from shared.domain.definitions import Definition, Include, Problem
from shared.domain.definitions.conda import read_conda
from shared.domain.definitions.dockerfile import PACKAGES_FOLDER, Dockerfile, read_dockerfile
from shared.domain.definitions.requirements import read_requirements
from shared.domain.definitions.sources import HandedOver, copied, origins
from shared.domain.environments import (
    Environment,
    EnvironmentFile,
    ExplicitVersion,
    ImageConfig,
    Use,
    is_template,
    python_of_image,
    read_asset,
    read_environment,
    read_image_config,
)
from shared.domain.text import SourceText
from shared.errors import Unreadable
from shared.limits import INCLUDE_DEPTH

_YAML = (".yml", ".yaml")
_REQUIREMENTS = re.compile(r"requirements[^/]*\.txt", re.IGNORECASE)
_DOCKERFILE = re.compile(r"Dockerfile(?:\.[^/]*)?|[^/]+\.Dockerfile", re.IGNORECASE)
# What fills in templates in azureml-assets, beside the environment's YAML.
_ASSETS = ("asset.yaml", "asset.yml")
_IMAGE_CONFIGS = ("environment.yaml", "environment.yml")
_CREDENTIAL = "an address holds a credential: take it out, revoke it, and let the pipeline sign in instead"


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
            if environment.name and not is_template(environment.name):
                namesakes[environment.name].append(len(environments))
            environments.append(environment)
        for path, definition in self.definitions.items():
            for word in definition.words:
                self.named[word].add(path)
            for name, _ in definition.channel:
                self.named[name].add(path)
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
            findings=tuple(self._findings()),
        )

    def _findings(self) -> Iterator[Problem]:
        texts = {**self.sources, **{path: definition.source for path, definition in self.definitions.items()}}
        for path, source in sorted(texts.items()):
            for line in credential_lines(source.text):
                yield Problem(path, _CREDENTIAL, line)

    def _blob[T](self, path: str, kind: str, read: Callable[[SourceText], T]) -> T | None:
        blob = self.files[path]
        try:
            return self.shelf.get(blob, kind, read)
        except KeyError:
            self.missing.add(blob)
            return None

    def _below(self, folder: str) -> Iterator[str]:
        prefix = f"{folder}/" if folder else ""
        at = bisect_left(self.paths, prefix)
        while at < len(self.paths) and self.paths[at].startswith(prefix):
            yield self.paths[at]
            at += 1

    def _environment(self, path: str, file: EnvironmentFile) -> Environment:
        gathering = _Gathering(problems=[Problem(path, why, line) for line, why in file.unreadable])
        folder = posixpath.dirname(path)
        python = python_of_image(file.image) if file.image else None
        if file.conda is not None:
            self._take(path, file.conda, gathering)
            gathering.uses.append(Use(path))
            gathering.steps[path] = {path}
            self._follow(path, file.conda, gathering, Use(path), chain=(path,))
            python = file.conda.python or python
        if file.conda_file is not None:
            python = self._conda_file(path, _resolve(folder, file.conda_file), file.conda_file, gathering) or python
        if file.build_path is not None:
            python = self._build(path, file, gathering) or python
        version, version_path = file.version, None
        if version and is_template(version.text) and (asset := self._asset(folder)):
            version_path, version = asset
        return Environment(
            path=path,
            name=file.name,
            version=version,
            version_path=version_path,
            contradiction=file.contradiction,
            uses=tuple(gathering.uses),
            steps=tuple(self._reached(step) for step in gathering.steps.values()),
            dockerfile=gathering.dockerfile,
            context=gathering.context,
            python=python,
            problems=tuple(gathering.problems),
            warnings=tuple(gathering.warnings),
        )

    def _asset(self, folder: str) -> tuple[str, ExplicitVersion] | None:
        """The version that fills in a template, and the file in which it stands."""
        for name in _ASSETS:
            path = posixpath.join(folder, name)
            try:
                asset = self._blob(path, "asset", read_asset) if path in self.files else None
            except Unreadable:
                continue
            if asset and asset.version:
                self.sources[path] = asset.source
                return path, asset.version
        return None

    def _conda_file(self, path: str, conda: str | None, written: str, gathering: "_Gathering") -> str | None:
        if conda is None or conda not in self.files:
            gathering.problems.append(Problem(path, f"its conda file {written!r} is not in the repository"))
            return None
        gathering.steps[conda] = {conda}
        definition = self._use(Use(conda), read_conda, gathering, chain=())
        return definition.python if definition else None

    def _reached(self, paths: set[str]) -> frozenset[str]:
        """Some files and all that they include: what one installation reads."""
        waiting, found = [*paths], set()
        while waiting:
            path = waiting.pop()
            if path in found or path not in self.definitions:
                continue
            found.add(path)
            for include in self.definitions[path].includes:
                target = None if include.source else _resolve(posixpath.dirname(path), include.path)
                waiting += [target] if target else []
        return frozenset(found)

    def _build(self, path: str, file: EnvironmentFile, gathering: "_Gathering") -> str | None:
        """Find the definition files of a build context, and the Python that they state."""
        folder, written = posixpath.dirname(path), file.build_path or ""
        if is_template(written):
            context, name = self._unnamed_context(folder, file.dockerfile)
            gathering.warn(path, f"its build context {written!r} is filled in elsewhere: taken for {context or '.'!r}")
        else:
            found = _resolve(folder, written)
            if found is None or "://" in written:
                gathering.warn(path, f"its build context {written!r} lies outside the repository")
                return None
            context, name = found, "Dockerfile" if is_template(file.dockerfile) else file.dockerfile
        gathering.context = context
        return self._context(path, context, name, gathering)

    def _unnamed_context(self, folder: str, dockerfile: str) -> tuple[str, str]:
        """The build context of an environment whose path template text fills in.

        A file beside it says where its image is built, as in azureml-assets; otherwise the nearest Dockerfile below.
        """
        for name in _IMAGE_CONFIGS:
            config = self._image_config(posixpath.join(folder, name))
            context = _resolve(folder, config.folder) if config else None
            if config and context is not None:
                return context, config.dockerfile if is_template(dockerfile) else dockerfile
        wanted = None if is_template(dockerfile) else posixpath.basename(dockerfile)
        found = [
            below
            for below in self._below(folder)
            if posixpath.basename(below) == wanted
            or (wanted is None and _DOCKERFILE.fullmatch(posixpath.basename(below)))
        ]
        if not found:
            return folder, wanted or "Dockerfile"
        nearest = min(found, key=lambda below: (below.count("/"), len(posixpath.basename(below)), below))
        return posixpath.dirname(nearest), posixpath.basename(nearest)

    def _image_config(self, path: str) -> ImageConfig | None:
        try:
            return self._blob(path, "image", read_image_config) if path in self.files else None
        except Unreadable:
            return None

    def _context(self, path: str, context: str, written: str, gathering: "_Gathering") -> str | None:
        found = posixpath.normpath(posixpath.join(context, written))
        dockerfile = self._dockerfile(path, found, gathering)
        below = list(self._below(context))
        start = len(context) + 1 if context else 0
        inside = {below_path[start:]: below_path for below_path in below}
        python = python_of_image(dockerfile.image) if dockerfile and dockerfile.image else None
        for file, handed in _handed_over(dockerfile, inside):
            if handed.conda:
                definition = self._use(Use(file), read_conda, gathering, chain=())
                python = (definition.python if definition else None) or python
            else:
                gathering.steps.setdefault(file if handed.step is None else handed.step, set()).add(file)
                self._use(Use(file, handed.constraint), read_requirements, gathering, chain=())
        return python

    def _dockerfile(self, path: str, found: str, gathering: "_Gathering") -> Dockerfile | None:
        """Read a Dockerfile; None if there is none that can be read."""
        if found not in self.files:
            gathering.warn(path, f"its build context has no {found}")
            return None
        gathering.dockerfile = found
        try:
            read = self._blob(found, "dockerfile", read_dockerfile)
        except Unreadable as problem:
            gathering.problems.append(Problem(found, problem.why, problem.line))
            gathering.uses.append(Use(found))
            self._name_all(found)
            return None
        if read is None:
            return Dockerfile(Definition(SourceText("", "utf-8")))  # what it hands over is asked for when it is here
        gathering.uses.append(Use(found))
        self._take(found, read.definition, gathering)
        if not read.packaged:
            what = f"it never uses {PACKAGES_FOLDER}: the image build would ask the feed, and be refused"
            gathering.warn(found, what)
        return read

    def _take(self, path: str, definition: Definition, gathering: "_Gathering") -> None:
        self.definitions[path] = definition
        if definition.unusual:
            gathering.problems.extend(Problem(path, why, line) for line, why in definition.unusual)
            self._name_all(path)

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
        self, use: Use, read: Callable[[SourceText], Definition], gathering: "_Gathering", *, chain: tuple[str, ...]
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
        self, path: str, definition: Definition, gathering: "_Gathering", use: Use, *, chain: tuple[str, ...]
    ) -> None:
        for include in definition.includes:
            target = _resolve(posixpath.dirname(path), include.path)
            if include.source:
                # The command that compiled the file may have run in the repository's root.
                for source in (target, _resolve("", include.path)):
                    if source in self.files and source not in chain:
                        self._use(Use(str(source), source=True), read_requirements, gathering, chain=chain)
                        break
            elif why := self._refused(include, target, chain):
                gathering.problems.append(Problem(path, why, include.line))
            elif target is None or _is_elsewhere(include.path):
                gathering.warn(path, f"{include.path!r} is not in the repository and not read", include.line)
            else:
                inner = Use(target, use.constraint or include.constraint, use.source)
                self._use(inner, read_requirements, gathering, chain=chain)

    def _refused(self, include: Include, target: str | None, chain: tuple[str, ...]) -> str | None:
        """Why an include cannot be followed; one that leads elsewhere is no mistake."""
        if _is_elsewhere(include.path):
            return None
        if target is None or target not in self.files:
            return f"it includes {include.path!r}, which is not there"
        if target in chain:
            return f"it includes {include.path!r}, which includes it"
        return f"more than {INCLUDE_DEPTH} includes deep" if len(chain) >= INCLUDE_DEPTH else None


@dataclass(slots=True)
class _Gathering:
    """What one environment is found to consist of, while it is looked at."""

    uses: list[Use] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    steps: dict[object, set[str]] = field(default_factory=dict)
    context: str | None = None
    dockerfile: str | None = None

    def warn(self, path: str, why: str, line: int | None = None) -> None:
        self.warnings.append(Problem(path, why, line))


def _is_elsewhere(path: str) -> bool:
    return "://" in path or path.startswith(("/", "\\"))


def _resolve(folder: str, written: str) -> str | None:
    """The path, from the root, of what a file in `folder` calls `written`; None if that is outside."""
    path = written.replace("\\", "/")
    joined = posixpath.normpath(posixpath.join(folder, path))
    if posixpath.isabs(path) or joined == ".." or joined.startswith("../"):
        return None
    return "" if joined == "." else joined


def _handed_over(dockerfile: Dockerfile | None, inside: dict[str, str]) -> Iterable[tuple[str, HandedOver]]:
    """The definition files of a context, by their paths from the root.

    Those that the Dockerfile hands to pip or conda; where it hands over none that is there, the requirements files that
    it copies by name, or in folders too if a variable says which one it hands over; without a Dockerfile, every
    requirements file that does not lie in a hidden folder.
    """
    found = []
    for handed in dockerfile.files if dockerfile else ():
        if not handed.path.endswith((".toml", ".py", ".cfg", ".lock")):
            found += [(inside[path], handed) for path in origins(handed, inside)]
    if found:
        return found
    if dockerfile is None:
        candidates: Iterable[str] = inside.keys()
    else:
        somewhere = any(is_template(handed.path) or "$" in handed.path for handed in dockerfile.files)
        candidates = copied(dockerfile.copies, inside.keys(), folders=somewhere)
    return [
        (inside[path], HandedOver(path))
        for path in sorted(candidates)
        if _REQUIREMENTS.fullmatch(posixpath.basename(path)) and "/." not in f"/{path}"
    ]
