"""Plans, rebuilds and histories as plain data for JSON: what status answers are made of."""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from shared.domain.planning.plan import Plan
from shared.domain.records.history import HistoryLine
from shared.domain.records.rebuilds import RebuildEntry, RebuiltEnvironment


def plan_document(plan: Plan) -> dict[str, Any]:
    """A plan, without its verdicts."""
    return {
        "plan": plan.id,
        "commit": plan.commit,
        "deliver": plan.deliver,
        "releases": [str(release) for release in plan.releases],
        "unaffected": plan.unaffected,
        "edits": [
            {
                "path": edit.path,
                "offset": edit.span.start,
                "old": edit.old,
                "new": edit.new,
                "package": edit.package or None,
            }
            for edit in plan.edits
        ],
        "warnings": list(plan.warnings),
        "elsewhere": plan.elsewhere.document(),
    }


def registration_document(environment: RebuiltEnvironment | None) -> dict[str, Any]:
    """Where Azure ML holds an environment; the first workspace's figures stand in front."""
    found = environment.workspaces if environment else ()
    return {
        "registered_version": found[0].version if found else None,
        "tags": found[0].tags if found else {},
        "context": found[0].context if found else None,
        "workspaces": [asdict(registration) for registration in found],
    }


def rebuild_document(rebuild: RebuildEntry) -> dict[str, Any]:
    """A rebuild with its runs and environments."""
    return {
        "id": rebuild.id,
        "state": rebuild.state,
        "reason": rebuild.reason,
        "base": rebuild.base,
        "commit": rebuild.commit,
        "runs": [{**asdict(run), "claimed": None} for run in rebuild.runs],
        "environments": [asdict(environment) for environment in rebuild.environments],
        "history": history_document(rebuild.history),
    }


def history_document(lines: Iterable[HistoryLine]) -> list[dict[str, Any]]:
    """Lines of history, in their order."""
    return [{"at": _moment(line.at), "kind": line.kind, "what": line.what, "run": line.run} for line in lines]


def _moment(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
