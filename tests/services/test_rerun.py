import pytest

from shared.domain.states import RebuildState, ReleaseState
from shared.errors import Busy, InvalidInput, NotKnown
from shared.ledger_entries import plan_key
from tests.services.world import FEED, World


def rebuilt() -> World:
    """A world where our-package 1.1 is rebuilt everywhere."""
    world = World()
    world.publish()
    world.work()
    world.finish()
    assert world.rebuild().state is RebuildState.FINISHED
    return world


def ask(world: World, **wish: str) -> int:
    (accepted,) = world.app.reruns.ask(name="our-package", version="1.1", feed=wish.get("feed"))
    return accepted.number


def test_a_rerun_queues_a_new_run_at_the_tip_without_a_commit() -> None:
    world = rebuilt()
    first = world.rebuild()

    assert ask(world) == 1
    world.work()

    rebuild = world.rebuild()
    assert rebuild.id != first.id
    assert (len(world.commits), len(world.pipeline.runs)) == (1, 2)
    assert world.pipeline.runs[-1].commit == world.repository.head
    (done,) = world.known().reruns
    assert (done.release, done.number, done.environments) == (world.known().id, 1, ())
    assert world.app.ledger.get(plan_key("main", rebuild.id)).marks == (done,)
    assert {e.state for e in rebuild.environments} == {"queued"}
    assert {e.earlier for e in rebuild.environments} == {()}  # what the first has registered does not count
    assert world.is_at_rest()


def test_a_rerun_waits_for_no_settle_time() -> None:
    world = rebuilt()
    began = world.clock.now()

    ask(world)
    world.work()

    assert world.clock.now() == began


def test_a_double_click_is_one_rerun() -> None:
    world = rebuilt()

    assert [ask(world), ask(world)] == [1, 1]
    world.work()

    assert len(world.pipeline.runs) == 2


def test_two_reruns_that_mean_other_environments_are_both_done_by_one_rebuild() -> None:
    world = rebuilt()

    for path in ("scoring/environment.yml", "training"):
        world.app.reruns.ask(feed=None, name="our-package", version="1.1", environments=(path,))
    world.work()

    assert [run.paths for run in world.pipeline.runs[1:]] == [["scoring/environment.yml", "training/environment.yml"]]
    done = world.known().reruns
    assert sorted(rerun.environments for rerun in done) == [("scoring/environment.yml",), ("training",)]
    assert len(world.rebuilds_made()) == 2


def test_a_rerun_whose_signal_comes_late_is_done_though_another_of_its_number_was_done_before() -> None:
    world = rebuilt()
    for path in ("scoring", "training"):
        world.app.reruns.ask(feed=None, name="our-package", version="1.1", environments=(path,))
    late = world.signals.waiting.pop()
    world.work()
    world.signals.waiting.append(late)
    world.work()

    assert [run.paths for run in world.pipeline.runs[1:]] == [["scoring/environment.yml"], ["training/environment.yml"]]
    assert [rerun.number for rerun in world.known().reruns] == [1, 1]
    assert world.is_at_rest()


def test_two_reruns_that_mean_nothing_that_is_there_settle(caplog: pytest.LogCaptureFixture) -> None:
    world = rebuilt()

    for path in ("nope", "nothing"):
        world.app.reruns.ask(feed=None, name="our-package", version="1.1", environments=(path,))
    world.work()

    assert world.known().state is ReleaseState.SETTLED
    assert len(world.pipeline.runs) == 1
    assert "parked" not in caplog.text


def test_what_is_being_rebuilt_is_busy() -> None:
    world = World()
    world.publish()
    world.work()

    with pytest.raises(Busy, match=r"^our-package 1.1 on ml/packages is being rebuilt: rebuild \w+ is queued"):
        ask(world)


def test_a_release_that_was_never_heard_of_is_rebuilt_like_any_other() -> None:
    world = World()
    world.feed.publish("our-package", "1.1")

    ask(world)
    world.work()

    assert world.commits == ["Bump our-package 1.1"]
    assert world.known().state is ReleaseState.PLANNED


def test_a_rerun_may_mean_some_environments_only() -> None:
    world = rebuilt()

    world.app.reruns.ask(feed=None, name="our-package", version="1.1", environments=("scoring/environment.yml",))
    world.work()

    assert world.pipeline.runs[-1].paths == ["scoring/environment.yml"]


def test_a_rerun_of_a_version_that_is_gone_does_nothing_and_says_so() -> None:
    world = rebuilt()
    world.feed.delete("our-package", "1.1")

    ask(world)
    world.work()

    assert len(world.pipeline.runs) == 1
    assert world.known().history[-1].what == "rerun 1 not done: deleted from the feed"


def test_no_rerun_lowers_a_pin() -> None:
    world = World()
    world.publish(version="1.2")
    world.work()
    world.feed.publish("our-package", "1.1")

    ask(world)
    world.work()

    assert world.file("training/context/requirements.txt") == b"pandas==2.0\nour-package==1.2\n"
    assert len(world.commits) == 1


def test_nothing_is_rerun_while_work_is_suspended() -> None:
    with pytest.raises(Busy, match="suspended"):
        ask(World(REBUILDER_SUSPENDED="true"))


@pytest.mark.parametrize(
    ("wish", "error"),
    [
        ({"name": "our package", "version": "1"}, InvalidInput),
        ({"name": "our-package", "version": "one"}, InvalidInput),
        ({"name": "our-package", "version": "1", "feed": "elsewhere"}, NotKnown),
        ({"name": "our-package", "version": "1", "target": "elsewhere"}, NotKnown),
    ],
)
def test_a_wish_that_cannot_be_granted_is_refused(wish: dict[str, str], error: type[Exception]) -> None:
    with pytest.raises(error):
        World().app.reruns.ask(**{"feed": FEED, **wish})  # type: ignore[arg-type]
