"""Decides whether a failed environment is tried again: then it is owed a new rebuild."""

from collections.abc import Iterable
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
        going = {e.run for e in rebuild.environments if not seen.get(e.path, e).is_settled}
        told = {p: now for p, now in seen.items() if now.state is not EnvironmentState.FAILED or now.run not in going}
        return told | self._tried_again(rebuild, [now for now in told.values() if now.state is EnvironmentState.FAILED])

    def _tried_again(
        self, rebuild: RebuildEntry, failed: Iterable[RebuiltEnvironment]
    ) -> dict[str, RebuiltEnvironment]:
        """Those of failed environments that are tried again."""
        left = {environment_key(rebuild.target, e.path): e for e in failed if e.attempt < self._attempts}
        records = self._ledger.readable_many(left)
        mine = [left[key] for key, record in records.items() if record.rebuild == rebuild.id]
        at = self._clock.now() + RETRY_PAUSE
        self._due.mark(rebuild.target, *(DueEnvironment(e.path, rebuild.id, e.attempt + 1, at) for e in mine))
        return {e.path: replace(e, reason=f"attempt {e.attempt} failed and is tried again: {e.reason}") for e in mine}
