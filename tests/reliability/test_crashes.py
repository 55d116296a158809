"""The crash-point sweep: die before or after every call of every port, once or twice, and come to the same end."""

import random
from collections.abc import Iterable, Sequence
from datetime import timedelta
from itertools import combinations

import pytest

from shared.domain.states import EnvironmentState, RebuildState, ReleaseState
from shared.errors import ServiceUnavailable
from shared.ledger_entries import environment_key, rebuild_key
from tests.reliability.invariants import Watch
from tests.reliability.platform import Platform
from tests.services.world import RULES, SAMPLE, World

TRAINING = "training/environment.yml"
PAIRS = 500


def told(platform: Platform) -> None:
    """A hook tells of the newest run."""
    run = platform.world.pipeline.runs[-1]
    resource = {"id": run.id, "definition": {"id": 7}, "result": run.result}
    platform.hook({"eventType": "build.complete", "resource": resource})


def live(crashes: Iterable[int] = ()) -> Platform:
    """A release from its hook to Azure ML, with an environment that fails at first; workers die at some stops."""
    world = World()
    platform = Platform(world)
    watch = Watch(world)
    platform.crash_at(*crashes)
    world.feed.publish("our-package", "1.1")
    platform.hook({"feed": "ml/packages", "name": "our-package", "version": "1.1"})
    platform.run()
    world.build(world.pipeline.runs[0], failing={TRAINING: "the disk is full"})
    told(platform)
    platform.run()
    world.build(world.pipeline.runs[-1])
    told(platform)
    platform.run()
    watch.check_end(heard_of={("our-package", "1.1"): 1})
    return platform


def outcome(platform: Platform) -> dict[str, object]:
    """What counts in the end, and does not depend on how often somebody had to try."""
    world = platform.world
    return {
        "commits": world.commits,
        "files": dict(world.repository.files()),
        "runs": [run.parameters for run in world.pipeline.runs],
        "release": world.known().state,
        "rebuilds": {rebuild.id: rebuild.state for rebuild in world.rebuilds_made()},
        "environments": {
            (rebuild.id, e.path): (e.state, e.run, e.attempt, [r.version for r in e.workspaces])
            for rebuild in world.rebuilds_made()
            for e in rebuild.environments
        },
        "ledger": sorted(key for key in world.store.blobs if "/feeds/" not in key),
    }


@pytest.fixture(scope="module")
def undisturbed() -> tuple[dict[str, object], int]:
    platform = live()
    found = outcome(platform)
    assert found["commits"] == ["Bump our-package 1.1"]
    ran = [run["environments"] for run in found["runs"]]  # type: ignore[attr-defined]
    earlier = platform.world.rebuild().id
    assert ran == [f"1:scoring/environment.yml:,2:{TRAINING}:", f"1:{TRAINING}:{earlier}"]
    return found, platform.stops


def assert_same(stops: tuple[int, ...], undisturbed: dict[str, object]) -> None:
    platform = live(stops)
    where = " and ".join(platform.crashes)
    assert platform.crashes, f"nobody died at {stops}"
    assert outcome(platform) == undisturbed, where


def test_killed_at_any_stop_the_outcome_is_the_same(undisturbed: tuple[dict[str, object], int]) -> None:
    expected, stops = undisturbed
    assert stops > 150

    for stop in range(1, stops + 1):
        assert_same((stop,), expected)


def test_killed_at_any_two_stops_the_outcome_is_the_same(undisturbed: tuple[dict[str, object], int]) -> None:
    expected, stops = undisturbed
    pairs = list(combinations(range(1, stops + 1), 2))

    for pair in random.Random(7).sample(pairs, PAIRS):
        assert_same(pair, expected)


def held(crashes: Iterable[int] = ()) -> Platform:
    """A release that is held by rules that cannot be followed, and goes on when they are mended."""
    world = World({**SAMPLE, "rebuilder.yml": b"deliver: [\n"})
    platform = Platform(world)
    watch = Watch(world)
    platform.timer()
    platform.crash_at(*crashes)
    world.feed.publish("our-package", "1.1")
    platform.hook({"feed": "ml/packages", "name": "our-package", "version": "1.1"})
    platform.run()
    assert world.commits == []
    world.repository.commit({"rebuilder.yml": RULES})
    platform.recover(least=2)
    watch.check_end(heard_of={("our-package", "1.1"): 1})
    return platform


def test_what_is_held_when_somebody_dies_is_not_forgotten() -> None:
    undisturbed = held()
    files = undisturbed.world.repository.files()
    assert files["training/context/requirements.txt"] == b"pandas==2.0\nour-package==1.1\n"

    for stop in range(1, undisturbed.stops + 1):
        platform = held((stop,))
        assert platform.crashes, f"nobody died at {stop}"
        assert platform.world.repository.files() == files, platform.crashes
        assert platform.world.commits == undisturbed.world.commits, platform.crashes


def parked(crashes: Iterable[int] = ()) -> tuple[Platform, int]:
    """A rebuild that is parked after its commit; its environments are owed one when its release is told of again."""
    world = World()
    platform = Platform(world)
    watch = Watch(world)
    platform.timer()
    world.pipeline.fail("queue", "before", ServiceUnavailable("away"))
    world.publish()
    assert world.step()
    assert world.step()
    (message,) = world.rebuilds.waiting
    world.rebuilds.waiting.clear()
    world.fail_for_good(message.text, "rebuilds")
    assert world.rebuild().state is RebuildState.PARKED
    platform.crash_at(*crashes)
    platform.hook({"feed": "ml/packages", "name": "our-package", "version": "1.1"})
    platform.run()
    stops = platform.stops
    platform.recover(least=2)
    watch.check_end(heard_of={("our-package", "1.1"): 1})
    return platform, stops


def test_what_a_parked_rebuild_owes_is_rebuilt_once_whenever_somebody_dies() -> None:
    undisturbed, stops = parked()
    assert [r.state for r in undisturbed.world.rebuilds_made()] == [RebuildState.SUPERSEDED, RebuildState.FINISHED]

    for stop in range(1, stops + 1):
        world = parked((stop,))[0].world
        assert len(world.commits) == 1, f"stop {stop}"
        assert len(world.pipeline.runs) == 1, f"stop {stop}"
        states = [e.state for e in world.rebuilds_made()[-1].environments]
        assert states == [EnvironmentState.REGISTERED] * 2, f"stop {stop}"


def held_up(meanwhile: Sequence[str], how_long: timedelta, pause: int, steps: int) -> tuple[Platform, bool]:
    """A rerun at a worker that is held up; the world goes on without it, and then it goes on and dies.

    Returns:
        What remains, and whether it was still at it when it was held up.
    """
    world = World()
    platform = Platform(world, workers=2)
    slow, other = platform.workers
    watch = Watch(world)
    world.publish()
    platform.recover(least=1)
    world.app.reruns.ask(feed=None, name="our-package", version="1.1")
    assert slow.take("signals")
    slow.finish()
    assert slow.take("rebuilds")
    slow.step(pause)
    was_at_it = slow.is_busy
    heard_of = {("our-package", "1.1"): 2}
    if "commit" in meanwhile:
        world.repository.commit({"README.md": b"somebody else was here\n"})
    if "release" in meanwhile:
        world.publish(version="1.2")
        heard_of["our-package", "1.2"] = 1
    platform.run(other, within=how_long)
    slow.step(steps)
    slow.kill()
    platform.recover(least=2)
    watch.check_end(heard_of=heard_of)
    return platform, was_at_it


@pytest.mark.parametrize(
    ("meanwhile", "how_long"),
    [
        (("commit",), timedelta(days=1)),
        (("release",), timedelta(days=1)),
        (("commit", "release"), timedelta(minutes=5)),  # its own message has not come again yet
    ],
)
def test_who_was_held_up_and_then_dies_spoils_nothing(meanwhile: Sequence[str], how_long: timedelta) -> None:
    newest = "1.2" if "release" in meanwhile else "1.1"
    pause, is_going = 0, True
    while is_going:
        pause += 2  # behind one call is before the next one
        for steps in (4, 8):
            platform, is_going = held_up(meanwhile, how_long, pause, steps)
            world, where = platform.world, f"{steps} steps after {pause}"
            entry = world.known(version=newest)
            assert entry.state is ReleaseState.SETTLED, where
            assert entry.rebuild
            assert world.app.ledger.get(rebuild_key("main", entry.rebuild)).state is RebuildState.FINISHED, where
            carried = world.app.ledger.get(environment_key("main", TRAINING))
            assert (carried.rebuild, carried.versions) == (entry.rebuild, {"our-package": newest}), where
    assert pause > 50


@pytest.mark.long
def test_killed_at_every_two_stops_the_outcome_is_the_same(undisturbed: tuple[dict[str, object], int]) -> None:
    expected, stops = undisturbed

    for pair in combinations(range(1, stops + 1), 2):
        assert_same(pair, expected)
