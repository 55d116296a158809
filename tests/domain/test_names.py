from string import ascii_letters

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.names import LONGEST_NAME, PackageName, mention, package_name
from shared.errors import InvalidName
from tests.domain.strategies import normalised_names, spellings


@given(st.data(), normalised_names())
def test_every_spelling_of_a_name_is_one_name(data: st.DataObject, name: str) -> None:
    assert package_name(data.draw(spellings(name))) == name


@given(st.data(), normalised_names())
def test_normalising_twice_changes_nothing(data: st.DataObject, name: str) -> None:
    once = package_name(data.draw(spellings(name)))

    assert package_name(once) == once


@given(normalised_names(), normalised_names())
def test_different_names_stay_different(one: str, other: str) -> None:
    assert (package_name(one) == package_name(other)) is (one == other)


HOSTILE = {
    "a path": "../x",
    "a folder": "a/b",
    "an absolute path": "/etc/passwd",
    "dots alone": "..",
    "nothing": "",
    "a separator in front": "-my",
    "a separator behind": "my-",
    "a blank": "my pkg",
    "a blank around": " my",
    "a line end": "my\n",
    "a carriage return": "my\r",
    "NUL": "my\0",
    "full-width letters": "\uff4d\uff59",
    "KELVIN SIGN": "my-pac\u212aage",
    "LONG S": "\u017fetup",
    "a letter with an accent": "caf\u00e9",
    "Arabic digits": "pkg\u0663",
    "a mark from right to left": "my\u202epkg",
    "a shell command": "x;rm -rf ~",
    "template text": "{{name}}",
    "300 characters": "a" * 300,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_name_is_refused(text: str) -> None:
    with pytest.raises(InvalidName):
        package_name(text)


def test_a_name_may_be_as_long_as_the_limit_and_no_longer() -> None:
    assert package_name("a" * LONGEST_NAME) == "a" * LONGEST_NAME

    with pytest.raises(InvalidName, match="201 characters"):
        package_name("a" * (LONGEST_NAME + 1))


@given(st.text(max_size=30))
def test_any_text_is_a_name_of_plain_letters_or_refused(text: str) -> None:
    try:
        name = package_name(text)
    except InvalidName:
        return

    assert set(name) <= set(ascii_letters.lower() + "0123456789-")
    assert text.isascii()


@given(st.data(), normalised_names())
def test_a_mention_is_found_in_every_spelling(data: st.DataObject, name: str) -> None:
    spelled = data.draw(spellings(name))
    before = data.draw(st.sampled_from(("", " ", "\n", '"', "- ", "x ", "(", "\u00e9")))
    behind = data.draw(st.sampled_from(("", " ", "\n", '"', "==1.0", "[x]", ";", "@", "-extra")))

    assert mention(PackageName(name)).search(f"{before}{spelled}{behind}")


@pytest.mark.parametrize("text", ["your-pkg", "our-pkgs", "ourpkg", "our/pkg", "our pkg", "our-p\u212ag", "Xour-pkg"])
def test_another_name_is_no_mention(text: str) -> None:
    assert not mention(package_name("our-pkg")).search(text)


def test_a_name_within_a_longer_one_counts_as_a_mention() -> None:
    assert mention(package_name("our-pkg")).search("our-pkg-extra==1.0")
