import json
import logging
from datetime import timedelta

import pytest

from shared.domain.records.pipeline_contract import SUPERSEDED
from shared.domain.records.run_outcomes import JobOutcome
from shared.domain.states import EnvironmentState, RebuildState, ReleaseState
from shared.errors import AccessDenied, ServiceUnavailable
from shared.ledger_entries import environment_key
from shared.limits import ENVIRONMENTS_PER_RUN, REGISTRATION_PATIENCE
from tests.fakes.azure_devops import FakeRun
from tests.services.world import World, crowd

DONE = JobOutcome("completed", "succeeded", ("Download the packages", "Prove the offline install"))
TRAINING, SCORING = "training/environment.yml", "scoring/environment.yml"


def queued() -> World:
    """A world with one queued rebuild of `training` and `scoring`."""
    world = World(REBUILDER_ATTEMPTS="1")
    world.publish()
    world.work()
    assert world.rebuild().state is RebuildState.QUEUED
    return world


def run_of(world: World) -> FakeRun:
    return world.pipeline.runs[-1]


def finish(world: World, jobs: dict[str, JobOutcome], result: str = "succeeded") -> None:
    """The pipeline's run ends."""
    run = run_of(world)
    run.jobs, run.result, run.finished = jobs, result, world.clock.now()


def register(world: World, *names: str) -> None:
    for name in names:
        tags = {"rebuilder-rebuild": world.rebuild().id, "package-our-package": "1.1"}
        world.azure_ml.register("ml/training", name, tags)


def states(world: World) -> dict[str, tuple[str, str | None]]:
    return {e.name: (e.state.value, e.reason) for e in world.rebuild().environments}


def hook(world: World) -> None:
    body = b'{"eventType": "build.complete", "resource": {"id": 1, "definition": {"id": 7}, "result": "succeeded"}}'
    assert world.app.intake.accept(body).outcome == "accepted"
    world.work()


def test_registered_is_what_azure_ml_holds() -> None:
    world = queued()
    finish(world, {TRAINING: DONE, SCORING: DONE})
    register(world, "training", "scoring")

    hook(world)

    rebuild = world.rebuild()
    assert rebuild.state is RebuildState.FINISHED
    assert states(world) == {"training": ("registered", None), "scoring": ("registered", None)}
    (registration,) = rebuild.environments[0].workspaces
    assert (registration.workspace, registration.version) == ("ml/training", "1")
    assert registration.tags["package-our-package"] == "1.1"
    assert world.known().state is ReleaseState.SETTLED
    assert world.app.ledger.get(environment_key("main", TRAINING)).registered == {"ml/training": "1"}
    assert world.app.ledger.following("main") == []


def test_a_credential_in_a_tag_is_neither_kept_nor_shown() -> None:
    """Azure ML holds the tags of the environment's YAML as they are."""
    world = queued()
    finish(world, {TRAINING: DONE, SCORING: DONE})
    register(world, "scoring")
    tags = {"rebuilder-rebuild": world.rebuild().id, "from": "https://user:s3cr3t@host.test/x"}
    world.azure_ml.register("ml/training", "training", tags)

    hook(world)

    (registration,) = next(e for e in world.rebuild().environments if e.name == "training").workspaces
    assert registration.tags["from"] == "https://***@host.test/x"
    assert "s3cr3t" not in json.dumps(world.app.status.rebuild(world.rebuild().id), default=str)


def test_the_timer_alone_follows_a_run_to_its_end() -> None:
    world = queued()
    finish(world, {TRAINING: DONE, SCORING: DONE})
    register(world, "training", "scoring")

    world.app.follow.all()

    assert world.rebuild().state is RebuildState.FINISHED


def test_a_jobs_own_word_is_not_enough() -> None:
    world = queued()
    finish(world, {TRAINING: DONE, SCORING: DONE})
    register(world, "training")

    hook(world)

    assert states(world)["training"] == ("registered", None)
    state, reason = states(world)["scoring"]
    assert state == "failed"
    assert reason == f"its job succeeded, but ml/training has no version with the tag of rebuild {world.rebuild().id}"
    assert world.rebuild().state is RebuildState.FINISHED


def test_a_version_that_azure_ml_shows_late_is_waited_for() -> None:
    world = queued()
    finish(world, {TRAINING: DONE, SCORING: DONE})
    register(world, "training")
    world.app.intake.accept(b'{"eventType": "build.complete", "resource": {"id": 1, "definition": {"id": 7}}}')
    for _ in range(3):
        world.step()
    assert states(world)["scoring"][0] == "queued"

    register(world, "scoring")
    world.work()

    assert world.clock.now() - (run_of(world).finished or world.clock.now()) < REGISTRATION_PATIENCE
    assert states(world)["scoring"] == ("registered", None)


def test_a_failed_environment_says_why_and_the_others_go_on() -> None:
    world = queued()
    failed = JobOutcome("completed", "failed", ("Check the commit",), "no file of our-package==1.1 for Python 3.9")
    finish(world, {TRAINING: failed, SCORING: DONE}, "failed")
    register(world, "scoring")

    hook(world)

    assert states(world) == {
        "training": ("failed", "no file of our-package==1.1 for Python 3.9"),
        "scoring": ("registered", None),
    }
    assert world.rebuild().state is RebuildState.FINISHED
    assert world.known().state is ReleaseState.SETTLED


def test_what_was_seen_on_the_way_is_shown_and_never_more() -> None:
    world = queued()
    run = run_of(world)
    run.jobs = {
        TRAINING: JobOutcome("inProgress", None, ("Download the packages",)),
        SCORING: JobOutcome("inProgress", None, ("Download the packages", "Prove the offline install")),
    }
    world.app.follow.all()
    assert states(world) == {"training": ("packaged", None), "scoring": ("verified", None)}

    run.jobs = {TRAINING: JobOutcome("pending"), SCORING: JobOutcome("inProgress", None, ("Download the packages",))}
    world.app.follow.all()

    assert states(world) == {"training": ("packaged", None), "scoring": ("verified", None)}
    assert world.rebuild().state is RebuildState.QUEUED
    assert world.app.ledger.following("main") == [world.rebuild().id]


@pytest.mark.parametrize("result", ["canceled", "abandoned"])
def test_a_cancelled_job_is_cancelled_and_not_failed(result: str) -> None:
    world = queued()
    finish(world, {TRAINING: JobOutcome("completed", result), SCORING: DONE}, "canceled")
    register(world, "scoring")

    hook(world)

    assert states(world)["training"] == ("cancelled", "its job was cancelled")


def test_a_run_that_was_cancelled_before_it_began_cancels_all() -> None:
    world = queued()
    finish(world, {}, "canceled")

    hook(world)

    assert {state for state, _ in states(world).values()} == {"cancelled"}


def test_a_broken_template_fails_all_with_its_words() -> None:
    world = queued()
    finish(world, {}, "failed")
    run_of(world).problem = "File /nowhere.yml not found in the repository"

    hook(world)

    assert set(states(world).values()) == {("failed", "File /nowhere.yml not found in the repository")}


def test_a_run_that_was_deleted_fails_its_environments() -> None:
    world = queued()
    world.pipeline.runs.clear()

    world.app.follow.all()

    assert {reason for _, reason in states(world).values()} == {"run 1 is not there any more"}
    assert world.rebuild().state is RebuildState.FINISHED


def test_a_failed_job_that_a_person_runs_again_is_registered_after_all() -> None:
    world = queued()
    finish(world, {TRAINING: JobOutcome("completed", "failed", (), "the feed does not answer"), SCORING: DONE})
    register(world, "scoring")
    hook(world)
    assert world.rebuild().state is RebuildState.FINISHED

    run_of(world).jobs = {TRAINING: DONE, SCORING: DONE}
    register(world, "training")
    hook(world)

    assert states(world)["training"] == ("registered", None)
    assert world.app.ledger.get(environment_key("main", TRAINING)).registered == {"ml/training": "1"}
    assert world.rebuild().state is RebuildState.FINISHED


@pytest.mark.parametrize(
    "job", [JobOutcome("completed", "failed", (), "a later step"), JobOutcome("completed", "canceled")]
)
def test_what_azure_ml_holds_counts_more_than_how_the_job_ended(job: JobOutcome) -> None:
    world = queued()
    finish(world, {TRAINING: job, SCORING: DONE}, "failed")
    register(world, "training", "scoring")

    hook(world)

    assert states(world)["training"] == ("registered", None)


def test_what_azure_ml_holds_of_a_deleted_run_is_registered() -> None:
    world = queued()
    register(world, "training")
    world.pipeline.runs.clear()

    world.app.follow.all()

    assert states(world) == {
        "training": ("registered", None),
        "scoring": ("failed", "run 1 is not there any more"),
    }


def test_a_workspace_that_cannot_be_read_hides_no_jobs_error() -> None:
    world = queued()
    failed = JobOutcome("completed", "failed", (), "no file of our-package==1.1")
    finish(world, {TRAINING: failed, SCORING: failed}, "failed")
    world.azure_ml.fail("registered", "before", AccessDenied("our identity may not read ml/training"), times=2)

    hook(world)

    assert set(states(world).values()) == {("failed", "no file of our-package==1.1")}


def test_one_workspace_that_holds_it_is_recorded_though_another_does_not() -> None:
    world = World(workspaces=("training", "serving"), REBUILDER_ATTEMPTS="1")
    world.publish()
    world.work()
    failed = JobOutcome("completed", "failed", (), "Azure ML answers 403")
    finish(world, {TRAINING: failed, SCORING: failed}, "failed")
    register(world, "training")

    hook(world)

    training = next(e for e in world.rebuild().environments if e.name == "training")
    assert (training.state, training.reason) == (EnvironmentState.FAILED, "Azure ML answers 403")
    assert [(r.workspace, r.version) for r in training.workspaces] == [("ml/training", "1")]


@pytest.mark.parametrize("state", ["pending", "inProgress"])
def test_a_run_that_is_over_has_no_job_under_way(state: str) -> None:
    world = queued()
    finish(world, {TRAINING: JobOutcome(state), SCORING: JobOutcome("completed", "skipped")}, "canceled")

    hook(world)

    assert states(world) == {
        "training": ("cancelled", "the run was cancelled"),
        "scoring": ("cancelled", "its job was cancelled"),
    }
    assert world.rebuild().state is RebuildState.FINISHED


def test_a_job_that_died_with_its_agent_is_failed() -> None:
    world = queued()
    finish(world, {TRAINING: JobOutcome("inProgress"), SCORING: DONE}, "failed")
    register(world, "scoring")

    hook(world)

    assert states(world)["training"] == ("failed", "the run ended before its job did")


def test_an_older_run_that_gave_way_is_superseded() -> None:
    world = queued()
    why = f"{SUPERSEDED}9: it has registered a version of training in ml/training since"
    finish(world, {TRAINING: JobOutcome("completed", "failed", (), why), SCORING: DONE}, "failed")
    register(world, "scoring")

    hook(world)

    assert states(world)["training"] == ("superseded", why)
    assert world.rebuild().state is RebuildState.FINISHED


def test_azure_ml_in_the_way_is_only_a_delay() -> None:
    world = queued()
    finish(world, {TRAINING: DONE, SCORING: DONE})
    register(world, "training", "scoring")
    world.azure_ml.fail("registered", "before", ServiceUnavailable("no answer"), times=3)

    hook(world)

    assert world.rebuild().state is RebuildState.FINISHED


def test_a_workspace_that_may_not_be_read_is_reported_and_the_timer_tries_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = queued()
    finish(world, {TRAINING: DONE, SCORING: DONE})
    register(world, "training", "scoring")
    world.azure_ml.fail("registered", "before", AccessDenied("our identity may not read ml/training"))

    world.app.follow.all()
    assert "our identity may not read ml/training" in caplog.text
    world.app.follow.all()

    assert world.rebuild().state is RebuildState.FINISHED


def test_doubled_hooks_and_the_timer_see_the_same_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    world = queued()
    finish(world, {TRAINING: DONE, SCORING: DONE})
    register(world, "training", "scoring")
    hook(world)
    before = world.rebuild()

    hook(world)
    world.app.follow.all()

    assert world.rebuild() == before
    assert caplog.text.count("rebuild_finished") == 1


def test_a_run_that_is_none_of_ours_is_passed_over() -> None:
    world = queued()
    world.pipeline.runs.append(FakeRun(99, "c", {}, world.clock.now(), result="succeeded"))

    world.app.follow.run(99, 7)
    world.app.follow.run(12345, 7)

    assert world.rebuild().state is RebuildState.QUEUED


def test_a_crash_after_the_run_was_queued_leaves_it_to_be_followed() -> None:
    """The mark is there before the run is: whatever happens in between, the timer finds it."""
    world = World()
    world.publish()
    world.pipeline.fail("queue", "after", ServiceUnavailable("the answer is lost"))
    while not world.pipeline.runs:
        world.step()

    assert world.app.ledger.following("main") == [world.rebuild().id]


def test_after_the_end_a_rerun_is_possible_again() -> None:
    world = queued()
    finish(world, {TRAINING: DONE, SCORING: DONE})
    register(world, "training", "scoring")
    hook(world)

    world.app.reruns.ask(feed=None, name="our-package", version="1.1")
    world.work()

    assert len(world.pipeline.runs) == 2
    assert world.rebuild().state is RebuildState.QUEUED
    assert {e.state for e in world.rebuild().environments} == {EnvironmentState.QUEUED}
    assert world.clock.now() - world.rebuild().created < timedelta(minutes=1)


class TestManyRuns:
    """A rebuild of many runs is followed run by run."""

    def built(self) -> World:
        world, names = crowd(ENVIRONMENTS_PER_RUN + 2)
        world.publish()
        world.work()
        for run in world.pipeline.runs:
            world.build(run)
        assert len(names) == ENVIRONMENTS_PER_RUN + 2
        return world

    def registered(self, world: World) -> int:
        return sum(1 for e in world.rebuild().environments if e.state is EnvironmentState.REGISTERED)

    def test_what_cannot_be_looked_up_is_asked_again_and_nothing_else(self) -> None:
        world = self.built()
        world.azure_ml.faults["registered"] = [
            *[("never", None)] * ENVIRONMENTS_PER_RUN,  # type: ignore[list-item]
            ("before", ServiceUnavailable("away")),
        ]

        world.app.follow.all()
        assert self.registered(world) == ENVIRONMENTS_PER_RUN + 1
        asked = world.azure_ml.calls.count("registered")
        world.app.follow.all()

        assert world.azure_ml.calls.count("registered") == asked + 1
        assert world.rebuild().state is RebuildState.FINISHED

    def test_a_hook_has_its_own_run_looked_at_and_no_other(self) -> None:
        world = self.built()

        world.tell_of(world.pipeline.runs[1])
        world.work()

        assert self.registered(world) == 2
        assert world.azure_ml.calls.count("registered") == 2
        world.tell_of(world.pipeline.runs[0])
        world.work()
        assert world.rebuild().state is RebuildState.FINISHED
