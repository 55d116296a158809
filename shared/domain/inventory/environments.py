"""Azure ML environments: how their YAML files are recognised and what they say.

The forms are those of environment.schema.json (Azure ML CLI v2, "environment YAML schema").
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

import yaml

from shared.domain.definitions import Definition, Problem
from shared.domain.definitions.conda import read_conda_node
from shared.domain.files.text import SourceText, Span
from shared.domain.files.yaml_nodes import compose, documents, entries, get, line_of, literal, scalar
from shared.domain.holds import Hold
from shared.domain.inventory.foreign import is_foreign
from shared.errors import Unreadable

_NUMBER = re.compile(r"(?P<before>(?:[0-9]+\.)*)(?P<last>[0-9]{1,18})")
_TEMPLATE = re.compile(r"\{\{|\$\{|\{%")
_SCHEMA = "environment.schema.json"
CONTENT = frozenset({"build", "image", "conda_file"})
# What said the content of an environment before the schema of today, which Azure ML's tools refuse now.
_OLD = ("docker", "python", "spark", "r", "databricks")
# What else stands in an environment's YAML. Azure ML's tools refuse a key that is none of these.
_KEYS = CONTENT.union(_OLD) | {
    "$schema", "name", "version", "description", "tags", "properties", "os_type", "inference_config", "datastore",
    "intellectual_property", "stage", "type", "<<",
}  # fmt: skip
_IMAGE_PARTS = frozenset({"repository", "tag", "pullPolicy"})
_KEY = re.compile(r"^(?P<indent>[ \t]*)(?P<item>-[ \t]+)?[\"']?(?P<key>[$\w.-]+)[\"']?[ \t]*:", re.MULTILINE)
_NAMED = re.compile(r"(?:^|[\s{,])[\"']?name[\"']?\s*:")
_FILLED = re.compile(r"(?:^|[\s{,])[\"']?(?:build|image|conda_file)[\"']?\s*:")
_IMAGE_PYTHON = re.compile(r"(?:^|[^a-z0-9])py(?P<major>[23])[._]?(?P<minor>\d{1,2})(?=$|[^0-9])|"
                           r"(?:^|/)python:(?P<version>\d+\.\d+)(?=$|[^0-9])")  # fmt: skip


@dataclass(frozen=True, slots=True)
class ExplicitVersion:
    """A version that an environment's YAML states, which has to rise with the content.

    Attributes:
        text: as written, without quotes.
        span: its bytes, or None where they cannot be edited.
        quoted: it stands in quotes; without them YAML reads 1.10 as 1.1.
    """

    text: str
    span: Span | None
    quoted: bool = False

    def __str__(self) -> str:
        """As written, with what keeps it from being raised if that does not show."""
        number = _NUMBER.fullmatch(self.text)
        return f"{self.text} without quotes, which YAML misreads" if number and not self.risen() else self.text

    @property
    def is_number_with_point(self) -> bool:
        """YAML reads it as a number such as 1.5; Azure ML's own tools refuse that, or take 1.10 for 1.1."""
        number = _NUMBER.fullmatch(self.text)
        return number is not None and not self.quoted and number["before"].count(".") == 1

    def risen(self) -> str | None:
        """The version after this one; the same where template text fills it in; None if there is none."""
        if _TEMPLATE.search(self.text):
            return self.text
        number = _NUMBER.fullmatch(self.text)
        if number is None or self.span is None:
            return None
        last = str(int(number["last"]) + 1).zfill(len(number["last"]))
        risen = f"{number['before']}{last}"
        # Without quotes 1.9 would become 1.10, which is 1.1.
        return None if self.is_number_with_point and str(float(risen)) != risen else risen


@dataclass(frozen=True, slots=True)
class EnvironmentFile:
    """The content of one environment YAML, independent of where it lies.

    Attributes:
        source: the file's text.
        name: the environment's name; empty where the file does not say it.
        version: the explicit version, if there is one.
        build_path: the build context, relative to the file.
        dockerfile: the Dockerfile, relative to the context.
        image: the base image.
        conda_file: path of a conda file, relative to the file.
        conda: the conda definition that stands inside the file.
        unreadable: what is wrong with it, as (line, why).
    """

    source: SourceText
    name: str
    version: ExplicitVersion | None = None
    build_path: str | None = None
    dockerfile: str = "Dockerfile"
    image: str | None = None
    conda_file: str | None = None
    conda: Definition | None = None
    unreadable: tuple[tuple[int | None, str], ...] = ()

    @property
    def contradiction(self) -> str | None:
        """Return what contradicts the build context, or None: Azure ML refuses both an image and a build context."""
        besides = {"image": self.image, "conda_file": self.conda_file or self.conda}
        return build_beside(key for key, value in besides.items() if value) if self.build_path else None


def build_beside(keys: Iterable[str]) -> str | None:
    """Say that `build` goes with none of some keys, or None if there are none."""
    found = " and ".join(keys)
    return f"`build` goes with neither `image` nor `conda_file` (it has {found})" if found else None


def read_environment(source: SourceText) -> EnvironmentFile | None:
    """Read an environment's YAML; None if the file is something else.

    Raises:
        Unreadable: it may be an environment (it names the schema, or has the keys) but is not YAML.
    """
    text = source.text
    if not _is_promising(text) or (_SCHEMA not in text and is_foreign(text)):
        return None
    try:
        found = documents(source)
    except Unreadable:
        if _may_be_one(text):
            raise
        return None
    root = next((root for root in found if _is_one(root)), None)
    if len(found) > 1 and root is not None:
        raise Unreadable(f"it holds {len(found)} YAML documents", line_of(found[1]))
    return read_node(source, root) if isinstance(root, yaml.MappingNode) else None


def _is_one(root: yaml.Node) -> bool:
    """Tell whether a map is an environment: by its schema, or by keys that are those of environments."""
    schema = scalar(get(root, "$schema"))
    if schema is not None or not isinstance(root, yaml.MappingNode):
        return schema is not None and _SCHEMA in schema
    keys = {key for key, _ in entries(root)}
    if "name" not in keys or not keys & CONTENT:
        return False
    if "conda_file" in keys or get(get(root, "build"), "path") is not None:
        return True
    # The values of a Helm chart have an image as well, in parts, and much else.
    return keys <= _KEYS and not _IMAGE_PARTS.intersection(key for key, _ in entries(get(root, "image")))


def _may_be_one(text: str) -> bool:
    """Tell whether a text that is not YAML has an environment's keys outermost."""
    if re.match(r"\s*\{(?![{%])", text):
        return True
    found = [(len(key["indent"]), not key["item"], key["key"]) for key in _KEY.finditer(text)]
    least = min((indent for indent, _, _ in found), default=0)
    outermost = {key for indent, plain, key in found if indent == least and plain}
    return ("$schema" in outermost and _SCHEMA in text) or ("name" in outermost and bool(outermost & CONTENT))


def _is_promising(text: str) -> bool:
    """Tell whether a text can be an environment at all: most YAML files are passed over without being parsed."""
    return _SCHEMA in text or bool(_NAMED.search(text) and _FILLED.search(text))


def is_template(text: str) -> bool:
    """Tell whether something else fills in a text, or a part of it."""
    return bool(_TEMPLATE.search(text))


def python_of_image(image: str) -> str | None:
    """The Python that an image's name states (`…-py310-…`, `python:3.10`), or None: most names do not say."""
    found = _IMAGE_PYTHON.search(image.lower())
    if found is None:
        return None
    return found["version"] or f"{found['major']}.{found['minor']}"


def read_node(source: SourceText, root: yaml.MappingNode, *, named: bool = True) -> EnvironmentFile:
    """Read an environment's map where it stands.

    Args:
        source: the file's text.
        root: the map.
        named: it needs a name; one that is defined in place needs none.
    """
    wrong: list[tuple[int | None, str]] = []

    def text(key: str, where: yaml.Node | None = root) -> str | None:
        node = get(where, key)
        if (filled_in := _unquoted_template(source, node)) is not None:
            return filled_in
        if node is not None and not isinstance(node, yaml.ScalarNode):
            wrong.append((line_of(node), f"`{key}` is not text"))
        return scalar(node)

    name = text("name")
    if not name and named:
        wrong.append((None, "the environment has no name"))
    build, conda = get(root, "build"), get(root, "conda_file")
    keys = {str(key.value): line_of(key) for key, _ in root.value}
    wrong.extend((keys[key], f"`{key}` is a key of Azure ML's SDK v1") for key in _OLD if key in keys)
    if all(get(root, key) is None for key in (*CONTENT, *_OLD)):
        wrong.append((None, "neither `build` nor `image` nor `conda_file` says what it is made of"))
    if build is not None and not isinstance(build, yaml.MappingNode):
        wrong.append((line_of(build), "`build` is not a map with a `path`"))
        build = None
    if build is not None and not text("path", build):
        wrong.append((line_of(build), "`build` has no `path`"))
    templated = _unquoted_template(source, conda)
    if conda is not None and not isinstance(conda, yaml.ScalarNode | yaml.MappingNode):
        wrong.append((line_of(conda), "`conda_file` is neither a path nor a map"))
    if conda is not None and "\n" in (scalar(conda) or "").strip():
        wrong.append((line_of(conda), "`conda_file` is a text of several lines, and Azure ML takes a path or a map"))
        conda = None
    return EnvironmentFile(
        source=source,
        name=name or "",
        version=_version(source, get(root, "version"), text("version")),
        build_path=_local(text("path", build)) if build is not None else None,
        dockerfile=(text("dockerfile_path", build) if build is not None else None) or "Dockerfile",
        image=text("image"),
        conda_file=_local(templated or scalar(conda)),
        conda=read_conda_node(source, conda) if isinstance(conda, yaml.MappingNode) and not templated else None,
        unreadable=tuple(dict.fromkeys(wrong)),
    )


def _local(path: str | None) -> str | None:
    """A path without the scheme that Azure ML's tools allow in front of it."""
    return path.removeprefix("file:") if path else path


@dataclass(frozen=True, slots=True)
class Asset:
    """The values of `asset.yaml` beside a template that it fills in (azureml-assets).

    Attributes:
        source: the file's text.
        version: the version, if it is a number; `auto` and the like rise by themselves.
    """

    source: SourceText
    version: ExplicitVersion | None


def read_asset(source: SourceText) -> Asset:
    """Read an `asset.yaml`.

    Raises:
        Unreadable: it is not YAML.
    """
    node = get(compose(source), "version")
    version = _version(source, node, scalar(node))
    return Asset(source, version if version and version.risen() not in (None, version.text) else None)


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """The folder that an asset's image is built from, for templates (`environment.yaml` of azureml-assets)."""

    folder: str
    dockerfile: str


def read_image_config(source: SourceText) -> ImageConfig | None:
    """Read `image: {context: {dir, dockerfile}}`; None if a file says no such thing.

    Raises:
        Unreadable: it is not YAML.
    """
    context = get(get(compose(source), "image"), "context")
    folder = scalar(get(context, "dir"))
    return ImageConfig(folder, scalar(get(context, "dockerfile")) or "Dockerfile") if folder else None


def _unquoted_template(source: SourceText, node: yaml.Node | None) -> str | None:
    """`{{asset.name}}` without quotes is a map in a map to YAML, and a template to its author."""
    if not isinstance(node, yaml.MappingNode):
        return None
    written = source.text[node.start_mark.index : node.end_mark.index]
    return written if written.startswith("{{") else None


def _version(source: SourceText, node: yaml.Node | None, text: str | None) -> ExplicitVersion | None:
    if not text:
        return None
    if not isinstance(node, yaml.ScalarNode):
        return ExplicitVersion(text, None) if is_template(text) else None
    place = literal(source, node)
    return ExplicitVersion(text, source.span(*place) if place else None, node.style in ("'", '"'))


@dataclass(frozen=True, slots=True)
class Use:
    """One definition file that an environment reads.

    Attributes:
        path: the file, from the repository's root.
        constraint: it only constrains (`-c`): it installs nothing by itself.
        source: what another file was compiled from: it installs nothing either.
        own: commands, a project, a lock or a package itself: pip is not handed it as a list.
        extras: of a project, those that are asked for.
    """

    path: str
    constraint: bool = False
    source: bool = False
    own: bool = False
    extras: frozenset[str] = frozenset()

    def installs(self, extras: frozenset[str]) -> bool:
        """Tell whether what some extras of the file bring is installed; with none it always is."""
        return not extras or not extras.isdisjoint(self.extras)


@dataclass(frozen=True, slots=True)
class Environment:
    """One environment at one commit, with all files that decide its content.

    Attributes:
        path: its YAML file, from the repository's root: its identity within a target.
        name: its name in Azure ML.
        version: the explicit version in its YAML.
        version_path: the file in which that stands, if it is another one.
        contradiction: what its YAML says beside the build context and Azure ML refuses there.
        uses: the definition files it reads, includes followed, in reading order.
        steps: for each installation of pip from files the files that it reads.
        dockerfile: its Dockerfile, from the root, if there is one in the repository.
        context: its build context's folder, from the root.
        python: the Python that its own files state, as `3.10`.
        problems: what keeps it from being read in full, and from being built.
        unseen: what else of it could not be read; it may be built all the same.
        opaque: what it installs that is not seen.
        warnings: what a person should know and what does not keep it from being rebuilt.
    """

    path: str
    name: str
    version: ExplicitVersion | None = None
    version_path: str | None = None
    contradiction: str | None = None
    uses: tuple[Use, ...] = ()
    steps: tuple[frozenset[str], ...] = ()
    dockerfile: str | None = None
    context: str | None = None
    python: str | None = None
    problems: tuple[Problem, ...] = ()
    unseen: tuple[Problem, ...] = ()
    opaque: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()

    def doubt(self, *, opaque: bool = True) -> tuple[Hold, str] | None:
        """Say why it may require a package that nothing in it names, or None if it was read in full.

        Args:
            opaque: count what it installs unseen; a rule may silence that.
        """
        for problem in (*self.problems, *self.unseen):
            return Hold.CANNOT_READ, f"cannot read {problem}"
        for problem in self.opaque if opaque else ():
            return Hold.OPAQUE, f"opaque: {problem}"
        return None
