"""Scans a repository: finds its environments, and the files that decide the content of each.

That is worked out from what the files say themselves: build contexts, `COPY`, `-r` and `-c`, conda files. It is pure:
where it lacks a blob it says so, and is asked again.
"""

import posixpath
import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from copy import copy

from shared.domain.definitions import Definition, Problem
from shared.domain.definitions.conda import read_conda
from shared.domain.definitions.dockerfile import PACKAGES_FOLDER, Dockerfile, read_dockerfile
from shared.domain.files.credentials import credential_lines
from shared.domain.files.text import SourceText
from shared.domain.inventory.catalog import Catalog, Listing, Missing, Shelf
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
from shared.domain.inventory.scan_around import Apart, scan_around
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
    """Build the catalog of a listing, or say which blobs are missing for it."""
    scanner = _Scanner(listing, shelf)
    catalog = scanner.catalog()
    return Missing(frozenset(scanner.missing)) if scanner.missing else catalog


class _Scanner(DefinitionReader):
    def catalog(self) -> Catalog:
        environments: list[Environment] = []
        warnings: list[Problem] = []
        readers: defaultdict[str, list[int]] = defaultdict(list)
        namesakes: defaultdict[str, list[int]] = defaultdict(list)
        foreign = chart_files(self.paths)
        for path in self.paths:
            if not path.lower().endswith(_YAML) or path in foreign:
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
        said = {problem.path for environment in environments for problem in environment.problems}
        warnings = [warning for warning in warnings if warning.path not in said]
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
            doubtful=tuple(environment for environment in environments if environment.doubt()),
            warnings=tuple(warnings),
            findings=tuple(self._findings()),
            surroundings=scan_around(self.paths, foreign, read=self._blob, work_out=self._apart),
        )

    def _apart(self, path: str, file: EnvironmentFile) -> Apart:
        """Work an environment out that is none of the catalog's."""
        other = copy(self)
        other.definitions, other.sources, other.named = {}, {}, defaultdict(set)
        environment = other._environment(path, file)
        return Apart(environment, other.definitions, frozenset(other.named))

    def _findings(self) -> Iterator[Problem]:
        texts = {**self.sources, **{path: definition.source for path, definition in self.definitions.items()}}
        for path, source in sorted(texts.items()):
            for line in credential_lines(source.text):
                yield Problem(path, _CREDENTIAL, line)

    def _below(self, folder: str) -> Iterator[str]:
        prefix = f"{folder}/" if folder else ""
        at = bisect_left(self.paths, prefix)
        while at < len(self.paths) and self.paths[at].startswith(prefix):
            yield self.paths[at]
            at += 1

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
                asset = self._blob(path, "asset", read_asset) if path in self.files else None
            except Unreadable:
                continue
            if asset and asset.version:
                self.sources[path] = asset.source
                return path, asset.version
        return None

    def _conda_file(self, path: str, conda: str | None, written: str, gathering: Gathering) -> str | None:
        if conda is None or conda not in self.files:
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
            return self._blob(path, "image", read_image_config) if path in self.files else None
        except Unreadable:
            return None

    def _context(self, path: str, context: str, written: str, gathering: Gathering) -> str | None:
        found = posixpath.normpath(posixpath.join(context, written))
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
        if found not in self.files:
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
