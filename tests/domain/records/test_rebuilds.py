from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.names import package_name
from shared.domain.planning.plan import ByHand, Plan, PlannedEnvironment
from shared.domain.records.environment_record import EnvironmentRecord, versions_of
from shared.domain.records.rebuilds import RebuildEntry, RebuiltEnvironment, Registration, Run
from shared.domain.records.release_entry import ReleaseEntry, Step
from shared.domain.releases import ReleaseId
from shared.domain.signals import Source
from shared.domain.states import EnvironmentState, IllegalMove, RebuildState, ReleaseState
from shared.limits import ENVIRONMENTS_PER_RUN
from tests.domain.repositories import DOCKERFILE, Files, environment, plan_of, release

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
RELEASE = release("our-pkg", "1.1")
# The first attempts of the batches 1 and 2.
RUN = {batch: Run(batch, 1, ()) for batch in (1, 2)}
ONE: Files = {"env.yml": environment("training"), "Dockerfile": DOCKERFILE, "requirements.txt": "our-pkg==1.0\n"}


def at(minutes: int) -> datetime:
    return NOON + timedelta(minutes=minutes)


def heard() -> ReleaseEntry:
    return ReleaseEntry.new("ours", RELEASE.id, Source.TIMER, NOON)


def confirmed() -> ReleaseEntry:
    return heard().confirmed(RELEASE, at(1))


def a_plan(environments: int = 1) -> Plan:
    """A plan that rebuilds some environments."""
    some = tuple(PlannedEnvironment(f"e{number}/env.yml", f"e{number}") for number in range(environments))
    return replace(plan_of(ONE, "our-pkg 1.1"), environments=some)


def rebuild(environments: int = 1) -> RebuildEntry:
    return RebuildEntry.of(a_plan(environments), NOON)


class TestReleases:
    def test_a_release_that_was_just_heard_of_is_signalled(self) -> None:
        entry = heard()

        assert (entry.target, entry.id, entry.state, entry.source) == (
            "ours",
            RELEASE.id,
            ReleaseState.SIGNALLED,
            "timer",
        )
        assert entry.history == (Step(NOON, "signalled by timer"),)

    def test_a_release_is_dealt_with_as_a_whole_once_it_was_planned_for_all_since_it_was_told_of(self) -> None:
        plan = plan_of(ONE, "our-pkg 1.1")
        part = replace(plan, id="part", attempt=1, asked_for=("training",))
        done = confirmed().planned(plan, at(2)).settled("finished", at(3))

        assert not confirmed().whole
        assert not confirmed().planned(part, at(2)).whole
        assert done.whole
        asked_for = done.confirmed(RELEASE, at(4), by_hand=True)
        assert asked_for.planned(part, at(5)).whole, "what a person asks for is no news of the release"
        told_of = done.confirmed(RELEASE, at(4))
        assert not told_of.planned(part, at(5)).whole
        assert not confirmed().planned(plan, at(2)).unplanned("overtaken", at(3), at(3)).whole
        assert not confirmed().planned(plan, at(2)).again().settled("finished", at(3)).whole

    def test_a_plan_that_is_overtaken_takes_no_earlier_rebuild_out_of_sight(self) -> None:
        first = plan_of(ONE, "our-pkg 1.1")
        done = confirmed().planned(first, at(2)).settled("finished", at(3)).confirmed(RELEASE, at(4))
        held = replace(done, state=ReleaseState.SETTLED, plan="a later plan, which held it")

        assert held.unplanned("overtaken", at(5), at(5)).rebuild == first.id
        assert done.planned(first.again(), at(5)).unplanned("overtaken", at(6), at(6)).rebuild is None

    def test_the_way_of_a_release_leaves_its_history(self) -> None:
        plan = plan_of(ONE, "our-pkg 1.1")
        entry = confirmed().planned(plan, at(2)).noted("seen again", at(3)).settled("rebuild finished", at(4))

        assert entry.state is ReleaseState.SETTLED
        assert entry.release == RELEASE
        assert [step.at for step in entry.history] == [at(minute) for minute in range(5)]
        assert [step.what for step in entry.history] == [
            "signalled by timer",
            "confirmed on the feed",
            f"planned at {plan.commit[:8]} as rebuild {plan.id}",
            "seen again",
            "rebuild finished",
        ]

    def test_a_plan_that_acts_leads_to_a_rebuild(self) -> None:
        plan = plan_of(ONE, "our-pkg 1.1")
        entry = confirmed().planned(plan, at(2))

        assert (entry.state, entry.plan, entry.rebuild) == (ReleaseState.PLANNED, plan.id, plan.id)

    @pytest.mark.parametrize(
        "files",
        [
            {**ONE, "requirements.txt": "our-pkg==1.1\n"},
            {**ONE, "requirements.txt": "other==1.0\n"},
            {**ONE, "rebuilder.yml": "deliver: report\npackages: [{match: our-pkg}]\n"},
            {**ONE, "rebuilder.yml": "deliver: push\n"},
        ],
        ids=["current", "unaffected", "report", "held"],
    )
    def test_a_plan_without_anything_to_do_settles_the_release(self, files: Files) -> None:
        plan = plan_of(files, "our-pkg 1.1")
        entry = confirmed().planned(plan, at(2))

        assert (entry.state, entry.plan, entry.rebuild) == (ReleaseState.SETTLED, plan.id, None)
        assert entry.history[-1].what == f"settled by plan {plan.id}"

    def test_a_plan_that_acts_for_another_release_settles_this_one(self) -> None:
        files = {**ONE, "requirements.txt": "our-pkg==1.1\nother==1.0\n"}

        assert confirmed().planned(plan_of(files, "our-pkg 1.1", "other 2.0"), at(2)).state is ReleaseState.SETTLED

    def test_a_reason_is_forgotten_when_the_release_goes_on(self) -> None:
        parked = heard().parked("the feed does not answer", at(1))

        assert (parked.state, parked.reason) == (ReleaseState.PARKED, "the feed does not answer")
        assert parked.history[-1].what == "parked: the feed does not answer"
        assert parked.signalled_again(Source.PERSON, at(2)).reason is None

    def test_a_refused_release_may_be_signalled_again(self) -> None:
        refused = heard().refused("not there any more", at(1))
        again = refused.signalled_again(Source.PERSON, at(2))

        assert (refused.state, refused.reason) == (ReleaseState.REFUSED, "not there any more")
        assert again.state is ReleaseState.SIGNALLED
        assert again.source is Source.TIMER
        assert again.history[-1] == Step(at(2), "signalled by person")

    @pytest.mark.parametrize(
        "move",
        [
            lambda: heard().planned(plan_of(ONE, "our-pkg 1.1"), NOON),
            lambda: heard().settled("why", NOON),
            lambda: confirmed().confirmed(RELEASE, NOON),
            lambda: confirmed().signalled_again(Source.TIMER, NOON),
            lambda: heard().refused("no", NOON).confirmed(RELEASE, NOON),
            lambda: heard().parked("no", NOON).refused("no", NOON),
        ],
    )
    def test_a_release_makes_no_move_that_its_table_does_not_have(self, move: Callable[[], ReleaseEntry]) -> None:
        with pytest.raises(IllegalMove):
            move()

    def test_a_release_whose_rebuild_was_overtaken_waits_again(self) -> None:
        entry = confirmed().planned(plan_of(ONE, "our-pkg 1.1"), at(2)).unplanned("superseded", at(3), at(3))

        assert (entry.state, entry.rebuild, entry.release) == (ReleaseState.CONFIRMED, None, RELEASE)

    def test_reruns_are_remembered_in_their_order(self) -> None:
        first, second = (plan_of(ONE, "our-pkg 1.1", by_hand=ByHand(attempt)) for attempt in (1, 2))
        entry = confirmed().planned(first, at(2)).settled("done", at(3)).planned(second, at(4))

        assert entry.reruns == (first.id, second.id)

    def test_an_automatic_plan_is_no_rerun(self) -> None:
        assert confirmed().planned(plan_of(ONE, "our-pkg 1.1"), at(2)).reruns == ()

    def test_a_rerun_that_was_overtaken_is_made_again_under_its_number(self) -> None:
        lost = plan_of(ONE, "our-pkg 1.1", by_hand=ByHand(1))
        again = plan_of({**ONE, "README.md": "new"}, "our-pkg 1.1", by_hand=ByHand(1))
        overtaken = confirmed().planned(lost, at(2)).unplanned("superseded", at(3), at(3))

        assert overtaken.reruns == ()
        assert overtaken.planned(again, at(4)).reruns == (again.id,)

    def test_a_rerun_that_was_overtaken_leaves_earlier_ones_in_place(self) -> None:
        first, second = (plan_of(ONE, "our-pkg 1.1", by_hand=ByHand(attempt)) for attempt in (1, 2))
        entry = confirmed().planned(first, at(2)).settled("done", at(3)).planned(second, at(4))

        assert entry.unplanned("superseded", at(5), at(5)).reruns == (first.id,)

    def test_an_automatic_rebuild_that_was_overtaken_takes_no_rerun_along(self) -> None:
        rerun = plan_of(ONE, "our-pkg 1.1", by_hand=ByHand(1))
        entry = confirmed().planned(rerun, at(2)).settled("done", at(3)).planned(plan_of(ONE, "our-pkg 1.1"), at(4))

        assert entry.unplanned("superseded", at(5), at(5)).reruns == (rerun.id,)


class TestRebuilds:
    def test_a_plan_becomes_a_rebuild(self) -> None:
        plan = plan_of(
            {**ONE, "requirements.txt": "our-pkg==1.0\nother==5\n"}, "our-pkg 1.1", "other 4", "our-pkg 1.0.1"
        )
        entry = RebuildEntry.of(plan, NOON)

        assert (entry.id, entry.target, entry.state, entry.base) == (plan.id, "ours", RebuildState.PLANNED, plan.commit)
        assert entry.releases == (RELEASE.id,)
        assert entry.environments == (RebuiltEnvironment("env.yml", "training", EnvironmentState.PLANNED),)
        assert [run.environments for run in entry.runs] == [("env.yml",)]
        assert entry.history == (Step(NOON, f"planned against {plan.commit[:8]}"),)

    @given(st.integers(1, 3 * ENVIRONMENTS_PER_RUN + 1))
    def test_every_environment_is_in_one_run_and_no_run_has_too_many(self, count: int) -> None:
        entry = rebuild(count)
        sizes = [len(run.environments) for run in entry.runs]

        assert [path for run in entry.runs for path in run.environments] == [e.path for e in entry.environments]
        assert [run.batch for run in entry.runs] == list(range(1, len(entry.runs) + 1))
        assert all(size == ENVIRONMENTS_PER_RUN for size in sizes[:-1])
        assert 1 <= sizes[-1] <= ENVIRONMENTS_PER_RUN

    def test_the_way_of_a_rebuild_leaves_its_history(self) -> None:
        entry = rebuild().committed("c" * 40, "pushed", at(1)).claimed(RUN[1], at(2))
        entry = entry.run_queued(RUN[1], 17, "https://host.test/17", "queued run 17", at(3))

        assert (entry.state, entry.commit) == (RebuildState.QUEUED, "c" * 40)
        assert [step.what for step in entry.history[1:]] == ["pushed", "queued run 17"]
        assert [step.at for step in entry.history] == [NOON, at(1), at(3)]
        assert (entry.runs[0].id, entry.runs[0].url, entry.runs[0].claimed) == (17, "https://host.test/17", at(2))

    def test_environments_go_along_with_their_rebuild(self) -> None:
        committed = rebuild(2).committed("c", "pushed", at(1))
        queued = committed.run_queued(RUN[1], 17, None, "queued", at(2))

        assert {e.state for e in committed.environments} == {EnvironmentState.COMMITTED}
        assert {(e.state, e.run) for e in queued.environments} == {(EnvironmentState.QUEUED, 17)}

    def test_a_rebuild_is_queued_when_all_its_runs_are(self) -> None:
        committed = rebuild(ENVIRONMENTS_PER_RUN + 1).committed("c", "pushed", at(1))
        half = committed.run_queued(RUN[2], 18, None, "queued run 18", at(2))
        whole = half.run_queued(RUN[1], 17, None, "queued run 17", at(3))

        assert half.state is RebuildState.COMMITTED
        assert [e.run for e in half.environments if e.state is EnvironmentState.QUEUED] == [18]
        assert whole.state is RebuildState.QUEUED
        assert {e.run for e in whole.environments} == {17, 18}

    def test_a_claim_is_of_one_run_and_can_be_given_back(self) -> None:
        entry = rebuild(ENVIRONMENTS_PER_RUN + 1).claimed(RUN[2], NOON)

        assert [run.claimed for run in entry.runs] == [None, NOON]
        assert [run.claimed for run in entry.claimed(RUN[2], None).runs] == [None, None]

    def test_what_is_seen_of_environments_is_told_once(self) -> None:
        queued = rebuild(2).committed("c", "pushed", at(1)).run_queued(RUN[1], 17, None, "queued", at(2))
        first = queued.environments[0].to(EnvironmentState.FAILED, reason="no wheel")
        seen = queued.seen({first.path: first}, at(3))

        assert (seen.state, seen.environments) == (RebuildState.QUEUED, (first, queued.environments[1]))
        assert seen.history == (*queued.history, Step(at(3), "e0: failed: no wheel"))
        assert seen.seen({first.path: first, "nobody.yml": first}, at(4)) == seen

    def test_a_rebuild_is_finished_when_every_environment_is_settled_whatever_the_mix(self) -> None:
        queued = rebuild(2).committed("c", "pushed", at(1)).run_queued(RUN[1], 17, None, "queued", at(2))
        first, second = queued.environments
        held = Registration("group/space", "4", {})
        registered = first.to(EnvironmentState.REGISTERED, workspaces=(held,))
        seen = queued.seen({first.path: registered}, at(3))
        finished = seen.seen({second.path: second.to(EnvironmentState.CANCELLED)}, at(4))

        assert seen.state is RebuildState.QUEUED
        assert finished.state is RebuildState.FINISHED
        assert [step.what for step in finished.history[-3:]] == [
            "e0: registered as 4 in group/space",
            "e1: cancelled",
            "finished",
        ]

    def test_a_rebuild_that_is_not_queued_is_not_finished_by_what_is_seen(self) -> None:
        committed = rebuild().committed("c", "pushed", at(1))
        failed = committed.environments[0].to(EnvironmentState.FAILED)

        assert committed.seen({failed.path: failed}, at(2)).state is RebuildState.COMMITTED

    def test_a_rebuild_holds_the_turn_until_its_runs_are_queued(self) -> None:
        planned = rebuild()
        committed = planned.committed("c", "pushed", at(1))

        assert planned.is_underway
        assert committed.is_underway
        assert not committed.run_queued(RUN[1], 17, None, "queued", at(2)).is_underway
        assert not planned.superseded("moved", at(1)).is_underway
        assert not planned.failed("refused", at(1)).is_underway
        assert not planned.parked("odd", at(1)).is_underway

    def test_a_superseded_rebuild_takes_its_environments_along(self) -> None:
        entry = rebuild(2).superseded("the branch moved", at(1))

        assert (entry.state, entry.reason) == (RebuildState.SUPERSEDED, "the branch moved")
        assert {(e.state, e.reason) for e in entry.environments} == {(EnvironmentState.SUPERSEDED, "the branch moved")}
        assert entry.history[-1] == Step(at(1), "superseded: the branch moved")

    def test_a_failed_rebuild_takes_along_the_environments_that_can_still_fail(self) -> None:
        committed = rebuild(2).committed("c", "pushed", at(1))
        first, second = committed.environments
        registered = second.to(EnvironmentState.REGISTERED)
        entry = replace(committed, environments=(first, registered)).failed("no such pipeline", at(2))

        assert entry.state is RebuildState.FAILED
        assert entry.environments == (
            replace(first, state=EnvironmentState.FAILED, reason="no such pipeline"),
            registered,
        )

    def test_a_parked_rebuild_says_nothing_of_its_environments(self) -> None:
        entry = rebuild().parked("beyond us", at(1))

        assert (entry.state, entry.reason) == (RebuildState.PARKED, "beyond us")
        assert entry.environments == rebuild().environments

    @pytest.mark.parametrize(
        "move",
        [
            lambda: rebuild().run_queued(RUN[1], 17, None, "queued", NOON),
            lambda: rebuild().committed("c", "x", NOON).committed("d", "x", NOON),
            lambda: rebuild().committed("c", "x", NOON).superseded("moved", NOON),
            lambda: rebuild().superseded("moved", NOON).committed("c", "x", NOON),
            lambda: rebuild().failed("no", NOON).parked("no", NOON),
        ],
    )
    def test_a_rebuild_makes_no_move_that_its_table_does_not_have(self, move: Callable[[], RebuildEntry]) -> None:
        with pytest.raises(IllegalMove):
            move()

    def test_a_change_leaves_the_entry_before_it_as_it_was(self) -> None:
        before = rebuild()
        before.committed("c", "pushed", at(1))

        assert before == rebuild()


class TestWhatEnvironmentsCarry:
    def test_the_versions_of_a_plan_are_those_that_its_verdicts_act_on(self) -> None:
        files = {**ONE, "requirements.txt": "our-pkg==1.0\nother==5\nthird==1\n"}
        plan = plan_of(files, "our-pkg 1.0.1", "our-pkg 1.10", "other 4", "third 2.0")

        assert versions_of(plan, "env.yml") == {"our-pkg": "1.10", "third": "2.0"}
        assert versions_of(plan, "nobody.yml") == {}

    def test_what_was_carried_before_is_kept(self) -> None:
        plan = plan_of(ONE, "our-pkg 1.1")
        before = EnvironmentRecord("env.yml", "training", {"other": "3.0", "our-pkg": "1.0"}, "old", "c0")
        after = before.with_rebuild(plan, RebuildEntry.of(plan, NOON).committed("c1", "pushed", NOON))

        assert after == EnvironmentRecord("env.yml", "training", {"other": "3.0", "our-pkg": "1.1"}, plan.id, "c1")
        assert before.versions == {"other": "3.0", "our-pkg": "1.0"}

    def test_a_rebuild_without_a_commit_of_its_own_carries_the_planned_one(self) -> None:
        plan = plan_of(ONE, "our-pkg 1.1")
        after = EnvironmentRecord("env.yml", "training", {}, "old", "c0").with_rebuild(
            plan, RebuildEntry.of(plan, NOON)
        )

        assert after.commit == plan.commit


@pytest.mark.parametrize("state", EnvironmentState)
def test_an_environment_is_settled_when_its_rebuild_need_not_wait_for_it(state: EnvironmentState) -> None:
    on_the_way = {"planned", "committed", "queued", "packaged", "verified", "waiting"}

    assert RebuiltEnvironment("env.yml", "training", state).is_settled is (state not in on_the_way)


def test_an_environment_moves_by_its_table_only() -> None:
    planned = RebuiltEnvironment("env.yml", "training")
    queued = planned.to(EnvironmentState.QUEUED, run=3)

    assert (queued.state, queued.run) == (EnvironmentState.QUEUED, 3)
    with pytest.raises(IllegalMove):
        queued.to(EnvironmentState.PLANNED)


def test_an_entry_speaks_of_the_release_by_its_identity() -> None:
    assert heard().id == ReleaseId("our-feed", package_name("our-pkg"), "1.1")
