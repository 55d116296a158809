import logging

import pytest

from shared.domain.provenance import Upstream
from shared.domain.releases import FeedName
from shared.domain.signals import Source
from shared.errors import AccessDenied, ServiceUnavailable
from shared.ledger_entries import FeedEntry, feed_key
from shared.limits import CHANGE_PAGES
from shared.ports import Subscription
from tests.services.world import FEED, World


def token(world: World) -> int:
    return world.app.ledger.get(feed_key("main", FeedName.parse(FEED))).token


def test_the_past_of_a_feed_is_not_played_back() -> None:
    world = World()
    world.feed.publish("our-package", "1.1")

    world.app.repair.run()

    assert token(world) == world.feed.latest_token()
    assert world.signals.waiting == []


def test_the_past_of_a_feed_is_played_back_where_that_is_wanted() -> None:
    world = World(REBUILDER_REPLAY_FEEDS="true")
    world.feed.publish("our-package", "1.1")

    world.app.repair.run()
    world.app.repair.run()
    assert len(world.signals.waiting) == 1
    world.work()

    assert world.commits == ["Bump our-package 1.1"]


def test_the_timer_alone_finds_a_release_and_brings_it_to_a_run() -> None:
    world = World()
    world.app.repair.run()
    world.feed.publish("our-package", "1.1")

    world.app.repair.run()
    world.work()

    assert world.known().source is Source.TIMER
    assert world.commits == ["Bump our-package 1.1"]


def test_a_change_is_read_once() -> None:
    world = World()
    world.app.repair.run()
    world.feed.publish("our-package", "1.1")

    world.app.repair.run()
    world.app.repair.run()

    assert len(world.signals.waiting) == 1


def test_what_came_through_an_upstream_is_passed_over() -> None:
    world = World()
    world.app.repair.run()
    world.feed.publish("numpy", "2.0", upstream=Upstream("the public index"))

    world.app.repair.run()

    assert world.signals.waiting == []
    assert token(world) == world.feed.latest_token()


def test_what_came_from_elsewhere_under_a_name_of_ours_is_passed_over_and_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World()
    world.publish(version="1.0")
    world.work()
    world.app.repair.run()
    for number in range(9):
        world.feed.publish(f"package-{number}", "1.0", upstream=Upstream("the public index"))
    world.feed.publish("Our.Package", "99.0", upstream=Upstream("the public index"))
    world.feed.calls.clear()

    with caplog.at_level(logging.ERROR):
        world.app.repair.run()

    assert world.signals.waiting == []
    (told,) = (record.message for record in caplog.records)
    assert told.startswith("foreign_version ")
    assert "Our.Package 99.0" in told
    # However many they are.
    assert world.feed.calls == ["changes", "published"]


def test_what_came_from_a_feed_that_is_watched_too_is_signalled() -> None:
    world = World()
    world.app.repair.run()
    world.feed.publish("our-package", "1.1", upstream=Upstream("itself", frozenset({world.feed.id()})))
    world.feed.publish("other-package", "1.1", upstream=Upstream("another", frozenset({world.feed.id(), "another"})))

    world.app.repair.run()

    assert len(world.signals.waiting) == 1
    world.work()
    assert world.commits == ["Bump our-package 1.1"]


def test_who_may_not_list_packages_still_reads_the_change_log() -> None:
    world = World()
    world.app.repair.run()
    world.feed.publish("numpy", "2.0", upstream=Upstream("the public index"))
    world.feed.publish("our-package", "1.1")
    world.feed.fail("published", "before", AccessDenied("not yours"))

    world.app.repair.run()

    assert len(world.signals.waiting) == 1
    assert token(world) == world.feed.latest_token()


def test_a_crash_before_the_token_is_stored_repeats_signals_and_loses_none() -> None:
    world = World()
    world.app.repair.run()
    world.feed.publish("our-package", "1.1")
    world.store.fail("replace", "before", ServiceUnavailable("storage away"))

    with pytest.raises(ServiceUnavailable):
        world.app.repair.run()
    world.app.repair.run()

    assert len(world.signals.waiting) == 2
    world.work()
    assert world.commits == ["Bump our-package 1.1"]


def test_a_long_change_log_is_read_page_by_page_and_never_without_end() -> None:
    world = World()
    world.app.repair.run()
    world.feed.page_size = 2
    for number in range(CHANGE_PAGES * 2 + 3):
        world.feed.publish("our-package", f"2.{number}")

    world.app.repair.run()
    assert len(world.signals.waiting) == CHANGE_PAGES * 2
    world.app.repair.run()

    assert len(world.signals.waiting) == CHANGE_PAGES * 2 + 3


def test_the_stored_token_never_goes_back() -> None:
    world = World()
    world.app.ledger.create(feed_key("main", FeedName.parse(FEED)), FeedEntry(40))
    world.feed.publish("our-package", "1.1")

    world.app.repair.run()

    assert token(world) == 40


def test_a_feed_that_may_not_be_read_is_reported_and_holds_nothing_up(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.feed.fail("latest_token", "before", AccessDenied("feed ml/packages may not be read"))

    with caplog.at_level(logging.ERROR):
        world.app.repair.run()

    assert "feed ml/packages may not be read" in caplog.text


def test_subscriptions_that_are_off_or_on_probation_are_reported_and_left_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World()

    with caplog.at_level(logging.ERROR):
        world.hooks.found = [
            Subscription("1", "build.complete", "enabled", "https://ours.azurewebsites.net/api/hooks"),
            Subscription("2", "build.complete", "disabledBySystem", "https://ours.azurewebsites.net/api/hooks"),
            Subscription("3", "build.complete", "disabledBySystem", "https://others.example.com/hooks"),
            Subscription("4", "build.complete", "disabledBySystem", None),
            Subscription("5", "build.complete", "onProbation", "https://ours.azurewebsites.net/api/hooks"),
            Subscription("6", "build.complete", "disabledByUser", "https://ours.azurewebsites.net/api/hooks"),
        ]
        world.app.repair.run()

    assert "hook_is_off subscription=2 event=build.complete status=disabledBySystem" in caplog.text
    assert "hook_on_probation subscription=5 event=build.complete status=onProbation" in caplog.text
    assert "hook_is_off subscription=6 event=build.complete status=disabledByUser" in caplog.text
    assert [number for number in "134" if f"subscription={number}" in caplog.text] == []
