"""Runs one step of the rebuild pipeline; whatever goes wrong becomes one line, the job's error."""

import os
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from shared.domain.files.credentials import masked
from shared.errors import RebuilderError
from shared.steps.commands import log_error, say
from shared.steps.job_state import Job, StepFailed, Work


def perform(step: Callable[[Job], object]) -> None:
    """Run a step with what pipelines/rebuild.yml sets; a step that fails ends the process with 1."""
    job: Job | None = None
    try:
        job = Job.read(os.environ)
        step(job)
    except RebuilderError as problem:
        _fail(job, str(problem))
    except Exception as problem:  # noqa: BLE001 (the last place where it can become one line)
        say(traceback.format_exc())
        _fail(job, f"this should not have happened: {type(problem).__name__}: {problem}")


def _fail(job: Job | None, why: str) -> NoReturn:
    log_error(why)
    say(f"error: {why}")
    if job is not None:
        with suppress(OSError):
            try:
                work = Work.load(job)
            except StepFailed:
                work = Work(name=job.environment)
            work.problem = work.problem or masked(why)
            work.save(job)
    # A thread of the SDK may hang in an upload: nothing is waited for.
    os._exit(1)
