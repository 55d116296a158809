import json
import logging
import re
from collections.abc import Mapping
from datetime import timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.planning.commit_message import commit_message
from shared.domain.states import EnvironmentState, RebuildState, ReleaseState
from shared.errors import (
    AccessDenied,
    NotThere,
    Permanent,
    PipelineRejected,
    RejectedByPolicy,
    ServiceUnavailable,
    Throttled,
)
from shared.ledger_entries import TurnEntry, carried_key, plan_key, turn_key
from shared.limits import CLAIM_LIFETIME, ENVIRONMENTS_PER_RUN, PLANS_PER_MESSAGE, TRIES
from shared.ports import PipelineRun
from tests.domain.repositories import DOCKERFILE, plan_of
from tests.domain.repositories import environment as environment_yaml
from tests.services.crashes import Crash, Crashes
from tests.services.world import RULES, SAMPLE, World, environment


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
        "schema": "3",
        "rebuild": rebuild.id,
        "batch": "1",
        "attempt": "1",
        "commit": rebuild.commit,
        "environments": "1:scoring/environment.yml,2:training/environment.yml",
    }
    assert {e.state for e in rebuild.environments} == {EnvironmentState.QUEUED}
    assert world.known().state is ReleaseState.PLANNED
    assert world.app.ledger.read(turn_key("main")) == TurnEntry(None)
    assert world.app.ledger.waiting("main") == []


def test_the_commit_names_what_it_does_and_can_be_found_again() -> None:
    world = World()
    world.publish()
    world.work()

    message = world.repository.history()[0].message

    assert message.splitlines() == [
        "Bump our-package 1.1",
        "",
        "Rebuilds:",
        "- scoring/environment.yml",
        "- training/environment.yml",
        "",
        f"Rebuild-Id: {world.rebuild().id}",
    ]


def test_the_ledger_remembers_what_each_environment_carries() -> None:
    world = World()
    world.publish()
    world.work()

    carried = world.app.ledger.get(carried_key("main", "training/environment.yml"))

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
        world.app.repair._resume()
        world.work()
    assert (world.known().state, world.known().history) == (ReleaseState.SETTLED, history)

    world.repository.commit({"rebuilder.yml": RULES})
    world.clock.advance(timedelta(minutes=5))
    world.app.repair._resume()
    world.work()

    assert world.commits == ["Bump our-package 1.1"]
    assert world.known().state is ReleaseState.PLANNED
    assert world.app.ledger.waiting("main") == []


def test_a_release_that_nobody_needs_is_settled() -> None:
    world = World()
    world.publish("our-lonely-package", "3.0")

    world.work()

    assert world.known("our-lonely-package", "3.0").state is ReleaseState.SETTLED
    assert world.commits == []


def test_a_branch_that_moves_is_read_and_planned_again() -> None:
    world = World()
    world.publish()
    push = world.repository.push
    moved: list[str] = []

    def somebody_is_faster(base: str, message: str, files: dict[str, bytes]) -> str:
        if not moved:
            moved.append(world.repository.commit(environment("new", b"our-package==1.0\n")))
        return push(base, message, files)

    world.repository.push = somebody_is_faster  # type: ignore[method-assign,assignment]
    world.work()

    assert world.commits == ["Bump our-package 1.1"]
    assert world.file("new/context/requirements.txt") == b"our-package==1.1\n"
    assert world.rebuild().base == moved[0]
    assert len(world.pipeline.runs) == 1


def test_a_branch_that_always_moves_is_left_for_later_and_nothing_is_lost() -> None:
    world = World()
    world.publish()
    push, attempts = world.repository.push, []

    def somebody_is_faster(base: str, message: str, files: dict[str, bytes]) -> str:
        attempts.append(base)
        if len(attempts) <= PLANS_PER_MESSAGE:
            world.repository.commit({"readme": str(len(attempts)).encode()})
        return push(base, message, files)

    world.repository.push = somebody_is_faster  # type: ignore[method-assign,assignment]
    world.work()

    assert len(attempts) == PLANS_PER_MESSAGE + 1
    assert world.rebuild().state is RebuildState.QUEUED
    assert len(world.commits) == 1


@pytest.mark.parametrize("operation", ["push", "queue"])
def test_a_lost_answer_causes_nothing_twice(operation: str) -> None:
    world = World()
    part = world.repository if operation == "push" else world.pipeline
    part.fail(operation, "after", ServiceUnavailable("no answer"))
    world.publish()

    world.work()

    assert len(world.commits) == 1
    assert len(world.pipeline.runs) == 1
    assert world.rebuild().state is RebuildState.QUEUED


@pytest.mark.parametrize("problem", [ServiceUnavailable("503"), Throttled("429", timedelta(seconds=90))])
@pytest.mark.parametrize("operation", ["tip", "listing", "blobs", "push", "runs_since", "queue"])
def test_a_service_in_the_way_is_only_a_delay(operation: str, problem: Exception) -> None:
    world = World()
    part = world.pipeline if operation in ("runs_since", "queue") else world.repository
    part.fail(operation, "before", problem, times=3)
    world.publish()

    world.work()

    assert world.rebuild().state is RebuildState.QUEUED
    assert (len(world.commits), len(world.pipeline.runs)) == (1, 1)


def test_a_branch_that_takes_no_pushes_fails_the_rebuild_and_frees_the_turn() -> None:
    world = World()
    world.repository.protected = True
    world.publish()

    world.work()

    rebuild_id = world.known().rebuild
    assert rebuild_id is not None
    rebuild = world.rebuild()
    assert rebuild.state is RebuildState.FAILED
    assert rebuild.reason == "pushes to this branch are not permitted"
    assert {e.state for e in rebuild.environments} == {EnvironmentState.FAILED}
    assert world.known().state is ReleaseState.SETTLED
    assert world.app.ledger.read(turn_key("main")) == TurnEntry(None)
    world.repository.protected = False
    world.publish(version="1.2")
    world.work()
    assert world.commits == ["Bump our-package 1.2"]


def test_a_promotion_after_a_failed_push_makes_a_new_rebuild_of_the_same_plan() -> None:
    world = World()
    world.repository.protected = True
    world.publish()
    world.work()
    first = world.rebuild()
    world.repository.protected = False

    world.feed.promote("our-package", "1.1", "Release")
    world.announce()
    world.work()

    assert world.commits == ["Bump our-package 1.1"]
    assert (world.rebuild().id != first.id, world.rebuild().state) == (True, RebuildState.QUEUED)


def test_a_run_that_is_refused_fails_only_what_is_not_queued_yet() -> None:
    world, _ = crowd(ENVIRONMENTS_PER_RUN + 1)
    original = world.pipeline.queue

    def refuse_the_second(commit: str, parameters: Mapping[str, str]) -> PipelineRun:
        if parameters["batch"] == "2":
            raise PipelineRejected("the queue is full")
        return original(commit, parameters)

    world.pipeline.queue = refuse_the_second  # type: ignore[method-assign]
    world.publish()

    world.work()

    rebuild = world.rebuild()
    states = [environment.state for environment in rebuild.environments]
    assert rebuild.state is RebuildState.QUEUED
    assert states.count(EnvironmentState.QUEUED) == ENVIRONMENTS_PER_RUN
    assert [e.reason for e in rebuild.environments if e.state is EnvironmentState.FAILED] == ["the queue is full"]
    assert world.app.ledger.following("main") == [rebuild.id]
    assert world.app.ledger.read(turn_key("main")) == TurnEntry(None)


def test_a_run_whose_answer_is_lost_and_that_is_shown_late_is_not_queued_twice() -> None:
    world = World()
    world.pipeline.fail("queue", "after", ServiceUnavailable("the answer is lost"))
    world.pipeline.unlisted = 3
    world.publish()

    world.work()

    assert len(world.pipeline.runs) == 1
    assert world.rebuild().state is RebuildState.QUEUED


def test_a_parked_rebuild_goes_on_when_somebody_asks_again() -> None:
    world = World()
    world.pipeline.fail("queue", "before", ServiceUnavailable("away"), times=TRIES + 1)
    world.publish()
    world.work()
    assert world.rebuild().state is RebuildState.PARKED
    assert world.known().state is ReleaseState.PARKED
    world.pipeline.faults.clear()

    world.announce()
    world.work()

    assert world.rebuild().state is RebuildState.QUEUED
    assert (len(world.commits), len(world.pipeline.runs)) == (1, 1)
    assert world.known().state is ReleaseState.PLANNED


def test_a_pipeline_that_refuses_fails_the_rebuild_with_its_words() -> None:
    world = World()
    world.pipeline.exists = False
    world.publish()

    world.work()

    assert (world.rebuild().state, world.rebuild().reason) == (RebuildState.FAILED, "there is no such pipeline")
    assert len(world.commits) == 1


def test_a_repository_that_is_not_there_parks_the_releases_with_the_reason() -> None:
    world = World()
    world.repository.exists = False
    world.publish()

    world.work()

    assert world.known().state is ReleaseState.PARKED
    assert world.known().reason == "the repository has no such branch"
    assert world.app.ledger.waiting("main") == []


def test_a_claim_of_another_worker_is_respected_until_it_is_old() -> None:
    world = World()
    world.publish()
    crashes = Crashes(world)
    # The claim is written, and its worker is gone before it queues.
    original = world.pipeline.queue
    world.pipeline.queue = _crash  # type: ignore[method-assign,assignment]
    with pytest.raises(Crash):
        world.work()
    world.pipeline.queue = original  # type: ignore[method-assign]
    crashes.off()
    world.start()
    from shared.messages import Turn, encode

    began = world.clock.now()
    world.rebuilds.send(encode(Turn("main")))
    world.work()

    assert len(world.pipeline.runs) == 1
    assert world.clock.now() - began >= CLAIM_LIFETIME


def _crash(*_: object) -> list[object]:
    raise Crash


def crowd(count: int) -> tuple[World, list[str]]:
    """A world with many environments, and their names."""
    names = [f"env{number:03}" for number in range(count)]
    files = {path: raw for name in names for path, raw in environment(name, b"our-package==1.0\n").items()}
    return World({"rebuilder.yml": RULES, **files}), names


def test_many_environments_are_spread_over_runs_that_name_each_once() -> None:
    world, names = crowd(ENVIRONMENTS_PER_RUN * 2 + 1)
    world.publish()

    world.work()

    named = [path for run in world.pipeline.runs for path in run.paths]
    assert len(world.pipeline.runs) == 3
    assert sorted(named) == [f"{name}/environment.yml" for name in names]
    assert len(world.commits) == 1


def test_killed_after_the_first_of_three_runs_only_the_other_two_are_queued() -> None:
    world, _ = crowd(ENVIRONMENTS_PER_RUN * 2 + 1)
    world.pipeline.fail("queue", "after", ServiceUnavailable("lost"))
    world.publish()

    world.work()

    assert [run.parameters["batch"] for run in world.pipeline.runs] == ["1", "2", "3"]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("which", [0, 1, 2])
def test_killed_while_queueing_any_of_three_runs_only_what_is_missing_is_queued(which: int, when: str) -> None:
    world, _ = crowd(ENVIRONMENTS_PER_RUN * 2 + 1)
    world.pipeline.faults["queue"] = [*[("never", None)] * which, (when, Crash())]  # type: ignore[list-item]
    world.publish()

    assert _work_through_crashes(world, Crashes(world))

    assert [run.parameters["batch"] for run in world.pipeline.runs] == ["1", "2", "3"]
    assert (len(world.commits), world.rebuild().state) == (1, RebuildState.QUEUED)


def test_an_access_that_is_denied_while_looking_for_runs_is_not_tried_for_ever() -> None:
    world = World()
    world.pipeline.fail("runs_since", "before", AccessDenied("our identity may not read builds"))
    world.publish()

    world.work()

    assert world.rebuild().state is RebuildState.FAILED
    assert world.rebuild().reason == "our identity may not read builds"


@pytest.mark.parametrize(
    "problem",
    [
        RejectedByPolicy("the branch is locked"),
        AccessDenied("our identity may not push"),
        NotThere("the repository is disabled"),
        Permanent("the service does not take it"),
    ],
    ids=lambda problem: type(problem).__name__,
)
@pytest.mark.parametrize("operation", ["push", "queue"])
def test_what_a_service_refuses_for_good_fails_the_rebuild_and_is_not_tried_again(
    operation: str, problem: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    world = World()
    part = world.repository if operation == "push" else world.pipeline
    part.fail(operation, "before", problem, times=100)
    world.publish()

    with caplog.at_level(logging.ERROR):
        world.work()

    assert (world.rebuild().state, world.rebuild().reason) == (RebuildState.FAILED, str(problem))
    assert part.calls.count(operation) == 1
    assert "rebuild_failed" in caplog.text
    assert world.app.ledger.read(turn_key("main")) == TurnEntry(None)


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


_LINE = re.compile(
    r"|Rebuilds:|- [a-z0-9-]+ [0-9a-z.!+]+|- [A-Za-z0-9._/-]+\.yml|Rebuild-Id: [0-9a-f]+"
    r"|Bump (?:\d+ packages|[a-z0-9-]+ [0-9a-z.!+]+)"
)
_FOLDERS = st.one_of(
    st.sampled_from(["[skip ci]", "#123", "@everyone", "a\nRebuild-Id: 0", "***NO_CI***", "x\r\ny", "-rf", "a.b"]),
    st.text(min_size=1, max_size=8).filter(lambda name: "/" not in name),
)


@given(st.lists(_FOLDERS, min_size=1, max_size=3, unique_by=str.casefold), st.booleans())
def test_nothing_from_outside_can_say_anything_else_in_a_commits_message(folders: list[str], two: bool) -> None:
    files: dict[str, str | bytes] = {"plain/env.yml": environment_yaml("plain"), "plain/Dockerfile": DOCKERFILE,
                                     "plain/requirements.txt": "our-package==1.0\nour-other==1.0\n"}  # fmt: skip
    for at, folder in enumerate(folders):
        files[f"{folder}/env.yml"] = environment_yaml(f"e{at}")
        files[f"{folder}/Dockerfile"] = DOCKERFILE
        files[f"{folder}/requirements.txt"] = "our-package==1.0\n"
    plan = plan_of(files, "our-package 1.1", *(["our-other 1!2.0rc1"] if two else []))

    subject, blank, *body = commit_message(plan).removesuffix("\n").split("\n")

    assert subject.startswith("Bump ")
    assert blank == ""
    assert [line for line in (subject, *body) if not _LINE.fullmatch(line)] == []
    assert [line for line in body if line.startswith("Rebuild-Id")] == [f"Rebuild-Id: {plan.id}"]


def test_a_release_costs_as_many_calls_of_the_services_however_many_environments_there_are() -> None:
    costs = []
    for count in (2, ENVIRONMENTS_PER_RUN):
        world, _ = crowd(count)
        world.publish()
        world.work()
        assert len(world.rebuild().environments) == count
        costs.append([part.calls for part in (world.repository, world.feed, world.pipeline)])

    assert costs[0] == costs[1]


def test_killed_at_any_call_of_any_port_the_outcome_is_the_same() -> None:
    """The crash-point sweep: die before or after each call, come back with nothing in memory, get the message again."""
    world = World()
    crashes = Crashes(world)
    world.publish()
    crashes.at(0, "before")
    world.work()
    calls = crashes.count
    assert calls > 40

    for call, when in product(range(1, calls + 1), ("before", "after")):
        world = World()
        crashes = Crashes(world)
        world.publish()
        crashes.at(call, when)  # type: ignore[arg-type]
        crashed = _work_through_crashes(world, crashes)

        where = f"{when} call {call}"
        assert crashed, where
        assert world.commits == ["Bump our-package 1.1"], where
        assert [run.parameters["environments"] for run in world.pipeline.runs] == [
            "1:scoring/environment.yml,2:training/environment.yml"
        ], where
        assert world.rebuild().state is RebuildState.QUEUED, where
        assert world.app.ledger.read(turn_key("main")) == TurnEntry(None), where
        assert world.app.ledger.waiting("main") == [], where


def _work_through_crashes(world: World, crashes: Crashes) -> bool:
    """Work; a message whose worker dies comes again."""
    crashed = False
    for _ in range(100):
        before = (list(world.signals.waiting), list(world.rebuilds.waiting))
        try:
            if not world.step():
                return crashed
        except Crash:
            crashed = True
            crashes.off()
            handled_signals = [m for m in before[0] if m not in world.signals.waiting]
            handled_turns = [m for m in before[1] if m not in world.rebuilds.waiting]
            for queue, messages in ((world.signals, handled_signals), (world.rebuilds, handled_turns)):
                queue.waiting.extend(messages)
            world.start()
    raise AssertionError("it never comes to rest")
