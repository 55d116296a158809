"""What a person requeues is done after all: nothing of it is lost, nothing twice, and no parked rebuild is revived."""

from datetime import timedelta
from itertools import count
from typing import Literal

import pytest

from shared.domain.states import EnvironmentState, RebuildState, ReleaseState
from shared.errors import AccessDenied, PipelineRejected, ServiceUnavailable
from shared.ledger_entries import rebuild_key
from shared.limits import CLAIM_LIFETIME, ENVIRONMENTS_PER_RUN, STANDSTILL
from tests.services.crashes import Crash, Crashes
from tests.services.world import RULES, World, environment

SCORING, TRAINING = "scoring/environment.yml", "training/environment.yml"
DENIED = AccessDenied("feed ml/packages may not be read")


def requeue(world: World) -> None:
    """A person requeues all that is parked."""
    assert world.app.parked.requeue()
    world.work()


def parked_before_its_push() -> World:
    """A rebuild that was parked before it wrote anything."""
    world = World()
    world.publish()
    world.repository.fail("push", "before", ServiceUnavailable("away"))
    world.step()
    world.step()
    world.give_up_the_turn()
    world.rebuilds.waiting.clear()
    assert world.rebuild().state is RebuildState.PARKED
    return world


def parked_after_its_commit() -> World:
    """A rebuild whose commit is on the branch and that could queue no run."""
    world = World()
    world.publish()
    world.park_the_rebuild()
    return world


def test_a_release_that_never_came_is_looked_for_again() -> None:
    world = World()
    world.announce()
    world.work()
    world.feed.publish("our-package", "1.1")

    requeue(world)

    assert world.commits == ["Bump our-package 1.1"]
    assert world.app.parked.all() == []


def test_a_rebuild_that_may_still_be_pushed_or_queued_waits_until_nobody_can() -> None:
    """No function lives longer than a claim: afterwards nobody pushes or queues what is requeued."""
    for world in (parked_before_its_push(), parked_after_its_commit()):
        began = world.rebuild().runs[0].claimed or world.clock.now()

        requeue(world)

        assert len(world.pipeline.runs) == 1
        assert world.pipeline.runs[0].queued - began >= CLAIM_LIFETIME


def test_a_rebuild_that_was_refused_and_of_which_nobody_queues_anything_does_not_wait() -> None:
    world = World()
    world.pipeline.fail("queue", "before", PipelineRejected("the pipeline is disabled"))
    world.publish()
    world.work()
    began = world.clock.now()

    requeue(world)

    assert [run.queued for run in world.pipeline.runs] == [began]


def test_a_rebuild_that_wrote_nothing_is_planned_anew() -> None:
    world = parked_before_its_push()
    first = world.rebuild()

    requeue(world)

    assert world.app.ledger.get(rebuild_key("main", first.id)).state is RebuildState.SUPERSEDED
    assert world.commits == ["Bump our-package 1.1"]
    assert world.rebuild().id != first.id
    assert world.app.parked.all() == []


def test_the_environments_of_a_rebuild_that_has_committed_are_owed_a_new_one() -> None:
    world = parked_after_its_commit()
    first = world.rebuild()

    requeue(world)

    old, new = world.rebuilds_made()
    assert (old.id, old.state) == (first.id, RebuildState.SUPERSEDED)
    assert [(e.path, e.attempt) for e in new.environments] == [(SCORING, 1), (TRAINING, 1)]
    assert new.releases == ()
    assert (len(world.commits), len(world.pipeline.runs)) == (1, 1)
    assert world.known().state is ReleaseState.SETTLED
    world.finish()
    assert world.rebuilds_made()[-1].state is RebuildState.FINISHED
    rows = world.app.status.release(name="our-package", version="1.1")["targets"][0]["environments"]
    assert {(row["path"], row["state"], row["rebuild"]) for row in rows} == {
        (SCORING, "registered", new.id),
        (TRAINING, "registered", new.id),
    }


def test_what_is_owed_is_rebuilt_as_the_tip_has_it_and_the_release_is_not_decided_again() -> None:
    """A pin that a person set back stays back."""
    world = parked_after_its_commit()
    world.repository.commit({"scoring/context/requirements.txt": b"our-package==1.0  # set back\n"})

    requeue(world)

    assert len(world.commits) == 1
    assert world.file("scoring/context/requirements.txt") == b"our-package==1.0  # set back\n"
    assert [run.commit for run in world.pipeline.runs] == [world.repository.head]
    assert world.pipeline.runs[0].paths == [SCORING, TRAINING]


def test_a_push_whose_answer_was_lost_is_found_before_anything_is_planned() -> None:
    world = World()
    world.publish()
    world.repository.fail("push", "after", ServiceUnavailable("no answer"))
    world.step()
    world.step()
    world.give_up_the_turn()
    world.rebuilds.waiting.clear()
    assert len(world.commits) == 1

    requeue(world)

    assert len(world.commits) == 1
    assert [run.commit for run in world.pipeline.runs] == [world.repository.head]


@pytest.mark.parametrize("commits", [0, 1000])
def test_however_many_commits_came_meanwhile_ours_is_found(commits: int) -> None:
    world = World()
    world.publish()
    world.repository.fail("push", "after", ServiceUnavailable("no answer"))
    world.step()
    world.step()
    world.give_up_the_turn()
    world.rebuilds.waiting.clear()
    for number in range(commits):
        world.repository.commit({"README.md": str(number).encode()})

    requeue(world)

    assert len(world.commits) == 1
    assert world.pipeline.runs[0].paths == [SCORING, TRAINING]


def test_a_refused_look_at_the_branch_is_not_taken_for_a_commit_that_is_not_there() -> None:
    """Not seen is not "not there": it stays parked until the look is allowed, and then its commit is built."""
    world = World()
    world.publish()
    world.repository.fail("push", "after", ServiceUnavailable("no answer"))
    world.repository.fail("commits_since", "before", AccessDenied("commits may not be read"), times=2)
    world.work()
    assert world.rebuild().state is RebuildState.PARKED
    world.app.parked.requeue()
    world.work()
    assert world.rebuild().state is RebuildState.PARKED
    assert len(world.app.parked.all()) == 1

    requeue(world)

    assert len(world.commits) == 1
    assert [run.commit for run in world.pipeline.runs] == [world.repository.head]


def test_a_run_whose_answer_was_lost_stays_with_its_rebuild_and_is_followed() -> None:
    world = World()
    world.publish()
    world.pipeline.fail("queue", "after", ServiceUnavailable("no answer"))
    world.pipeline.unlisted = 1
    while not world.pipeline.runs:
        assert world.step()
    world.give_up_the_turn()
    world.rebuilds.waiting.clear()
    first = world.rebuild()
    assert [run.id for run in first.runs] == [None]

    world.app.parked.requeue()
    world.work()

    assert [run.parameters["rebuild"] for run in world.pipeline.runs] == [first.id]
    world.finish()
    (only,) = world.rebuilds_made()
    assert (only.state, {e.state for e in only.environments}) == (
        RebuildState.SUPERSEDED,
        {EnvironmentState.REGISTERED},
    )
    assert world.app.ledger.following("main") == []


def test_of_a_rebuild_of_which_some_runs_are_queued_only_the_rest_is_owed() -> None:
    names = [f"env{number:03}" for number in range(ENVIRONMENTS_PER_RUN + 1)]
    files = {path: raw for name in names for path, raw in environment(name, b"our-package==1.0\n").items()}
    world = World({"rebuilder.yml": RULES, **files})
    world.pipeline.faults["queue"] = [("never", None), ("before", PipelineRejected("full"))]  # type: ignore[list-item]
    world.publish()
    world.work()
    first = world.rebuild()
    assert first.state is RebuildState.PARKED
    world.finish()
    states = [e.state for e in world.rebuild().environments]
    assert states.count(EnvironmentState.REGISTERED) == ENVIRONMENTS_PER_RUN

    requeue(world)

    assert [len(run.paths) for run in world.pipeline.runs] == [ENVIRONMENTS_PER_RUN, 1]
    world.finish()
    registered = [e for r in world.rebuilds_made() for e in r.environments if e.state is EnvironmentState.REGISTERED]
    assert sorted(e.name for e in registered) == names


def test_what_a_later_rebuild_has_taken_over_is_owed_no_more() -> None:
    world = parked_after_its_commit()
    first = world.rebuild()
    world.publish(version="1.2")
    world.work()
    second = world.rebuild(version="1.2")

    requeue(world)

    assert [run.commit for run in world.pipeline.runs] == [second.commit]
    assert (world.carried(TRAINING).rebuild, world.carried(TRAINING).versions) == (second.id, {"our-package": "1.2"})
    assert world.app.ledger.get(rebuild_key("main", first.id)).state is RebuildState.SUPERSEDED
    assert world.known().state is ReleaseState.SETTLED


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"scoring/environment.yml": None}, "gone: no such environment at "),
        ({"rebuilder.yml": b"environments: {exclude: [scoring]}\n" + RULES}, "excluded: "),
        ({"scoring/context/Dockerfile": None}, "cannot be rebuilt: "),
        ({"rebuilder.yml": b"deliver: [\n"}, "rules: "),
        ({"rebuilder.yml": RULES.replace(b"push", b"report")}, "rebuilder.yml only reports"),
    ],
    ids=["gone", "excluded", "unbuildable", "rules", "report"],
)
def test_what_is_owed_and_cannot_be_rebuilt_fails_with_the_reason(change: dict[str, bytes | None], reason: str) -> None:
    world = parked_after_its_commit()
    world.repository.commit(change)

    requeue(world)

    new = world.rebuilds_made()[-1]
    found = next(e for e in new.environments if e.path == SCORING)
    assert found.state is EnvironmentState.FAILED
    assert (found.reason or "").startswith(reason)
    world.app.repair.run()
    world.work()
    assert world.app.ledger.due("main") == []


def test_a_release_whose_rebuild_is_parked_and_that_is_told_of_again_owes_it() -> None:
    world = parked_after_its_commit()

    world.announce()
    world.work()

    assert world.pipeline.runs[0].paths == [SCORING, TRAINING]
    assert world.known().state is ReleaseState.SETTLED
    world.clock.advance(timedelta(hours=1))
    world.app.repair.run()
    assert world.app.parked.all() == [], "the entry of what went on by itself is cleared away"


@pytest.mark.parametrize("environments", [(), (SCORING,)])
def test_a_rerun_of_a_release_whose_rebuild_is_parked_owes_that_one_too(environments: tuple[str, ...]) -> None:
    """Its commit is on the branch: an environment that the rerun does not name would pin what nobody has built."""
    world = parked_after_its_commit()

    world.app.reruns.ask(feed=None, name="our-package", version="1.1", environments=environments)
    world.work()

    assert [run.paths for run in world.pipeline.runs] == [[SCORING, TRAINING]]
    assert len(world.known().reruns) == 1


def test_a_parked_rebuild_is_owed_though_its_release_is_gone() -> None:
    """Its commit is on the branch: that nobody can install it any more has to be said, and not to be left."""
    world = parked_after_its_commit()
    world.feed.delete("our-package", "1.1")

    requeue(world)
    world.finish(failing=dict.fromkeys((SCORING, TRAINING), "no file of our-package==1.1"))
    while any(run.result is None for run in world.pipeline.runs):
        world.finish(failing=dict.fromkeys((SCORING, TRAINING), "no file of our-package==1.1"))

    last = world.rebuilds_made()[-1]
    assert {e.reason for e in last.environments} == {"no file of our-package==1.1"}
    assert world.app.parked.all() == []


def test_a_rerun_of_one_environment_takes_nothing_from_a_release_that_is_parked() -> None:
    world = World()
    world.publish()
    world.step()
    world.clock.advance(world.app.settings.settle_time)
    world.give_up_the_turn()
    world.rebuilds.waiting.clear()
    assert world.known().state is ReleaseState.PARKED

    world.app.reruns.ask(feed=None, name="our-package", version="1.1", environments=(TRAINING,))
    world.work()

    # Who asks for one environment of it has it looked up again, and what was due of it is due.
    world.clock.advance(timedelta(hours=1))
    world.app.repair.run()
    if world.app.parked.all():
        requeue(world)
    world.work()
    assert b"our-package==1.1" in world.file("scoring/context/requirements.txt")


def test_a_rerun_that_is_given_up_is_requeued_as_the_same_rerun() -> None:
    world = World()
    world.feed.publish("our-package", "1.1")
    world.app.reruns.ask(name="our-package", version="1.1", feed=None, environments=(SCORING,))
    world.step()
    world.rebuilds.waiting.clear()
    world.give_up_the_turn()

    requeue(world)

    (run,) = world.pipeline.runs
    assert run.paths == [SCORING]
    assert len(world.known().reruns) == 1


def test_a_rerun_that_waits_behind_a_rebuild_that_is_given_up_is_not_lost() -> None:
    world = World()
    world.pipeline.fail("runs_since", "before", ServiceUnavailable("no answer"), times=1000)
    world.publish(version="1.2")
    world.step()
    world.step()
    world.feed.publish("our-package", "1.1")
    world.app.reruns.ask(name="our-package", version="1.1", feed=None)
    world.step()

    world.work()
    world.pipeline.faults.clear()
    world.clock.advance(STANDSTILL * 2)
    world.app.repair.run()
    world.work()
    if world.app.parked.all():
        requeue(world)

    assert world.known().state is ReleaseState.SETTLED
    assert len(world.known().reruns) == 1
    assert world.pipeline.runs[-1].paths == [SCORING, TRAINING]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("prepare", [parked_before_its_push, parked_after_its_commit])
def test_killed_at_any_call_of_requeueing_nothing_is_lost_or_done_twice(
    prepare: object, when: Literal["before", "after"]
) -> None:
    for call in count(1):
        world: World = prepare()  # type: ignore[operator]
        world.app.parked.requeue()
        world.clock.advance(CLAIM_LIFETIME)
        text = world.signals.receive() or ""
        crashes = Crashes(world)
        crashes.at(call, when)
        try:
            world.app.worker.signal(text)
        except Crash:
            killed = True
            world.start()
            world.app.worker.signal(text)
        else:
            killed = False
        crashes.off()
        world.work()

        assert (world.commits, len(world.pipeline.runs)) == (["Bump our-package 1.1"], 1), call
        assert world.app.parked.all() == [], call
        assert world.app.ledger.due("main") == [], call
        if not killed:
            return


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("prepare", [parked_before_its_push, parked_after_its_commit])
def test_another_worker_at_any_call_of_requeueing_changes_nothing(
    prepare: object, when: Literal["before", "after"]
) -> None:
    """The other one does all of it, down to the end of the run, while the first stands still."""
    for call in count(1):
        world: World = prepare()  # type: ignore[operator]
        world.app.parked.requeue()
        world.clock.advance(CLAIM_LIFETIME)
        text = world.signals.receive() or ""
        crashes = Crashes(world)

        def other(world: World = world, text: str = text) -> None:
            world.start().worker.signal(text)
            world.work()
            for run in world.pipeline.runs:
                if run.result is None:
                    world.build(run)
            world.app.repair.run()
            world.work()

        crashes.let_in(call, when, other)
        world.app.worker.signal(text)
        calls = crashes.count
        world.work()
        for run in world.pipeline.runs:
            if run.result is None:
                world.build(run)
        world.app.repair.run()
        world.work()

        assert (world.commits, len(world.pipeline.runs)) == (["Bump our-package 1.1"], 1), call
        assert world.app.ledger.due("main") == [], call
        assert world.known().state is ReleaseState.SETTLED, call
        if calls < call:
            return


@pytest.mark.parametrize("times", [1, 2, 1000])
@pytest.mark.parametrize(
    ("part", "method"),
    [
        *((("repository"), method) for method in ("tip", "listing", "blobs", "push", "commits_since")),
        *((("feed"), method) for method in ("version", "files", "metadata", "published")),
        *((("pipeline"), method) for method in ("runs_since", "queue")),
    ],
)
def test_whatever_azure_devops_refuses_is_done_once_it_is_allowed_and_requeued(
    part: str, method: str, times: int
) -> None:
    world = World()
    getattr(world, part).fail(method, "before", AccessDenied("no permission"), times=times)
    world.publish()
    world.work()
    world.app.repair.run()
    world.work()
    getattr(world, part).faults.clear()

    for _ in range(3):
        if world.app.parked.all():
            requeue(world)
    while any(run.result is None for run in world.pipeline.runs):
        world.finish()
    world.app.repair.run()
    world.work()

    assert world.commits == ["Bump our-package 1.1"]
    assert {path for run in world.pipeline.runs for path in run.paths} == {SCORING, TRAINING}
    assert world.known().state is ReleaseState.SETTLED
    assert world.app.parked.all() == []
    assert world.is_at_rest()
