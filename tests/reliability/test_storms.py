"""Storms: many deliveries and many releases at once are few rebuilds, and nothing is forgotten."""

from collections import Counter
from datetime import timedelta
from math import ceil

import pytest

from shared.domain.states import ReleaseState
from tests.reliability.invariants import Watch, pins
from tests.reliability.platform import Platform
from tests.services.world import World, environment

SETTLE = timedelta(minutes=2)


def storm(releases: list[tuple[str, str]], deliveries: int, duration: timedelta) -> tuple[World, Watch]:
    """Releases arrive evenly over a time, each told of several times, while the workers work."""
    packages = sorted({name for name, _ in releases})
    lines = "".join(f"{name}==1.0\n" for name in packages).encode()
    world = World({"rebuilder.yml": RULES, **environment("all", lines), **environment("one", b"our-0==1.0\n")})
    platform, watch = Platform(world, most_calls=600 + 8 * len(releases)), Watch(world)
    worker = platform.workers[0]
    pause = duration / (len(releases) * deliveries)
    for name, version in releases * deliveries:
        world.feed.publish(name, version)
        world.announce(name, version)
        world.clock.advance(pause)
        while worker.take("signals") or worker.take("rebuilds"):
            worker.finish()
    platform.recover()
    watch.check_end(heard_of=dict.fromkeys(releases, deliveries))
    return world, watch


RULES = b'deliver: push\npackages:\n  - {match: "our-*", upto: major}\n'


@pytest.mark.parametrize("duration", [timedelta(minutes=1), timedelta(minutes=11)])
@pytest.mark.parametrize(
    ("packages", "versions", "deliveries"),
    [pytest.param(25, 2, 4, id="each release told of again and again"), pytest.param(10, 10, 1, id="many versions")],
)
def test_a_storm_is_few_rebuilds_and_everything_has_an_outcome(
    packages: int, versions: int, deliveries: int, duration: timedelta
) -> None:
    releases = [(f"our-{number}", f"1.{minor}") for minor in range(1, versions + 1) for number in range(packages)]

    world, watch = storm(releases, deliveries, duration)

    rebuilds = [key for key in world.store.blobs if key.startswith("main/rebuilds/")]
    assert 1 <= len(world.commits) == len(rebuilds) <= ceil(duration / SETTLE) + 1
    assert watch.doubled_runs == 0
    highest = {f"our-{number}": f"1.{versions}" for number in range(packages)}
    assert {name: str(pin) for name, pin in pins(world.file("all/context/requirements.txt")).items()} == highest
    assert {world.known(*release).state for release in releases} == {ReleaseState.SETTLED}


def test_a_release_is_planned_a_settle_time_after_the_first_one_whatever_follows() -> None:
    world = World()
    world.publish("our-package", "1.1")
    world.step()
    confirmed = world.clock.now()
    for minor in range(2, 9):
        world.clock.advance(timedelta(seconds=20))
        world.publish("our-package", f"1.{minor}")
        while text := world.signals.receive():
            world.app.worker.signal(text)
        while text := world.rebuilds.receive():
            world.app.worker.turn(text)

    world.work()

    first = world.app.ledger.due("main")
    plans = Counter(
        commit.message.splitlines()[0] for commit in world.repository.all() if "Rebuild-Id" in commit.message
    )
    assert first == []
    assert world.known("our-package", "1.1").history[-1].at - confirmed == SETTLE
    assert plans == {"Bump our-package 1.7": 1, "Bump our-package 1.8": 1}
