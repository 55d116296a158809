"""An environment that failed and has attempts left is owed a new rebuild, of its files as the branch then has them."""

from itertools import product
from typing import Literal

import pytest

from shared.domain.states import EnvironmentState, RebuildState, ReleaseState
from shared.limits import STANDSTILL
from shared.ports import JobOutcome
from tests.services.test_follow import DONE, SCORING, TRAINING, finish, hook, register, run_of, states
from tests.services.world import World

FULL = JobOutcome("completed", "failed", (), "the disk is full")


def queued() -> World:
    """A world with one queued rebuild of `training` and `scoring`, whose environments have two attempts."""
    world = World(REBUILDER_ATTEMPTS="2")
    world.publish()
    world.work()
    assert world.rebuild().state is RebuildState.QUEUED
    return world


def tried_again(world: World, failed: dict[str, JobOutcome]) -> None:
    """The first rebuild fails for an environment, and the next one's run is queued."""
    finish(world, {TRAINING: DONE, SCORING: DONE, **failed}, "failed")
    register(world, *({"training", "scoring"} - {path.split("/")[0] for path in failed}))
    hook(world)
    assert [run.paths for run in world.pipeline.runs[1:]] == [sorted(failed)]


def test_what_failed_and_has_attempts_left_is_rebuilt_by_a_new_rebuild_and_shown_as_tried_again() -> None:
    world = queued()

    tried_again(world, {TRAINING: FULL})

    first, second = world.rebuilds_made()
    assert (first.state, second.state) == (RebuildState.FINISHED, RebuildState.QUEUED)
    assert states(world)["training"] == ("failed", "attempt 1 failed and is tried again: the disk is full")
    (owed,) = second.environments
    assert (owed.path, owed.attempt, owed.earlier) == (TRAINING, 2, (first.id,))
    assert (second.releases, world.known().state, len(world.commits)) == ((), ReleaseState.SETTLED, 1)

    world.finish(failing={TRAINING: "the disk is full"})

    (owed,) = world.rebuilds_made()[-1].environments
    assert (owed.state, owed.reason) == (EnvironmentState.FAILED, "the disk is full")
    assert (len(world.rebuilds_made()), world.is_at_rest()) == (2, True)


def test_what_failed_is_tried_again_once_all_jobs_of_its_run_are_over() -> None:
    world = queued()
    run_of(world).jobs = {TRAINING: FULL, SCORING: JobOutcome("inProgress")}

    world.app.follow.all()
    world.work()
    assert (len(world.pipeline.runs), world.is_at_rest()) == (1, True)

    tried_again(world, {TRAINING: FULL, SCORING: FULL})
    assert len(world.rebuilds_made()) == 2


def test_what_an_earlier_attempt_at_the_same_files_registered_counts_in_that_workspace() -> None:
    world = World(workspaces=("training", "serving"), REBUILDER_ATTEMPTS="2")
    world.publish()
    world.work()
    first = world.rebuild().id
    for name in ("training", "scoring"):
        world.azure_ml.register("ml/training", name, {"rebuilder-rebuild": first})
    world.azure_ml.register("ml/serving", "scoring", {"rebuilder-rebuild": first})
    finish(world, {TRAINING: FULL, SCORING: DONE}, "failed")
    hook(world)
    second = world.rebuilds_made()[-1]

    run_of(world).jobs, run_of(world).result = {TRAINING: DONE}, "succeeded"
    world.azure_ml.register("ml/serving", "training", {"rebuilder-rebuild": second.id})
    world.tell_of(run_of(world))
    world.work()

    (training,) = world.rebuilds_made()[-1].environments
    assert training.state is EnvironmentState.REGISTERED
    assert [(r.workspace, r.tags["rebuilder-rebuild"]) for r in training.workspaces] == [
        ("ml/training", first),
        ("ml/serving", second.id),
    ]


def test_what_an_earlier_attempt_at_other_files_registered_does_not_count() -> None:
    world = queued()
    first = world.rebuild().id
    finish(world, {TRAINING: FULL, SCORING: DONE}, "failed")
    register(world, "scoring")
    world.repository.commit({"training/context/requirements.txt": b"pandas==2.1\nour-package==1.1\n"})
    hook(world)
    world.azure_ml.register("ml/training", "training", {"rebuilder-rebuild": first})  # its job went on all the same
    (owed,) = world.rebuilds_made()[-1].environments
    assert owed.earlier == ()

    run_of(world).jobs, run_of(world).result = {TRAINING: DONE}, "succeeded"
    run_of(world).finished = world.clock.now()
    world.tell_of(run_of(world))
    world.work()

    (training,) = world.rebuilds_made()[-1].environments
    assert training.state is EnvironmentState.FAILED
    assert (training.reason or "").startswith("its job succeeded, but ml/training has no version with the tag of")


@pytest.mark.parametrize("result", ["canceled", "abandoned"])
def test_what_a_person_cancelled_is_not_tried_again(result: str) -> None:
    world = queued()
    finish(world, {TRAINING: JobOutcome("completed", result), SCORING: DONE}, "failed")
    register(world, "scoring")

    hook(world)

    assert states(world)["training"] == ("cancelled", "its job was cancelled")
    assert (len(world.pipeline.runs), world.is_at_rest()) == (1, True)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_crash_at_any_write_while_a_failure_is_recorded_owes_one_rebuild(when: Literal["before", "after"]) -> None:
    for method, call in product(("create", "replace", "delete"), range(6)):
        world = queued()
        finish(world, {TRAINING: FULL, SCORING: DONE}, "failed")
        register(world, "scoring")
        world.store.faults[method] = [("never", None) for _ in range(call)]  # type: ignore[misc]
        world.store.fail(method, when, KeyboardInterrupt())  # type: ignore[arg-type]
        try:
            world.app.follow.run(1, 7)
            world.work()
        except KeyboardInterrupt:
            world.start()
        world.store.faults.clear()
        world.app.follow.all()
        world.app.repair.run()
        world.work()
        if not world.is_at_rest():  # the turn's message was lost with its worker
            world.clock.advance(STANDSTILL * 2)
            world.app.repair.run()
            world.work()

        where = (method, call)
        assert [run.paths for run in world.pipeline.runs[1:]] == [[TRAINING]], where
        assert [e.attempt for e in world.rebuilds_made()[-1].environments] == [2], where
        assert world.is_at_rest(), where
