"""Decides whether a failed environment is tried again: then it is owed a new rebuild."""

from dataclasses import replace

from shared.domain.due import DueEnvironment
from shared.domain.records.rebuilds import RebuildEntry, RebuiltEnvironment
from shared.domain.states import EnvironmentState
from shared.ledger import Ledger
from shared.ledger_entries import environment_key
from shared.limits import RETRY_PAUSE
from shared.ports import Clock
from shared.services.records.due import DueMarks


class Retries:
    """Marks failed environments as owed while they have attempts left and no later rebuild has taken them over."""

    def __init__(self, *, ledger: Ledger, due: DueMarks, clock: Clock, attempts: int) -> None:
        self._ledger = ledger
        self._due = due
        self._clock = clock
        self._attempts = attempts

    def told(self, rebuild: RebuildEntry, seen: dict[str, RebuiltEnvironment]) -> dict[str, RebuiltEnvironment]:
        """What was seen, where what failed and has attempts left is owed a new rebuild.

        A failure counts once all jobs of its run are over, so that all that failed are rebuilt together. The mark comes
        before the record of the failure: after a crash in between, the same mark is set again.
        """
        told = {}
        for path, now in seen.items():
            if now.state is not EnvironmentState.FAILED:
                told[path] = now
                continue
            rest = (e for e in rebuild.environments if e.run == now.run)
            if all(seen.get(e.path, e).is_settled for e in rest):
                told[path] = self._tried_again(rebuild, now)
        return told

    def _tried_again(self, rebuild: RebuildEntry, failed: RebuiltEnvironment) -> RebuiltEnvironment:
        record = self._ledger.readable(environment_key(rebuild.target, failed.path))
        if failed.attempt >= self._attempts or record is None or record.rebuild != rebuild.id:
            return failed
        at = self._clock.now() + RETRY_PAUSE
        self._due.mark(rebuild.target, DueEnvironment(failed.path, rebuild.id, failed.attempt + 1, at))
        return replace(failed, reason=f"attempt {failed.attempt} failed and is tried again: {failed.reason}")
