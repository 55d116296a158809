"""Brings the edits of a rebuild onto the branch, in one commit, once.

The push names the commit that was planned against as the old tip, so nobody's work is overwritten. After a lost answer
the branch shows whether our commit is there: it carries the rebuild's id.
"""

from collections.abc import Callable

from shared.domain.files.text import apply
from shared.domain.planning.commit_message import commit_message, is_commit_of
from shared.domain.planning.plan import Plan
from shared.domain.records.rebuilds import RebuildEntry
from shared.domain.states import RebuildState
from shared.domain.targets import Target
from shared.errors import BranchMoved
from shared.ledger import Ledger
from shared.ledger_entries import rebuild_key
from shared.log import event
from shared.ports import AzureDevOps, Clock
from shared.services.planning.snapshots import Snapshots


class Commit:
    """Brings a rebuild from `planned` to `committed`, or to `superseded` if somebody else was faster."""

    def __init__(self, *, ledger: Ledger, azure_devops: AzureDevOps, snapshots: Snapshots, clock: Clock) -> None:
        self._ledger = ledger
        self._azure_devops = azure_devops
        self._snapshots = snapshots
        self._clock = clock

    def commit(self, target: Target, plan: Plan, rebuild: RebuildEntry) -> RebuildEntry:
        """Push, unless there is nothing to write: then the planned commit itself is built, as long as it is the tip.

        Raises:
            Transient: the service does not answer.
            Permanent: it takes no push, or does not show what is on the branch: not seen is not "not there".
        """
        repository = self._azure_devops.repository(target)
        if repository.tip() == plan.commit:
            if not plan.edits:
                return self._committed(rebuild, plan.commit, f"nothing to write: builds {plan.commit[:8]}")
            try:
                commit = repository.push(plan.commit, commit_message(plan), self._edited(target, plan))
                return self._committed(rebuild, commit, f"pushed {commit[:8]} to {target.branch}")
            except BranchMoved:
                pass
        if plan.edits and (found := self.pushed(target, plan)):
            return self._committed(rebuild, found, f"found {found[:8]} on {target.branch}")
        why = f"{target.branch} moved away from {plan.commit[:8]} before the push"
        return self._change(rebuild, lambda entry: self._superseded(entry, why))

    def pushed(self, target: Target, plan: Plan) -> str | None:
        """Our commit, if it is on the branch: every commit since the planned one is looked at."""
        since = self._azure_devops.repository(target).commits_since(plan.commit)
        return next((found.id for found in since if is_commit_of(plan, found.message)), None)

    def _committed(self, rebuild: RebuildEntry, commit: str, what: str) -> RebuildEntry:
        event("rebuild_committed", target=rebuild.target, rebuild=rebuild.id, commit=commit)
        return self._change(rebuild, lambda entry: entry.committed(commit, what, self._clock.now()))

    def _superseded(self, entry: RebuildEntry, why: str) -> RebuildEntry:
        # What another worker has parked meanwhile waits for a person: its marks are gone.
        return entry if entry.state is RebuildState.PARKED else entry.superseded(why, self._clock.now())

    def _edited(self, target: Target, plan: Plan) -> dict[str, bytes]:
        snapshot = self._snapshots.at(target, plan.commit)
        paths = sorted({edit.path for edit in plan.edits})
        return {
            path: apply(self._snapshots.raw(target, snapshot, path), (edit for edit in plan.edits if edit.path == path))
            for path in paths
        }

    def _change(self, rebuild: RebuildEntry, change: Callable[[RebuildEntry], RebuildEntry]) -> RebuildEntry:
        return self._ledger.change(rebuild_key(rebuild.target, rebuild.id), rebuild, change)
