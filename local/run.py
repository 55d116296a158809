"""`make run`: the whole story of one release, on this machine."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from rich.console import Console
from rich.text import Text

from local.environments import ASSUMED_PYTHON, PROJECT, SAMPLE
from local.processes import StandError, hold_port
from local.pythons import require_python
from local.stand import Stand, StandSettings
from local.story import Story
from local.verdict import PATIENCE, counted, is_over, problem_of
from local.wheels import SAMPLE_NAME, build_sample, empty_wheel, public_wheels
from shared.domain.names import package_name
from shared.domain.releases import version_of
from shared.errors import InvalidInput

FOLDER = PROJECT / ".stand"
# What the sample's rebuilder.yml says of its environments.
SAMPLE_PYTHON = "3.10"
DEFAULT_PORT = 7071
# Columns when the output is no terminal.
_PIPED_WIDTH = 150


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asks for.

    Attributes:
        once: end when the job is done.
        report: where to write what was seen, as JSON.
        repository: the environments.
        name: the package that is released.
        version: in this version.
        port: of the Function app; None for the usual one, or any if that is in use.
        folder: for everything that is written.
        lend: whether jobs are lent the steps' packages instead of installing them from the feed.
    """

    once: bool
    report: Path | None
    repository: Path
    name: str
    version: str
    port: int | None
    folder: Path = FOLDER
    lend: bool = False


def parse_release(text: str) -> tuple[str, str]:
    """Read `NAME==VERSION`.

    Raises:
        StandError: it is something else.
    """
    match = re.fullmatch(r"\s*([^=\s]+)\s*==\s*([^=\s]+)\s*", text)
    if not match:
        raise StandError(f"--release {text!r}: write NAME==VERSION")
    try:
        package_name(match[1])
        version_of(match[2])
    except InvalidInput as problem:
        raise StandError(f"--release {text!r}: {problem}") from None
    return match[1], match[2]


def run(options: Options) -> int:
    """Start the stand, release, watch; returns the exit status."""
    console = Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else _PIPED_WIDTH)
    _end_on_sigterm()
    if options.report:
        _check_writable(options.report)
    port = _port(options, console)
    began = time.monotonic()
    if options.repository == SAMPLE:
        require_python(SAMPLE_PYTHON)
    # Whoever tries something out wants to see at once what fails, and not whether it passes a minute later.
    settings = {"REBUILDER_ATTEMPTS": "1"}
    stand = Stand(
        StandSettings(
            folder=options.folder,
            repository=options.repository,
            port=port,
            app_settings=settings,
            steps_from_feed=not options.lend,
        )
    )
    if options.repository == SAMPLE:
        first = build_sample("1.0", options.folder / "wheels")
        stand.organization.feed.publish(first.name, first.read_bytes(), silent=True)
    with stand:
        stand.fire_timer()  # from now on the timer knows what the feed held before
        story = Story(stand, console)
        _introduce(stand, story, time.monotonic() - began)
        try:
            found = _release_and_watch(stand, story, options)
        finally:
            seen = stand.release(options.name, options.version, everything=True) if stand.functions.is_running else None
            if options.report:
                options.report.write_text(json.dumps(_report(stand, seen, options), indent=2) + "\n")
        for row in seen["targets"][0].get("environments", []) if seen else []:
            _context(stand, row)
        story.where_to_look(seen, options.folder)
        problem = problem_of(found, seen, options.repository, options.folder / "logs" / "functions.log")
        if problem and (options.once or not stand.functions.is_running):
            raise StandError(problem)
        if problem:
            story.line("failed", Text(problem, style="red"))
        elif not (found and found["rebuild"]):
            story.line("done", f"nothing is rebuilt: {counted(seen)}")
        if not options.once:
            _stay(stand, story, console, options)
    return 0


def _port(options: Options, console: Console) -> int:
    if options.port is not None:
        return hold_port(options.port, "the Function app")
    try:
        return hold_port(DEFAULT_PORT, "the Function app")
    except StandError:
        console.print(f"port {DEFAULT_PORT} is in use; the Function app takes another one")
        return 0


def _check_writable(path: Path) -> None:
    try:
        path.open("a").close()
    except OSError as problem:
        raise StandError(f"--json {path}: {problem.strerror}") from None


def _introduce(stand: Stand, story: Story, seconds: float) -> None:
    organization = stand.organization
    story.line(
        "stand",
        f"Function app at {stand.app_url}, Azure DevOps stand-in at {organization.url}, Azurite ({seconds:.1f} s)",
    )
    if stand.served.wrote_rules:
        story.line("stand", "the repository has no rebuilder.yml: a permissive one was committed to the stand's copy")
    if stand.served.assumed:
        shown = ", ".join(stand.served.assumed[:3]) + (", …" if len(stand.served.assumed) > 3 else "")
        what = f"Python {ASSUMED_PYTHON} is assumed where the files do not say it"
        story.line("stand", f"{what} ({len(stand.served.assumed)}: {shown})")
    if stand.served.uncommitted:
        what = "is what was committed last; changed and not committed"
        story.line("stand", f"what is served {what}: {stand.served.uncommitted} file(s)")


def _release_and_watch(stand: Stand, story: Story, options: Options) -> dict[str, Any] | None:
    wheel, *others = _wheels(stand, options, story)
    upload(stand, wheel)
    for other in others:  # files of a version that is there already: nobody is told of them
        stand.organization.feed.publish(other.name, other.read_bytes(), silent=True)
    story.line("upload", f"twine uploaded {wheel.name} to feed {stand.organization.feed_name}")
    deadline = time.monotonic() + PATIENCE
    found = None
    while time.monotonic() < deadline:
        if not stand.functions.is_running:
            raise StandError(f"the Function app ended: {stand.functions.last_line()}")
        story.tell_runs()
        try:
            found = story.tell(options.name, options.version)
        except requests.RequestException:
            found = None
        if found and is_over(found):
            return found
        # The app has nothing new to tell until the run ends, and answering takes time that the run needs.
        time.sleep(1 if stand.agent.is_working else 0.3)
    return found


def _wheels(stand: Stand, options: Options, story: Story) -> list[Path]:
    """What is released: one wheel, or those for each Python that the environments have."""
    folder = options.folder / "wheels"
    if package_name(options.name) == SAMPLE_NAME:
        return [build_sample(options.version, folder)]
    found = public_wheels(options.name, options.version, folder, stand.served.pythons or (ASSUMED_PYTHON,))
    if found:
        return found
    story.line("stand", f"found no public wheel of {options.name} {options.version}: an empty one takes its place")
    return [empty_wheel(options.name, options.version, folder)]


def upload(stand: Stand, wheel: Path) -> None:
    """Send a wheel to the feed, as a publishing pipeline does.

    Raises:
        StandError: twine did not succeed.
    """
    done = subprocess.run(
        [sys.executable, "-m", "twine", "upload", "--non-interactive", "--disable-progress-bar",
         "--repository-url", f"{stand.organization.feed_url}/upload/", str(wheel)],
        env={
            **os.environ,
            "TWINE_USERNAME": "developer",
            "TWINE_PASSWORD": stand.organization.password,
            "COLUMNS": "1000",
        },
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        errors = [line for line in lines if "Error" in line] or lines or ["no reason given"]
        if "409" in errors[-1]:
            raise StandError(f"{wheel.name} is on the feed already, and a version cannot be published twice")
        raise StandError(f"twine could not upload {wheel.name}: {errors[-1]}")


def _report(stand: Stand, seen: dict[str, Any] | None, options: Options) -> dict[str, Any]:
    organization = stand.organization
    found = seen["targets"][0] if seen else None
    rebuild = found["rebuild"] if found else None
    release = {
        "feed": found["feed"] if found else organization.feed_name,
        "package": found["package"] if found else str(package_name(options.name)),
        "version": found["version"] if found else options.version,
        "state": found["state"] if found else None,
    }
    keys = ("path", "name", "decision", "reason", "state", "registered_version", "tags", "workspaces")
    environments = [
        {**{key: row[key] for key in keys}, "context": _context(stand, row)}
        for row in (found or {}).get("environments", [])
    ]
    # What ends with the stand cannot be cloned afterwards; the folder can.
    folder = organization.repository.path.resolve()
    return {
        "release": release,
        "rebuild": {key: rebuild[key] for key in ("id", "state", "commit")} if rebuild else None,
        "environments": environments,
        "repository": folder.as_uri() if options.once else organization.developers_clone_url,
    }


def _context(stand: Stand, row: dict[str, Any]) -> str | None:
    """A folder with the uploaded build context, read back from the storage."""
    if not row["context"]:
        return None
    folder = stand.settings.folder / "contexts" / row["name"]
    if not folder.exists():
        stand.download_context(row["context"], folder)
    return str(folder.resolve())


def _stay(stand: Stand, story: Story, console: Console, options: Options) -> None:
    """Stay up, say what can be tried, and go on telling."""
    feed = stand.organization.feed
    following = set(feed.own_versions())
    feed.published.append(lambda name, version: following.add((name, version)))
    console.print(Text("\nIt stays up until Ctrl-C. What you can try:", style="bold"))
    for title, command in _what_to_try(stand, options):
        console.print(f"\n  {title}:", style="bright_black")
        console.print(Text(f"    {command}"), soft_wrap=True)
    console.print()
    with suppress(KeyboardInterrupt):
        while stand.functions.is_running:
            story.tell_runs()
            for name, version in sorted(following):
                with suppress(requests.RequestException):
                    story.tell(name, version)
            time.sleep(0.5)
    if stand.functions.is_running:
        return
    raise StandError(f"the Function app ended: {stand.functions.last_line()}")


def _what_to_try(stand: Stand, options: Options) -> list[tuple[str, str]]:
    organization, app, key = stand.organization, stand.app_url, stand.function_key
    root, index = organization.url.rsplit("/", 1)[0], f"{organization.feed_url}/upload/"
    credentials = f"TWINE_USERNAME=developer TWINE_PASSWORD={organization.password}"
    body = json.dumps({"name": options.name, "version": options.version})
    fault = json.dumps({"operation": "push", "fault": "after"})
    name, following, python = package_name(options.name), _next_version(options.version), sys.executable
    wheel = options.folder / "wheels" / f"{name.replace('-', '_')}-{following}-py3-none-any.whl"
    build = f"cd {PROJECT} && {python} -m local wheel {name}=={following} --folder {wheel.parent}"
    return [
        ("make another version", build),
        ("and publish it to the feed", f"{credentials} {python} -m twine upload --repository-url {index} {wheel}"),
        ("rerun by hand", f"curl -X POST {app}/api/rebuilds -H 'x-functions-key: {key}' -d '{body}'"),
        ("ask who has it now", f"curl -H 'x-functions-key: {key}' '{app}/api/releases/{name}/{options.version}?all=1'"),
        ("clone the repository, change something, push it", f"git clone {organization.developers_clone_url}"),
        ("let the answer to the next push get lost", f"curl -X POST {root}/_stand/faults -d '{fault}'"),
    ]


def _next_version(version: str) -> str:
    """The version after this one: its last number raised by one."""
    *before, last = version_of(version).release
    return ".".join(map(str, (*before, last + 1)))


def _end_on_sigterm() -> None:
    def end(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, end)
