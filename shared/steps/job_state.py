"""What one job knows of its environment, handed from step to step in a file."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from shared.domain.definitions.dockerfile import PACKAGES_FOLDER
from shared.domain.inventory.build_blockers import is_safe_path
from shared.domain.inventory.surroundings import Elsewhere
from shared.domain.targets import Workspace
from shared.errors import InvalidConfiguration, Permanent

# What the app sends looks like this.
_FORMS = {
    "REBUILDER_REBUILD": r"[0-9a-f]{4,64}",
    "REBUILDER_BATCH": r"[1-9][0-9]{0,5}",
    "REBUILDER_COMMIT": r"[0-9a-f]{40}",
}


class StepFailed(Permanent):
    """The environment cannot be rebuilt; the first line says why."""


@dataclass(frozen=True, slots=True)
class Job:
    """What the pipeline says about the job.

    Attributes:
        environment: path of the environment's YAML, from the repository's root.
        rebuild: the rebuild's identity.
        batch: which of the rebuild's batches the run is about.
        earlier: rebuilds of the same files before this one.
        run: the pipeline run's id.
        commit: the commit that is built.
        workspaces: where the environment is registered.
        sources: the checkout.
        folder: the job's own folder.
    """

    environment: str
    rebuild: str
    batch: str
    earlier: tuple[str, ...]
    run: str
    commit: str
    workspaces: tuple[Workspace, ...]
    sources: Path
    folder: Path

    @classmethod
    def read(cls, variables: Mapping[str, str]) -> "Job":
        """Read the variables that pipelines/rebuild.yml sets.

        Raises:
            InvalidConfiguration: naming all that are missing or wrong.
        """
        names = ("REBUILDER_ENVIRONMENT", "REBUILDER_WORKSPACES", "REBUILDER_FOLDER", *_FORMS,
                 "BUILD_BUILDID", "BUILD_SOURCESDIRECTORY")  # fmt: skip
        problems = [f"`{name}` is missing" for name in names if not variables.get(name, "").strip()]
        workspaces = []
        for text in variables.get("REBUILDER_WORKSPACES", "").split(","):
            parts = [part.strip() for part in text.split("/")]
            if len(parts) == 3 and all(parts):
                workspaces.append(Workspace(*parts))
            elif text.strip():
                problems.append(f"workspace {text.strip()!r} is not `subscription/resource group/workspace`")
        path = variables.get("REBUILDER_ENVIRONMENT", "")
        if path and not is_safe_path(path):
            problems.append(f"environment {path!r} is no safe path: letters, digits and . _ / - only, without ..")
        for name, form in _FORMS.items():
            if variables.get(name) and not re.fullmatch(form, variables[name]):
                problems.append(f"`{name}` is not what the app sends")
        earlier = tuple(filter(None, variables.get("REBUILDER_EARLIER", "").split("+")))
        if not all(re.fullmatch(_FORMS["REBUILDER_REBUILD"], rebuild) for rebuild in earlier):
            problems.append("`REBUILDER_EARLIER` is not what the app sends")
        if problems:
            raise InvalidConfiguration("the pipeline's variables", problems)
        return cls(
            environment=variables["REBUILDER_ENVIRONMENT"],
            rebuild=variables["REBUILDER_REBUILD"],
            batch=variables["REBUILDER_BATCH"],
            earlier=earlier,
            run=variables["BUILD_BUILDID"],
            commit=variables["REBUILDER_COMMIT"],
            workspaces=tuple(workspaces),
            sources=Path(variables["BUILD_SOURCESDIRECTORY"]),
            folder=Path(variables["REBUILDER_FOLDER"]),
        )


@dataclass(frozen=True, slots=True)
class Registered:
    """An environment version that Azure ML took.

    Attributes:
        workspace: where.
        version: its number.
        unchanged: it was there already, with this content: only its tags are new.
    """

    workspace: str
    version: str
    unchanged: bool = False


@dataclass(slots=True)
class Work:
    """What has been found out and done.

    Attributes:
        name: the environment's name in Azure ML.
        python: the Python of the environment, as `3.10`.
        dockerfile: the Dockerfile, relative to the build context.
        requirements: the requirements files, relative to the build context, that are installed.
        constraints: likewise, that constrain.
        files: all definition files, with those that they include.
        listed: whether a conda file installs packages too, which no requirements file names.
        wanted: what is downloaded, as lines for pip.
        limits: what constrains the download, as lines for pip.
        ruled: what the rules say of versions that the files leave open, likewise.
        own: what the Dockerfile's own commands install of the feed's packages, each by itself.
        private: packages that the rules name and a definition file requires.
        packages: what was downloaded, name → version.
        registered: where and as which version it was registered.
        warnings: what a person should know.
        elsewhere: who names the environment, and which inline environments require its private packages.
        problem: why it failed.
    """

    name: str
    python: str = ""
    dockerfile: str = "Dockerfile"
    requirements: list[str] = field(default_factory=list)
    constraints: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    listed: bool = False
    wanted: list[str] = field(default_factory=list)
    limits: list[str] = field(default_factory=list)
    ruled: list[str] = field(default_factory=list)
    own: list[str] = field(default_factory=list)
    private: list[str] = field(default_factory=list)
    packages: dict[str, str] = field(default_factory=dict)
    registered: list[Registered] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    elsewhere: Elsewhere = field(default_factory=Elsewhere)
    problem: str | None = None

    def written(self, folder: Path) -> list[str]:
        """Write what is wanted into files, and return what makes pip read them."""
        return [
            *_read_from(folder, "requirement", self.wanted),
            *_read_from(folder, "constraint", [*self.limits, *self.ruled]),
        ]

    def alone(self, requirement: str, folder: Path) -> list[str]:
        """What makes pip install one requirement, as a command of its own would, within the rules."""
        return [requirement, *_read_from(folder, "constraint", self.ruled)]

    def save(self, job: Job) -> None:
        """Hand over to the next step."""
        job.folder.mkdir(parents=True, exist_ok=True)
        _path(job).write_bytes(_WORK.dump_json(self, indent=1))

    @classmethod
    def load(cls, job: Job) -> "Work":
        """Take over from the step before.

        Raises:
            StepFailed: there was none.
        """
        try:
            return _WORK.validate_json(_path(job).read_bytes())
        except (OSError, ValidationError):
            raise StepFailed("the step `prepare` has not run in this job") from None


_WORK = TypeAdapter(Work)


def _read_from(folder: Path, option: str, lines: Sequence[str]) -> list[str]:
    """Write lines into a file, and return what makes pip read it; nothing if there are none."""
    if not lines:
        return []
    file = folder / f"{option}s.txt"
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return [f"--{option}", str(file)]


def _path(job: Job) -> Path:
    return job.folder / "work.json"


def context_folder(job: Job) -> Path:
    """The build context that is verified and uploaded."""
    return job.folder / "environment" / "context"


def packages_folder(job: Job) -> Path:
    """The wheels, inside the context: the Dockerfile copies this folder."""
    return context_folder(job) / PACKAGES_FOLDER


def yaml_file(job: Job) -> Path:
    """The environment's YAML as it is registered."""
    return job.folder / "environment" / "environment.yml"


def target_python(variables: Mapping[str, str] = os.environ) -> Path:
    """The interpreter of the environment's Python, which `UsePythonVersion@0` found.

    Raises:
        StepFailed: it did not.
    """
    location = Path(variables.get("REBUILDER_PYTHON", ""))
    python = location / "bin" / "python"
    if not location.name or not python.exists():
        raise StepFailed(f"there is no interpreter of the environment's Python in {location}")
    return python
