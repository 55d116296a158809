"""What a release may cost: requests by kind, which follow what it changes."""

from collections import Counter

import pytest

from tests.services.world import RULES, World, environment


def world_of(affected: int, environments: int) -> World:
    """A repository in which some environments pin the package that is released, and the others do not."""
    files = {"rebuilder.yml": RULES}
    for number in range(environments):
        pin = b"our-package==1.0\n" if number < affected else b"pandas==2.0\n"
        files |= environment(f"env{number:05}", pin)
    return World(files)


@pytest.mark.parametrize("environments", [120, 1000])
@pytest.mark.parametrize("affected", [3, 30, 120])
def test_the_requests_of_a_release_follow_what_it_changes(affected: int, environments: int) -> None:
    world = world_of(affected, environments)
    world.publish()
    world.work()
    runs = len(world.pipeline.runs)
    assert runs == -(-affected // 50)
    assert len(world.store.calls) <= 2 * affected + 10 * runs + 50, Counter(world.store.calls)
    asked = world.repository.calls + world.feed.calls
    fetched = asked.count("blobs")
    assert len(asked) - fetched <= 12, Counter(asked)
    assert len(world.pipeline.calls) <= 2 * runs + 2, Counter(world.pipeline.calls)


def test_a_storm_of_releases_costs_few_requests_for_each() -> None:
    releases = 200
    world = world_of(10, 10)
    for number in range(releases):
        world.feed.publish("our-package", f"1.{number + 1}")
    for number in range(releases):
        world.announce("our-package", f"1.{number + 1}")
    before = len(world.store.calls)
    world.work(steps=3 * releases)
    assert len(world.commits) == 1
    assert len(world.store.calls) - before <= 16 * releases + 100, Counter(world.store.calls)
