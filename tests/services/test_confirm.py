import logging
from datetime import timedelta
from typing import Literal

import pytest

from shared.domain.provenance import Upstream
from shared.domain.states import ReleaseState
from shared.errors import AccessDenied, ServiceUnavailable
from shared.limits import FEED_PATIENCE, FIRST_PAUSE, LONGEST_PAUSE, TRIES
from tests.services.crashes import Crashes
from tests.services.world import RULES, SAMPLE, World


def test_a_published_release_is_confirmed_by_what_the_feed_says() -> None:
    world = World()
    world.feed.publish("our-package", "1.1.0")
    world.feed.promote("our-package", "1.1.0", "Release")
    world.announce("Our_Package", "v1.1")

    world.step()

    entry = world.known()
    assert entry.state is ReleaseState.CONFIRMED
    assert entry.release is not None
    assert entry.release.spelling == "1.1.0"
    assert entry.release.files == ("our_package-1.1.0-py3-none-any.whl",)
    assert entry.release.views == ("Local", "Release")


def test_a_release_that_the_feed_shows_late_is_confirmed_late() -> None:
    world = World()
    world.feed.publish("our-package", "1.1", hidden=True)
    world.announce()

    for _ in range(3):
        world.step()
    assert world.known().state is ReleaseState.SIGNALLED
    world.feed.show("our-package", "1.1")
    world.work()

    assert world.rebuild().state == "queued"


def test_a_release_that_never_comes_is_parked_in_the_end_and_says_why() -> None:
    world = World()
    began = world.clock.now()
    world.announce(version="9")

    world.work()

    entry = world.known(version="9")
    assert (entry.state, entry.reason) == (ReleaseState.PARKED, "feed ml/packages did not show it within 30 minutes")
    assert timedelta() < world.clock.now() - began - FEED_PATIENCE < timedelta(minutes=15)
    assert world.commits == []


def test_the_pauses_between_looks_at_a_feed_that_does_not_show_it_yet_grow() -> None:
    world = World()
    world.announce()
    pauses = []

    while world.signals.waiting:
        assert len(world.signals.waiting) == 1
        world.step()
        pauses += [message.visible - world.clock.now() for message in world.signals.waiting]

    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (FIRST_PAUSE, LONGEST_PAUSE)
    assert len(pauses) < TRIES


def test_a_parked_release_is_looked_for_again_when_it_is_signalled_again() -> None:
    world = World()
    world.announce()
    world.work()
    assert world.known().state is ReleaseState.PARKED

    world.publish()
    world.work()

    assert world.rebuild().state == "queued"


def test_a_version_that_came_through_an_upstream_is_refused() -> None:
    world = World()
    world.feed.publish("our-package", "1.1", upstream=Upstream("the public index"))
    world.announce()

    world.work()

    entry = world.known()
    assert entry.state is ReleaseState.REFUSED
    assert entry.reason == "not published to this feed: it comes from the public index"
    assert world.commits == []


@pytest.mark.parametrize("own", [True, False])
def test_a_version_from_elsewhere_under_a_name_of_ours_is_told(own: bool, caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    if own:
        world.feed.publish("our-package", "1.0")
    world.feed.publish("our-package", "99", upstream=Upstream("the public index"))
    world.announce(version="99")

    with caplog.at_level(logging.ERROR):
        world.work()

    assert world.known(version="99").state is ReleaseState.REFUSED
    assert ["foreign_version" in record.message for record in caplog.records] == [False, True][: 2 if own else 1]


def test_a_version_from_a_feed_that_is_watched_too_is_a_release() -> None:
    world = World()
    world.feed.publish("our-package", "1.1", upstream=Upstream("itself", frozenset({world.feed.id()})))
    world.announce()

    world.work()

    assert world.commits == ["Bump our-package 1.1"]


def test_a_version_through_a_feed_that_is_not_watched_is_refused() -> None:
    world = World()
    way = frozenset({world.feed.id(), "another"})
    world.feed.publish("our-package", "1.1", upstream=Upstream("feed team/other", way))
    world.announce()

    world.work()

    assert world.known().reason == "not published to this feed: it comes from feed team/other"


def test_a_deleted_version_is_refused() -> None:
    world = World()
    world.publish()
    world.feed.delete("our-package", "1.1")

    world.work()

    assert (world.known().state, world.known().reason) == (ReleaseState.REFUSED, "deleted from the feed")


def test_a_version_that_is_deleted_before_the_plan_is_made_is_not_written() -> None:
    world = World()
    world.publish()
    world.step()
    assert world.known().state is ReleaseState.CONFIRMED

    world.feed.delete("our-package", "1.1")
    world.work()

    assert (world.commits, world.pipeline.runs) == ([], [])
    assert world.known().state is ReleaseState.SETTLED


def test_a_version_that_is_deleted_after_its_commit_is_not_taken_back() -> None:
    world = World()
    world.publish()
    world.work()

    world.feed.delete("our-package", "1.1")
    world.announce()
    world.app.repair.run()
    world.work()

    assert world.commits == ["Bump our-package 1.1"]
    assert world.file("training/context/requirements.txt") == b"pandas==2.0\nour-package==1.1\n"


def test_a_duplicate_of_a_planned_release_changes_nothing() -> None:
    world = World()
    world.publish()
    world.work()
    world.feed.calls.clear()
    before = world.known()

    world.announce("OUR.package", "1.1.0")
    world.work()

    assert world.known() == before
    assert world.rebuilds.waiting == []


VIEW = b'deliver: push\npackages:\n  - {match: "our-*", view: Release}\n'


def test_a_promotion_before_the_plan_is_made_counts() -> None:
    """Publish, then promote at once: the usual order, all within the settle time."""
    world = World({**World().repository.files(), "rebuilder.yml": VIEW})
    world.publish()
    world.step()
    world.feed.promote("our-package", "1.1", "Release")

    world.announce()
    world.work()

    assert world.commits == ["Bump our-package 1.1"]
    assert world.known().release is not None
    assert "Release" in world.known().release.views  # type: ignore[union-attr]


def asked(world: World) -> int:
    """How often the feed was asked for a version."""
    return world.feed.calls.count("version")


@pytest.mark.parametrize(("publish_type", "times"), [("publish", 1), ("promote", 2)])
def test_a_hook_that_repeats_itself_before_the_plan_is_made_is_believed(publish_type: str, times: int) -> None:
    world = World()
    world.feed.publish("our-package", "1.1")
    for kind in ("publish", publish_type):
        world.hook(kind)
        world.step()
    assert asked(world) == times
    assert world.known().state is ReleaseState.CONFIRMED
    world.work()
    assert len(world.pipeline.runs) == 1


def test_a_hook_that_repeats_itself_after_the_plan_was_made_has_the_feed_asked() -> None:
    world = World()
    world.feed.publish("our-package", "1.1")
    world.hook()
    world.work()
    times = asked(world)
    world.feed.publish("our-package", "1.1", file="our_package-1.1.tar.gz")
    world.hook()
    world.work()
    assert asked(world) == times + 1
    release = world.known().release
    assert release is not None
    assert len(release.files) == 2


def test_a_repeated_hook_sets_the_mark_that_a_worker_died_before() -> None:
    world = World()
    world.feed.publish("our-package", "1.1")
    world.hook()
    world.rebuilds.fail("send", "before", ServiceUnavailable("away"))
    world.step()
    world.store.delete(next(iter(world.store.keys("main/due/"))))
    world.hook()
    world.work()
    assert len(world.pipeline.runs) == 1


def test_a_promotion_during_a_rebuild_is_planned_at_once_and_takes_nothing_from_the_rebuild() -> None:
    world = World()
    world.publish()
    world.work()
    rebuild = world.rebuild()
    world.feed.promote("our-package", "1.1", "Release")
    world.announce()
    world.work()

    assert world.known().release is not None
    assert "Release" in world.known().release.views  # type: ignore[union-attr]
    assert world.known().history[-1].what.startswith("nothing new to do by plan ")
    assert (world.known().state, world.known().rebuild) == (ReleaseState.PLANNED, rebuild.id)
    assert world.is_at_rest()

    world.finish()

    assert world.rebuild().state == "finished"
    assert world.known().state is ReleaseState.SETTLED
    assert (len(world.rebuilds_made()), len(world.commits)) == (1, 1)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_promotion_at_any_moment_of_a_rebuild_counts(when: Literal["before", "after"]) -> None:
    """Of two environments one waits for the view: it follows as soon as the version is in it."""
    rules = RULES + b'  - {match: "our-*", view: Release, environments: [scoring]}\n'
    call, promoted = 0, [1]
    while promoted:
        call += 1
        promoted = []
        world = World({**SAMPLE, "rebuilder.yml": rules})
        crashes = Crashes(world)
        world.publish()
        world.step()

        def promote(world: World = world, promoted: list[int] = promoted, call: int = call) -> None:
            promoted.append(call)
            world.feed.promote("our-package", "1.1", "Release")
            world.announce()

        crashes.let_in(call, when, promote)
        world.work()
        if not promoted:
            assert [run.paths for run in world.pipeline.runs] == [["training/environment.yml"]]
            break

        assert world.file("training/context/requirements.txt") == b"pandas==2.0\nour-package==1.1\n", call
        assert world.file("scoring/context/requirements.txt") == b"our-package==1.1  # shared\n", call
        ran = sorted(path for run in world.pipeline.runs for path in run.paths)
        assert ran == ["scoring/environment.yml", "training/environment.yml"], call
        assert world.is_at_rest(), call
    assert call > 40


def test_a_target_that_refuses_does_not_hide_the_next(caplog: pytest.LogCaptureFixture) -> None:
    world = World(targets=2)
    world.feed.fail("version", "before", AccessDenied("the feed may not be read"))
    world.publish()

    world.work()

    assert world.known(target="main").state is ReleaseState.PARKED
    assert world.known(target="second").state is ReleaseState.PLANNED


def test_a_promotion_lets_a_release_be_planned_again() -> None:
    rules = b'deliver: push\npackages:\n  - {match: "our-*", view: Release}\n'
    world = World({**World().repository.files(), "rebuilder.yml": rules})
    world.publish()
    world.work()
    assert world.known().state is ReleaseState.SETTLED
    assert world.commits == []

    world.feed.promote("our-package", "1.1", "Release")
    world.announce()
    world.work()

    assert world.commits == ["Bump our-package 1.1"]


def test_a_promotion_that_changes_nothing_leaves_the_release_settled() -> None:
    world = World()
    world.publish("our-lonely-package", "3.0")
    world.work()

    world.feed.promote("our-lonely-package", "3.0", "Prerelease")
    world.announce("our-lonely-package", "3.0")
    world.work()

    assert world.known("our-lonely-package", "3.0").state is ReleaseState.SETTLED


def test_each_target_has_its_own_entry() -> None:
    world = World(targets=2)
    world.publish()

    world.step()

    assert [world.known(target=name).state for name in ("main", "second")] == [ReleaseState.CONFIRMED] * 2


def test_a_feed_may_be_named_by_its_guid() -> None:
    world = World()
    world.feed.publish("our-package", "1.1")
    world.announce(feed=world.feed.id().upper())

    world.work()

    assert world.rebuild().state == "queued"


def test_another_feeds_guid_is_nobodys_business() -> None:
    world = World()
    world.feed.publish("our-package", "1.1")
    world.announce(feed="00000000-1111-2222-3333-444444444444")

    world.work()

    assert world.release() is None


def test_a_feed_that_does_not_answer_is_asked_again() -> None:
    world = World()
    world.feed.fail("version", "before", ServiceUnavailable("busy"), times=4)
    world.publish()

    world.work()

    assert world.rebuild().state == "queued"
    assert world.feed.calls.count("version") == 5


def test_a_feed_that_lets_us_in_no_more_parks_the_release_with_the_reason() -> None:
    world = World()
    world.feed.fail("version", "before", AccessDenied("our identity may not read feed ml/packages"))
    world.publish()

    world.work()

    assert world.known().state is ReleaseState.PARKED
    assert world.known().reason == "our identity may not read feed ml/packages"


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_crash_between_any_two_steps_loses_nothing(when: str) -> None:
    """Whatever call the process dies at, the message that comes again brings the release on its way."""
    for method in ("read", "create", "replace"):
        for call in range(6):
            world = World()
            world.publish()
            text = world.signals.receive()
            assert text is not None
            world.store.faults[method] = [("never", None) for _ in range(call)]  # type: ignore[misc]
            world.store.fail(method, "before" if when == "before" else "after", KeyboardInterrupt())  # type: ignore[arg-type]
            try:
                world.app.worker.signal(text)
            except KeyboardInterrupt:
                world.start()
                world.store.faults.clear()
                world.app.worker.signal(text, 2)
            world.store.faults.clear()
            world.work()

            assert world.rebuild().state == "queued", (method, call)
            assert world.commits == ["Bump our-package 1.1"]
