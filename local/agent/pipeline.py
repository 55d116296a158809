"""What is left of a pipeline when its templates are expanded: stages, jobs and steps, checked key by key."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from local.agent.expressions import Unknown

_STAGE_KEYS = {"stage", "displayName", "dependsOn", "condition", "variables", "jobs", "pool"}
_JOB_KEYS = {
    "job",
    "displayName",
    "dependsOn",
    "condition",
    "variables",
    "pool",
    "steps",
    "timeoutInMinutes",
    "workspace",
}
# What the service takes of names of stages, jobs and steps, which it compares without case.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_NAME_CHARACTERS = 100
# In one stage.
_MOST_JOBS = 256
_COMMON = {"displayName", "name", "condition", "env", "enabled", "timeoutInMinutes"}
_STEP_KEYS = {
    "script": {"script", "workingDirectory"},
    "bash": {"bash", "workingDirectory"},
    "checkout": {"checkout", "fetchDepth", "clean"},
    "publish": {"publish", "artifact"},
    "task": {"task", "inputs"},
}
TASKS = {
    "UsePythonVersion@0": {"versionSpec", "addToPath"},
    "PipAuthenticate@1": {"artifactFeeds", "onlyAddExtraIndex"},
    "AzureCLI@2": {"azureSubscription", "scriptType", "scriptLocation", "inlineScript"},
}


@dataclass(frozen=True, slots=True)
class Step:
    """One step.

    Attributes:
        kind: `script`, `bash`, `checkout`, `publish` or a task's name.
        label: what it is called on the run's page.
        name: its own name, for output variables.
        condition: when it runs.
        env: variables for its process only.
        inputs: what the step is given; for a script its text.
    """

    kind: str
    label: str
    name: str
    condition: str
    env: Mapping[str, str]
    inputs: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class JobPlan:
    """One job.

    Attributes:
        name: unique in its stage.
        label: what it is called on the run's page.
        depends: names of jobs that have to be over before.
        condition: when it runs.
        variables: with macros and run-time expressions not yet expanded.
        steps: in order.
        minutes: after which it is cancelled.
    """

    name: str
    label: str
    depends: tuple[str, ...]
    condition: str
    variables: Mapping[str, str]
    steps: tuple[Step, ...]
    minutes: float


@dataclass(frozen=True, slots=True)
class StagePlan:
    """One stage."""

    name: str
    label: str
    depends: tuple[str, ...]
    condition: str
    jobs: tuple[JobPlan, ...] = field(default=())


def plan_pipeline(document: Mapping[str, Any]) -> list[StagePlan]:
    """Read an expanded pipeline.

    Raises:
        Unknown: it holds something that this agent does not know.
    """
    variables = _variables(document.get("variables"))
    if "stages" in document:
        stages = [_stage(item, variables, at) for at, item in enumerate(document["stages"])]
        for at, stage in enumerate(stages):
            if stage.depends == ("",):  # not stated: the stage before
                stages[at] = StagePlan(
                    stage.name, stage.label, (stages[at - 1].name,) if at else (), stage.condition, stage.jobs
                )
        _check_names("stage", [stage.name for stage in stages])
        return stages
    jobs = document.get("jobs")
    if jobs is None:
        jobs = [{"job": "Job", "steps": document.get("steps") or []}]
    return [StagePlan("__default", "__default", (), "succeeded()", _jobs(jobs, variables))]


def _stage(item: Mapping[str, Any], variables: Mapping[str, str], at: int) -> StagePlan:
    _only(item, _STAGE_KEYS, "stage")
    name = str(item.get("stage") or f"Stage{at + 1}")
    own = {**variables, **_variables(item.get("variables"))}
    depends = _names(item["dependsOn"]) if "dependsOn" in item else ("",)
    return StagePlan(
        name, str(item.get("displayName") or name), depends, str(item.get("condition") or "succeeded()"),
        _jobs(item.get("jobs") or [], own),
    )  # fmt: skip


def _jobs(items: list[Any], variables: Mapping[str, str]) -> tuple[JobPlan, ...]:
    jobs = tuple(_job(item, variables, at) for at, item in enumerate(items))
    _check_names("job", [job.name for job in jobs])
    if all(job.depends for job in jobs):
        raise Unknown("The pipeline must contain at least one job with no dependencies.")
    if len(jobs) > _MOST_JOBS:
        raise Unknown(f"The pipeline has {len(jobs)} jobs in one stage, and may have {_MOST_JOBS}.")
    known = {job.name.casefold() for job in jobs}
    for job in jobs:
        for name in job.depends:
            if name.casefold() not in known:
                raise Unknown(f"The job {job.name} depends on the unknown job {name}.")
    return jobs


def _check_names(what: str, names: list[str]) -> None:
    for name, times in Counter(name.casefold() for name in names).items():
        if times > 1:
            raise Unknown(f"The {what} name {name} appears more than once. Names are compared without case.")
    for name in names:
        if len(name) > _NAME_CHARACTERS:
            raise Unknown(f"The {what} name {name} is longer than {_NAME_CHARACTERS} characters.")
        if not _NAME.fullmatch(name):
            raise Unknown(
                f"The {what} name {name} is not valid. Valid names may only contain alphanumeric characters and '_' "
                "and may not start with a number."
            )


def _job(item: Any, variables: Mapping[str, str], at: int) -> JobPlan:
    if not isinstance(item, dict) or "job" not in item:
        kind = next(iter(item), "nothing") if isinstance(item, dict) else type(item).__name__
        raise Unknown(f"a job of kind `{kind}` is not known to this agent")
    _only(item, _JOB_KEYS, "job")
    name = str(item.get("job") or f"Job{at + 1}")
    steps = tuple(_step(step) for step in item.get("steps") or [])
    _check_names("step", [step.name for step in steps if step.name])
    return JobPlan(
        name=name,
        label=str(item.get("displayName") or name),
        depends=_names(item.get("dependsOn")),
        condition=str(item.get("condition") or "succeeded()"),
        variables={**variables, **_variables(item.get("variables"))},
        steps=steps,
        minutes=float(item.get("timeoutInMinutes") or 60),
    )


def _step(item: Any) -> Step:
    if not isinstance(item, dict):
        raise Unknown("a step that is no map")
    kind = next((key for key in _STEP_KEYS if key in item), None)
    if kind is None:
        raise Unknown(f"a step of kind `{next(iter(item), 'nothing')}` is not known to this agent")
    _only(item, _STEP_KEYS[kind] | _COMMON, kind)
    inputs = {key: _text(value, key) for key, value in item.items() if key in _STEP_KEYS[kind] and key != "inputs"}
    label = str(item[kind])
    if kind == "task":
        task = str(item["task"])
        if task not in TASKS:
            raise Unknown(f"the task `{task}` is not known to this agent")
        given = item.get("inputs") or {}
        _only(given, TASKS[task], task)
        inputs, kind, label = {key: _text(value, key) for key, value in given.items()}, task, task
    elif kind in ("script", "bash"):
        label = "CmdLine" if kind == "script" else "Bash"
    return Step(
        kind=kind,
        label=str(item.get("displayName") or label),
        name=str(item.get("name") or ""),
        condition=str(item.get("condition") or "succeeded()"),
        env={key: _text(value, key) for key, value in (item.get("env") or {}).items()},
        inputs=inputs,
    )


def _variables(node: Any) -> dict[str, str]:
    if isinstance(node, list):
        for item in node:
            if not isinstance(item, dict) or set(item) != {"name", "value"}:
                raise Unknown("variables that are neither a map nor a list of names and values are not known")
        return {str(item["name"]): _text(item["value"], "value") for item in node}
    return {str(key): _text(value, str(key)) for key, value in (node or {}).items()}


def _text(value: Any, key: str) -> str:
    if isinstance(value, list | dict):
        raise Unknown(f"`{key}` is no text")
    return "" if value is None else str(value)


def _names(node: Any) -> tuple[str, ...]:
    if not node:
        return ()
    return tuple(str(name) for name in node) if isinstance(node, list) else (str(node),)


def _only(item: Mapping[str, Any], known: set[str], what: str) -> None:
    for key in item:
        if key not in known:
            raise Unknown(f"the key `{key}` of a {what} is not known to this agent")
