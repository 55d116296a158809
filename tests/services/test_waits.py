"""Runs that wait for somebody before their jobs begin."""

import pytest

from shared.domain.records.run_outcomes import JobOutcome
from tests.services.test_follow import DONE as SUCCEEDED
from tests.services.test_follow import SCORING, TRAINING, finish, register, run_of, states
from tests.services.world import World

URL = "https://dev.azure.invalid/_build/results?buildId=1"


def waiting(what: str = "approval") -> World:
    """A world whose only run waits for something, and has been looked at."""
    world = World(REBUILDER_ATTEMPTS="1")
    world.pipeline.hold(what)
    world.publish()
    world.work()
    world.app.follow.all()
    return world


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("approval", "waits for an approval"),
        ("permission", "waits for a permission"),
        ("ExclusiveLock", "waits for the check ExclusiveLock"),
    ],
)
def test_an_environment_whose_run_waits_says_for_what_and_where(what: str, told: str) -> None:
    world = waiting(what)

    assert set(states(world).values()) == {("waiting", f"{told}: {URL}")}


def test_it_is_queued_again_when_it_waits_no_more() -> None:
    world = waiting()
    world.pipeline.release()

    world.app.follow.all()

    assert set(states(world).values()) == {("queued", None)}


def test_its_way_goes_on_wherever_it_is_seen_next() -> None:
    world = waiting()
    world.pipeline.release()
    run_of(world).jobs = {
        TRAINING: JobOutcome("inProgress", None, ("Download the packages",)),
        SCORING: JobOutcome("inProgress"),
    }
    world.app.follow.all()
    assert states(world) == {"training": ("packaged", None), "scoring": ("queued", None)}

    finish(world, {TRAINING: SUCCEEDED, SCORING: SUCCEEDED})
    register(world, "training", "scoring")
    world.app.follow.all()

    assert set(states(world).values()) == {("registered", None)}


def test_a_job_that_has_begun_does_not_wait() -> None:
    world = waiting()
    run_of(world).jobs = {TRAINING: JobOutcome("inProgress"), SCORING: JobOutcome("pending")}

    world.app.follow.all()

    assert states(world) == {"training": ("queued", None), "scoring": ("waiting", f"waits for an approval: {URL}")}


def test_a_run_that_is_refused_ends_its_environments() -> None:
    world = waiting()
    finish(world, {}, "failed")

    world.app.follow.all()

    assert set(states(world).values()) == {("failed", "the run ended without a job for it")}


def test_a_person_is_told_once_when_a_run_begins_to_wait(caplog: pytest.LogCaptureFixture) -> None:
    world = waiting()
    world.app.follow.all()

    (line,) = [record.getMessage() for record in caplog.records if "run_waits" in record.getMessage()]
    assert line == f'run_waits target=main rebuild={world.rebuild().id} run=1 why="waits for an approval: {URL}"'

    run_of(world).waits = "permission"
    world.app.follow.all()

    assert set(states(world).values()) == {("waiting", f"waits for a permission: {URL}")}
    assert caplog.text.count("run_waits") == 2
