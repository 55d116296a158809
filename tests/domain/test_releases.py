import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from shared.domain.releases import LONGEST_VERSION, FeedName, Release, ReleaseId, version_of
from shared.errors import InvalidInput, InvalidName, InvalidVersion
from tests.domain.strategies import version_texts

HOSTILE = {
    "a shell command": "1.0; rm -rf /",
    "a substitution": "1.0$(id)",
    "an escape from quotes": "1.0' || true",
    "a second line": "1.0\r\n- script: x",
    "NUL": "1.0\0",
    "nothing": "",
    "a blank within": "1. 0",
    "Arabic digits": "\u0661.\u0660",
    "full-width digits": "\uff11.\uff10",
    "a word": "latest",
    "a range": ">=1.0",
    "a wildcard": "1.*",
    "5,000 digits": "1" * 5000,
    "5,000 segments": ".".join("1" * 5000),
    "one character too many": "1" * (LONGEST_VERSION + 1),
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_version_is_refused(text: str) -> None:
    with pytest.raises(InvalidVersion):
        version_of(text)


def test_a_version_may_be_as_long_as_the_limit() -> None:
    longest = ".".join("1" * (LONGEST_VERSION // 2)) + "0"

    assert len(longest) == LONGEST_VERSION == 100
    assert str(version_of(longest)) == longest


@given(st.text(max_size=20))
def test_any_text_is_a_version_or_refused(text: str) -> None:
    try:
        version = version_of(text)
    except InvalidVersion:
        return

    assert re.fullmatch(r"[0-9a-z.!+]+", str(version))


@pytest.mark.parametrize(
    ("spelled", "written"),
    [
        (" v1.0 ", "1.0"),
        ("1.0-1", "1.0.post1"),
        ("1.0RC1", "1.0rc1"),
        ("01.0", "1.0"),
        ("1.0+A-B_c", "1.0+a.b.c"),
        ("1.0", "1.0"),
        ("1.0.0", "1.0.0"),
    ],
)
def test_what_is_written_is_the_canonical_form_of_the_feeds_own_spelling(spelled: str, written: str) -> None:
    assert str(version_of(spelled)) == written


@given(version_texts())
def test_zeros_at_the_end_make_no_other_release(text: str) -> None:
    version = Version(text)
    longer = text.replace(version.base_version, f"{version.base_version}.0.0", 1)

    assert ReleaseId.of("feed", "pkg", longer) == ReleaseId.of("feed", "pkg", text)


@given(version_texts(), version_texts())
def test_releases_are_one_exactly_if_pep_440_calls_their_versions_equal(one: str, other: str) -> None:
    same = ReleaseId.of("feed", "pkg", one) == ReleaseId.of("feed", "pkg", other)

    assert same is (Version(one) == Version(other))


def test_1_0_and_1_0_0_are_one_release() -> None:
    assert ReleaseId.of("feed", "Our_Pkg", "1.0") == ReleaseId.of("feed", "our-pkg", "1.0.0")


def test_the_feed_is_part_of_a_releases_identity() -> None:
    assert ReleaseId.of("one", "our-pkg", "1.0") != ReleaseId.of("two", "our-pkg", "1.0")


def test_a_release_of_a_hostile_name_or_version_does_not_come_to_be() -> None:
    with pytest.raises(InvalidName):
        ReleaseId.of("feed", "../x", "1.0")
    with pytest.raises(InvalidVersion):
        ReleaseId.of("feed", "our-pkg", "1.0; rm -rf /")


def test_a_release_keeps_the_feeds_spelling_and_shows_it() -> None:
    release = Release(ReleaseId.of("feed", "our-pkg", "1.4.0"), "1.4.0")

    assert release.version == Version("1.4")
    assert str(release) == "our-pkg 1.4.0"
    assert str(release.id) == "our-pkg 1.4 on feed"


@pytest.mark.parametrize(
    ("text", "feed"),
    [
        ("ours", FeedName("ours")),
        (" ours ", FeedName("ours")),
        ("proj/ours", FeedName("ours", project="proj")),
        ("my project / my feed", FeedName("my feed", project="my project")),
    ],
)
def test_a_feed_is_read_with_or_without_its_project(text: str, feed: FeedName) -> None:
    assert FeedName.parse(text) == feed


@pytest.mark.parametrize("text", ["", " ", "/", "a/", "/a", "a//b", "a/b/c", " /b"])
def test_a_feed_with_missing_or_further_parts_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="write 'feed' or 'project/feed'"):
        FeedName.parse(text)


@pytest.mark.parametrize("feed", [FeedName("ours"), FeedName("ours", project="proj")])
def test_a_feeds_text_reads_as_the_feed(feed: FeedName) -> None:
    assert FeedName.parse(str(feed)) == feed


def test_a_feed_answers_to_its_name_in_any_case_with_or_without_the_project() -> None:
    feed = FeedName.parse("Proj/Ours")

    assert all(feed.answers_to(text) for text in ("proj/ours", "PROJ/OURS", "ours", " Ours "))
    assert not any(feed.answers_to(text) for text in ("other", "other/ours", "proj", "", "proj/ours/x"))
