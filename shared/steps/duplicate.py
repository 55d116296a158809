"""Looks for an older run of the same work, before anything else is done: of two runs the older one counts.

The app looks before it queues a run, and looks again when an answer was lost. A run that Azure DevOps shows late is
queued twice all the same; then the second one ends here.
"""

import os
from collections.abc import Mapping
from datetime import UTC, datetime

from shared.domain.records.pipeline_contract import DUPLICATE, work_of
from shared.errors import InvalidConfiguration, RebuilderError
from shared.limits import DUPLICATE_WINDOW
from shared.ports import PipelineRun
from shared.steps.commands import log_warning, say
from shared.steps.job_state import Job, StepFailed

_NAMES = ("SYSTEM_COLLECTIONURI", "SYSTEM_TEAMPROJECT", "SYSTEM_DEFINITIONID", "BUILD_SOURCEBRANCH",
          "SYSTEM_ACCESSTOKEN")  # fmt: skip


def duplicate(job: Job, variables: Mapping[str, str] = os.environ) -> None:
    """End the job if an older run does its work: same rebuild and batch, a lower id, and not cancelled.

    If Azure DevOps cannot be asked the job goes on, with a warning: nothing is registered twice even then, since
    registering looks for a version with the rebuild's tag first.

    Raises:
        StepFailed: there is such a run.
    """
    try:
        older = _older(job, _runs(variables))
    except RebuilderError as problem:
        log_warning(f"not known whether an older run does the same, so this one goes on: {problem}")
        return
    if older is not None:
        raise StepFailed(
            f"{DUPLICATE}{older.id}: it was queued before for the same rebuild and batch, and does the work"
        )
    say(f"no older run for rebuild {job.rebuild}, batch {job.batch}")


def _runs(variables: Mapping[str, str]) -> list[PipelineRun]:
    from shared.adapters.azure_devops.job import runs_beside  # the SDK costs half a second, and this step alone

    missing = [f"`{name}` is missing" for name in _NAMES if not variables.get(name, "").strip()]
    if missing:
        raise InvalidConfiguration("the pipeline's variables", missing)
    if not variables["SYSTEM_DEFINITIONID"].isdecimal():
        raise InvalidConfiguration("the pipeline's variables", ["`SYSTEM_DEFINITIONID` is no number"])
    return list(
        runs_beside(
            organization=variables["SYSTEM_COLLECTIONURI"],
            project=variables["SYSTEM_TEAMPROJECT"],
            pipeline=int(variables["SYSTEM_DEFINITIONID"]),
            ref=variables["BUILD_SOURCEBRANCH"],
            token=variables["SYSTEM_ACCESSTOKEN"],
            moment=datetime.now(UTC) - DUPLICATE_WINDOW,
        )
    )


def _older(job: Job, runs: list[PipelineRun]) -> PipelineRun | None:
    """The first run that was queued for the job's work, if it is another one than the job's own."""
    mine = work_of({"rebuild": job.rebuild, "batch": job.batch})
    same = [run for run in runs if work_of(run.parameters) == mine and run.id < int(job.run) and not run.cancelled]
    return min(same, key=lambda run: run.id, default=None)
