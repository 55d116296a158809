"""Runs one job: its steps one after the other, each a real process."""

import os
import re
import selectors
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from local.agent.commands import Command, read_command
from local.agent.expressions import Unknown, as_text, evaluate, is_true
from local.agent.machine import Machine
from local.agent.pipeline import JobPlan, Step
from local.agent.record import Record, Timeline

_MACRO = re.compile(r"\$\((?P<name>[^()]+)\)")
# A variable's value may name others, and in the end itself.
_MACRO_DEPTH = 50
_RUNTIME = re.compile(r"\$\[(?P<expression>.*)\]", re.DOTALL)
_BAD = ("failed", "canceled")


class StepProblem(Exception):
    """A step that fails; the message becomes its error."""


@dataclass
class JobContext:
    """What a job has while it runs.

    Attributes:
        plan: the job.
        machine: where it runs.
        timeline: where it is recorded.
        folder: its work folder.
        variables: by name, as the service has them; names are compared without case.
        secret_variables: likewise, but a step gets one only where it names it: no process finds it by itself.
        path: folders in front of PATH.
        secrets: texts that no log shows.
        tags: of the build.
        cancelled: set when the run is cancelled.
    """

    plan: JobPlan
    machine: Machine
    timeline: Timeline
    folder: Path
    variables: dict[str, str]
    clone_url: str
    commit: str
    tags: list[str]
    cancelled: threading.Event
    secret_variables: Mapping[str, str] = field(default_factory=dict)
    path: list[str] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)
    result: str = "succeeded"

    def get(self, name: str) -> str | None:
        """A variable's value."""
        wanted = name.casefold()
        known = {**self.secret_variables, **self.variables}
        return next((value for key, value in known.items() if key.casefold() == wanted), None)

    def set(self, name: str, value: str) -> None:
        """Set a variable."""
        for key in [key for key in self.variables if key.casefold() == name.casefold()]:
            del self.variables[key]
        self.variables[name] = value

    def expand(self, text: str, depth: int = 0) -> str:
        """Replace `$(name)` where there is such a variable, as the service does just before a step runs.

        What a variable's value names is replaced too. Anything else, such as `$(git rev-parse HEAD)`, stays.
        """

        def value(found: re.Match[str]) -> str:
            known = self.get(found["name"])
            return found[0] if known is None or depth > _MACRO_DEPTH else self.expand(known, depth + 1)

        return _MACRO.sub(value, text)

    def names(self) -> Mapping[str, object]:
        """What run-time expressions may name."""
        return {"variables": self.variables}

    def environment(self, extra: Mapping[str, str]) -> dict[str, str]:
        """The environment of a process: the machine's, what the step adds, and over it every variable."""
        base = self.machine.environment()
        base["PATH"] = os.pathsep.join([*self.path, base["PATH"]])
        base |= {name: self.expand(value) for name, value in extra.items()}
        return base | {_spelled(name): self.expand(value) for name, value in self.variables.items()}


class JobRunner:
    """Runs the steps of a job and records them."""

    def __init__(
        self, context: JobContext, parent: Record, tasks: Mapping[str, Callable[["JobRunner", Step], None]]
    ) -> None:
        self.context = context
        self._parent = parent
        self._tasks = tasks
        self._record = parent
        self._step_name = ""
        self._outcome: str | None = None
        self._deadline = time.monotonic() + context.plan.minutes * 60

    def run(self) -> str:
        """Run all steps; returns the job's result."""
        context = self.context
        for folder in ("Build.SourcesDirectory", "Agent.TempDirectory"):
            Path(context.variables[folder]).mkdir(parents=True, exist_ok=True)
        for name, value in list(context.variables.items()):
            if whole := _RUNTIME.fullmatch(value):
                context.variables[name] = as_text(evaluate(whole["expression"], context.names()))
        records = [
            context.timeline.add("Task", step.label, f"{context.plan.name}.{at}", self._parent, log=True)
            for at, step in enumerate(context.plan.steps, start=1)
        ]
        for step, record in zip(context.plan.steps, records, strict=True):
            self._record, self._step_name, self._outcome = record, step.name, None
            record.begin()
            record.end(self._perform(step))
            if record.result in _BAD and context.result == "succeeded":
                context.result = record.result
        return context.result

    def _perform(self, step: Step) -> str:
        context = self.context
        status = {
            "succeeded": lambda: context.result == "succeeded" and not context.cancelled.is_set(),
            "always": lambda: True,
        }
        try:
            if not is_true(evaluate(step.condition, context.names(), status)):
                return "canceled" if context.cancelled.is_set() else "skipped"
            self._tasks[step.kind](self, step)
        except (StepProblem, Unknown) as problem:
            self.issue("error", str(problem))
            self.log(f"##[error]{problem}")
            return "failed"
        if context.cancelled.is_set():
            return "canceled"
        return self._outcome or "succeeded"

    # What tasks use

    def issue(self, kind: str, message: str) -> None:
        """Note an error or warning of the step."""
        self._record.issues.append((kind, self._masked(message)))

    def log(self, line: str) -> None:
        """Write a line to the step's log."""
        if self._record.log is None:
            return
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        with self.context.timeline.log_file(self._record.log).open("a") as log:
            log.write(f"{stamp} {self._masked(line)}\n")

    def script(self, text: str, step: Step, extra: Mapping[str, str] | None = None) -> None:
        """Run a script with bash; `extra` are variables of the task's own, which nothing replaces."""
        temp = Path(self.context.variables["Agent.TempDirectory"])
        file = temp / f"{self._record.id}.sh"
        file.write_text(self.context.expand(text))
        where = step.inputs.get("workingDirectory")
        folder = self.context.expand(where) if where else self.context.variables["Build.SourcesDirectory"]
        environment = self.context.environment(step.env) | dict(extra or {})
        self.process(["bash", "--noprofile", "--norc", str(file)], Path(folder), environment)

    def process(self, command: list[str], folder: Path, environment: Mapping[str, str]) -> None:
        """Run a program, follow its output and obey its logging commands.

        Raises:
            StepProblem: it did not end with 0.
        """
        process = subprocess.Popen(
            command, cwd=folder, env=dict(environment), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        had_error = len([kind for kind, _ in self._record.issues if kind == "error"])
        for line in self._lines(process):
            self.log(line)
            if command_found := read_command(line):
                self._obey(command_found)
        status = process.wait()
        if self.context.cancelled.is_set():
            return
        errors = len([kind for kind, _ in self._record.issues if kind == "error"])
        if status and errors == had_error:
            raise StepProblem(f"Bash exited with code '{status}'.")
        if status:
            self._outcome = "failed"  # a step that says of itself that it is complete cannot hide this

    def _lines(self, process: subprocess.Popen[bytes]) -> Iterator[str]:
        assert process.stdout is not None
        waiting = selectors.DefaultSelector()
        waiting.register(process.stdout, selectors.EVENT_READ)
        rest = b""
        while True:
            if self.context.cancelled.is_set() or time.monotonic() > self._deadline:
                _end(process)
                if not self.context.cancelled.is_set():
                    raise StepProblem(f"The job took longer than its {self.context.plan.minutes:.0f} minutes.")
                return
            if not waiting.select(timeout=0.2):
                continue
            chunk = os.read(process.stdout.fileno(), 65536)
            if not chunk:
                break
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                yield line.decode(errors="replace").rstrip("\r")
        if rest:
            yield rest.decode(errors="replace")

    def set_output(self, name: str, value: str) -> None:
        """Set an output variable of the step: only a step with a name has any, read as `<step name>.<name>`."""
        if self._step_name:
            self.context.set(f"{self._step_name}.{name}", value)

    def _obey(self, command: Command) -> None:
        match command.name:
            case "task.setvariable":
                name, is_output = command.properties["variable"], command.properties.get("isoutput", "false")
                put = self.set_output if is_output.casefold() == "true" else self.context.set
                put(name, command.data)
            case "task.complete":
                results = {"Succeeded": "succeeded", "Failed": "failed", "Skipped": "skipped",
                           "SucceededWithIssues": "succeeded"}  # fmt: skip
                said = results.get(command.properties.get("result", ""), "succeeded")
                # Of several results the worst counts (the agent's own `MergeTaskResults`).
                self._outcome = max(said, self._outcome or said, key=("skipped", "succeeded", "failed").index)
            case "task.logissue":
                self.issue(command.properties.get("type", "error"), command.data)
            case "task.uploadsummary":
                self.context.timeline.summaries.append(Path(command.data).read_text())
            case "build.addbuildtag":
                if command.data not in self.context.tags:
                    self.context.tags.append(command.data)

    def _masked(self, text: str) -> str:
        for secret in self.context.secrets:
            text = text.replace(secret, "***")
        return text


def _spelled(name: str) -> str:
    """What a variable is called among those of a process."""
    return re.sub(r"[. ]", "_", name.upper())


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGTERM)
    except ProcessLookupError:
        return


def copy_tree(source: Path, destination: Path) -> None:
    """Copy a file or folder to where an artifact is kept."""
    if source.is_dir():
        shutil.copytree(source, destination, dirs_exist_ok=True)
    else:
        destination.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, destination)
