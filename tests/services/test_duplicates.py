"""A run that was queued twice: what counts is the older one."""

import pytest

from shared.domain.records.pipeline_contract import DUPLICATE
from shared.domain.records.run_outcomes import JobOutcome
from shared.domain.states import RebuildState
from shared.errors import ServiceUnavailable
from tests.services.test_follow import DONE, SCORING, TRAINING, register, states
from tests.services.world import World


def ended_as_duplicate(of: int) -> JobOutcome:
    return JobOutcome("completed", "failed", ("Check the commit",), f"{DUPLICATE}{of}: it was queued before")


def queued_twice(lost: int = 1) -> World:
    """Answers to queueing a run got lost and runs are shown late, so the app queued again and knows the last one."""
    world = World(REBUILDER_ATTEMPTS="1")
    world.pipeline.fail("queue", "after", ServiceUnavailable("the answer is lost"), times=lost)
    world.pipeline.unlisted = 100
    world.publish()
    world.work()
    world.pipeline.unlisted = 0
    assert len(world.pipeline.runs) == lost + 1
    assert [run.id for run in world.rebuild().runs] == [lost + 1]
    return world


def end(world: World, run: int, jobs: dict[str, JobOutcome], result: str = "failed") -> None:
    ended = world.pipeline.runs[run - 1]
    ended.jobs, ended.result, ended.finished = jobs, result, world.clock.now()


def told(world: World) -> list[str]:
    return [step.what for step in world.rebuild().history if "duplicate" in step.what]


def test_an_environment_whose_run_gave_way_is_followed_in_the_older_run() -> None:
    world = queued_twice()
    end(world, 2, {TRAINING: ended_as_duplicate(1), SCORING: ended_as_duplicate(1)})

    world.app.follow.all()

    rebuild = world.rebuild()
    assert states(world) == {"training": ("queued", None), "scoring": ("queued", None)}
    assert {e.run for e in rebuild.environments} == {1}
    assert [(run.id, run.url) for run in rebuild.runs] == [(1, world.pipeline.runs[0].url)]
    assert told(world) == ["run 2 is a duplicate: followed in run 1"]

    end(world, 1, {TRAINING: DONE, SCORING: DONE}, "succeeded")
    register(world, "training", "scoring")
    world.app.follow.run(1, 7)

    assert world.rebuild().state is RebuildState.FINISHED
    assert states(world) == {"training": ("registered", None), "scoring": ("registered", None)}


def test_an_older_run_that_is_over_already_is_looked_at_at_once() -> None:
    world = queued_twice()
    end(world, 1, {TRAINING: DONE, SCORING: JobOutcome("completed", "failed", (), "no file of our-package==1.1")})
    end(world, 2, {TRAINING: ended_as_duplicate(1), SCORING: ended_as_duplicate(1)})
    register(world, "training")

    world.app.follow.run(2, 7)

    assert states(world) == {"training": ("registered", None), "scoring": ("failed", "no file of our-package==1.1")}
    assert world.rebuild().state is RebuildState.FINISHED


def test_an_older_run_that_a_person_cancelled_has_cancelled_its_environments() -> None:
    world = queued_twice()
    end(world, 1, {}, "canceled")
    end(world, 2, {TRAINING: ended_as_duplicate(1), SCORING: ended_as_duplicate(1)})

    world.app.follow.all()

    assert set(states(world).values()) == {("cancelled", "the run was cancelled")}


def test_one_job_that_could_not_ask_is_followed_where_it_ran() -> None:
    world = queued_twice()
    end(world, 2, {TRAINING: ended_as_duplicate(1), SCORING: JobOutcome("inProgress")}, "failed")
    world.pipeline.runs[1].result = None
    world.app.follow.all()
    assert {e.name: e.run for e in world.rebuild().environments} == {"training": 1, "scoring": 2}

    end(world, 2, {TRAINING: ended_as_duplicate(1), SCORING: DONE})
    register(world, "scoring")
    world.app.follow.run(2, 7)

    assert states(world) == {"training": ("queued", None), "scoring": ("registered", None)}
    assert told(world) == ["run 2 is a duplicate: followed in run 1"]


def test_a_chain_of_duplicates_ends_at_the_oldest() -> None:
    world = queued_twice(lost=2)
    end(world, 2, {TRAINING: ended_as_duplicate(1), SCORING: ended_as_duplicate(1)})
    end(world, 3, {TRAINING: ended_as_duplicate(2), SCORING: ended_as_duplicate(2)})

    world.app.follow.all()

    assert {e.run for e in world.rebuild().environments} == {1}
    assert told(world) == ["run 3 is a duplicate: followed in run 1"]


def test_a_duplicate_of_a_run_that_is_not_there_is_a_duplicate_with_its_reason() -> None:
    world = queued_twice()
    job = ended_as_duplicate(1)
    end(world, 2, {TRAINING: job, SCORING: job})
    del world.pipeline.runs[0]

    world.app.follow.all()

    assert set(states(world).values()) == {("duplicate", job.problem)}
    assert world.rebuild().state is RebuildState.FINISHED
    assert {e.run for e in world.rebuild().environments} == {2}


@pytest.mark.parametrize("which", ["rebuild", "batch"])
def test_a_duplicate_of_a_run_that_does_other_work_is_a_duplicate_with_its_reason(which: str) -> None:
    world = queued_twice()
    world.pipeline.runs[0].parameters = {**world.pipeline.runs[0].parameters, which: "2"}
    job = ended_as_duplicate(1)
    end(world, 2, {TRAINING: job, SCORING: job})

    world.app.follow.all()

    assert set(states(world).values()) == {("duplicate", job.problem)}


@pytest.mark.parametrize("named", [2, 3])
def test_a_run_that_names_itself_or_a_later_one_is_not_followed_in_circles(named: int) -> None:
    world = queued_twice()
    world.pipeline.queue(world.repository.head, world.pipeline.runs[0].parameters)
    end(world, 2, {TRAINING: ended_as_duplicate(named), SCORING: ended_as_duplicate(named)})

    world.app.follow.all()

    assert {(e.run, e.state.value) for e in world.rebuild().environments} == {(2, "duplicate")}


def test_told_twice_it_is_the_same() -> None:
    world = queued_twice()
    end(world, 2, {TRAINING: ended_as_duplicate(1), SCORING: ended_as_duplicate(1)})
    world.app.follow.run(2, 7)
    before = world.rebuild()

    world.app.follow.run(2, 7)
    world.app.follow.all()

    assert world.rebuild() == before
