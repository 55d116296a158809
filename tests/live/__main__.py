"""`python -m tests.live`: asks, runs the live tests, cleans up, and holds what was seen against a stand."""

import json
import os
import signal
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from local.processes import StandError
from tests.live.assumptions import ASSUMPTIONS, NOT_LIVE, NOT_LIVE_MODULES
from tests.live.cleaning import STAYS, all_of_a_run, all_runs, clean_up
from tests.live.comparison import lines, side_by_side
from tests.live.redaction import Redactor
from tests.live.running import PROJECT, Beside, LiveRun
from tests.live.settings import MARK, PREFIX, LiveSettings, Missing, read_settings

REPORTS = PROJECT / ".stand" / "live"
YES = f"{PREFIX}YES"

RIGHTS = (
    "repository: Read, Contribute, Create branch; Force push on branches of its own, to remove them",
    "pipelines: View builds, Queue builds, Stop builds, Edit queue build configuration (for free-text parameters)",
    "service hooks: View subscriptions",
    "feed: Feed Owner, to upload, promote and delete",
    "workspace: read and write environments (AzureML Data Scientist)",
)
CREATES = (
    "branches {mark}/{run}/…, each with a history of its own",
    "packages {mark}-{run}-… on the feed, some sixty versions of a few hundred bytes",
    "environments {mark}-{run}-… in the workspace, of an image only, so that nothing is built",
    "some fifteen runs whose jobs are skipped, one with four short jobs on hosted agents, and one that waits",
)

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    *,
    yes: Annotated[bool, typer.Option("--yes", help=f"Do not ask; {YES}=1 says the same.")] = False,
    only: Annotated[str, typer.Option(metavar="EXPRESSION", help="Only some tests, as pytest's -k has it.")] = "",
    report: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Where to write what was seen.")] = None,
    beside: Annotated[
        Path | None, typer.Option(metavar="FILE", help="An earlier report, to take the stand's answers from.")
    ] = None,
    clean: Annotated[bool, typer.Option("--clean-up", help="Only remove what earlier runs left behind.")] = False,
    listing: Annotated[bool, typer.Option("--list", help="Only list what is assumed, with its tests.")] = False,
) -> None:
    """Run the contract suite against the services that environment variables name."""
    if listing:
        _print(_assumed())
        return
    try:
        settings = read_settings(os.environ)
    except Missing as problem:
        _complain(problem.lines)
        raise typer.Exit(2) from None
    _print(_announcement(settings, clean=clean))
    if not (yes or os.environ.get(YES) == "1") and not _agrees():
        _complain([f"not started: answer yes, or give --yes or {YES}=1"])
        raise typer.Exit(2)
    if clean:
        raise typer.Exit(1 if _failures(_clean(settings, *all_runs())) else 0)
    with tempfile.TemporaryDirectory(prefix="live-tests-") as scratch:
        raise typer.Exit(_run(settings, only, report or REPORTS / f"{settings.run}.json", beside, Path(scratch)))


def _run(settings: LiveSettings, only: str, file: Path, earlier: Path | None, scratch: Path) -> int:
    live, stand = LiveRun(settings.run, only, scratch / "live"), Beside(only, scratch / "stand")
    interrupted, status = False, 1
    theirs: Mapping[str, Any] = {"tests": {}, "exchanges": []}
    try:
        try:
            if not earlier:
                stand.start()
            status = live.run()
        except KeyboardInterrupt:
            interrupted = True
            _print(["", "Interrupted. What was created is removed before this ends."])
        cleaned = _clean(settings, *all_of_a_run(settings.run))
        if earlier:
            theirs = json.loads(earlier.read_text())["stand"]
        elif not interrupted:
            theirs = stand.seen()
    finally:
        stand.stop()
    seen = live.seen()
    # Of the stand's tests those that ran here.
    rows = side_by_side(seen["exchanges"], [one for one in theirs["exchanges"] if one["test"] in seen["tests"]])
    redact = Redactor(settings.names())
    content: dict[str, Any] = {
        "run": settings.run,
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "interrupted": interrupted,
        "tests": {name: {**said, "stand": theirs["tests"].get(name, {})} for name, said in seen["tests"].items()},
        "differences": lines(rows),
        "side by side": rows,
        "cleaned": [redact.text(line) for line in cleaned],
        "stays": list(STAYS),
        "stand": theirs,
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    red = [] if interrupted else list(_red(content))
    _print(["", *red, *(f"DIFFERENT {line}" for line in content["differences"] if not interrupted)])
    _print([f"{len(seen['tests'])} tests, {len(rows)} pairs of answers: {file}"])
    if interrupted:
        return 130
    return 1 if status or red or content["differences"] or _failures(cleaned) else 0


def _red(content: Mapping[str, Any]) -> Iterable[str]:
    """A line for each test that failed, on either side."""
    for name, said in content["tests"].items():
        if said["outcome"] != "passed":
            yield f"FAILED {name}: {said.get('why', said['outcome'])}"
        if said["stand"].get("outcome", "passed") != "passed":
            yield f"FAILED on the stand {name}: {said['stand'].get('why', said['stand']['outcome'])}"


def _clean(settings: LiveSettings, prefix: str, branches: str) -> list[str]:
    from tests.live.site import Site

    found = []
    for line in clean_up(Site(settings), prefix, branches):
        found.append(line)
        if line.startswith("FAILED"):
            _complain([line])
    kinds = [line.split(" ")[0] for line in found]
    _print([", ".join(f"{kind} {kinds.count(kind)}" for kind in dict.fromkeys(kinds)) or "nothing to remove"])
    _print(["What stays:", *(f"  {what}" for what in STAYS)])
    return found


def _failures(cleaned: Sequence[str]) -> list[str]:
    return [line for line in cleaned if line.startswith("FAILED")]


def _announcement(settings: LiveSettings, *, clean: bool) -> list[str]:
    target, workspace = settings.target, settings.workspace
    where = [
        f"organisation    {target.organization}",
        f"repository      {target.project}/{target.repository}; branch {settings.protected_branch} takes no pushes",
        f"pipelines       {target.pipeline} ({settings.pipeline_file}) and {settings.held_pipeline} (held)",
        f"feed            {settings.feed}",
        f"workspace       {workspace.subscription}/{workspace}",
    ]
    named = [f"  {line}" for line in where]
    if clean:
        return ["Removes what live tests left behind in", *named, f"  everything whose name begins with {MARK}"]
    creates = (line.format(mark=MARK, run=settings.run) for line in CREATES)
    return [
        f"Live tests, run {settings.run}, in", *named,
        "Rights that the identity of `az login` needs:", *(f"  {line}" for line in RIGHTS),
        "What is created, and removed or archived again:", *(f"  {line}" for line in creates),
        "What stays:", *(f"  {line}" for line in STAYS),
    ]  # fmt: skip


def _agrees() -> bool:
    try:
        return input("Start? [yes/no] ").strip().casefold() == "yes"
    except EOFError:
        return False


def _assumed() -> list[str]:
    found = []
    for one in ASSUMPTIONS:
        found += [one.text, f"    relied on in {one.where}"]
        found += [f"    {test}" for test in one.tests] or [f"    no test: {one.reason}"]
    found += ["", "Contract tests that are not asked of the live services:"]
    found += [f"    {module}: {why}" for module, why in NOT_LIVE_MODULES.items()]
    found += [f"    {module}::{test}: {why}" for module, tests in NOT_LIVE.items() for test, why in tests.items()]
    return found


def _print(found: Iterable[str]) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in found))
    sys.stdout.flush()


def _complain(found: Iterable[str]) -> None:
    sys.stderr.write("".join(f"error: {line}\n" for line in found))


def _main() -> int:
    """Run the command line. Being ended is like being interrupted: both clean up."""
    for one in (signal.SIGINT, signal.SIGTERM):  # a shell may have told us to ignore the former
        signal.signal(one, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="azure-devops-sdk-") as cache:
        # The SDK reads this when it is imported, and keeps answers there for 12 hours.
        os.environ["AZURE_DEVOPS_CACHE_DIR"] = cache
        try:
            app()
        except StandError as problem:
            _complain([str(problem)])
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(_main())
