"""Stages what will be uploaded: the build context and the environment's YAML, beside the checkout and never in it.

An environment with a conda file becomes one with a build context: Azure ML builds the former by itself and cannot sign
in to the feed; the latter brings its packages along.
"""

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from shared.adapters.folder import Folder
from shared.domain.definitions.dockerfile import PACKAGES_FOLDER
from shared.domain.files.text import SourceText
from shared.domain.files.yaml_nodes import load
from shared.domain.inventory.build_blockers import build_blocker, outside
from shared.domain.inventory.catalog import Catalog
from shared.domain.inventory.environments import Environment
from shared.domain.names import PackageName
from shared.domain.rules.rules import NO_RULES, RULES_FILE, Rules, read_rules
from shared.errors import InvalidConfiguration, Unreadable
from shared.steps.commands import log_warning, say, set_variable
from shared.steps.definition import check_definition, check_with_sdk
from shared.steps.job_state import Job, StepFailed, Work, context_folder, packages_folder, yaml_file
from shared.steps.pip_requirements import wanted

_SKIPPED = frozenset({".git"})
_DOCKERFILE = """\
# Made from a conda file: conda's packages come from their channels, pip's from the folder beside this file.
FROM {image}
COPY conda.yml {files} /rebuilder/
RUN conda env create --quiet --prefix /azureml-envs/rebuilder --file /rebuilder/conda.yml && conda clean --all --yes
ENV PATH=/azureml-envs/rebuilder/bin:$PATH \\
    CONDA_DEFAULT_ENV=/azureml-envs/rebuilder \\
    AZUREML_CONDA_ENVIRONMENT_PATH=/azureml-envs/rebuilder
COPY pip_packages /rebuilder/pip_packages
RUN pip install --no-index --find-links /rebuilder/pip_packages --requirement /rebuilder/requirements.txt
"""


def prepare(job: Job) -> Work:
    """Find the environment in the checkout, check it, and stage it.

    Raises:
        StepFailed: it is not there, not complete, or Azure ML would refuse it.
    """
    folder = Folder(job.sources)
    # The same code that planned the rebuild reads it again.
    catalog = folder.catalog(job.commit, leave_out=_SKIPPED)
    rules = _rules(job)
    environment = _environment(job, catalog)
    document = _document(job, folder)
    check_definition(document, environment)
    if why := build_blocker(environment) or outside(
        environment, *(use.path for use in environment.uses if not use.source)
    ):
        raise StepFailed(why)
    python = rules.python_for(environment.path) or environment.python
    if python is None:
        raise StepFailed(
            f"the environment's Python is not known: state it in {RULES_FILE}, "
            f'python: {{"{environment.path}": "3.10"}}'
        )
    private = _private(catalog, environment, rules)
    elsewhere = catalog.surroundings.concerned(private, {environment.name: None}, (), excludes=rules.excludes)
    work = Work(name=environment.name, python=python, private=[*private], elsewhere=elsewhere)
    shutil.rmtree(job.folder, ignore_errors=True)
    if environment.context is not None:
        _stage_context(job, environment, catalog, rules, document, work)
    else:
        _stage_conda(job, environment, catalog, rules, document, work)
    packages_folder(job).mkdir(parents=True, exist_ok=True)
    amlignore = context_folder(job) / ".amlignore"
    if not amlignore.exists():
        # Without it azure-ai-ml obeys a .gitignore, which often names the folder of the wheels.
        amlignore.write_text("")
    check_with_sdk(yaml_file(job), environment)
    work.warnings[:0] = [
        *(str(problem) for problem in (*environment.warnings, *environment.unseen)),
        *(f"installed, and not seen before: {what}" for what in environment.opaque),
    ]
    for warning in work.warnings:
        log_warning(warning)
    work.save(job)
    set_variable("targetPython", python)
    say(f"{environment.name}: Python {python}, {', '.join(work.files)}")
    return work


def _rules(job: Job) -> Rules:
    path = job.sources / RULES_FILE
    if path.is_symlink():
        raise StepFailed(f"{RULES_FILE} is a link: the app reads no links, so put the file itself there")
    try:
        return read_rules(path.read_bytes()) if path.is_file() else NO_RULES
    except InvalidConfiguration as problem:
        raise StepFailed(str(problem)) from None


def _environment(job: Job, catalog: Catalog) -> Environment:
    for environment in catalog.environments:
        if environment.path == job.environment:
            if unread := catalog.unread(environment):
                raise StepFailed(f"cannot read {unread}")
            return environment
    broken = [problem for problem in catalog.warnings if problem.path == job.environment]
    raise StepFailed(f"cannot read {broken[0]}" if broken else f"{job.environment} is no environment of this commit")


def _document(job: Job, folder: Folder) -> dict[str, Any]:
    try:
        document = load(SourceText.decode(folder.read(job.environment) or b""))
    except Unreadable as problem:
        raise StepFailed(f"cannot read {job.environment} {problem}") from None
    if not isinstance(document, dict):
        raise StepFailed(f"cannot read {job.environment}: it is not a map")
    return document


def _private(catalog: Catalog, environment: Environment, rules: Rules) -> list[PackageName]:
    """The packages that a rule names and a file of the environment requires."""
    names = {
        requirement.name
        for use in environment.uses
        if not use.constraint
        for requirement in catalog.definitions[use.path].requirements
        if requirement.name and use.installs(requirement.extras)
    }
    return sorted(name for name in names if rules.rule_for(name, environment.name))


def _stage_context(
    job: Job, environment: Environment, catalog: Catalog, rules: Rules, document: dict[str, Any], work: Work
) -> None:
    context = PurePosixPath(environment.context or ".")
    work.dockerfile = str(PurePosixPath(environment.dockerfile or "").relative_to(context))
    shutil.copytree(job.sources / context, context_folder(job), ignore=_left_out(job.sources, context))
    lines = wanted(catalog, environment, rules, context_folder(job))
    work.wanted, work.limits, work.own, work.warnings = lines.requirements, lines.constraints, lines.own, lines.warnings
    work.ruled = lines.ruled
    roots = _roots(environment, catalog)
    for use in environment.uses:
        inside = PurePosixPath(use.path)
        if use.own or use.path == environment.dockerfile or use.source:
            continue
        work.files.append(str(inside.relative_to(context)))
        if inside.suffix in (".yml", ".yaml"):
            work.listed = True
        elif use.path in roots:
            (work.constraints if use.constraint else work.requirements).append(str(inside.relative_to(context)))
    if not work.files and not work.own:
        raise StepFailed(f"neither {environment.dockerfile} nor a file it uses names a package of the feed")
    _write_yaml(job, {**document, "build": {"path": "context", "dockerfile_path": work.dockerfile}})


def _left_out(sources: Path, context: PurePosixPath) -> Callable[[str, list[str]], set[str]]:
    """What is not copied, for `copytree`, which follows links: so each link is looked at first.

    Raises (the function that is returned):
        StepFailed: a link leads out of the repository, or nowhere. What lies there is not ours to upload.
    """
    root, top = sources.resolve(), sources / context

    def left_out(folder: str, names: list[str]) -> set[str]:
        here = Path(folder)
        above = {parent.resolve() for parent in (here, *here.parents) if parent.is_relative_to(sources)}
        for path in (*([top] if here == top else []), *(here / name for name in names)):
            if not path.is_symlink() and path != top:
                continue
            shown = path.relative_to(sources).as_posix()
            try:
                real = path.resolve(strict=True)
            except (OSError, RuntimeError):
                raise StepFailed(f"{shown} is a link that leads nowhere") from None
            if not real.is_relative_to(root) or _SKIPPED.intersection(real.relative_to(root).parts):
                raise StepFailed(f"{shown} is a link that leads out of the repository")
            if path != top and real in above:
                raise StepFailed(f"{shown} is a link to a folder that holds it")
        # Wheels that somebody left in the repository are no part of what is packaged now.
        return {name for name in names if name in _SKIPPED or (here == top and name == PACKAGES_FOLDER)}

    return left_out


def _roots(environment: Environment, catalog: Catalog) -> set[str]:
    """The files that the Dockerfile names itself; what they include is read through them."""
    included: set[str] = set()
    for use in environment.uses:
        folder = PurePosixPath(use.path).parent
        for include in catalog.definitions[use.path].includes:
            included.add(_normal(folder / include.path))
    return {use.path for use in environment.uses} - included


def _normal(path: PurePosixPath) -> str:
    parts: list[str] = []
    for part in path.parts:
        if part == ".." and parts:
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)


def _stage_conda(
    job: Job, environment: Environment, catalog: Catalog, rules: Rules, document: dict[str, Any], work: Work
) -> None:
    lines = wanted(catalog, environment, rules, None)
    work.wanted, work.limits, work.warnings = lines.requirements, lines.constraints, lines.warnings
    work.ruled = lines.ruled
    context = context_folder(job)
    context.mkdir(parents=True)
    installed = ["-c constraints.txt"] if lines.constraints else []
    _write_lines(context / "requirements.txt", [*installed, *lines.requirements])
    work.requirements, work.files = ["requirements.txt"], ["requirements.txt"]
    if lines.constraints:
        _write_lines(context / "constraints.txt", lines.constraints)
        work.files.append("constraints.txt")
    conda = _conda_document(job, environment, document)
    (context / "conda.yml").write_text(yaml.safe_dump(_without_pip_list(conda, work.python), sort_keys=False))
    (context / "Dockerfile").write_text(_DOCKERFILE.format(image=document["image"], files=" ".join(work.files)))
    kept = {key: value for key, value in document.items() if key not in ("image", "conda_file")}
    _write_yaml(job, {**kept, "build": {"path": "context"}})


def _conda_document(job: Job, environment: Environment, document: dict[str, Any]) -> dict[str, Any]:
    inline = document.get("conda_file")
    if isinstance(inline, dict):
        return inline
    raw = (job.sources / environment.uses[0].path).read_bytes()
    found = load(SourceText.decode(raw))
    if not isinstance(found, dict):
        raise StepFailed(f"{environment.uses[0].path} is no conda file")
    return found


def _without_pip_list(conda: dict[str, Any], python: str) -> dict[str, Any]:
    """The conda file with the environment's own Python and without what pip installs."""
    kept: list[Any] = [f"python={python}"]
    has_pip = False
    for item in conda.get("dependencies") or []:
        if isinstance(item, str) and not _is_python(item):
            kept.append(item)
            has_pip = has_pip or item.split("=")[0].split(">")[0].split("<")[0].strip() == "pip"
    if not has_pip:
        kept.append("pip")
    return {**conda, "dependencies": kept}


def _is_python(item: str) -> bool:
    name = item.strip()
    return name.startswith("python") and (len(name) == 6 or name[6] in "=<>! ")


def _write_lines(file: Path, lines: Iterable[str]) -> None:
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _write_yaml(job: Job, document: dict[str, Any]) -> None:
    # PyYAML quotes what would be read as something else than text, so `version: "1.10"` stays what it is.
    yaml_file(job).write_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True))
