"""Takes a target's turn: plans the releases that wait, and carries the plan out until its runs are queued.

Every step looks, then acts, then records. Killed at any point, the next message of the target goes on: the turn
names the rebuild, the rebuild names its plan, the branch shows whether our commit is there, and the pipeline shows
whether our run is.
"""

from collections.abc import Callable, Iterable

from shared.domain.jobs import work_of
from shared.domain.plan import ByHand, Plan
from shared.domain.rebuilds import CarriedEntry, RebuildEntry, ReleaseEntry, Run
from shared.domain.releases import Release, ReleaseId
from shared.domain.states import RebuildState, ReleaseState
from shared.domain.targets import Target
from shared.domain.text import apply
from shared.errors import BranchMoved, NotKnown, Permanent, Throttled, Transient
from shared.ledger import (
    FollowingEntry,
    Ledger,
    TurnEntry,
    WaitingEntry,
    carried_key,
    following_key,
    plan_key,
    rebuild_key,
    release_key,
    turn_key,
    waiting_key,
)
from shared.limits import CLAIM_LIFETIME, CLOCK_SKEW, PLANS_PER_MESSAGE
from shared.log import alert, event
from shared.messages import Rerun, Turn
from shared.ports import Clock, PipelineRun, Services
from shared.services.drafting import Drafter
from shared.services.reading import Reader
from shared.services.rerun import is_planned

# The pipeline's parameters carry a schema number too: an older pipeline refuses a newer app in its first step.
PARAMETER_SCHEMA = "2"
TRAILER = "Rebuild-Id"


class Rebuild:
    """Brings releases from `confirmed` to a queued rebuild, or to `settled` where there is nothing to do."""

    def __init__(
        self, *, ledger: Ledger, services: Services, targets: Iterable[Target], reader: Reader, clock: Clock
    ) -> None:
        self._ledger = ledger
        self._services = services
        self._targets = {target.name: target for target in targets}
        self._reader = reader
        self._drafter = Drafter(ledger=ledger, services=services, reader=reader, clock=clock)
        self._clock = clock

    def turn(self, message: Turn) -> None:
        """Do what a target has to do.

        Raises:
            Transient: a service does not answer, or the branch moves faster than we plan.
            NotKnown: no target of this name is configured.
        """
        target = self._targets.get(message.target)
        if target is None:
            raise NotKnown(f"no target {message.target!r} is configured")
        for _ in range(PLANS_PER_MESSAGE):
            self._finish_what_is_underway(target)
            plan = self._plan_next(target, message.rerun)
            if plan is None:
                return
            if not plan.writes:
                self._take_up(plan)
                if plan.provisional:
                    return  # the releases go on waiting: the timer wakes the target to try again
                continue
            self._open(target, plan)
            self._carry_out(target, plan.id)
            if message.rerun and not self._is_open(target, message.rerun):
                return
        if self._has_work(target, message.rerun):
            raise Transient(f"branch {target.branch} of {target.repository} moves faster than plans are made")

    # Planning

    def _plan_next(self, target: Target, rerun: Rerun | None) -> Plan | None:
        """Plan what waits, and record the plan; None if nothing does."""
        releases = self._releases_in_hand(target, rerun)
        if not releases:
            return None
        if not rerun and (parked := self._parked(target, releases)):
            return parked
        plan = self._unused(self._drafter.plan(target, releases, self._by_hand(target, rerun)))
        self._ledger.create(plan_key(target.name, plan.id), plan)
        event(
            "plan_made",
            target=target.name,
            plan=plan.id,
            commit=plan.commit,
            releases=len(plan.releases),
            rebuilds=len(plan.environments),
            edits=len(plan.edits),
        )
        return plan

    def _by_hand(self, target: Target, rerun: Rerun | None) -> ByHand | None:
        if rerun is None:
            return None
        done = self._ledger.get(release_key(target.name, rerun.release)).reruns
        return ByHand(len(done) + 1, rerun.environments)

    def _parked(self, target: Target, releases: Iterable[Release]) -> Plan | None:
        """The plan of a parked rebuild whose commit is on the branch: it is resumed, since nothing is left to edit."""
        for release in releases:
            entry = self._ledger.get(release_key(target.name, release.id))
            rebuild = self._ledger.read(rebuild_key(target.name, entry.rebuild)) if entry.rebuild else None
            if rebuild and rebuild.state is RebuildState.PARKED and rebuild.commit:
                self._change(rebuild, self._resumed)
                return self._ledger.get(plan_key(target.name, rebuild.id))
        return None

    def _resumed(self, rebuild: RebuildEntry) -> RebuildEntry:
        return rebuild.resumed(self._clock.now()) if rebuild.state is RebuildState.PARKED else rebuild

    def _unused(self, plan: Plan) -> Plan:
        """A plan that equals one whose rebuild is over gets an identity of its own."""
        while (rebuild := self._ledger.read(rebuild_key(plan.target, plan.id))) and not rebuild.is_underway:
            plan = plan.again()
        return plan

    def _releases_in_hand(self, target: Target, rerun: Rerun | None) -> list[Release]:
        if rerun:
            entry = self._ledger.get(release_key(target.name, rerun.release))
            seen = entry.state in (ReleaseState.CONFIRMED, ReleaseState.PLANNED, ReleaseState.SETTLED)
            return [entry.release] if seen and entry.release and self._is_open(target, rerun) else []
        releases = []
        for release in self._ledger.waiting(target.name):
            waiting = self._ledger.read(release_key(target.name, release))
            if waiting and (waiting.state is ReleaseState.CONFIRMED or waiting.provisional) and waiting.release:
                releases.append(waiting.release)
            else:
                self._ledger.delete(waiting_key(target.name, release))  # left over: it has been dealt with
        return releases

    def _is_open(self, target: Target, rerun: Rerun) -> bool:
        """Whether a rerun has not led to a plan yet that stands."""
        entry = self._ledger.get(release_key(target.name, rerun.release))
        return not is_planned(self._ledger, entry, rerun.attempt, rerun.environments)

    def _has_work(self, target: Target, rerun: Rerun | None) -> bool:
        return self._is_open(target, rerun) if rerun else bool(self._ledger.waiting(target.name))

    def _take_up(self, plan: Plan) -> None:
        """Write into the releases that a plan deals with them: they are planned, or settled by it."""
        for release in plan.releases:
            self._change_release(plan.target, release.id, lambda entry: self._taken_up(entry, plan))
            if not plan.provisional:
                self._ledger.delete(waiting_key(plan.target, release.id))

    def _taken_up(self, entry: ReleaseEntry, plan: Plan) -> ReleaseEntry:
        # A worker that planned while another one carried out what waits comes too late: that plan stands.
        due = entry.state is ReleaseState.CONFIRMED or entry.provisional or plan.attempt
        if not due or (entry.plan == plan.id and entry.state is not ReleaseState.CONFIRMED):
            return entry
        return entry.planned(plan, self._clock.now())

    # Carrying out

    def _open(self, target: Target, plan: Plan) -> None:
        """Take the turn for a plan."""

        def take(present: TurnEntry | None) -> TurnEntry:
            if present and present.rebuild not in (None, plan.id):
                raise Transient(f"rebuild {present.rebuild} holds the turn of {target.name}")
            return TurnEntry(plan.id)

        self._ledger.update(turn_key(target.name), take)

    def _finish_what_is_underway(self, target: Target) -> None:
        turn = self._ledger.read(turn_key(target.name))
        if turn and turn.rebuild:
            self._carry_out(target, turn.rebuild)

    def _carry_out(self, target: Target, rebuild_id: str) -> None:
        """Bring a rebuild from wherever it stands to where its turn ends."""
        plan = self._ledger.get(plan_key(target.name, rebuild_id))
        key = rebuild_key(target.name, rebuild_id)
        self._ledger.create(key, RebuildEntry.of(plan, self._clock.now()))
        rebuild = self._ledger.get(key)
        if rebuild.is_underway:
            self._take_up(plan)
        try:
            if rebuild.state is RebuildState.PLANNED:
                rebuild = self._commit(target, plan, rebuild)
            if rebuild.state is RebuildState.COMMITTED:
                self._remember_carried(plan, rebuild)
                rebuild = self._queue(target, rebuild)
        except Permanent as problem:
            why = str(problem)
            rebuild = self._change(rebuild, lambda entry: entry.failed(why, self._clock.now()))
            alert("rebuild_failed", target=target.name, rebuild=rebuild.id, why=why)
        if rebuild.state is RebuildState.SUPERSEDED:
            self._give_back(rebuild)
        elif rebuild.state is RebuildState.FAILED:
            self._settle(rebuild)
        if not rebuild.is_underway:
            self._end_turn(target, rebuild.id)

    def _commit(self, target: Target, plan: Plan, rebuild: RebuildEntry) -> RebuildEntry:
        if not plan.edits:
            what = f"nothing to write: builds {plan.commit[:8]}"
            return self._change(rebuild, lambda entry: entry.committed(plan.commit, what, self._clock.now()))
        repository = self._services.repository(target)
        tip = repository.tip()
        if tip == plan.commit:
            try:
                commit = repository.push(plan.commit, commit_message(plan), self._edited(target, plan))
                return self._committed(rebuild, commit, f"pushed {commit[:8]} to {target.branch}")
            except BranchMoved:
                pass
        # The branch has moved. Perhaps it was us: the answer to our push may have been lost.
        for candidate in repository.commits_since(plan.commit):
            if f"{TRAILER}: {plan.id}" in candidate.message.splitlines():
                return self._committed(rebuild, candidate.id, f"found {candidate.id[:8]} on {target.branch}")
        why = f"{target.branch} moved away from {plan.commit[:8]} before the push"
        event("rebuild_superseded", target=target.name, rebuild=rebuild.id, why=why)
        return self._change(rebuild, lambda entry: entry.superseded(why, self._clock.now()))

    def _committed(self, rebuild: RebuildEntry, commit: str, what: str) -> RebuildEntry:
        event("rebuild_committed", target=rebuild.target, rebuild=rebuild.id, commit=commit)
        return self._change(rebuild, lambda entry: entry.committed(commit, what, self._clock.now()))

    def _edited(self, target: Target, plan: Plan) -> dict[str, bytes]:
        snapshot = self._reader.snapshot(target, plan.commit)
        paths = sorted({edit.path for edit in plan.edits})
        return {
            path: apply(self._reader.raw(target, snapshot, path), (edit for edit in plan.edits if edit.path == path))
            for path in paths
        }

    def _queue(self, target: Target, rebuild: RebuildEntry) -> RebuildEntry:
        self._ledger.create(following_key(target.name, rebuild.id), FollowingEntry(rebuild.id))
        for run in rebuild.runs:
            if run.id is not None:
                continue
            queued, what = self._found(target, rebuild, run), "found"
            if queued is None:
                rebuild = self._claim(rebuild, run)
                if self._is_queued(rebuild, run):
                    continue
                queued, what = self._queued(target, rebuild, run), "queued"
            what = f"{what} run {queued.id}"
            event("run_queued", target=target.name, rebuild=rebuild.id, run=queued.id, how=what)
            rebuild = self._change(
                rebuild,
                lambda entry, number=run.number, queued=queued, what=what: (  # type: ignore[misc]
                    entry.run_queued(number, queued.id, queued.url, what, self._clock.now())
                ),
            )
        return rebuild

    def _claim(self, rebuild: RebuildEntry, run: Run) -> RebuildEntry:
        """Write down that we are about to queue a run, so that no other worker does at the same time."""
        now = self._clock.now()

        def claim(entry: RebuildEntry) -> RebuildEntry:
            present = next(r for r in entry.runs if r.number == run.number)
            if present.id is not None:
                return entry
            if present.claimed and now - present.claimed < CLAIM_LIFETIME:
                raise Transient(f"another worker is queueing run {run.number} of rebuild {entry.id}")
            return entry.claimed(run.number, now)

        return self._change(rebuild, claim)

    def _is_queued(self, rebuild: RebuildEntry, run: Run) -> bool:
        return any(present.number == run.number and present.id is not None for present in rebuild.runs)

    def _found(self, target: Target, rebuild: RebuildEntry, run: Run) -> PipelineRun | None:
        """The run of an earlier try whose answer was lost."""
        pipeline = self._services.pipeline(target)
        wanted = work_of(run_parameters(rebuild, run))
        found = [
            candidate
            for candidate in pipeline.runs_since(rebuild.created - CLOCK_SKEW)
            if work_of(candidate.parameters) == wanted
        ]
        return min(found, key=lambda candidate: candidate.id, default=None)

    def _queued(self, target: Target, rebuild: RebuildEntry, run: Run) -> PipelineRun:
        commit = rebuild.commit or rebuild.base
        try:
            return self._services.pipeline(target).queue(commit, run_parameters(rebuild, run))
        except (Permanent, Throttled):
            # Nothing was queued for sure, so the next try need not wait. After any other error the claim stays: the
            # run may be there, and shown late.
            self._change(rebuild, lambda entry: entry.claimed(run.number, None))
            raise

    # Recording

    def _remember_carried(self, plan: Plan, rebuild: RebuildEntry) -> None:
        for environment in rebuild.environments:
            fresh = CarriedEntry(environment.path, environment.name, {}, rebuild.id, rebuild.commit or rebuild.base)
            self._ledger.update(
                carried_key(rebuild.target, environment.path),
                lambda entry, fresh=fresh: (entry or fresh).with_rebuild(plan, rebuild),  # type: ignore[misc]
            )

    def _give_back(self, rebuild: RebuildEntry) -> None:
        """The releases of a superseded rebuild wait again."""
        for release in rebuild.releases:

            def unplan(entry: ReleaseEntry) -> ReleaseEntry:
                if entry.rebuild != rebuild.id or entry.state is not ReleaseState.PLANNED:
                    return entry
                return entry.unplanned(f"rebuild {rebuild.id} superseded", self._clock.now())

            entry = self._change_release(rebuild.target, release, unplan)
            if entry.state is ReleaseState.CONFIRMED:
                self._ledger.create(waiting_key(rebuild.target, release), WaitingEntry(release))

    def _settle(self, rebuild: RebuildEntry) -> None:
        for release in rebuild.releases:

            def settle(entry: ReleaseEntry) -> ReleaseEntry:
                if entry.rebuild != rebuild.id or entry.state is not ReleaseState.PLANNED:
                    return entry
                return entry.settled(f"rebuild {rebuild.id} {rebuild.state}", self._clock.now())

            self._change_release(rebuild.target, release, settle)

    def _end_turn(self, target: Target, rebuild: str) -> None:
        def release(present: TurnEntry | None) -> TurnEntry | None:
            return TurnEntry() if present and present.rebuild == rebuild else present

        self._ledger.update(turn_key(target.name), release)

    def _change(self, rebuild: RebuildEntry, change: Callable[[RebuildEntry], RebuildEntry]) -> RebuildEntry:
        key = rebuild_key(rebuild.target, rebuild.id)
        return self._ledger.update(key, lambda present: change(present or rebuild)) or rebuild

    def _change_release(
        self, target: str, release: ReleaseId, change: Callable[[ReleaseEntry], ReleaseEntry]
    ) -> ReleaseEntry:
        key = release_key(target, release)
        entry = self._ledger.get(key)
        return self._ledger.update(key, lambda present: change(present or entry)) or entry


def run_parameters(rebuild: RebuildEntry, run: Run) -> dict[str, str]:
    """The pipeline's template parameters: strings all, as the service takes no other (Runs API)."""
    return {
        "schema": PARAMETER_SCHEMA,
        "rebuild": rebuild.id,
        "batch": str(run.number),
        "attempt": "1",
        "commit": rebuild.commit or rebuild.base,
        "environments": ",".join(run.environments),
    }


def commit_message(plan: Plan) -> str:
    """The message of a plan's commit, made of checked values only, with the trailer that finds it again."""
    spelled = [str(release) for release in plan.releases if plan.acts_on(release.id)]
    subject = f"Bump {spelled[0]}" if len(spelled) == 1 else f"Bump {len(spelled)} packages"
    body = [f"- {release}" for release in spelled] if len(spelled) > 1 else []
    names = [f"- {environment.path}" for environment in plan.environments]
    lines = [subject, "", *body, *([""] if body else []), "Rebuilds:", *names, "", f"{TRAILER}: {plan.id}"]
    return "\n".join(lines) + "\n"
