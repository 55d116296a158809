"""What an earlier attempt has registered counts, as long as the files are the same."""

import pytest

from shared.domain.records.run_outcomes import JobOutcome
from shared.domain.states import EnvironmentState, RebuildState
from tests.services.test_follow import DONE, SCORING, TRAINING, finish, hook, register, run_of, states
from tests.services.world import World

FULL = JobOutcome("completed", "failed", (), "the disk is full")


def queued(*workspaces: str) -> World:
    """A world with one queued rebuild of `training` and `scoring`, whose environments have two attempts."""
    world = World(workspaces=workspaces or ("training",), REBUILDER_ATTEMPTS="2")
    world.publish()
    world.work()
    assert world.rebuild().state is RebuildState.QUEUED
    return world


def test_what_an_earlier_attempt_at_the_same_files_registered_counts_in_that_workspace() -> None:
    world = queued("training", "serving")
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
