"""Globs on paths: what they mean, and that no glob keeps anybody waiting."""

import sys
from pathlib import PurePosixPath
from types import FrameType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.rules.globs import matches

SEGMENTS = st.text("ab.", min_size=1, max_size=3).filter(lambda text: text not in (".", ".."))
PARTS = st.one_of(st.just("**"), st.text("ab.*?[]!-", max_size=5))


@pytest.mark.parametrize(
    ("path", "glob", "fits"),
    [
        ("environments/a/e.yml", "**", True),
        ("e.yml", "**", True),
        ("environments/a/e.yml", "environments/**", True),
        ("environments/a/e.yml", "environments", True),
        ("environments/a/e.yml", "environments/a", True),
        ("environments/a/e.yml", "environments/*", True),
        ("environments/a/e.yml", "*/a/e.yml", True),
        ("environments/a/e.yml", "**/e.yml", True),
        ("environments/old-1/e.yml", "environments/old-*", True),
        ("environments/a/e.yml", "environments/old-*", False),
        ("environments/a/e.yml", "environment", False),
        ("environments/a/e.yml", "a", False),
        ("environments/a/e.yml", "*.yml", False),
        ("environments/a/e.yml", "e.yml", False),
        ("environments/a/e.yml", "Environments/**", False),
        ("environments/a/e.yml", "", False),
        ("archive-new/e.yml", "archive/**", False),
        ("archive/x/y/e.yml", "archive/**", True),
        ("archive/x/y/e.yml", "archive/**/e.yml", True),
    ],
)
def test_a_glob_matches_a_path_or_a_folder_that_it_lies_in(path: str, glob: str, fits: bool) -> None:
    assert matches(path, glob) is fits


@given(
    st.lists(SEGMENTS, min_size=1, max_size=4).map("/".join),
    st.lists(PARTS, max_size=4).map("/".join).filter(lambda glob: glob.count("**") < 4),
)
def test_a_glob_means_what_it_means_to_the_standard_library(path: str, glob: str) -> None:
    pure = PurePosixPath(path)
    folders = list(pure.parents)[:-1]

    assert matches(path, glob) is any(candidate.full_match(glob) for candidate in (pure, *folders))


@given(
    st.lists(st.sampled_from(["a", "b", "ab"]), min_size=1, max_size=40),
    st.lists(st.sampled_from(["**", "*", "a", "b", "*a*b"]), min_size=1, max_size=40),
)
def test_each_part_of_a_path_is_compared_with_each_part_of_a_glob_at_most_once(
    path: list[str], glob: list[str]
) -> None:
    compared = 0

    def count(frame: FrameType, event: str, _: object) -> None:
        nonlocal compared
        compared += event == "call" and frame.f_code.co_name == "fnmatchcase"

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        matches("/".join(path), "/".join(glob))
    finally:
        sys.setprofile(before)

    assert compared <= len(path) * len(glob)


@pytest.mark.timeout(20)  # no measure: the other kind of matching takes minutes, and for a little more of it, years
@pytest.mark.parametrize(
    ("path", "glob"),
    [
        ("/".join("a" * 30), "**/" * 8 + "x"),
        ("/".join("a" * 200), "**/a/" * 60 + "x"),
        ("a" * 250, "*a" * 60 + "x"),
        ("a" * 250, "*" * 1000 + "x"),
        ("a" * 250, "[ab]*" * 60 + "x"),
    ],
)
def test_no_glob_takes_longer_than_reading_it(path: str, glob: str) -> None:
    assert not matches(path, glob)
