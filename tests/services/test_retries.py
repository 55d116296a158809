"""What failed is owed a new rebuild while it has attempts left."""

from itertools import count
from typing import Literal

import pytest

from shared.domain.states import EnvironmentState, RebuildState, ReleaseState
from shared.errors import PipelineRejected
from shared.limits import RETRY_PAUSE, STANDSTILL
from tests.services.crashes import Crash, Crashes
from tests.services.world import SAMPLE, World, environment

SCORING, TRAINING = "scoring/environment.yml", "training/environment.yml"


def queued(**settings: str) -> World:
    world = World(None, **settings)  # type: ignore[arg-type]
    world.publish()
    world.work()
    return world


def failed(world: World, *paths: str) -> None:
    """The run that is going ends, and some of its environments have failed."""
    world.finish(failing=dict.fromkeys(paths, "the disk is full"))


def states(world: World) -> dict[str, tuple[EnvironmentState, str | None]]:
    """What became of the environments in the newest rebuild."""
    return {e.name: (e.state, e.reason) for e in world.rebuilds_made()[-1].environments}


def test_only_what_failed_is_rebuilt_again_by_a_rebuild_of_its_own() -> None:
    world = queued()

    failed(world, TRAINING)

    first, second = world.rebuilds_made()
    assert [run.paths for run in world.pipeline.runs] == [[SCORING, TRAINING], [TRAINING]]
    assert {e.name: (e.state, e.reason) for e in first.environments} == {
        "scoring": (EnvironmentState.REGISTERED, None),
        "training": (EnvironmentState.FAILED, "attempt 1 failed and is tried again: the disk is full"),
    }
    assert first.state is RebuildState.FINISHED
    assert [(e.name, e.state, e.attempt) for e in second.environments] == [("training", EnvironmentState.QUEUED, 2)]
    assert second.releases == ()
    world.finish()
    assert states(world) == {"training": (EnvironmentState.REGISTERED, None)}
    assert len(world.commits) == 1


def test_a_release_shows_what_became_of_a_failure_in_the_end() -> None:
    world = queued()
    failed(world, TRAINING)
    world.finish()

    rows = world.app.status.release(name="our-package", version="1.1")["targets"][0]["environments"]

    first, second = world.rebuilds_made()
    assert {row["path"]: (row["state"], row["rebuild"], row["run"]) for row in rows} == {
        SCORING: ("registered", first.id, 1),
        TRAINING: ("registered", second.id, 2),
    }


@pytest.mark.parametrize("attempts", [1, 2, 3])
def test_it_is_tried_as_often_as_the_setting_says(attempts: int) -> None:
    world = queued(REBUILDER_ATTEMPTS=str(attempts))

    for _ in range(attempts):
        failed(world, TRAINING)

    assert len(world.pipeline.runs) == attempts
    assert states(world)["training"] == (EnvironmentState.FAILED, "the disk is full")
    assert {rebuild.state for rebuild in world.rebuilds_made()} == {RebuildState.FINISHED}
    assert world.known().state is ReleaseState.SETTLED
    assert world.app.ledger.due("main") == []


def test_attempts_begin_anew_with_a_release() -> None:
    world = queued()
    failed(world, TRAINING)
    failed(world, TRAINING)
    world.publish(version="1.2")
    world.work()

    failed(world, TRAINING)

    assert states(world)["training"] == (EnvironmentState.QUEUED, None)


def test_attempts_begin_anew_with_a_rerun() -> None:
    world = queued()
    failed(world, TRAINING)
    failed(world, TRAINING)
    world.app.reruns.ask(feed=None, name="our-package", version="1.1", environments=(TRAINING,))
    world.work()

    failed(world, TRAINING)

    assert world.rebuilds_made()[-1].environments[0].attempt == 2
    assert states(world)["training"] == (EnvironmentState.QUEUED, None)


def test_it_is_tried_again_a_while_after_all_jobs_of_its_run_are_over() -> None:
    world = queued()
    (run,) = world.pipeline.runs
    world.build(run, {TRAINING: "the disk is full"})
    ended, run.result = run.jobs.pop(SCORING), None
    world.app.follow.all()
    assert world.app.ledger.due("main") == []
    run.jobs[SCORING], run.result = ended, "failed"
    began = world.clock.now()
    world.app.follow.all()

    world.work()

    assert world.pipeline.runs[1].queued - began >= RETRY_PAUSE


def test_what_failed_is_rebuilt_together() -> None:
    world = queued()

    failed(world, SCORING, TRAINING)

    assert world.pipeline.runs[1].paths == [SCORING, TRAINING]


def test_what_a_later_rebuild_carries_is_not_tried_again() -> None:
    world = queued()
    world.publish(version="1.2")
    world.work()

    failed(world, TRAINING)

    first, second = world.rebuilds_made()
    assert [run.parameters["rebuild"] for run in world.pipeline.runs] == [first.id, second.id]
    (found,) = [e for e in first.environments if e.name == "training"]
    assert (found.state, found.reason) == (EnvironmentState.FAILED, "the disk is full")
    assert first.state is RebuildState.FINISHED


def test_a_release_that_is_due_with_it_is_written_and_both_are_one_rebuild() -> None:
    world = World({**SAMPLE, **environment("training", b"our-package==1.0\nour-other==1.0\n")})
    world.publish()
    world.work()
    world.publish("our-other", "1.1")
    while world.signals.waiting:
        world.step()
    world.rebuilds.waiting.clear()
    world.clock.advance(world.app.settings.settle_time - RETRY_PAUSE)

    failed(world, TRAINING, SCORING)

    first, last = world.rebuilds_made()
    assert [(e.name, e.attempt, e.earlier) for e in last.environments] == [
        ("scoring", 2, (first.id,)),
        ("training", 1, ()),
    ]
    assert world.file("training/context/requirements.txt") == b"our-package==1.1\nour-other==1.1\n"


def test_a_pipeline_that_takes_no_more_runs_parks_the_new_rebuild_alone() -> None:
    world = queued()
    world.pipeline.fail("queue", "before", PipelineRejected("the pipeline is disabled"))

    failed(world, TRAINING)

    first, second = world.rebuilds_made()
    assert (first.state, second.state) == (RebuildState.FINISHED, RebuildState.PARKED)
    assert second.reason == "the pipeline is disabled"
    assert world.known().state is ReleaseState.SETTLED
    world.app.repair.run()
    assert world.app.ledger.following("main") == []
    world.app.parked.requeue()
    world.work()
    assert states(world)["training"][0] is EnvironmentState.QUEUED


def test_a_lost_message_of_a_retry_is_healed_by_the_timer() -> None:
    world = queued()
    (run,) = world.pipeline.runs
    world.build(run, {TRAINING: "the disk is full"})
    world.app.follow.all()
    world.rebuilds.waiting.clear()
    world.clock.advance(STANDSTILL * 2)

    world.app.repair.run()
    world.work()

    assert [run.paths for run in world.pipeline.runs] == [[SCORING, TRAINING], [TRAINING]]


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_at_any_call_of_following_it_is_tried_again_once(when: Literal["before", "after"]) -> None:
    for call in count(1):
        world = queued()
        world.build(world.pipeline.runs[0], {TRAINING: "the disk is full"})
        crashes = Crashes(world)
        crashes.at(call, when)
        try:
            world.app.follow.all()
        except Crash:
            killed = True
            world.start()
        else:
            killed = False
        crashes.off()
        world.work()
        world.app.repair.run()
        world.work()

        assert [run.paths for run in world.pipeline.runs] == [[SCORING, TRAINING], [TRAINING]], call
        if not killed:
            return
