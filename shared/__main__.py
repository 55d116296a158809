"""The command line, `python -m shared`: commands for a desk, and the steps of the rebuild pipeline."""

import gc
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from shared.errors import RebuilderError

_DESK = "On any folder, without Azure"
_STEPS = "Steps of the rebuild pipeline (they read what pipelines/rebuild.yml sets)"

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Raises the pins of private packages in Azure ML environments.",
)


@app.command(
    rich_help_panel=_DESK,
    epilog="Example: python -m shared plan --repository ../environments --release our-package==1.4.0 --apply",
)
def plan(
    repository: Annotated[Path, typer.Option(help="the folder with the environments")] = Path(),
    release: Annotated[list[str] | None, typer.Option(help="NAME==VERSION; may be given several times")] = None,
    apply: Annotated[bool, typer.Option("--apply", help="write the edits into the folder")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON document")] = False,
    ignore_rules: Annotated[bool, typer.Option("--ignore-rules", help="as if there were no rebuilder.yml")] = False,
) -> None:
    """Show what releases would change: a decision for every environment, its reason, and the edits."""
    from shared.commandline.plan import parse_releases
    from shared.commandline.plan import plan as command

    command(repository, parse_releases(release or []), ignore_rules=ignore_rules, write=apply, as_json=as_json)


@app.command(rich_help_panel=_DESK, epilog="Example: python -m shared bump our-package==1.4.0 context/requirements.txt")
def bump(
    wanted: Annotated[str, typer.Argument(metavar="NAME==VERSION", help="the package and the version it shall get")],
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="requirements, conda, Docker, environment")],
    check: Annotated[bool, typer.Option("--check", help="only say what would change")] = False,
) -> None:
    """Raise the exact pins of one package in the named files, in place; no pin is lowered."""
    from shared.commandline.bump import bump as command
    from shared.domain.planning.explicit_bump import parse_release

    command(parse_release(wanted), files, check=check)


@app.command(rich_help_panel=_DESK, epilog="Example: python -m shared init ../environments --private 'our-*'")
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="the folder with the environments")],
    private: Annotated[list[str] | None, typer.Option(help="glob on your own packages' names; may be repeated")] = None,
) -> None:
    """Propose a rebuilder.yml from what a folder holds, and write it where there is none."""
    from shared.commandline.init import init as command

    command(folder, private or [])


@app.command(rich_help_panel=_DESK)
def schema() -> None:
    """Print the JSON Schema of rebuilder.yml (committed as rebuilder.schema.json)."""
    from shared.domain.rules.schema import schema_text

    sys.stdout.buffer.write(schema_text().encode())


@app.command(rich_help_panel=_STEPS)
def duplicate() -> None:
    """Look for an older run of the same work, and end this one if there is one."""
    from shared.steps.duplicate import duplicate as step
    from shared.steps.runner import perform

    perform(step)


@app.command(rich_help_panel=_STEPS)
def prepare() -> None:
    """Find the environment in the checkout, check it, and stage its build context."""
    from shared.steps.prepare import prepare as step
    from shared.steps.runner import perform

    perform(step)


@app.command(rich_help_panel=_STEPS)
def package() -> None:
    """Download the packages for the environment's Python into the build context."""
    from shared.steps.package import package as step
    from shared.steps.runner import perform

    perform(step)


@app.command(rich_help_panel=_STEPS)
def verify() -> None:
    """Prove that the environment installs offline."""
    from shared.steps.runner import perform
    from shared.steps.verify import verify as step

    perform(step)


@app.command(rich_help_panel=_STEPS)
def register() -> None:
    """Register the environment in Azure ML."""
    from shared.steps.register import register as step
    from shared.steps.runner import perform

    perform(step)


@app.command(rich_help_panel=_STEPS)
def report() -> None:
    """Show on the run's page what became of the environment."""
    from shared.steps.report import report as step
    from shared.steps.runner import perform

    perform(step)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; what is wrong with the input is one line, and 2.

    Args:
        arguments: instead of those of the process.
    """
    try:
        code = int(app(arguments, prog_name="python -m shared", standalone_mode=False) or 0)
        _flush()
        return code
    except typer.TyperException as problem:
        wrong = str(getattr(problem, "format_message", problem.__str__)())
    except RebuilderError as problem:
        wrong = str(problem)
    except OSError as problem:
        wrong = f"{problem.filename or 'the output'}: {problem.strerror}"
    except (KeyboardInterrupt, typer.Abort):
        return 130
    with suppress(OSError, AttributeError):
        sys.stderr.write(f"error: {' '.join(wrong.split())}\n")
    return 2


def _flush() -> None:
    """Hand over what was written; its reader may have seen enough already."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    gc.disable()  # nothing that is read is in circles, and the process ends soon
    status = main()
    _flush()
    with suppress(OSError, AttributeError):
        sys.stderr.flush()
    # To take azure-ai-ml apart costs each step of each job half a second, and nothing is left to be written.
    os._exit(status)
