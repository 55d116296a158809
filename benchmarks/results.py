"""What was measured: as a table for people, and as JSON for whoever compares it later."""

import importlib.metadata
import json
import os
import platform
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.measure import Cost

_PACKAGES = ("azure-ai-ml", "azure-devops", "azure-storage-blob", "packaging", "pyyaml")


@dataclass(frozen=True, slots=True)
class Row:
    """One measure.

    Attributes:
        what: what was done.
        environments: in the repository.
        affected: by the release.
        cost: what it cost.
        right: for how many environments the answer was right; None if it gave none that could be compared.
        of: of how many.
        harmed: how many other environments were changed, and should not have been.
        requests: by kind.
        read: bytes read from the ledger.
        written: bytes written to it.
    """

    what: str
    environments: int
    affected: int
    cost: Cost
    right: int | None = None
    of: int | None = None
    harmed: int | None = None
    requests: Mapping[str, int] = field(default_factory=dict)
    read: int | None = None
    written: int | None = None


def machine() -> dict[str, object]:
    """Where and with what it was measured."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processors": os.cpu_count(),
        "machine": platform.machine(),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in _PACKAGES},
    }


def write_json(rows: Iterable[Row], path: Path) -> None:
    """Write what was measured, without what programs printed."""
    listed = [asdict(row) for row in rows]
    for row in listed:
        row["cost"].pop("output")
    path.write_text(json.dumps({"machine": machine(), "rows": listed}, indent=2) + "\n")


def table(rows: Iterable[Row]) -> str:
    """The rows as a table in Markdown."""
    lines = [
        "| what | environments | affected | CPU seconds | MB | right | harmed | requests |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    for row in rows:
        memory = f"{row.cost.memory / 1e6:.0f}" if row.cost.memory else ""
        right = "" if row.right is None else f"{row.right:,} of {row.of:,}"
        harmed = "" if row.harmed is None else f"{row.harmed:,}"
        asked = ", ".join(f"{count:,} {kind}" for kind, count in row.requests.items())
        if row.read is not None and row.written is not None:
            asked += f"; {row.read / 1e6:.1f} MB read, {row.written / 1e6:.1f} MB written"
        sizes = f"{row.environments:,} | {row.affected:,}"
        lines.append(f"| {row.what} | {sizes} | {row.cost.said} | {memory} | {right} | {harmed} | {asked} |")
    return "\n".join(lines)
