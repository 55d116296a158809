"""Hashes are renewed in the layout in which they stand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.definitions import Requirement
from shared.domain.definitions.hashes import digests, has_hashes, lacks_a_file, place_of, renewed
from shared.domain.definitions.requirements import read_requirements
from shared.domain.feed_facts import FeedFile
from shared.domain.files.text import SourceText

H = "--hash=sha256:"


def only(text: str) -> Requirement:
    (found,) = (found for found in read_requirements(SourceText(text, "utf-8")).requirements if found.name == "our-pkg")
    return found


def files(*known: str | None) -> tuple[FeedFile, ...]:
    return tuple(FeedFile(f"our_pkg-1.{at}.tar.gz", digest) for at, digest in enumerate(known))


def after(text: str, *known: str | None) -> str | None:
    change = renewed(only(text), files(*known), text)
    return text[: change.start] + change.new + text[change.end :] if change else None


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        (f"our-pkg==1 {H}aa\n", f"our-pkg==1 {H}cc {H}dd\n"),
        (f"our-pkg==1 {H}aa {H}bb", f"our-pkg==1 {H}cc {H}dd"),
        (f"our-pkg==1 \\\n    {H}aa\n", f"our-pkg==1 \\\n    {H}cc \\\n    {H}dd\n"),
        (f"our-pkg==1 \\\n  {H}aa \\\n  {H}bb\nx", f"our-pkg==1 \\\n  {H}cc \\\n  {H}dd\nx"),
        (f"our-pkg==1 \\\r\n\t{H}aa \\\r\n\t{H}bb\r\n", f"our-pkg==1 \\\r\n\t{H}cc \\\r\n\t{H}dd\r\n"),
        ("our-pkg==1 --hash sha256:aa", "our-pkg==1 --hash sha256:cc --hash sha256:dd"),
        ("our-pkg==1 --hash=sha512:aa # why", f"our-pkg==1 {H}cc {H}dd # why"),
        (f"our-pkg==1; python_version<'4' {H}AA", f"our-pkg==1; python_version<'4' {H}cc {H}dd"),
        (f"our-pkg==1 {H}aa  \\\n  # via x", f"our-pkg==1 {H}cc {H}dd  \\\n  # via x"),
        (f"x==1 {H}aa\nour-pkg==1 {H}aa\n", f"x==1 {H}aa\nour-pkg==1 {H}cc {H}dd\n"),
        (f"our-pkg==1 \\\n{H}aa\\\n {H}bb", f"our-pkg==1 \\\n{H}cc\\\n {H}dd"),
    ],
)
def test_hashes_are_renewed_where_they_stand(before: str, expected: str) -> None:
    assert after(before, "dd", "cc") == expected


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("our-pkg==1 --hash=sha256:aa", ()),
        ("our-pkg==1 --hash=sha256:aa", ("bb", None)),
        ("our-pkg==1", ("bb",)),
        ("our-pkg==1 --hash=sha256:aa --no-deps --hash=sha256:bb", ("cc",)),
        ("our-pkg==1 --hash=sha2\\\n56:aa", ("cc",)),
        ("our-pkg==1 --hash=$HASH", ("cc",)),
    ],
    ids=["no files", "not all stated", "no hashes", "an option between", "broken over lines", "no hash"],
)
def test_hashes_that_are_not_known_or_not_in_one_piece_are_not_renewed(
    text: str, known: tuple[str | None, ...]
) -> None:
    assert after(text, *known) is None


def test_a_digest_that_two_files_share_stands_once() -> None:
    assert after("our-pkg==1 --hash=sha256:aa", "cc", "cc") == "our-pkg==1 --hash=sha256:cc"


@pytest.mark.parametrize(
    ("text", "known", "lacks"),
    [
        ("our-pkg==1 --hash=sha256:aa", ("aa",), False),
        ("our-pkg==1 --hash=sha256:AA", ("aa",), False),
        ("our-pkg==1 --hash=sha256:aa --hash=sha256:bb", ("aa",), False),
        ("our-pkg==1 --hash=sha256:aa", ("aa", "bb"), True),
        ("our-pkg==1 --hash=sha256:aa", ("aa", None), False),
        ("our-pkg==1 --hash=sha512:aa", ("bb",), False),
        ("our-pkg==1 --hash=sha256:aa", (), False),
    ],
)
def test_a_file_is_lacking_only_if_it_is_known_to(text: str, known: tuple[str | None, ...], lacks: bool) -> None:
    assert lacks_a_file(only(text), files(*known)) is lacks


def test_what_carries_hashes_is_known_by_them() -> None:
    assert has_hashes(only("our-pkg==1 --hash=sha256:aa"))
    assert not has_hashes(only("our-pkg==1 --config-settings a=b"))
    assert digests(only("our-pkg==1 --hash=sha256:AA --hash=sha512:bb")) == {"aa"}


_DIGESTS = st.lists(st.text("0123456789abcdef", min_size=2, max_size=64), min_size=1, max_size=4, unique=True)
_APART = st.sampled_from((" ", "  ", " \\\n    ", " \\\r\n\t", "\\\n "))


@given(
    _DIGESTS, _DIGESTS, _APART, st.sampled_from(("=", " ")), st.sampled_from(("", "\n", "\r\n", " # note\n", " \\\n"))
)
def test_renewed_hashes_are_exactly_those_of_the_files_and_nothing_else_changes(
    old: list[str], new: list[str], apart: str, sign: str, end: str
) -> None:
    hashes = apart.join(f"--hash{sign}sha256:{digest}" for digest in old)
    text = f"x==1\nour-pkg==1.0{apart}{hashes}{end}"
    place = place_of(only(text), text)
    result = after(text, *new)

    assert place is not None
    assert text[slice(*place)] == hashes
    assert result is not None
    assert digests(only(result)) == set(new)
    assert (result[: place[0]], result.removesuffix(text[place[1] :])) != (text[: place[0]], result) or not text[
        place[1] :
    ]
    assert result.startswith(text[: place[0]])
    assert result.endswith(text[place[1] :])
    assert after(result, *new) == result


@pytest.mark.parametrize(
    "filler", [" --hash=sha256:aa", " \\\n--hash=sha256:aa", " --hash", "\\\n", " --hash=sha256:aa -"]
)
def test_many_hashes_are_renewed_without_delay(filler: str) -> None:
    text = f"our-pkg==1{filler * 20_000}"

    for found in read_requirements(SourceText(text, "utf-8")).requirements:
        renewed(found, files("bb"), text)
        assert digests(found) <= {"aa"}
