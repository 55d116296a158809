"""A service that does not answer is a delay; one that refuses for good parks the rebuild, and a person requeues it."""

import logging
from datetime import timedelta

import pytest

from shared.domain.states import EnvironmentState, RebuildState, ReleaseState
from shared.errors import (
    AccessDenied,
    NotThere,
    Permanent,
    RejectedByPolicy,
    ServiceUnavailable,
    Throttled,
)
from shared.limits import TRIES
from tests.services.world import World


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


def test_a_branch_that_takes_no_pushes_parks_the_rebuild_and_ends_the_lease() -> None:
    world = World()
    world.repository.protected = True
    world.publish()

    world.work()

    rebuild = world.rebuild()
    assert rebuild.state is RebuildState.PARKED
    assert rebuild.reason == "pushes to this branch are not permitted"
    assert {e.state for e in rebuild.environments} == {EnvironmentState.PLANNED}  # nothing is wrong with them
    assert world.known().state is ReleaseState.PARKED
    assert [(thing.entry.rebuild, thing.entry.why) for thing in world.app.parked.all()] == [
        (rebuild.id, rebuild.reason)
    ]
    assert world.is_at_rest()
    world.repository.protected = False
    world.publish(version="1.2")
    world.work()
    assert world.commits == ["Bump our-package 1.2"]


def test_what_a_refused_push_was_made_for_is_planned_once_it_is_requeued() -> None:
    world = World()
    world.repository.protected = True
    world.publish()
    world.work()
    world.repository.protected = False

    world.app.parked.requeue()
    world.work()

    assert world.commits == ["Bump our-package 1.1"]
    assert [rebuild.state for rebuild in world.rebuilds_made()] == [RebuildState.SUPERSEDED, RebuildState.QUEUED]
    assert (world.known().state, world.app.parked.all()) == (ReleaseState.PLANNED, [])


def test_a_refused_push_takes_nothing_back_that_a_later_release_has_brought() -> None:
    world = World()
    world.repository.protected = True
    world.publish()
    world.work()
    world.repository.protected = False
    world.publish(version="1.2")
    world.work()

    world.app.parked.requeue()
    world.work()

    assert world.commits == ["Bump our-package 1.2"]
    assert len(world.pipeline.runs) == 1
    assert (world.known().state, world.app.parked.all()) == (ReleaseState.SETTLED, [])
    assert world.is_at_rest()


def test_a_promotion_after_a_refused_push_makes_a_new_rebuild_of_the_same_plan() -> None:
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


def test_what_a_parked_rebuild_committed_is_built_when_somebody_asks_again() -> None:
    world = World()
    world.pipeline.fail("queue", "before", ServiceUnavailable("away"), times=TRIES + 1)
    world.publish()
    world.work()
    parked = world.rebuild()
    assert parked.state is RebuildState.PARKED
    assert world.known().state is ReleaseState.PARKED
    world.pipeline.faults.clear()

    world.announce()
    world.work()

    superseded, rebuild = world.rebuilds_made()
    assert (superseded.id, superseded.state) == (parked.id, RebuildState.SUPERSEDED)
    assert rebuild.state is RebuildState.QUEUED
    assert (len(world.commits), len(world.pipeline.runs)) == (1, 1)
    assert world.pipeline.runs[0].commit == parked.commit == world.repository.head
    assert world.known().state is ReleaseState.SETTLED
    assert {(e.attempt, e.earlier) for e in rebuild.environments} == {(1, (parked.id,))}


def test_a_pipeline_that_refuses_parks_the_rebuild_with_its_words() -> None:
    world = World()
    world.pipeline.exists = False
    world.publish()

    world.work()

    assert (world.rebuild().state, world.rebuild().reason) == (RebuildState.PARKED, "there is no such pipeline")
    assert len(world.commits) == 1

    world.pipeline.exists = True
    world.app.parked.requeue()
    world.work()

    (run,) = world.pipeline.runs
    assert (run.commit, len(run.paths), len(world.commits)) == (world.repository.head, 2, 1)
    assert world.rebuilds_made()[-1].state is RebuildState.QUEUED


def test_a_repository_that_is_not_there_parks_the_releases_with_the_reason() -> None:
    world = World()
    world.repository.exists = False
    world.publish()

    world.work()

    assert world.known().state is ReleaseState.PARKED
    assert world.known().reason == "the repository has no such branch"
    assert world.is_at_rest()


def test_an_access_that_is_denied_while_looking_for_runs_is_not_tried_for_ever() -> None:
    world = World()
    world.pipeline.fail("runs_since", "before", AccessDenied("our identity may not read builds"))
    world.publish()

    world.work()

    assert world.rebuild().state is RebuildState.PARKED
    assert world.rebuild().reason == "our identity may not read builds"
    assert world.pipeline.calls.count("runs_since") == 1


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
def test_what_a_service_refuses_for_good_parks_the_rebuild_and_is_not_tried_again(
    operation: str, problem: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    world = World()
    part = world.repository if operation == "push" else world.pipeline
    part.fail(operation, "before", problem, times=100)
    world.publish()

    with caplog.at_level(logging.ERROR):
        world.work()

    assert (world.rebuild().state, world.rebuild().reason) == (RebuildState.PARKED, str(problem))
    assert part.calls.count(operation) == 1
    assert "parked target=main" in caplog.text
    assert [thing.entry.rebuild for thing in world.app.parked.all()] == [world.rebuild().id]
    assert world.is_at_rest()
