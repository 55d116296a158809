"""What the service shows of a run: timeline records, logs, artifacts, summaries."""

import threading
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


@dataclass
class Record:
    """One line of the timeline: a stage, a job, a task or a check.

    Attributes:
        kind: `Stage`, `Phase`, `Job`, `Task`, `Checkpoint` or `Checkpoint.…`.
        name: what it is called on the run's page.
        identifier: its place, such as `__default.rebuild_x.__default`.
        parent: the record it belongs to.
        log: number of its log, if it has one.
        issues: errors and warnings that it logged, as (type, message).
    """

    kind: str
    name: str
    identifier: str
    parent: str | None
    order: int
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    state: str = "pending"
    result: str | None = None
    started: datetime | None = None
    finished: datetime | None = None
    log: int | None = None
    issues: list[tuple[str, str]] = field(default_factory=list)

    def begin(self) -> None:
        """It runs."""
        self.state, self.started = "inProgress", datetime.now(UTC)

    def end(self, result: str) -> None:
        """It is over."""
        now = datetime.now(UTC)
        self.state, self.result, self.started, self.finished = "completed", result, self.started or now, now


class Timeline:
    """All records and logs of one run, behind those of the checks that it passed before.

    Attributes:
        folder: for logs and artifacts.
        records: in the order in which they were made.
        summaries: Markdown files that steps uploaded.
    """

    def __init__(self, folder: Path, before: Iterable[Record] = ()) -> None:
        self.folder = folder
        self.records = list(before)
        self.summaries: list[str] = []
        self.changes = 0
        self._lock = threading.Lock()
        (folder / "logs").mkdir(parents=True, exist_ok=True)

    def add(self, kind: str, name: str, identifier: str, parent: Record | None, *, log: bool = False) -> Record:
        """Make a record."""
        with self._lock:
            order = 1 + sum(1 for record in self.records if record.parent == (parent.id if parent else None))
            made = Record(kind, name, identifier, parent.id if parent else None, order)
            if log:
                made.log = 1 + sum(1 for record in self.records if record.log is not None)
            self.records.append(made)
            return made

    def log_file(self, number: int) -> Path:
        """The file of a log."""
        return self.folder / "logs" / f"{number}.log"

    def logs(self) -> list[int]:
        """The numbers of all logs."""
        return [record.log for record in self.records if record.log is not None]


def described(records: Sequence[Record], base: str) -> dict[str, Any]:
    """A timeline of records in the service's words; `base` is the address of the build."""
    return {
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, base)),
        "changeId": sum(1 for record in records if record.state == "completed"),
        "url": f"{base}/timeline",
        "records": [_described(record, base) for record in records],
    }


def _described(record: Record, base: str) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": record.id,
        "type": record.kind,
        "name": record.name,
        "identifier": record.identifier,
        "order": record.order,
        "state": record.state,
        "errorCount": sum(1 for kind, _ in record.issues if kind == "error"),
        "warningCount": sum(1 for kind, _ in record.issues if kind == "warning"),
        "attempt": 1,
        "previousAttempts": [],
        "issues": [{"type": kind, "message": message, "category": "General"} for kind, message in record.issues],
    }
    if record.parent:
        row["parentId"] = record.parent
    if record.result:
        row["result"] = record.result
    if record.started:
        row["startTime"] = record.started.isoformat().replace("+00:00", "Z")
    if record.finished:
        row["finishTime"] = record.finished.isoformat().replace("+00:00", "Z")
    if record.log is not None:
        row["log"] = {"id": record.log, "type": "Container", "url": f"{base}/logs/{record.log}"}
    return row
