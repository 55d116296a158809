"""What is due becomes one plan: at most one commit, and runs that build it."""

import json
from datetime import timedelta

import pytest

from shared.domain.states import EnvironmentState, RebuildState, ReleaseState
from shared.ledger_entries import environment_key, plan_key
from shared.limits import ENVIRONMENTS_PER_RUN
from tests.services.world import RULES, SAMPLE, World, crowd, environment


def test_a_release_becomes_one_commit_and_one_run() -> None:
    world = World()
    world.publish()

    world.work()

    rebuild = world.rebuild()
    assert rebuild.state is RebuildState.QUEUED
    assert rebuild.commit == world.repository.head
    assert world.commits == ["Bump our-package 1.1"]
    assert world.file("training/context/requirements.txt") == b"pandas==2.0\nour-package==1.1\n"
    assert world.file("scoring/context/requirements.txt") == b"our-package==1.1  # shared\n"
    (run,) = world.pipeline.runs
    assert run.commit == rebuild.commit
    assert run.parameters == {
        "schema": "4",
        "rebuild": rebuild.id,
        "batch": "1",
        "commit": rebuild.commit,
        "environments": "1:scoring/environment.yml:,2:training/environment.yml:",
    }
    assert {e.state for e in rebuild.environments} == {EnvironmentState.QUEUED}
    assert world.known().state is ReleaseState.PLANNED
    assert world.is_at_rest()


def test_the_ledger_remembers_what_each_environment_carries() -> None:
    world = World()
    world.publish()
    world.work()

    carried = world.app.ledger.get(environment_key("main", "training/environment.yml"))

    assert carried.versions == {"our-package": "1.1"}
    assert carried.commit == world.repository.head


def test_releases_of_one_settle_time_are_one_rebuild() -> None:
    world = World({**SAMPLE, **environment("both", b"our-package==1.0\nour-other==2.0\n")})
    world.publish()
    world.publish("our-other", "2.1")

    world.work()

    assert world.commits == ["Bump 2 packages"]
    assert world.file("both/context/requirements.txt") == b"our-package==1.1\nour-other==2.1\n"
    assert len(world.pipeline.runs) == 1


def test_the_settle_time_counts_from_the_first_release_and_is_never_extended() -> None:
    world = World({**SAMPLE, **environment("both", b"our-package==1.0\nour-other==2.0\n")})
    world.publish()
    world.step()
    began = world.clock.now()
    world.clock.advance(timedelta(seconds=119))
    world.publish("our-other", "2.1")
    world.step()

    while not world.commits:
        assert world.step()

    assert world.clock.now() - began == timedelta(minutes=2)
    assert world.commits == ["Bump 2 packages"]


def test_without_rules_nothing_is_written_and_the_plan_is_kept() -> None:
    world = World({path: raw for path, raw in SAMPLE.items() if path != "rebuilder.yml"})
    world.publish()

    world.work()

    entry = world.known()
    assert (entry.state, entry.rebuild) == (ReleaseState.SETTLED, None)
    plan = world.app.ledger.get(plan_key("main", entry.plan or ""))
    assert plan.deliver == "report"
    assert [(v.path, str(v.decision)) for v in plan.verdicts] == [
        ("scoring/environment.yml", "bump"),
        ("training/environment.yml", "bump"),
    ]
    assert (world.commits, world.pipeline.runs) == ([], [])


def test_report_writes_nothing() -> None:
    world = World({**SAMPLE, "rebuilder.yml": RULES.replace(b"push", b"report")})
    world.publish()

    world.work()

    assert (world.known().state, world.commits, world.pipeline.runs) == (ReleaseState.SETTLED, [], [])


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        (
            RULES.replace(b"push", b"pull-request"),
            ": `deliver: pull-request` is not available yet; write push or report",
        ),
        (b"deliver: psh\n", " line 1: deliver: write push, pull-request or report"),
        (b"deliver: [\n", " line 2: it is not YAML: did not find expected node content"),
        (b"", ": it is not a map; it needs at least `deliver: push` or `report`"),
    ],
    ids=["pull-request", "wrong value", "not YAML", "empty"],
)
def test_rules_that_cannot_be_followed_hold_everything_and_say_why(rules: bytes, reason: str) -> None:
    world = World({**SAMPLE, "rebuilder.yml": rules})
    world.publish()

    world.work()

    entry = world.known()
    plan = world.app.ledger.get(plan_key("main", entry.plan or ""))
    assert entry.state is ReleaseState.SETTLED
    assert {str(verdict.decision) for verdict in plan.verdicts} == {f"held(rules: rebuilder.yml{reason})"}
    assert len(plan.verdicts) == 2
    assert (world.commits, world.pipeline.runs) == ([], [])


def test_what_was_held_by_broken_rules_is_planned_again_when_they_are_mended() -> None:
    world = World({**SAMPLE, "rebuilder.yml": b"deliver: ["})
    world.publish()
    world.work()
    history = world.known().history

    for _ in range(3):  # the timer wakes the target, and nothing has changed
        world.clock.advance(timedelta(hours=1))
        world.app.repair._wake()
        world.work()
    assert (world.known().state, world.known().history) == (ReleaseState.SETTLED, history)

    world.repository.commit({"rebuilder.yml": RULES})
    world.clock.advance(timedelta(minutes=5))
    world.app.repair._wake()
    world.work()

    assert world.commits == ["Bump our-package 1.1"]
    assert world.known().state is ReleaseState.PLANNED
    assert world.is_at_rest()


def test_a_release_that_nobody_needs_is_settled() -> None:
    world = World()
    world.publish("our-lonely-package", "3.0")

    world.work()

    assert world.known("our-lonely-package", "3.0").state is ReleaseState.SETTLED
    assert world.commits == []


def test_what_our_own_push_sets_off_changes_nothing() -> None:
    """Pipelines of others run on our commit, and one of them publishes the same version again."""
    world = World()
    world.app.repair.run()
    world.publish()
    world.work()
    before = world.repository.history()

    for _ in range(3):
        for definition in (3, 7):
            resource = {"id": 99, "definition": {"id": definition}, "status": "completed", "result": "succeeded"}
            world.app.intake.accept(json.dumps({"eventType": "build.complete", "resource": resource}).encode())
        world.announce("Our.Package", "v1.1.0")
        world.app.repair.run()
        world.work()

    assert world.repository.history() == before
    assert len(world.pipeline.runs) == 1


def test_a_release_costs_as_many_calls_of_the_services_however_many_environments_there_are() -> None:
    costs = []
    for count in (2, ENVIRONMENTS_PER_RUN):
        world, _ = crowd(count)
        world.publish()
        world.work()
        assert len(world.rebuild().environments) == count
        costs.append([part.calls for part in (world.repository, world.feed, world.pipeline)])

    assert costs[0] == costs[1]
