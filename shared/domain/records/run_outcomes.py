"""What runs and their jobs show of environments: how far each one is, what it waits for, what became of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from shared.domain.files.credentials import masked
from shared.domain.records.pipeline_contract import DUPLICATE, STEPS, SUPERSEDED
from shared.domain.records.rebuilds import RebuildEntry, RebuiltEnvironment
from shared.domain.states import ENVIRONMENT_MOVES, EnvironmentState

_SUCCEEDED = ("succeeded", "succeededWithIssues")
_WHAT = {"approval": "an approval", "permission": "a permission"}


@dataclass(frozen=True, slots=True)
class JobOutcome:
    """One job of a run.

    Attributes:
        state: `pending`, `inProgress` or `completed`, as the service says it.
        result: once it is completed `succeeded`, `succeededWithIssues`, `failed`, `canceled`, `skipped`, `abandoned`.
        steps: display names of its steps that succeeded.
        problem: the first error of its first step that failed.
    """

    state: str
    result: str | None = None
    steps: tuple[str, ...] = ()
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """A run of the rebuild pipeline, looked at.

    Attributes:
        parameters: the template parameters it was queued with.
        completed: it is over.
        result: then, what came of it.
        jobs: by display name.
        problem: an error of the run itself, such as a broken template.
        finished: when it was over.
        waits: what it waits for before its jobs begin: `approval`, `permission`, or the name of another check.
        url: where a person can look at it.
    """

    parameters: Mapping[str, str]
    completed: bool
    result: str | None = None
    jobs: Mapping[str, JobOutcome] = field(default_factory=dict)
    problem: str | None = None
    finished: datetime | None = None
    waits: str | None = None
    url: str | None = None


def on_its_way(environment: RebuiltEnvironment, job: JobOutcome | None, outcome: RunOutcome) -> RebuiltEnvironment:
    """The environment as its job shows it, which is not over, and perhaps has not begun."""
    has_begun = job is not None and job.state != "pending"
    reached = [state for step, state in STEPS.items() if job and step in job.steps]
    state = reached[-1] if reached else EnvironmentState.QUEUED
    reason = None
    if outcome.waits and not has_begun:
        state = EnvironmentState.WAITING
        reason = f"waits for {_WHAT.get(outcome.waits, f'the check {outcome.waits}')}: {outcome.url}"
    if (state, reason) == (environment.state, environment.reason) or state not in ENVIRONMENT_MOVES[environment.state]:
        return environment
    return environment.to(state, reason=reason)


def begun_to_wait(before: Iterable[RebuiltEnvironment], now: Iterable[RebuiltEnvironment]) -> dict[int, str]:
    """The runs that wait now and did not before, or for something else, each with what it waits for."""
    known = {(environment.run, environment.reason) for environment in before if _waits(environment)}
    return {
        environment.run: environment.reason
        for environment in now
        if _waits(environment) and environment.run is not None and environment.reason is not None
        if (environment.run, environment.reason) not in known
    }


def _waits(environment: RebuiltEnvironment) -> bool:
    return environment.state is EnvironmentState.WAITING


def has_succeeded(job: JobOutcome | None) -> bool:
    """Tell whether a job is over and says that all went well."""
    return job is not None and job.result in _SUCCEEDED


def may_succeed_yet(environment: RebuiltEnvironment) -> bool:
    """Tell whether an environment may be seen as registered still, for instance since a person ran its job again."""
    return EnvironmentState.REGISTERED in ENVIRONMENT_MOVES[environment.state]


def not_registered(environment: RebuiltEnvironment, job: JobOutcome | None, outcome: RunOutcome) -> RebuiltEnvironment:
    """What became of an environment whose job is over and did not succeed."""
    if job is None or job.state != "completed":
        if outcome.result == "canceled":
            return moved_on(environment, EnvironmentState.CANCELLED, "the run was cancelled")
        what = "the run ended without a job for it" if job is None else "the run ended before its job did"
        return failed(environment, outcome.problem or what)
    if job.result in ("canceled", "abandoned") or (job.result == "skipped" and outcome.result == "canceled"):
        return moved_on(environment, EnvironmentState.CANCELLED, "its job was cancelled")
    if job.problem and job.problem.startswith(SUPERSEDED):
        return moved_on(environment, EnvironmentState.SUPERSEDED, job.problem)
    if job.problem and job.problem.startswith(DUPLICATE):
        return moved_on(environment, EnvironmentState.DUPLICATE, job.problem)  # of a run that does not do this work
    return failed(environment, job.problem or outcome.problem or f"its job {job.result}, and its log tells why")


def failed(environment: RebuiltEnvironment, reason: str) -> RebuiltEnvironment:
    """The environment as failed, unless it is further."""
    return moved_on(environment, EnvironmentState.FAILED, reason)


def moved_on(environment: RebuiltEnvironment, state: EnvironmentState, reason: str | None) -> RebuiltEnvironment:
    """The environment in a state, if its present one may be followed by that."""
    if state == environment.state or state not in ENVIRONMENT_MOVES[environment.state]:
        return environment
    # A job's error may quote an address of one of its files, with the credential that somebody left there.
    return environment.to(state, reason=masked(reason) if reason else None)


def news(rebuild: RebuildEntry, seen: dict[str, RebuiltEnvironment]) -> dict[str, RebuiltEnvironment]:
    """Of what was seen, what is news: another worker may have seen more in the meantime."""
    return {
        environment.path: following
        for environment in rebuild.environments
        if (following := seen.get(environment.path))
        and following.run == environment.run
        and following.state in ENVIRONMENT_MOVES[environment.state]
    }
