"""Scans a repository: finds its environments, and the files that decide the content of each.

That is worked out from what the files say themselves: build contexts, `COPY`, `-r` and `-c`, conda files. It is pure:
where it lacks a blob it says so, and is asked again.
"""

import posixpath
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from operator import itemgetter

from shared.domain.definitions import Definition, Problem
from shared.domain.definitions.conda import read_conda
from shared.domain.definitions.dockerfile import PACKAGES_FOLDER, Dockerfile, read_dockerfile
from shared.domain.files.credentials import credential_lines
from shared.domain.files.text import SourceText
from shared.domain.inventory.catalog import Catalog, Listing, Missing, Shelf, Survey
from shared.domain.inventory.contexts import Context
from shared.domain.inventory.definition_reader import DefinitionReader, resolve
from shared.domain.inventory.environments import (
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
from shared.domain.inventory.foreign import chart_files
from shared.domain.inventory.gathering import Gathering
from shared.domain.inventory.scan_around import scan_around
from shared.domain.inventory.surroundings import Surroundings
from shared.errors import Unreadable

_YAML = (".yml", ".yaml")
_DOCKERFILE = re.compile(r"Dockerfile(?:\.[^/]*)?|[^/]+\.Dockerfile", re.IGNORECASE)
# What fills in templates in azureml-assets, beside the environment's YAML.
_ASSETS = ("asset.yaml", "asset.yml")
_IMAGE_CONFIGS = ("environment.yaml", "environment.yml")
_CREDENTIAL = (
    "an address holds a credential, and the file goes to Azure ML as it is: take it out, revoke it, and let the "
    "pipeline sign in instead"
)


def scan(listing: Listing, shelf: Shelf) -> Catalog | Missing:
    """Build the catalog of a listing, or say which blobs are missing for it.

    An environment is worked out anew only if something changed that it was worked out from.
    """
    shelf.turn_to(listing)
    return _Scan(listing, shelf).catalog()


class _Scan:
    """One pass over the files of a listing."""

    def __init__(self, listing: Listing, shelf: Shelf) -> None:
        self.listing = listing
        self.shelf = shelf
        self.paths = sorted(listing.files)
        self.contexts: dict[str, Context] = {}
        self.missing: set[str] = set()

    def catalog(self) -> Catalog | Missing:
        """Survey the environments and what lies around them, and index what was found."""
        foreign = chart_files(self.paths)
        surveys: list[Survey] = []
        warnings: list[Problem] = []
        for path in self.paths:
            if not path.lower().endswith(_YAML) or path in foreign:
                continue
            try:
                found = self._read(path, "environment", read_environment)
            except Unreadable as problem:
                warnings.append(Problem(path, problem.why, problem.line))
                continue
            if found is not None:
                surveys.append(self._survey(path, 0, found))
        surroundings = scan_around(self.paths, foreign, read=self._read, work_out=self._survey)
        return Missing(frozenset(self.missing)) if self.missing else self._indexed(surveys, warnings, surroundings)

    def _indexed(self, surveys: list[Survey], warnings: list[Problem], surroundings: Surroundings) -> Catalog:
        environments = tuple(survey.environment for survey in surveys)
        readers: defaultdict[str, list[int]] = defaultdict(list)
        namesakes: defaultdict[str, list[int]] = defaultdict(list)
        definitions: dict[str, Definition] = {}
        sources: dict[str, SourceText] = {}
        words: dict[str, frozenset[str]] = {}
        for at, survey in enumerate(surveys):
            environment = survey.environment
            for path in survey.reads:
                readers[path].append(at)
            if environment.name and not is_template(environment.name):
                namesakes[environment.name].append(at)
            definitions |= survey.definitions
            sources |= survey.sources
            words |= survey.words
        said = {problem.path for environment in environments for problem in environment.problems}
        files = self.listing.files
        return Catalog(
            commit=self.listing.commit,
            environments=environments,
            definitions=definitions,
            sources=sources,
            blobs={path: files[path] for path in {**definitions, **sources}},
            named=self.shelf.named(words),
            readers={path: tuple(positions) for path, positions in readers.items()},
            namesakes={name: tuple(positions) for name, positions in namesakes.items()},
            doubtful=tuple(environment for environment in environments if environment.doubt()),
            warnings=tuple(warning for warning in warnings if warning.path not in said),
            findings=tuple(self._findings({path: found.source for path, found in definitions.items()} | sources)),
            surroundings=surroundings,
        )

    def _read[T](self, path: str, kind: str, read: Callable[[SourceText], T]) -> T | None:
        blob = self.listing.files[path]
        try:
            return self.shelf.get(blob, kind, read)
        except KeyError:
            self.missing.add(blob)
            return None

    def _survey(self, path: str, number: int, file: EnvironmentFile) -> Survey:
        """What an environment consists of: worked out apart from all others, and kept once it is complete."""
        known = self.shelf.surveys.get((path, number))
        if known and known.file == file:
            return known
        surveyor = _Surveyor(self.listing, self.shelf, self.paths, self.contexts)
        survey = surveyor.survey(path, file)
        if surveyor.missing:
            self.missing |= surveyor.missing
        else:
            self.shelf.surveys[path, number] = survey
        return survey

    def _findings(self, sources: Mapping[str, SourceText]) -> Iterator[Problem]:
        for path, source in sorted(sources.items(), key=itemgetter(0)):
            if "://" in source.text:
                blob = self.listing.files[path]
                for line in self.shelf.once(blob, "credentials", partial(credential_lines, source.text)):
                    yield Problem(path, _CREDENTIAL, line)


class _Surveyor(DefinitionReader):
    """Works one environment out."""

    def survey(self, path: str, file: EnvironmentFile) -> Survey:
        """What it consists of, and what that was seen from."""
        environment = self._environment(path, file)
        self.sources[path] = file.source
        words = {
            at: definition.words.union(name for name, _ in definition.channel)
            if definition.channel
            else definition.words
            for at, definition in self.definitions.items()
        }
        words |= {at: found | words.get(at, frozenset()) for at, found in self.unread.items()}
        reads = (path, environment.dockerfile, *(use.path for use in environment.uses))
        return Survey(
            file=file,
            environment=environment,
            reads=tuple(dict.fromkeys(read for read in reads if read)),
            definitions=self.definitions,
            sources=self.sources,
            words=words,
            looked_up=tuple(self.looked_up | {path}),
            listed=tuple(self.listed),
        )

    def _environment(self, path: str, file: EnvironmentFile) -> Environment:
        gathering = Gathering(problems=[Problem(path, why, line) for line, why in file.unreadable])
        folder = posixpath.dirname(path)
        python = python_of_image(file.image) if file.image else None
        if file.conda is not None:
            self._take(path, file.conda, gathering)
            gathering.uses.append(Use(path))
            gathering.steps[path] = {path}
            self._follow(path, file.conda, gathering, Use(path), chain=(path,))
            python = file.conda.python or python
        if file.conda_file is not None:
            python = self._conda_file(path, resolve(folder, file.conda_file), file.conda_file, gathering) or python
        if file.build_path is not None:
            python = self._build(path, file, gathering) or python
        if file.build_path is None:
            for use in gathering.uses:
                projects = self.definitions[use.path].projects if use.path in self.definitions else ()
                gathering.opaque += (Problem(use.path, written, line) for line, written in projects)
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
            unseen=tuple(dict.fromkeys(gathering.unseen)),
            opaque=tuple(dict.fromkeys(gathering.opaque)),
            warnings=tuple(gathering.warnings),
        )

    def _asset(self, folder: str) -> tuple[str, ExplicitVersion] | None:
        """The version that fills in a template, and the file in which it stands."""
        for name in _ASSETS:
            path = posixpath.join(folder, name)
            try:
                asset = self._blob(path, "asset", read_asset) if self._is_file(path) else None
            except Unreadable:
                continue
            if asset and asset.version:
                self.sources[path] = asset.source
                return path, asset.version
        return None

    def _conda_file(self, path: str, conda: str | None, written: str, gathering: Gathering) -> str | None:
        if conda is None or not self._is_file(conda):
            why = f"its conda file {written!r} is not in the repository"
            gathering.problems.append(Problem(path, (conda and self._linked(conda)) or why))
            return None
        gathering.steps[conda] = {conda}
        definition = self._use(Use(conda), read_conda, gathering, chain=())
        return definition.python if definition else None

    def _build(self, path: str, file: EnvironmentFile, gathering: Gathering) -> str | None:
        """Find the definition files of a build context, and the Python that they state."""
        folder, written = posixpath.dirname(path), file.build_path or ""
        if is_template(written):
            context, name = self._unnamed_context(folder, file.dockerfile)
            gathering.warn(path, f"its build context {written!r} is filled in elsewhere: taken for {context or '.'!r}")
        else:
            found = resolve(folder, written)
            if found is None or "://" in written:
                gathering.unseen.append(Problem(path, f"its build context {written!r} lies outside the repository"))
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
            context = resolve(folder, config.folder) if config else None
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
            return self._blob(path, "image", read_image_config) if self._is_file(path) else None
        except Unreadable:
            return None

    def _context(self, path: str, context: str, written: str, gathering: Gathering) -> str | None:
        found = posixpath.normpath(posixpath.join(context, written))
        self.listed.add(context)
        if context not in self.contexts:
            start = len(context) + 1 if context else 0
            inside = {below_path[start:]: below_path for below_path in self._below(context)}
            self.contexts[context] = Context(context, inside, self._linked)
        folder = self.contexts[context]
        dockerfile = self._dockerfile(path, found, folder, gathering)
        contents = folder.read(found, dockerfile)
        python = python_of_image(dockerfile.image) if dockerfile and dockerfile.image else None
        return self._install(found, contents, folder, gathering) or python

    def _dockerfile(self, path: str, found: str, context: Context, gathering: Gathering) -> Dockerfile | None:
        """Read a Dockerfile; None if there is none that can be read."""
        if not self._is_file(found):
            gathering.unseen.append(Problem(path, self._linked(found) or context.lack(found)))
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
