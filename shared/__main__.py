"""The command line: `python -m shared`, the steps of the rebuild pipeline."""

import os
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

import typer

from shared.errors import RebuilderError
from shared.steps.commands import log_error, say
from shared.steps.work import Job, StepFailed, Work

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Steps of the rebuild pipeline, which read what pipelines/rebuild.yml sets; and the schema of its rules.",
)


@app.command()
def prepare() -> None:
    """Find the environment in the checkout, check it, and stage its build context."""
    from shared.steps.prepare import prepare as step

    _perform(step)


@app.command()
def package() -> None:
    """Download the packages for the environment's Python into the build context."""
    from shared.steps.package import package as step

    _perform(step)


@app.command()
def verify() -> None:
    """Prove that the environment installs offline."""
    from shared.steps.verify import verify as step

    _perform(step)


@app.command()
def register() -> None:
    """Register the environment in Azure ML."""
    from shared.steps.register import register as step

    _perform(step)


@app.command()
def report() -> None:
    """Show on the run's page what became of the environment."""
    from shared.steps.report import report as step

    _perform(step)


@app.command()
def schema() -> None:
    """Print the JSON Schema of rebuilder.yml (committed as rebuilder.schema.json)."""
    from shared.domain.rules_schema import schema_text

    sys.stdout.buffer.write(schema_text().encode())


def _perform(step: Callable[[Job], object]) -> None:
    """Run a step; what it cannot do is one line, which becomes the job's error."""
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
            work.problem = work.problem or why
            work.save(job)
    # A thread of the SDK may hang in an upload: nothing is waited for.
    os._exit(1)


if __name__ == "__main__":
    app(prog_name="python -m shared")
    sys.exit(0)
