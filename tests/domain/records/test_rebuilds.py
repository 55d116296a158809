from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.due import DueRelease, DueRerun
from shared.domain.names import package_name
from shared.domain.planning.plan import OwedEnvironment, Plan, PlannedEnvironment
from shared.domain.records.environment_record import EnvironmentRecord, versions_of
from shared.domain.records.history import Happened, HistoryLine
from shared.domain.records.rebuilds import RebuildEntry, RebuiltEnvironment, Registration
from shared.domain.records.release_entry import ReleaseEntry
from shared.domain.releases import ReleaseId
from shared.domain.signals import Source
from shared.domain.states import EnvironmentState, IllegalMove, RebuildState, ReleaseState
from shared.limits import ENVIRONMENTS_PER_RUN
from tests.domain.repositories import DOCKERFILE, Files, environment, plan_of, release

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
RELEASE = release("our-pkg", "1.1")
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
    return RebuildEntry.of(a_plan(environments), NOON, NOON)


class TestReleases:
    def test_a_release_that_was_just_heard_of_is_signalled(self) -> None:
        entry = heard()

        assert (entry.target, entry.id, entry.state, entry.source) == (
            "ours",
            RELEASE.id,
            ReleaseState.SIGNALLED,
            "timer",
        )
        assert entry.history == (HistoryLine(NOON, Happened.SIGNALLED, "signalled by timer"),)

    def test_a_release_is_due_from_when_it_was_told_of(self) -> None:
        asked_for = heard().confirmed(RELEASE, at(1), by_hand=True)

        assert (confirmed().told_of, confirmed().due_since) == (True, at(1))
        assert (asked_for.told_of, asked_for.due_since) == (False, None)
        assert asked_for.reread(RELEASE, at(2), due=True).due_since == at(2)
        assert confirmed().reread(RELEASE, at(2), due=True).due_since == at(1), "what follows makes no wait longer"

    def test_what_is_done_is_not_due_unless_the_feed_has_said_something_new(self) -> None:
        plan = plan_of(ONE, "our-pkg 1.1")
        entry = replace(confirmed(), release=RELEASE).planned(plan, at(2))
        mark = DueRelease(RELEASE.id, at(1))
        news = entry.reread(replace(RELEASE, views=("Release",)), at(3), due=True)

        assert entry.is_open(mark)
        assert not entry.done(mark, plan).is_open(mark)
        assert news.done(mark, plan).is_open(mark)

    def test_a_plan_that_is_overtaken_leaves_the_release_due_and_shows_no_rebuild(self) -> None:
        first = plan_of(ONE, "our-pkg 1.1")
        entry = confirmed().planned(first, at(2)).overtaken(first.id, "the branch moved", at(3))

        assert (entry.state, entry.rebuild, entry.due_since) == (ReleaseState.PLANNED, None, at(1))
        assert entry.planned(replace(first, environments=(), verdicts=()), at(4)).state is ReleaseState.SETTLED

    def test_a_plan_with_nothing_to_add_takes_no_rebuild_that_goes_on_out_of_sight(self) -> None:
        first = plan_of(ONE, "our-pkg 1.1")
        entry = confirmed().planned(first, at(2))
        second = plan_of({**ONE, "requirements.txt": "our-pkg==1.1\n"}, "our-pkg 1.1")
        later = entry.planned(second, at(3))

        assert (later.state, later.plan, later.rebuild) == (ReleaseState.PLANNED, second.id, first.id)

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
        assert again.history[-1] == HistoryLine(at(2), Happened.SIGNALLED, "signalled by person")

    @pytest.mark.parametrize(
        "move",
        [
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

    @pytest.mark.parametrize("entry", [heard(), heard().parked("no", NOON), heard().refused("no", NOON)])
    def test_nothing_is_planned_that_the_feed_has_not_confirmed(self, entry: ReleaseEntry) -> None:
        assert entry.planned(plan_of(ONE, "our-pkg 1.1"), NOON) == entry

    def test_reruns_are_remembered_with_what_they_were_asked_for(self) -> None:
        plan = plan_of(ONE, "our-pkg 1.1")
        all_of_it, some = DueRerun(RELEASE.id, 1), DueRerun(RELEASE.id, 1, ("training",))
        entry = confirmed().done(all_of_it, plan).done(all_of_it, plan)

        assert (entry.reruns, entry.next_rerun) == ((all_of_it,), 2)
        assert not entry.is_open(all_of_it)
        assert entry.is_open(some), "two that were asked for at the same time have one number"

    def test_an_automatic_plan_is_no_rerun(self) -> None:
        entry = confirmed()

        assert entry.done(DueRelease(RELEASE.id, at(1)), plan_of(ONE, "our-pkg 1.1")).reruns == ()

    def test_what_a_person_requeues_is_due_as_before_or_settled(self) -> None:
        plan = plan_of(ONE, "our-pkg 1.1")
        due = confirmed().planned(plan, at(2)).parked("no permission", at(3)).requeued(at(4))
        done = confirmed().planned(plan, at(2)).done(DueRelease(RELEASE.id, at(1)), plan).parked("no", at(3))

        assert (due.state, due.due_since) == (ReleaseState.CONFIRMED, at(1))
        assert done.requeued(at(4)).state is ReleaseState.SETTLED

    def test_what_a_person_dismisses_stays_parked_and_says_so(self) -> None:
        entry = confirmed().parked("no permission", at(3)).dismissed("Ada", "a typing error", at(4))

        assert (entry.state, entry.due_since) == (ReleaseState.PARKED, None)
        assert entry.history[-1] == HistoryLine(at(4), Happened.DISMISSED, "dismissed by Ada: a typing error")


class TestRebuilds:
    def test_a_plan_becomes_a_rebuild(self) -> None:
        plan = plan_of(
            {**ONE, "requirements.txt": "our-pkg==1.0\nother==5\n"}, "our-pkg 1.1", "other 4", "our-pkg 1.0.1"
        )
        entry = RebuildEntry.of(plan, NOON, NOON)

        assert (entry.id, entry.target, entry.state, entry.base) == (plan.id, "ours", RebuildState.PLANNED, plan.commit)
        assert entry.releases == (RELEASE.id,)
        assert entry.environments == (RebuiltEnvironment("env.yml", "training", EnvironmentState.PLANNED),)
        assert [run.environments for run in entry.runs] == [("env.yml",)]
        assert entry.history == (HistoryLine(NOON, Happened.PLANNED, f"planned against {plan.commit[:8]}"),)

    @given(st.integers(1, 3 * ENVIRONMENTS_PER_RUN + 1))
    def test_every_environment_is_in_one_run_and_no_run_has_too_many(self, count: int) -> None:
        entry = rebuild(count)
        sizes = [len(run.environments) for run in entry.runs]

        assert [path for run in entry.runs for path in run.environments] == [e.path for e in entry.environments]
        assert [run.batch for run in entry.runs] == list(range(1, len(entry.runs) + 1))
        assert all(size == ENVIRONMENTS_PER_RUN for size in sizes[:-1])
        assert 1 <= sizes[-1] <= ENVIRONMENTS_PER_RUN

    def test_the_way_of_a_rebuild_leaves_its_history(self) -> None:
        entry = rebuild().committed("c" * 40, "pushed", at(1)).claimed(1, at(2))
        entry = entry.run_queued(1, 17, "https://host.test/17", "queued run 17", at(3)).queued(at(3))

        assert (entry.state, entry.commit) == (RebuildState.QUEUED, "c" * 40)
        assert [step.what for step in entry.history[1:]] == ["pushed", "queued run 17"]
        assert [step.at for step in entry.history] == [NOON, at(1), at(3)]
        assert (entry.runs[0].id, entry.runs[0].url, entry.runs[0].claimed) == (17, "https://host.test/17", at(2))

    def test_environments_go_along_with_their_rebuild(self) -> None:
        committed = rebuild(2).committed("c", "pushed", at(1))
        queued = committed.run_queued(1, 17, None, "queued", at(2))

        assert {e.state for e in committed.environments} == {EnvironmentState.COMMITTED}
        assert {(e.state, e.run) for e in queued.environments} == {(EnvironmentState.QUEUED, 17)}

    def test_a_rebuild_is_queued_when_all_its_runs_are(self) -> None:
        committed = rebuild(ENVIRONMENTS_PER_RUN + 1).committed("c", "pushed", at(1))
        half = committed.run_queued(2, 18, None, "queued run 18", at(2))
        whole = half.queued(at(2)).run_queued(1, 17, None, "queued run 17", at(3)).queued(at(3))

        assert half.state is RebuildState.COMMITTED
        assert [e.run for e in half.environments if e.state is EnvironmentState.QUEUED] == [18]
        assert whole.state is RebuildState.QUEUED
        assert {e.run for e in whole.environments} == {17, 18}

    def test_a_claim_is_of_one_run_and_can_be_given_back(self) -> None:
        entry = rebuild(ENVIRONMENTS_PER_RUN + 1).claimed(2, NOON)

        assert [run.claimed for run in entry.runs] == [None, NOON]
        assert [run.claimed for run in entry.claimed(2, None).runs] == [None, None]

    def test_what_is_seen_of_environments_is_told_once(self) -> None:
        queued = rebuild(2).committed("c", "pushed", at(1)).run_queued(1, 17, None, "queued", at(2)).queued(at(2))
        first = queued.environments[0].to(EnvironmentState.FAILED, reason="no wheel")
        seen = queued.seen({first.path: first}, at(3))

        assert (seen.state, seen.environments) == (RebuildState.QUEUED, (first, queued.environments[1]))
        assert seen.history == (*queued.history, HistoryLine(at(3), Happened.ENVIRONMENT, "e0: failed: no wheel", 17))
        assert seen.seen({first.path: first, "nobody.yml": first}, at(4)) == seen

    def test_a_rebuild_is_finished_when_every_environment_is_settled_whatever_the_mix(self) -> None:
        queued = rebuild(2).committed("c", "pushed", at(1)).run_queued(1, 17, None, "queued", at(2)).queued(at(2))
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

    def test_a_rebuild_needs_the_lease_until_its_runs_are_queued(self) -> None:
        planned = rebuild()
        committed = planned.committed("c", "pushed", at(1))

        assert planned.is_underway
        assert committed.is_underway
        assert committed.queued(at(2)).is_underway
        assert not committed.run_queued(1, 17, None, "queued", at(2)).queued(at(2)).is_underway
        assert not planned.superseded("moved", at(1)).is_underway
        assert not planned.parked("odd", at(1)).is_underway

    def test_a_superseded_rebuild_takes_its_environments_along(self) -> None:
        entry = rebuild(2).superseded("the branch moved", at(1))

        assert (entry.state, entry.reason) == (RebuildState.SUPERSEDED, "the branch moved")
        assert {(e.state, e.reason) for e in entry.environments} == {(EnvironmentState.SUPERSEDED, "the branch moved")}
        assert entry.history[-1] == HistoryLine(at(1), Happened.SUPERSEDED, "superseded: the branch moved")

    def test_what_runs_stays_with_a_rebuild_that_is_superseded_after_it_was_parked(self) -> None:
        committed = rebuild(ENVIRONMENTS_PER_RUN + 1).committed("c", "pushed", at(1))
        parked = committed.run_queued(2, 18, None, "queued run 18", at(2)).parked("refused", at(3))
        entry = parked.superseded("requeued", at(4))

        assert {e.state for e in entry.environments if e.run} == {EnvironmentState.QUEUED}
        assert {e.state for e in entry.environments if not e.run} == {EnvironmentState.SUPERSEDED}

    def test_what_is_owed_and_cannot_be_rebuilt_has_failed_before_it_begins(self) -> None:
        owed = (OwedEnvironment("a.yml", "a", 2, ("0a",)), OwedEnvironment("b.yml", "b", 2, blocker="gone"))
        entry = RebuildEntry.of(replace(a_plan(0), owed=owed), NOON, NOON)

        assert [(e.state, e.reason, e.attempt, e.earlier) for e in entry.environments] == [
            (EnvironmentState.PLANNED, None, 2, ("0a",)),
            (EnvironmentState.FAILED, "gone", 2, ()),
        ]
        assert [run.environments for run in entry.runs] == [("a.yml",)]

    def test_a_rebuild_with_nothing_to_run_is_finished_when_it_is_committed(self) -> None:
        owed = (OwedEnvironment("b.yml", "b", 2, blocker="gone"),)
        entry = RebuildEntry.of(replace(a_plan(0), owed=owed), NOON, NOON).committed("c", "nothing to write", at(1))

        assert entry.queued(at(2)).state is RebuildState.FINISHED

    def test_a_parked_rebuild_says_nothing_of_its_environments(self) -> None:
        entry = rebuild().parked("beyond us", at(1))

        assert (entry.state, entry.reason) == (RebuildState.PARKED, "beyond us")
        assert entry.environments == rebuild().environments

    @pytest.mark.parametrize(
        "move",
        [
            lambda: rebuild().run_queued(1, 17, None, "queued", NOON),
            lambda: rebuild().committed("c", "x", NOON).committed("d", "x", NOON),
            lambda: rebuild().committed("c", "x", NOON).superseded("moved", NOON),
            lambda: rebuild().superseded("moved", NOON).committed("c", "x", NOON),
            lambda: rebuild().superseded("no", NOON).parked("no", NOON),
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

        assert versions_of(plan)["env.yml"] == {"our-pkg": "1.10", "third": "2.0"}
        assert "nobody.yml" not in versions_of(plan)

    def test_what_was_carried_before_is_kept(self) -> None:
        plan = plan_of(ONE, "our-pkg 1.1")
        before = EnvironmentRecord("env.yml", "training", {"other": "3.0", "our-pkg": "1.0"}, "old", at(-1), "c0")
        after = before.with_rebuild(
            RebuildEntry.of(plan, NOON, NOON).committed("c1", "pushed", NOON), versions_of(plan)["env.yml"]
        )

        assert after == EnvironmentRecord(
            "env.yml", "training", {"other": "3.0", "our-pkg": "1.1"}, plan.id, NOON, "c1"
        )
        assert before.versions == {"other": "3.0", "our-pkg": "1.0"}

    def test_what_a_later_rebuild_carries_is_not_taken_back(self) -> None:
        plan = plan_of(ONE, "our-pkg 1.1")
        later = EnvironmentRecord("env.yml", "training", {"our-pkg": "1.2"}, "later", at(1), "c2")

        assert later.with_rebuild(RebuildEntry.of(plan, NOON, NOON), {"our-pkg": "9"}) == later

    def test_a_rebuild_without_a_commit_of_its_own_carries_the_planned_one(self) -> None:
        plan = plan_of(ONE, "our-pkg 1.1")
        rebuild = RebuildEntry.of(plan, NOON, NOON)

        assert EnvironmentRecord.of(rebuild, rebuild.environments[0]).with_rebuild(rebuild, {}).commit == plan.commit


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
