"""The stand's command line: `python -m local run`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from local.environments import SAMPLE
from local.processes import StandError
from local.run import FOLDER, Options, parse_release
from local.run import run as perform
from local.wheels import SAMPLE_NAME, build_sample, empty_wheel
from shared.domain.names import package_name

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="Environment Rebuilder without Azure.",
)


@app.command()
def run(
    *,
    once: Annotated[bool, typer.Option("--once", help="End when the job is done: 0, or not 0 and one line.")] = False,
    report: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write what was seen.")] = None,
    repository: Annotated[
        Path, typer.Option(metavar="PATH", help="Environments: any git checkout or folder (it is copied).")
    ] = SAMPLE,
    release: Annotated[
        str, typer.Option(metavar="NAME==VERSION", help="The release to upload.")
    ] = f"{SAMPLE_NAME}==1.1",
    port: Annotated[int | None, typer.Option(help="Port of the Function app.")] = None,
    folder: Annotated[Path, typer.Option(help="For all that is written: a new one, or an earlier run's.")] = FOLDER,
    lend: Annotated[bool, typer.Option("--lend", help="Spare each job the install of the steps' packages.")] = False,
) -> None:
    """Start everything, release a package, and show what happens."""
    name, version = parse_release(release)
    options = Options(
        once=once,
        report=report,
        repository=repository,
        name=name,
        version=version,
        port=port,
        folder=folder.resolve(),
        lend=lend,
    )
    raise typer.Exit(perform(options))


@app.command()
def wheel(
    release: Annotated[str, typer.Argument(metavar="NAME==VERSION")],
    folder: Annotated[Path, typer.Option(help="Where to put it.")] = FOLDER / "wheels",
) -> None:
    """Build a wheel to publish: the sample package, or an empty one of any name."""
    name, version = parse_release(release)
    made = build_sample(version, folder) if package_name(name) == SAMPLE_NAME else empty_wheel(name, version, folder)
    typer.echo(made)


def main() -> int:
    """Run the command line; what the stand cannot do is one line, and so is a wrong option (typer's, status 2)."""
    try:
        app()
    except StandError as problem:
        sys.stderr.write(f"error: {problem}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
