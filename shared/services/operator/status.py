"""Tells what the ledger knows of a release or a rebuild, as plain data for JSON."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from shared.domain.due import DueEnvironment
from shared.domain.inventory.build_blockers import build_blocker
from shared.domain.inventory.environments import Environment
from shared.domain.planning.plan import Plan
from shared.domain.planning.planner import unaffected_environments
from shared.domain.records.documents import (
    history_document,
    plan_document,
    rebuild_document,
    registration_document,
)
from shared.domain.records.rebuilds import RebuildEntry, RebuiltEnvironment
from shared.domain.records.release_entry import ReleaseEntry
from shared.domain.releases import ReleaseId
from shared.domain.states import EnvironmentState
from shared.domain.targets import Target
from shared.errors import NotKnown
from shared.ledger import Ledger
from shared.ledger_entries import due_key, environment_key, plan_key, rebuild_key, release_key
from shared.services.planning.snapshots import Snapshots

_MAY_BE_OWED = (EnvironmentState.FAILED, EnvironmentState.SUPERSEDED)


class Status:
    """Answers "I released 1.4.0: who has it now?"."""

    def __init__(self, *, ledger: Ledger, targets: Iterable[Target], snapshots: Snapshots) -> None:
        self._ledger = ledger
        self._targets = tuple(targets)
        self._snapshots = snapshots

    def release(self, *, name: str, version: str, feed: str | None = None, everything: bool = False) -> dict[str, Any]:
        """What each target knows of a release.

        Args:
            name: the package, in any spelling.
            version: the version, in any spelling.
            feed: the feed, where the package is on several.
            everything: list the environments that are unaffected too (reads the repository), not only their number.

        Raises:
            NotKnown: no target has heard of it.
            InvalidInput: name or version is none.
        """
        found = []
        for target in self._targets:
            for watched in target.feeds:
                if feed is None or watched.answers_to(feed):
                    entry = self._ledger.read(release_key(target.name, ReleaseId.of(str(watched), name, version)))
                    if entry:
                        found.append(self._release(target, entry, everything=everything))
        if not found:
            raise NotKnown(f"{name} {version} is not known{f' on {feed}' if feed else ''}: no signal has told of it")
        return {"package": found[0]["package"], "version": found[0]["version"], "targets": found}

    def rebuild(self, rebuild: str) -> dict[str, Any]:
        """What the ledger knows of a rebuild.

        Raises:
            NotKnown: there is none of this id.
        """
        for target in self._targets:
            entry = self._ledger.read(rebuild_key(target.name, rebuild))
            if entry:
                plan = self._ledger.get(plan_key(target.name, rebuild))
                return {"target": target.name, **plan_document(plan), **rebuild_document(entry)}
        raise NotKnown(f"there is no rebuild {rebuild!r}")

    def _release(self, target: Target, entry: ReleaseEntry, *, everything: bool) -> dict[str, Any]:
        plan = self._ledger.read(plan_key(target.name, entry.plan)) if entry.plan else None
        rebuild = self._ledger.read(rebuild_key(target.name, entry.rebuild)) if entry.rebuild else None
        answer: dict[str, Any] = {
            "target": target.name,
            "feed": entry.id.feed,
            "package": entry.id.package,
            "version": entry.release.spelling if entry.release else entry.id.version,
            "state": entry.state,
            "reason": entry.reason,
            "source": entry.source,
            "files": list(entry.release.files) if entry.release else [],
            "views": list(entry.release.views) if entry.release else [],
            "history": history_document(entry.history),
            "plan": None,
            "rebuild": rebuild_document(rebuild) if rebuild else None,
        }
        if plan:
            answer["plan"] = plan_document(plan)
            answer["environments"] = self._environments(target, entry.id, plan, rebuild, everything=everything)
        return answer

    def _environments(
        self, target: Target, release: ReleaseId, plan: Plan, rebuild: RebuildEntry | None, *, everything: bool
    ) -> list[dict[str, Any]]:
        rebuilt = {e.path: e for e in rebuild.environments} if rebuild else {}
        rows = []
        for verdict in plan.about(release):
            mine, mine_in = self._followed(target, rebuild, rebuilt.get(verdict.path))
            rows.append(
                {
                    "path": verdict.path,
                    "name": verdict.name,
                    "decision": verdict.decision.kind,
                    "hold": verdict.decision.hold,
                    "reason": mine.reason if mine and mine.reason else verdict.decision.reason,
                    "state": mine.state if mine else None,
                    "rebuild": mine_in,
                    "owed": self._is_owed(target, mine, mine_in),
                    "run": mine.run if mine else None,
                    **registration_document(mine),
                }
            )
        if everything:
            catalog = self._snapshots.at(target, plan.commit).catalog
            rows += [
                {
                    "path": environment.path,
                    "name": environment.name,
                    "decision": "unaffected",
                    "hold": None,
                    "reason": _why_unaffected(environment, release),
                    "state": None,
                    "rebuild": None,
                    "owed": False,
                    "run": None,
                    **registration_document(None),
                }
                for environment in unaffected_environments(plan, catalog, release)
            ]
        return sorted(rows, key=lambda row: str(row["path"]))

    def _followed(
        self, target: Target, rebuild: RebuildEntry | None, environment: RebuiltEnvironment | None
    ) -> tuple[RebuiltEnvironment | None, str | None]:
        """An environment in a release's rebuild, or in the later one that it was owed, and which one that is."""
        if rebuild is None or environment is None:
            return None, None
        if environment.state in _MAY_BE_OWED:
            record = self._ledger.readable(environment_key(target.name, environment.path))
            if record and record.rebuild != rebuild.id:
                later = self._ledger.readable(rebuild_key(target.name, record.rebuild))
                for found in later.environments if later else ():
                    if found.path == environment.path:
                        return found, record.rebuild
        return environment, rebuild.id

    def _is_owed(self, target: Target, environment: RebuiltEnvironment | None, rebuild: str | None) -> bool:
        """Tell whether another rebuild of an environment is due, since this one did not register it."""
        if environment is None or rebuild is None or environment.state not in _MAY_BE_OWED:
            return False
        mark = DueEnvironment(environment.path, rebuild, attempt=1, at=datetime.min.replace(tzinfo=UTC))
        return self._ledger.holds(due_key(target.name, mark))  # which attempt, and when, is not part of its identity


def _why_unaffected(environment: Environment, release: ReleaseId) -> str:
    why = f"requires no {release.package} from the feed"
    doubt = environment.doubt()
    pipeline_blocker = doubt[1] if doubt else build_blocker(environment)
    return f"{why}, as far as it can be read ({pipeline_blocker})" if pipeline_blocker else why
