"""Queues the runs of a rebuild, each once: claim it in the ledger, look whether it is there, queue it, record it.

The service knows no key that would make queueing the same run twice impossible. So only the worker whose claim is in
the ledger queues, and a worker that finds a claim looks for the run first. What slips through all the same, because a
run was shown late after a lost answer, is found by the pipeline's first step.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from shared.domain.records.pipeline_contract import numbered, work_of
from shared.domain.records.rebuilds import RebuildEntry, Run
from shared.domain.states import RebuildState
from shared.domain.targets import Target
from shared.errors import Conflict, OutOfTime, Permanent, Throttled, Transient
from shared.ledger import Ledger
from shared.ledger_entries import FollowingEntry, following_key, rebuild_key
from shared.limits import CLAIM_LIFETIME, CLOCK_SKEW
from shared.log import event
from shared.ports import AzureDevOps, Clock, PipelineRun

# The pipeline's parameters carry a schema number too: an older pipeline refuses a newer app in its first step.
PARAMETER_SCHEMA = "4"


class QueueRuns:
    """Brings a rebuild from `committed` to `queued`."""

    def __init__(self, *, ledger: Ledger, azure_devops: AzureDevOps, clock: Clock) -> None:
        self._ledger = ledger
        self._azure_devops = azure_devops
        self._clock = clock

    def queue(self, target: Target, rebuild: RebuildEntry, until: datetime) -> RebuildEntry:
        """Queue what is not queued yet, one run at least.

        Args:
            target: the target.
            rebuild: the rebuild.
            until: when to leave further runs to the next message.

        Raises:
            OutOfTime: there are such runs.
            Transient: a service does not answer, or another worker is queueing a run.
            Permanent: the pipeline takes no run.
        """
        self._follow(rebuild)
        left = [run for run in rebuild.runs if run.id is None]
        for number, run in enumerate(left):
            if number and self._clock.now() >= until:
                raise OutOfTime(f"{len(left) - number} runs of rebuild {rebuild.id} are queued with the next message")
            rebuild = self._queue(target, rebuild, run)
        return self._change(rebuild, lambda entry: entry.queued(self._clock.now()))

    def found(self, target: Target, rebuild: RebuildEntry) -> RebuildEntry:
        """Record the runs that were claimed and whose id nobody knows, if the service shows them now."""
        for run in rebuild.runs:
            if run.id is None and run.claimed and (found := self._found(target, rebuild, run)):
                rebuild = self._recorded(rebuild, run, found, "found")
        return rebuild

    def _queue(self, target: Target, rebuild: RebuildEntry, run: Run) -> RebuildEntry:
        if run.claimed and (found := self._found(target, rebuild, run)):
            return self._recorded(rebuild, run, found, "found")
        rebuild = self._claim(rebuild, run)
        run = rebuild.run_of(run.batch)
        if run.id is not None:
            return rebuild
        if found := self._found(target, rebuild, run):
            return self._recorded(rebuild, run, found, "found")
        return self._recorded(rebuild, run, self._queued(target, rebuild, run), "queued")

    def _claim(self, rebuild: RebuildEntry, run: Run) -> RebuildEntry:
        """Write down that we are about to queue a run, so that no other worker does at the same time."""
        now = self._clock.now()

        def claim(entry: RebuildEntry) -> RebuildEntry:
            present = entry.run_of(run.batch)
            if present.id is not None:
                return entry
            if entry.state is not RebuildState.COMMITTED:
                raise Conflict(f"rebuild {entry.id} is {entry.state} now: look again")
            if present.claimed and (left := present.claimed + CLAIM_LIFETIME - now) > timedelta():
                # All who wait come again when the claim is over, and not again and again until then.
                raise Transient(f"another worker queues batch {run.batch} of rebuild {entry.id}", left)
            return entry.claimed(run.batch, now)

        return self._change(rebuild, claim)

    def _found(self, target: Target, rebuild: RebuildEntry, run: Run) -> PipelineRun | None:
        """The run of an earlier try whose answer was lost; the oldest, if there are several.

        The look-up filters by definition, branch and time; what tells the run is compared here.
        """
        wanted = work_of(run_parameters(rebuild, run))
        found = [
            candidate
            for candidate in self._azure_devops.pipeline(target).runs_since(rebuild.began - CLOCK_SKEW)
            if work_of(candidate.parameters) == wanted
        ]
        return min(found, key=lambda candidate: candidate.id, default=None)

    def _queued(self, target: Target, rebuild: RebuildEntry, run: Run) -> PipelineRun:
        commit = rebuild.commit or rebuild.base
        try:
            return self._azure_devops.pipeline(target).queue(commit, run_parameters(rebuild, run))
        except (Permanent, Throttled):
            # Nothing was queued for sure, so the next try need not wait. After any other error the claim stays: the
            # run may be there, and shown late.
            self._change(rebuild, lambda entry: entry.claimed(run.batch, None))
            raise

    def _recorded(self, rebuild: RebuildEntry, run: Run, queued: PipelineRun, how: str) -> RebuildEntry:
        which = f" (batch {run.batch})" if len(rebuild.runs) > 1 else ""
        what = f"{how} run {queued.id}{which}"
        event("run_queued", target=rebuild.target, rebuild=rebuild.id, run=queued.id, how=what)
        # Following may be over just now, so its mark is set before the run is known and once more afterwards.
        self._follow(rebuild)
        rebuild = self._change(
            rebuild, lambda entry: entry.run_queued(run.batch, queued.id, queued.url, what, self._clock.now())
        )
        self._follow(rebuild)
        return rebuild

    def _follow(self, rebuild: RebuildEntry) -> None:
        self._ledger.update(following_key(rebuild.target, rebuild.id), lambda _: FollowingEntry(rebuild.id))

    def _change(self, rebuild: RebuildEntry, change: Callable[[RebuildEntry], RebuildEntry]) -> RebuildEntry:
        return self._ledger.change(rebuild_key(rebuild.target, rebuild.id), rebuild, change)


def run_parameters(rebuild: RebuildEntry, run: Run) -> dict[str, str]:
    """The pipeline's template parameters: strings all, as the service takes no other (Runs API)."""
    earlier = {environment.path: environment.earlier for environment in rebuild.environments}
    return {
        "schema": PARAMETER_SCHEMA,
        "rebuild": rebuild.id,
        "batch": str(run.batch),
        "commit": rebuild.commit or rebuild.base,
        "environments": numbered((path, earlier[path]) for path in run.environments),
    }
