"""The rows of the decision table that need what the feed or the ledger knows."""

import pytest
from packaging.version import Version

from shared.domain.feed_facts import FeedFile
from shared.domain.planning.decisions import Kind
from shared.domain.rules.rules import PackageRule
from tests.domain.planning.cases import ANY, decision, hashed, shown


@pytest.mark.parametrize("line", ["our-pkg==1.0", "our-pkg>=1.0"])
@pytest.mark.parametrize(
    "names",
    [
        ["our_pkg-1.1-cp39-cp39-manylinux_2_17_x86_64.whl", "our_pkg-1.1.tar.gz"],
        ["our_pkg-1.1-py3-none-win_amd64.whl"],
        ["our_pkg-1.1.tar.gz"],
    ],
)
def test_a_version_without_a_file_for_the_python_is_held(line: str, names: list[str]) -> None:
    files = tuple(FeedFile(name) for name in names)

    assert shown(line, "1.1", python="3.10", files=files) == (
        f"held(no file for Python 3.10 on Linux: the feed has {', '.join(names)})"
    )


@pytest.mark.parametrize(
    ("python", "files"),
    [
        (None, (FeedFile("our_pkg-1.1-cp39-cp39-win32.whl"),)),
        ("3.10", None),
        ("3.9", (FeedFile("our_pkg-1.1-cp39-cp39-win32.whl"), FeedFile("our_pkg-1.1-py3-none-any.whl"))),
    ],
    ids=["Python unknown", "feed not asked", "one of them fits"],
)
def test_whether_a_file_installs_is_asked_only_where_it_is_known(
    python: str | None, files: tuple[FeedFile, ...] | None
) -> None:
    assert decision("our-pkg==1.0", "1.1", python=python, files=files).kind is Kind.BUMP


def test_a_release_without_any_file_is_held() -> None:
    assert shown("our-pkg==1.0", "1.1", files=()) == "held(no file: the feed offers none of our-pkg 1.1 yet)"


def test_a_pin_whose_variable_serves_something_else_is_held() -> None:
    assert shown("our-pkg==1.0", "1.1", variable="VERSION") == "held(shared variable VERSION)"


def test_a_pin_in_a_compiled_file_that_lacks_what_the_version_requires_is_held() -> None:
    assert shown("our-pkg==1.0", "1.1", recompile="x>=2") == "held(recompile needed: x>=2)"


@pytest.mark.parametrize("line", ["our-pkg==1.1", "our-pkg>=1.0"])
def test_only_a_pin_that_would_rise_asks_for_compiling_again(line: str) -> None:
    assert decision(line, "1.1", recompile="x>=2", variable="VERSION").kind in (Kind.CURRENT, Kind.REBUILD)


@pytest.mark.parametrize("digests", [None, (None,), ("aa", None)], ids=["feed not asked", "none stated", "one missing"])
def test_a_new_version_never_stands_beside_old_hashes(digests: tuple[str | None, ...] | None) -> None:
    line = "our-pkg==1.0 \\\n  --hash=sha256:aa"

    found = decision(line, "1.1", **({} if digests is None else hashed(line, *digests)))

    assert str(found).startswith("held(hashes unknown: ")


def test_a_pin_with_hashes_rises_together_with_those_of_all_files() -> None:
    line = "our-pkg==1.0 --hash=sha256:aa"

    assert decision(line, "1.1", **hashed(line, "bb", "cc")).kind is Kind.BUMP


@pytest.mark.parametrize("digests", [("aa", "bb"), ("bb",)])
def test_the_hashes_of_a_pin_that_is_equal_are_completed(digests: tuple[str, ...]) -> None:
    line = "our-pkg==1.1.0 --hash=sha256:aa"
    found = decision(line, "1.1", **hashed(line, *digests))

    assert (found.kind, found.reason) == (Kind.BUMP, "hashes only: 1.1.0 has files that they leave out")


@pytest.mark.parametrize(
    ("line", "digests", "rule"),
    [
        ("our-pkg==1.1 --hash=sha256:aa --hash=sha256:bb", ("aa",), ANY),
        ("our-pkg==1.1 --hash=sha256:AA", ("aa",), ANY),
        ("our-pkg==1.1 --hash=sha256:aa", ("aa", None), ANY),
        ("our-pkg==1.1 --hash=sha256:aa", ("bb",), None),
        ("our-pkg==1.1 --hash=sha256:aa # rebuilder: hold", ("bb",), ANY),
        ("our-pkg==1.1", ("bb",), ANY),
    ],
    ids=["one more than needed", "capitals", "not all stated", "no rule", "held by comment", "no hashes"],
)
def test_hashes_stay_where_none_is_missing_or_nobody_asked(
    line: str, digests: tuple[str | None, ...], rule: PackageRule | None
) -> None:
    assert decision(line, "1.1", rule, **hashed(line, *digests)).kind is Kind.CURRENT


@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_a_pin_that_somebody_lowered_stays_for_what_we_wrote_and_before(version: str) -> None:
    found = shown("our-pkg==1.0", version, carried=Version("1.2"))

    assert found == "held(lower than we wrote: 1.2, and 1.0 stands there now)"


@pytest.mark.parametrize(
    ("line", "version", "carried", "by_hand"),
    [
        ("our-pkg==1.0", "1.3", "1.2", False),
        ("our-pkg==1.0", "1.2", "1.2", True),
        ("our-pkg==1.0", "1.2", "1.0", False),
        ("our-pkg==1.1", "1.2", "1.0", False),
    ],
    ids=["a newer release", "by hand", "as we wrote it", "higher than we wrote"],
)
def test_a_newer_release_or_a_person_raises_a_pin_again(line: str, version: str, carried: str, by_hand: bool) -> None:
    assert decision(line, version, carried=Version(carried), by_hand=by_hand).kind is Kind.BUMP
