"""Wheels of the stand's feed that are somewhere else, or are not what the index says."""

import logging

import pytest

from local.azure_devops.server import Organization
from local.faults import Fault
from shared.domain.feed_facts import Metadata
from shared.domain.names import package_name
from shared.limits import SIDE_BY_SIDE
from tests.contracts.worlds import StandFeed

OURS = package_name("our-package")


def test_a_wheel_is_read_from_the_storage_behind_the_feed(stand_feed: StandFeed) -> None:
    stand_feed.publish("our-package", "1.0", requires=["numpy<2"])
    assert stand_feed.feed.metadata(OURS, "1.0") == Metadata(None, ("numpy<2",))


def test_a_wheel_that_is_not_the_one_the_index_states_tells_nothing(
    organization: Organization, stand_feed: StandFeed, caplog: pytest.LogCaptureFixture
) -> None:
    stand_feed.publish("our-package", "1.0", requires=["numpy<2"])
    (file,) = organization.feed.packages["our-package"]["1"].files.values()
    file.path.write_bytes(file.path.read_bytes() + b"\0")
    with caplog.at_level(logging.INFO, "rebuilder"):
        assert stand_feed.feed.metadata(OURS, "1.0") is None
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("ERROR", f"wheel_is_not_what_the_index_states feed=ml/packages file={file.name}")
    ]


def test_what_makes_a_wheel_unusable_is_logged(
    organization: Organization, stand_feed: StandFeed, caplog: pytest.LogCaptureFixture
) -> None:
    stand_feed.publish_broken("our-package", "1.0")
    stand_feed.publish("our-package", "2.0")
    with caplog.at_level(logging.INFO, "rebuilder"):
        assert stand_feed.feed.metadata(OURS, "1.0") is None
        organization.faults.set("download", Fault.NOT_FOUND)
        assert stand_feed.feed.metadata(OURS, "2.0") is None
    assert [record.getMessage() for record in caplog.records] == [
        'wheel_unusable feed=ml/packages file=our_package-1.0-py3-none-any.whl why="it has 0 METADATA files"',
        'wheel_unusable feed=ml/packages file=our_package-2.0-py3-none-any.whl why="the index lists it and it is gone"',
    ]


def test_the_first_wheel_by_name_is_read(organization: Organization, stand_feed: StandFeed) -> None:
    stand_feed.publish("our-package", "1.0", requires=["numpy"])
    (universal,) = organization.feed.packages["our-package"]["1"].files.values()
    organization.feed.publish("our_package-1.0-cp310-cp310-any.whl", b"PK\x05\x06" + b"\0" * 18)
    assert [file.name for file in stand_feed.feed.files(OURS, "1.0")][-1] == universal.name
    # An empty archive: had the other one been read, it would have told something.
    assert stand_feed.feed.metadata(OURS, "1.0") is None


def test_many_versions_cost_one_page_for_each_package_and_one_wheel_each(
    organization: Organization, stand_feed: StandFeed
) -> None:
    asked = [(package_name(f"our-{name}"), version) for name in "abcdef" for version in ("1.0", "2.0", "3.0")]
    for package, version in asked:
        stand_feed.publish(package, version)
    before = dict(organization.faults.calls)
    told = stand_feed.feed.metadata_many(asked)
    made = {name: count - before.get(name, 0) for name, count in organization.faults.calls.items()}
    assert set(told) == {Metadata()}
    assert (made["index"], made["download"]) == (6, 18)


def test_what_prevents_one_version_among_many_stops_no_other(organization: Organization, stand_feed: StandFeed) -> None:
    asked = [(package_name(f"our-{name}"), "1.0") for name in "abcdef"]
    for package, version in asked:
        stand_feed.publish(package, version)
    organization.faults.set("index", Fault.FORBIDDEN)
    organization.faults.set("download", Fault.FORBIDDEN)
    told = stand_feed.feed.metadata_many(asked)
    assert sorted(type(answer).__name__ for answer in told) == ["AccessDenied"] * 2 + ["Metadata"] * 4


def test_of_a_feed_that_is_away_few_versions_are_asked_for(organization: Organization, stand_feed: StandFeed) -> None:
    asked = [(package_name(f"our-{number}"), version) for number in range(100) for version in ("1.0", "2.0")]
    organization.faults.set("index", Fault.UNAVAILABLE, times=1000)
    before = organization.faults.calls.get("index", 0)
    told = stand_feed.feed.metadata_many(asked)
    assert {type(answer).__name__ for answer in told} == {"ServiceUnavailable"}
    assert organization.faults.calls["index"] - before < 2 * SIDE_BY_SIDE


def test_one_wheel_that_cannot_be_had_keeps_no_other_from_being_read(
    organization: Organization, stand_feed: StandFeed
) -> None:
    asked = [(OURS, version) for version in ("1.0", "2.0", "3.0")]
    for package, version in asked:
        stand_feed.publish(package, version)
    organization.faults.set("download", Fault.UNAVAILABLE)
    told = stand_feed.feed.metadata_many(asked)
    assert [type(answer).__name__ for answer in told] == ["ServiceUnavailable", "Metadata", "Metadata"]
