"""What a release may cost: requests by kind, which follow what it changes."""

from collections import Counter
from collections.abc import Iterable

import pytest

from shared.domain.states import RebuildState
from shared.limits import LOOK_UPS_PER_RECORD
from tests.services.world import RULES, World, environment


def world_of(affected: int, environments: int, workspaces: Iterable[str] = ("training",)) -> World:
    """A repository in which some environments pin the package that is released, and the others do not."""
    files = {"rebuilder.yml": RULES}
    for number in range(environments):
        pin = b"our-package==1.0\n" if number < affected else b"pandas==2.0\n"
        files |= environment(f"env{number:05}", pin)
    return World(files, workspaces=workspaces)


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


@pytest.mark.parametrize(("affected", "workspaces"), [(30, 1), (120, 1), (120, 3)])
def test_the_requests_of_following_follow_what_was_rebuilt(affected: int, workspaces: int) -> None:
    names = [f"workspace{number}" for number in range(workspaces)]
    world = world_of(affected, affected, workspaces=names)
    world.publish()
    world.work()
    for run in world.pipeline.runs:
        world.build(run)
    stored, outcomes = len(world.store.calls), world.pipeline.calls.count("outcome")

    world.app.follow.all()

    assert world.rebuild().state is RebuildState.FINISHED
    assert len(world.azure_ml.calls) == affected * workspaces
    assert world.pipeline.calls.count("outcome") - outcomes == len(world.pipeline.runs)
    portions = -(-affected * workspaces // LOOK_UPS_PER_RECORD)
    assert len(world.store.calls) - stored <= 2 * affected + 10 * portions + 50, Counter(world.store.calls)


def test_an_idle_tick_of_the_timer_asks_little() -> None:
    world = world_of(3, 10)
    world.publish()
    world.work()
    world.finish()
    world.app.repair.run()  # the first look at a feed's change log begins it
    stored, asked = len(world.store.calls), Counter(world.feed.calls + world.repository.calls + world.pipeline.calls)

    world.app.repair.run()

    now = Counter(world.feed.calls + world.repository.calls + world.pipeline.calls)
    assert now - asked == Counter(changes=1)
    assert world.azure_ml.calls.count("registered") == 3
    assert len(world.store.calls) - stored <= 11, Counter(world.store.calls)


def test_what_hooks_repeat_of_a_release_that_waits_is_not_asked_again() -> None:
    world = world_of(3, 10)
    world.feed.publish("our-package", "1.1")
    for _ in range(300):
        world.hook()
    world.work(steps=700)
    assert len(world.pipeline.runs) == 1
    asked = Counter(world.feed.calls + world.repository.calls + world.pipeline.calls)
    assert asked["version"] == 1
    assert asked.total() <= 20, asked


@pytest.mark.parametrize(
    ("versions", "deliveries", "stored"),
    [pytest.param(1, 20, 6, id="told of again and again"), pytest.param(20, 1, 16, id="many versions")],
)
def test_a_storm_of_a_thousand_hooks_is_one_rebuild(versions: int, deliveries: int, stored: int) -> None:
    packages, environments = 50, 30
    pins = "".join(f"our-{number}==1.0\n" for number in range(packages)).encode()
    files = {"rebuilder.yml": RULES}
    for number in range(environments):
        files |= environment(f"env{number:05}", pins)
    world = World(files)
    releases = [(f"our-{number}", f"1.{version + 1}") for version in range(versions) for number in range(packages)]
    for name, version in releases:
        world.feed.publish(name, version)
    for name, version in releases * deliveries:
        world.hook("publish", name, version)

    world.work(steps=3 * len(releases) * deliveries)

    assert len(world.commits) == len(world.pipeline.runs) == 1
    newest = "".join(f"our-{number}==1.{versions}\n" for number in range(packages)).encode()
    assert {world.file(f"env{number:05}/context/requirements.txt") for number in range(environments)} == {newest}
    assert len(world.store.calls) <= stored * len(releases) * deliveries + 300, Counter(world.store.calls)
    asked = Counter(world.feed.calls)
    # The feed shows each release once, and the files and requirements of each package's newest.
    assert asked.total() <= len(releases) + 4 * packages, asked
    assert len(world.repository.calls) <= 10, Counter(world.repository.calls)
    assert len(world.pipeline.calls) <= 3, Counter(world.pipeline.calls)


def test_a_commit_of_somebody_else_costs_the_environments_that_it_changes() -> None:
    world = world_of(3, 300)
    world.publish()
    world.work()
    (target,) = world.app.targets
    before = world.app.snapshots.at(target, world.repository.head).catalog.environments
    changed = {"env00200/context/requirements.txt": b"pandas==2.1\n", "README.md": b"# ours\n"}
    fetched = world.repository.calls.count("blobs")
    after = world.app.snapshots.at(target, world.repository.commit(changed)).catalog.environments

    anew = [one.path for known, one in zip(before, after, strict=True) if known is not one]
    assert anew == ["env00200/environment.yml"]
    assert world.repository.calls.count("blobs") == fetched + 1


def test_what_pinned_versions_require_is_asked_and_remembered_many_at_a_time() -> None:
    pins = "".join(f"our-{number:03}==1.0\n" for number in range(300))
    world = World({"rebuilder.yml": RULES, **environment("training", f"our-package==1.0\n{pins}".encode())})
    for number in range(300):
        world.feed.publish(f"our-{number:03}", "1.0")
    world.publish()
    world.work()

    assert world.feed.calls.count("metadata") == 302
    assert world.feed.calls.count("published") == 1
    reads = world.store.calls.count("read")
    assert reads <= 302 + 40, Counter(world.store.calls)
    assert len(world.commits) == 1

    world.publish(version="1.2")
    world.work()
    assert world.feed.calls.count("metadata") == 303
    assert world.store.calls.count("read") - reads <= 45, Counter(world.store.calls)
