"""What says the same is done once at a time in one process, and once more for what came meanwhile."""

from collections.abc import Callable

import pytest

from shared.domain.names import PackageName
from shared.errors import ServiceUnavailable
from shared.ports import FeedVersion
from tests.fakes.azure_devops import FakeFeed
from tests.services.world import World


class Meanwhile(FakeFeed):
    """A feed in which something happens while it is asked for the first time."""

    happens: Callable[[], None] | None = None

    def version(self, package: PackageName, version: str) -> FeedVersion | None:
        happens, self.happens = self.happens, None
        if happens:
            happens()
        return super().version(package, version)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(World, "Feed", Meanwhile)
    world = World()
    world.feed.publish("our-package", "1.1")
    return world


def asked(world: World) -> int:
    return world.feed.calls.count("version")


def deliver(world: World, times: int) -> None:
    """The platform hands the messages of the queue out to other threads of this process."""
    for _ in range(times):
        world.announce()
        text = world.signals.receive()
        assert text
        world.app.worker.signal(text)


def test_what_is_told_again_while_it_is_looked_at_is_looked_at_once_more(world: World) -> None:
    world.feed.happens = lambda: deliver(world, 20)  # type: ignore[attr-defined]
    deliver(world, 1)
    assert asked(world) == 1
    assert len(world.signals.waiting) == 1
    world.step()
    assert asked(world) == 2
    assert world.signals.waiting == []


def test_what_is_told_again_while_a_look_fails_is_not_lost(world: World) -> None:
    world.feed.happens = lambda: deliver(world, 20)  # type: ignore[attr-defined]
    world.feed.fail("version", "before", ServiceUnavailable("away"))
    deliver(world, 1)
    world.work()
    assert len(world.pipeline.runs) == 1


def test_something_else_is_looked_at_meanwhile(world: World) -> None:
    world.feed.publish("our-package", "1.2")

    def another() -> None:
        world.announce(version="1.2")
        text = world.signals.receive()
        assert text
        world.app.worker.signal(text)

    world.feed.happens = another  # type: ignore[attr-defined]
    deliver(world, 1)
    assert asked(world) == 2
    assert world.known(version="1.2").release is not None
