"""What `Feed` promises, kept by the adapter (on the stand) and by the fake."""

import uuid

import pytest
from packaging.utils import canonicalize_name

from shared.domain.feed_facts import FeedFile, Metadata
from shared.domain.names import package_name
from shared.domain.provenance import Upstream
from shared.limits import CHANGES_PER_REQUEST, PACKAGES_PER_REQUEST
from shared.ports import Feed
from tests.contracts.worlds import PUBLIC_PACKAGE, PUBLIC_VERSION, FeedWorld, MemoryFeed, StandFeed

OURS = package_name("our-package")
WHEEL = "our_package-1.0.0-py3-none-any.whl"
SDIST = "our_package-1.0.0.tar.gz"


@pytest.fixture(params=["adapter", "fake"])
def world(request: pytest.FixtureRequest) -> FeedWorld:
    if request.param == "adapter":
        made: StandFeed = request.getfixturevalue("stand_feed")
        return made
    return MemoryFeed()


def read(feed: Feed, token: int = 0) -> tuple[list[tuple[str, str]], int]:
    """Everything in the change log after a token, and where it ends."""
    found, more = [], True
    while more:
        page = feed.changes(token)
        found += [(str(canonicalize_name(change.name)), change.version) for change in page.items]
        token, more = page.token, page.more
    return found, token


@pytest.mark.parametrize("asked", ["1.0.0", "1.0", "1", "v1.0", "01.0.0"])
def test_versions_are_found_by_pep_440(world: FeedWorld, asked: str) -> None:
    world.publish("our-package", "1.0.0")
    found = world.feed.version(OURS, asked)
    assert found
    assert found.version == "1.0.0"


@pytest.mark.parametrize("asked", ["1.0.1", "1.0.0rc1", "1.0.0.post1", "1.0.0+local", "10", "not a version"])
def test_other_versions_are_not_found(world: FeedWorld, asked: str) -> None:
    world.publish("our-package", "1.0.0")
    assert world.feed.version(OURS, asked) is None


def test_names_are_compared_by_pep_503_and_not_by_what_they_contain(world: FeedWorld) -> None:
    for name in ("our-package-extra", "not-our-package", "our-pack"):
        world.publish(name, "1.0.0")
    assert world.feed.version(OURS, "1.0.0") is None
    world.publish("Our.Package", "1.0.0")
    found = world.feed.version(OURS, "1.0.0")
    assert found
    assert found.files == (WHEEL,)


def test_a_version_has_its_files_and_views_and_is_the_feeds_own(world: FeedWorld) -> None:
    world.publish("our-package", "1.0.0")
    world.publish_sdist("our-package", "1.0.0")
    world.promote("our-package", "1.0.0", "Release")
    found = world.feed.version(OURS, "1.0.0")
    assert found
    assert set(found.files) == {WHEEL, "our_package-1.0.0.tar.gz"}
    assert set(found.views) == {"Local", "Release"}
    assert found.upstream is None
    assert not found.deleted


def test_a_version_that_is_not_shown_yet_is_not_found(world: FeedWorld) -> None:
    world.publish("our-package", "1.0.0")
    world.publish("our-package", "2.0.0", hidden=True)
    assert world.feed.version(OURS, "2.0.0") is None
    assert read(world.feed)[0] == [("our-package", "1.0.0")]


def test_a_deleted_version_is_marked(world: FeedWorld) -> None:
    world.publish("our-package", "1.0.0")
    world.publish("our-package", "2.0.0")
    world.delete("our-package", "1.0.0")
    deleted, present = world.feed.version(OURS, "1.0.0"), world.feed.version(OURS, "2.0.0")
    assert deleted
    assert present
    assert (deleted.deleted, present.deleted) == (True, False)


def test_an_upstream_source_is_named(world: FeedWorld) -> None:
    world.install_public_package()
    found = world.feed.version(package_name(PUBLIC_PACKAGE), PUBLIC_VERSION)
    assert found
    assert found.upstream == Upstream("the public index")


def test_changes_tell_upstream_versions_from_own_ones(world: FeedWorld) -> None:
    world.publish("our-package", "1.0.0")
    world.install_public_package()
    changes = world.feed.changes(0).items
    assert {(str(canonicalize_name(change.name)), change.upstream) for change in changes} == {
        ("our-package", None),
        (PUBLIC_PACKAGE, Upstream("the public index")),
    }


# As the service writes an id in one place and not in another.
ONE, OTHER = "6A5B9C1E-0d43-4b70-9f0e-000000000001", "6a5b9c1e-0d43-4b70-9f0e-000000000002"


@pytest.mark.parametrize(
    ("sources", "feeds"),
    [
        ((ONE,), {ONE.lower()}),
        ((ONE, OTHER), {ONE.lower(), OTHER}),
        # Through a feed, and from a public index in the end, or in between: it may be anybody's.
        ((ONE, None), set()),
        ((None, ONE), set()),
        ((None,), set()),
    ],
)
def test_the_feeds_on_the_way_are_known_if_there_were_feeds_alone(
    world: FeedWorld, sources: tuple[str | None, ...], feeds: set[str]
) -> None:
    world.take("our-package", "1.0.0", *sources)
    found = world.feed.version(OURS, "1.0.0")
    (change,) = world.feed.changes(0).items
    assert found
    assert found.upstream == change.upstream
    assert found.upstream
    assert found.upstream.feeds == feeds


def test_a_version_from_elsewhere_is_known_to_lie_beside_own_ones(world: FeedWorld) -> None:
    world.take("our-package", "9.9.9", None)
    alone = world.feed.version(OURS, "9.9.9")
    world.publish("our-package", "1.0.0")
    beside = world.feed.version(OURS, "9.9.9")
    assert alone
    assert beside
    assert (alone.beside_own, beside.beside_own) == (False, True)


def test_changes_are_those_after_the_token_oldest_first(world: FeedWorld) -> None:
    world.publish("our-package", "1.0.0")
    _, token = read(world.feed)
    world.publish("our-package", "3.0.0")
    world.publish("other-package", "2.0.0")
    found, end = read(world.feed, token)
    assert found == [("our-package", "3.0.0"), ("other-package", "2.0.0")]
    assert read(world.feed, end) == ([], end)
    assert end > token > 0


def test_changes_of_one_version_are_one_at_the_place_of_the_newest(world: FeedWorld) -> None:
    world.publish("our-package", "1.0.0")
    world.publish("other-package", "2.0.0")
    _, token = read(world.feed)
    world.publish_sdist("our-package", "1.0.0")
    assert read(world.feed)[0] == [("other-package", "2.0.0"), ("our-package", "1.0.0")]
    assert read(world.feed, token)[0] == [("our-package", "1.0.0")]


def test_a_promotion_is_a_change(world: FeedWorld) -> None:
    world.publish("our-package", "1.0.0")
    _, token = read(world.feed)
    world.promote("our-package", "1.0.0", "Release")
    assert read(world.feed, token)[0] == [("our-package", "1.0.0")]


def test_a_deletion_moves_the_token_and_is_no_change(world: FeedWorld) -> None:
    world.publish("our-package", "1.0.0")
    _, token = read(world.feed)
    world.delete("our-package", "1.0.0")
    found, end = read(world.feed, token)
    assert found == []
    assert end > token
    assert read(world.feed)[0] == []


def test_pages_hold_every_change_once(world: FeedWorld) -> None:
    versions = [f"1.{number}" for number in range(CHANGES_PER_REQUEST + 1)]
    for version in versions:
        world.publish("our-package", version)
    first = world.feed.changes(0)
    assert len(first.items) == CHANGES_PER_REQUEST
    assert first.more
    assert read(world.feed)[0] == [("our-package", version) for version in versions]


def test_an_empty_feed_has_no_changes(world: FeedWorld) -> None:
    page = world.feed.changes(0)
    assert (page.items, page.token, page.more) == ((), 0, False)
    assert world.feed.latest_token() == 0


def test_the_latest_token_is_the_end_of_the_change_log(world: FeedWorld) -> None:
    world.publish("our-package", "1.0.0")
    world.publish("our-package", "2.0.0")
    latest = world.feed.latest_token()
    assert read(world.feed) == ([("our-package", "1.0.0"), ("our-package", "2.0.0")], latest)
    world.publish("our-package", "3.0.0")
    assert read(world.feed, latest)[0] == [("our-package", "3.0.0")]


def test_a_version_that_is_shown_late_is_still_in_the_change_log(world: FeedWorld) -> None:
    world.publish("our-package", "1.0.0", hidden=True)
    world.publish("other-package", "1.0.0")
    before, token = read(world.feed)
    world.show("our-package", "1.0.0")
    after, _ = read(world.feed, token)
    assert sorted(before + after) == [("other-package", "1.0.0"), ("our-package", "1.0.0")]


def test_the_id_is_a_guid_that_stays(world: FeedWorld) -> None:
    assert world.feed.id() == world.feed.id() == str(uuid.UUID(world.feed.id()))


# Files and what they require


@pytest.mark.parametrize("asked", ["1.0.0", "1.0", "v1"])
def test_files_of_a_version_are_those_of_an_equal_version_with_their_hashes(world: FeedWorld, asked: str) -> None:
    sdist = world.publish_sdist("our-package", "1.0.0")
    wheel = world.publish("our-package", "1.0.0")
    world.publish("our-package", "1.0.1")
    assert world.feed.files(OURS, asked) == (FeedFile(WHEEL, wheel), FeedFile(SDIST, sdist))


@pytest.mark.parametrize("stated", [">=3.9", ">=3.9,<4", "<4, !=3.8.*", None])
def test_files_say_which_pythons_they_are_for(world: FeedWorld, stated: str | None) -> None:
    world.publish("our-package", "1.0.0", requires_python=stated)
    world.publish_sdist("our-package", "1.0.0")
    assert {file.name: file.requires_python for file in world.feed.files(OURS, "1.0")} == {WHEEL: stated, SDIST: None}


def test_names_are_compared_by_pep_503_for_files_too(world: FeedWorld) -> None:
    digest = world.publish("Our.Package", "1.0.0")
    world.publish("our-package-extra", "1.0.0")
    assert world.feed.files(OURS, "1.0.0") == (FeedFile(WHEEL, digest),)


@pytest.mark.parametrize("asked", ["1.0.1", "1.0.0+local", "not a version", ""])
def test_what_the_feed_does_not_have_has_no_files_and_no_metadata(world: FeedWorld, asked: str) -> None:
    world.publish("our-package", "1.0.0", requires=["numpy"])
    for package in (OURS, package_name("nobody-has-it")):
        assert world.feed.files(package, asked) == ()
        assert world.feed.metadata(package, asked) is None


def test_what_is_hidden_or_deleted_has_no_files_and_no_metadata(world: FeedWorld) -> None:
    world.publish("our-package", "1.0.0", hidden=True)
    world.publish("our-package", "2.0.0")
    world.delete("our-package", "2.0.0")
    for version in ("1.0.0", "2.0.0"):
        assert world.feed.files(OURS, version) == ()
        assert world.feed.metadata(OURS, version) is None


def test_metadata_tell_what_a_version_requires_as_its_author_wrote_it(world: FeedWorld) -> None:
    requires = ("azure-identity>=1.16", 'tomli >= 2 ; python_version < "3.11"', "our-helper[extra] (==2.*)", "not one!")
    world.publish("our-package", "1.0.0", requires=requires, requires_python=">=3.9, <4")
    assert world.feed.metadata(OURS, "1.0") == Metadata(">=3.9, <4", requires)


def test_a_version_that_requires_nothing_says_so(world: FeedWorld) -> None:
    world.publish("our-package", "1.0.0")
    assert world.feed.metadata(OURS, "1.0.0") == Metadata()


def test_metadata_are_not_read_from_a_source_distribution(world: FeedWorld) -> None:
    world.publish_sdist("our-package", "1.0.0")
    assert world.feed.metadata(OURS, "1.0.0") is None


def test_many_versions_are_told_of_as_each_by_itself(world: FeedWorld) -> None:
    world.publish("our-package", "1.0.0", requires=["numpy"])
    world.publish("our-package", "2.0.0", requires=["numpy>2"])
    world.publish("our-helper", "1.0")
    asked = [
        (OURS, "1.0"),
        (OURS, "2.0"),
        (OURS, "3.0"),
        (package_name("our-helper"), "1.0"),
        (package_name("no"), "1"),
    ]
    told = world.feed.metadata_many(asked)
    assert told == [world.feed.metadata(*place) for place in asked]
    assert told == [Metadata(None, ("numpy",)), Metadata(None, ("numpy>2",)), None, Metadata(), None]
    assert world.feed.metadata_many([]) == []


def test_a_broken_wheel_has_no_metadata(world: FeedWorld) -> None:
    world.publish_broken("our-package", "1.0.0")
    assert [file.name for file in world.feed.files(OURS, "1.0.0")] == [WHEEL]
    assert world.feed.metadata(OURS, "1.0.0") is None


def test_versions_from_upstream_have_files_and_metadata_too(world: FeedWorld) -> None:
    world.install_public_package()
    public = package_name(PUBLIC_PACKAGE)
    assert len(world.feed.files(public, PUBLIC_VERSION)) == 1
    assert world.feed.metadata(public, PUBLIC_VERSION) == Metadata()


# What is the feed's own


def test_published_are_the_packages_that_the_feed_did_not_take_from_upstream(world: FeedWorld) -> None:
    assert world.feed.published() == frozenset()
    world.publish("Our.Package", "1.0.0")
    world.publish_sdist("our_tools", "1.0.0")
    world.install_public_package()
    assert world.feed.published() == {OURS, package_name("our-tools")}


def test_a_package_with_one_own_version_is_the_feeds_own(world: FeedWorld) -> None:
    world.install_public_package()
    world.publish(PUBLIC_PACKAGE, "0.1")
    assert world.feed.published() == {PUBLIC_PACKAGE}


def test_what_is_hidden_or_deleted_is_not_published(world: FeedWorld) -> None:
    world.publish("hidden", "1.0.0", hidden=True)
    world.publish("deleted", "1.0.0")
    world.delete("deleted", "1.0.0")
    world.publish("present", "1.0.0")
    world.publish("present", "2.0.0")
    world.delete("present", "2.0.0")
    assert world.feed.published() == {"present"}


def test_published_are_all_packages_however_many(world: FeedWorld) -> None:
    names = {f"package-{number}" for number in range(PACKAGES_PER_REQUEST + 1)}
    for name in names:
        world.publish(name, "1.0")
    assert world.feed.published() == names
