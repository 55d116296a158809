"""Shows what happens to a release while it happens, from the app's own status answers, git and the pipeline queue."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from local.azure_devops.pipelines import Build
from local.azure_devops.repository import git
from local.stand import Stand
from shared.domain.records.history import Happened

# Steps of the pipeline that are part of the story, and the topic they are told under.
_STEPS = {
    "Download the packages": "package",
    "Prove the offline install": "verify",
    "Register the environment": "register",
}
_COLOURS = {"bump": "green", "rebuild": "green", "current": "cyan", "held": "yellow", "unaffected": "bright_black"}


@dataclass
class _Told:
    """What was already shown of one release."""

    lines: set[tuple[str, str]] = field(default_factory=set)
    plans: set[str] = field(default_factory=set)
    states: dict[tuple[str, str], str] = field(default_factory=dict)


class Story:
    """Writes lines with times; each thing is told once."""

    def __init__(self, stand: Stand, console: Console) -> None:
        self._stand = stand
        self._console = console
        self._told: dict[tuple[str, str], _Told] = {}
        self._steps: set[str] = set()

    def line(self, topic: str, text: RenderableType, at: datetime | None = None) -> None:
        """Write one event."""
        moment = (at or datetime.now(UTC)).astimezone().strftime("%H:%M:%S")
        table = Table.grid(padding=(0, 2))
        table.add_column(no_wrap=True, style="bright_black")
        table.add_column(no_wrap=True, style="bold", width=9)
        table.add_column(overflow="fold")
        table.add_row(moment, topic, text)
        self._console.print(table)

    def tell(self, name: str, version: str) -> dict[str, Any] | None:
        """Show what is new about a release; returns what the app knows of it."""
        answer = self._stand.release(name, version, everything=True)
        if answer is None:
            return None
        told = self._told.setdefault((name, version), _Told())
        for found in answer["targets"]:
            self._tell_target(found, told)
        target: dict[str, Any] = answer["targets"][0]
        return target

    def tell_runs(self) -> None:
        """Show what the agent has done since the last time."""
        for build in self._stand.organization.pipelines.builds:
            timeline = build.timeline
            if timeline is None:
                continue
            for record in list(timeline.records):
                errors = [message for kind, message in record.issues if kind == "error"]
                if record.id in self._steps or record.state != "completed":
                    continue
                if record.result == "failed" and errors:
                    self._steps.add(record.id)
                    owner = next((job.name for job in timeline.records if job.id == record.parent), f"run {build.id}")
                    text = f"{self._run(build)}{owner}: {record.name}: {errors[0]}"
                    self.line("failed", Text(text, style="red"), record.finished)
                elif record.name in _STEPS and record.result == "succeeded" and record.log is not None:
                    self._steps.add(record.id)
                    owner = next(job.name for job in timeline.records if job.id == record.parent)
                    lines = timeline.log_file(record.log).read_text().splitlines()
                    said = [line.split(" ", 1)[1] for line in lines if "##vso" not in line]
                    text = f"{self._run(build)}{owner}: {said[-1] if said else 'done'}"
                    self.line(_STEPS[record.name], text, record.finished)

    def _run(self, build: Build) -> str:
        """Which run it is, where there are several."""
        return f"run {build.id}: " if len(self._stand.organization.pipelines.builds) > 1 else ""

    def where_to_look(self, seen: dict[str, Any] | None, folder: Path) -> None:
        """Say what Azure ML holds now, and where everything can be looked at."""
        found = seen["targets"][0] if seen else None
        rows = [row for row in (found or {}).get("environments", []) if row["registered_version"]]
        for row in rows:
            tags = ", ".join(f"{key}={value}" for key, value in sorted(row["tags"].items()))
            self.line("azure ml", f"{row['name']} {row['registered_version']}, tags: {tags}")
        places = _grid(2)
        if self._stand.organization.pipelines.builds:
            places.add_row("logs of the runs", f"{folder}/agent/runs/*/logs")
            places.add_row("what was published", f"{folder}/agent/runs/*/artifacts")
        if rows:
            places.add_row("uploaded contexts", f"{folder}/contexts")
        places.add_row("log of the Function app", f"{folder}/logs/functions.log")
        if found and found["rebuild"]:
            places.add_row("ledger entry", f"GET {self._stand.app_url}/api/rebuilds/{found['rebuild']['id']}")
        self.line("look at", places)

    def _tell_target(self, found: dict[str, Any], told: _Told) -> None:
        rebuild = found["rebuild"]
        later = {row["rebuild"] for row in found.get("environments", [])} - {None, rebuild and rebuild["id"]}
        rebuilds = [rebuild] if rebuild else []
        rebuilds += [answer for one in sorted(later) if (answer := self._stand.rebuild(one))]
        lines = [(line, None) for line in found["history"]]
        lines += [(line, one) for one in rebuilds for line in one["history"]]
        for line, one in sorted(lines, key=lambda pair: str(pair[0]["at"])):
            key = (str(line["at"]), str(line["what"]))
            if key in told.lines:
                continue
            told.lines.add(key)
            at = datetime.fromisoformat(str(line["at"]))
            if one is None:
                self._tell_release(found, line, at, told)
            else:
                self._tell_rebuild(one, line, at)

    def _tell_release(self, found: dict[str, Any], line: dict[str, Any], at: datetime, told: _Told) -> None:
        label = f"{found['package']} {found['version']} on {found['feed']}"
        kind = Happened(line["kind"])
        if kind is Happened.SIGNALLED:
            self.line("signal", f"{label}: {line['what']}", at)
        elif kind is Happened.CONFIRMED:
            files = ", ".join(found["files"]) or "no file yet"
            self.line("feed", f"release confirmed on the feed: {files}; views: {', '.join(found['views'])}", at)
        elif kind in (Happened.PLANNED, Happened.SETTLED) and found["plan"] and found["plan"]["plan"] not in told.plans:
            told.plans.add(found["plan"]["plan"])
            self.line("plan", self._plan(found), at)
        else:
            self.line("release", f"{label}: {line['what']}", at)

    def _plan(self, found: dict[str, Any]) -> RenderableType:
        plan = found["plan"]
        rows = _grid(3)
        for row in found["environments"]:
            decision = Text(row["decision"], style=_COLOURS.get(row["decision"], "white"))
            rows.add_row(decision, row["path"], row["reason"])
        head = f"against commit {plan['commit'][:8]}, deliver: {plan['deliver']}"
        if plan["deliver"] == "report":
            head += " (nothing is written)"
        warnings = [Text(f"warning: {warning}", style="yellow") for warning in plan["warnings"]]
        elsewhere = [
            Text(f"{row['path']} line {row['line']} names {row['text']}; {row['outcome']}")
            for row in plan["elsewhere"]["references"]
        ]
        if summary := plan["elsewhere"]["summary"]:
            elsewhere.append(Text(f"and {summary}"))
        return Group(Text(head), rows, *warnings, *elsewhere)

    def _tell_rebuild(self, rebuild: dict[str, Any], line: dict[str, Any], at: datetime) -> None:
        kind, what = Happened(line["kind"]), line["what"]
        if kind is Happened.COMMITTED and rebuild["commit"] != rebuild["base"]:
            self.line("commit", Group(Text(what), self._diff(str(rebuild["commit"]))), at)
        elif kind is Happened.RUN_QUEUED:
            self.line("run", Group(Text(what), *self._parameters(line["run"])), at)
        elif kind is Happened.ENVIRONMENT:
            self.line("ledger", what, at)
        elif kind is not Happened.PLANNED:
            self.line("rebuild", f"{rebuild['id']}: {what}", at)

    def _diff(self, commit: str) -> RenderableType:
        shown = git("show", "--format=%an: %s", "--unified=0", commit, at=self._stand.organization.repository.path)
        lines = shown.decode(errors="replace").splitlines()
        wanted = [line for line in lines if not line.startswith(("diff ", "index ", "--- ", "@@"))]
        text = "\n".join(line.replace("+++ b/", "") for line in wanted if line.strip())
        return Syntax(text, "diff", theme="ansi_dark", background_color="default", word_wrap=True)

    def _parameters(self, run: int) -> list[RenderableType]:
        for build in self._stand.organization.pipelines.builds:
            if build.id == run:
                head = f"pipeline {build.definition.id} ({build.definition.name}) at {build.commit[:8]}, with"
                values = _grid(2)
                for name, value in build.parameters.items():
                    values.add_row(Text(f"  {name}", style="bright_black"), value.replace(",", "\n"))
                return [Text(head), values]
        return []


def _grid(columns: int) -> Table:
    """Columns that fold what is too long for them, and cut nothing off; the first one is never folded."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    for _ in range(columns - 1):
        grid.add_column(overflow="fold")
    return grid
