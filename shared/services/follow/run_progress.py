"""Jobs that are not over: how far one has come, or what its run waits for before it can begin."""

from collections.abc import Iterable

from shared.domain.records.pipeline_contract import STEPS
from shared.domain.records.rebuilds import RebuiltEnvironment
from shared.domain.states import ENVIRONMENT_MOVES, EnvironmentState
from shared.ports import JobOutcome, RunOutcome

_WHAT = {"approval": "an approval", "permission": "a permission"}


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
