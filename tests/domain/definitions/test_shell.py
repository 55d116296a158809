"""How shell commands become words whose characters are found again in the file."""

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.definitions.shell import Shell
from shared.domain.definitions.traced import NOWHERE, Traced

_VALUES = {"V": Traced.at("1.0", 1000), "WORDS": Traced.at("a  b", 2000), "EMPTY": Traced()}


def commands(script: str, *, separators: bool = True) -> list[list[str]]:
    shell = Shell(_VALUES.get, separators=separators)
    return [[word.text for word in command] for command in shell.commands(Traced.at(script, 0))]


def words(script: str) -> list[Traced]:
    return [word for command in Shell(_VALUES.get).commands(Traced.at(script, 0)) for word in command]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("a b", [["a", "b"]]),
        ("  a\tb  ", [["a", "b"]]),
        ("a 'b c' \"d e\" f\\ g", [["a", "b c", "d e", "f g"]]),
        ("a'b'\"c\"d", [["abcd"]]),
        ("'' \"\" a", [["", "", "a"]]),
        ("a\\\nb", [["ab"]]),
        ("'a\\\nb' \"c\\\nd\"", [["a\\\nb", "cd"]]),
        ('"a\\"b\\$c\\\\d\\e"', [['a"b$c\\d\\e']]),
        ("a;b&&c||d|e&f\ng", [["a"], ["b"], ["c"], ["d"], ["e"], ["f"], ["g"]]),
        ("(a) (b)", [["a"], ["b"]]),
        ("a # b; c\nd", [["a"], ["d"]]),
        ("a#b '#c'", [["a#b", "#c"]]),
        ("a > b c", [["a", "c"]]),
        ("a>b 2>&1 >>c d<e", [["a", "d"]]),
        ("a 2>/dev/null b", [["a", "b"]]),
        ("a $(b; c) d", [["a", "$(b; c)", "d"]]),
        ("a \"$(b 'c')\" d", [["a", "$(b 'c')", "d"]]),
        ("a `b; c` d", [["a", "`b; c`", "d"]]),
        ("", []),
        ("'a", [["a"]]),
        ('"a', [["a"]]),
        ("a\\", [["a"]]),
    ],
)
def test_a_script_is_split_as_a_shell_would(script: str, expected: list[list[str]]) -> None:
    assert commands(script) == expected


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("a==$V", ["a==1.0"]),
        ("a==${V}.1", ["a==1.0.1"]),
        ('"a==$V"', ["a==1.0"]),
        ("'a==$V'", ["a==$V"]),
        ("a==\\$V", ["a==$V"]),
        ("$WORDS", ["a", "b"]),
        ('"$WORDS"', ["a  b"]),
        ("x${WORDS}y", ["xa", "by"]),
        ("a${EMPTY}b", ["ab"]),
        ("a==$NONE", ["a==${NONE}"]),
        ("a==${NONE:-2.0}", ["a==2.0"]),
        ("a==${NONE-2.0}", ["a==2.0"]),
        ("a==${V:-2.0}", ["a==1.0"]),
        ("a==${V%.0}", ["a==${V%.0}"]),
        ("a==$", ["a==$"]),
        ("a==$1", ["a==$1"]),
    ],
)
def test_variables_are_filled_in_where_they_are_known(script: str, expected: list[str]) -> None:
    assert [word.text for word in words(script)] == expected


def test_the_characters_of_a_value_stand_where_the_value_stands() -> None:
    known, unknown, default = words("a$V $NONE ${NONE:-2.0}")

    assert list(known.places) == [0, 1000, 1001, 1002]
    assert set(unknown.places) == {NOWHERE}
    assert list(default.places) == [18, 19, 20]


def test_comments_are_kept_with_their_places() -> None:
    shell = Shell(_VALUES.get)
    list(shell.commands(Traced.at("a # one\n# two", 0)))

    assert [(comment.text, comment.places[0]) for comment in shell.comments] == [("# one", 2), ("# two", 8)]


def test_without_separators_everything_is_one_command() -> None:
    assert commands("A=b;c # d>e & (f)", separators=False) == [["A=b;c", "#", "d>e", "&", "(f)"]]


_TEXTS = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12), max_size=5)


@given(_TEXTS, st.integers(0, 100))
def test_what_was_quoted_comes_back_with_the_places_of_its_characters(texts: list[str], start: int) -> None:
    script = " ".join(shlex.quote(text) for text in texts)
    found = [word for command in Shell(_VALUES.get).commands(Traced.at(script, start)) for word in command]

    assert [word.text for word in found] == texts
    for word in found:
        assert "".join(script[place - start] for place in word.places) == word.text
        assert list(word.places) == sorted(set(word.places))


_PLAIN = st.text(st.sampled_from("ab=. \t\n'\"\\"), max_size=30)


@given(_PLAIN)
def test_plain_words_are_those_of_shlex(script: str) -> None:
    """The standard library knows quotes and escapes; a backslash before a newline it takes for a newline."""
    if "\\\n" in script:
        return
    try:
        expected = shlex.split(script)
    except ValueError:
        return

    assert [word.text for word in words(script)] == expected


@given(st.text(st.sampled_from("ab$V{}()`'\"\\\n ;&|<>#-:="), max_size=40), st.booleans())
def test_any_text_is_a_script_and_every_character_is_where_it_says(script: str, separators: bool) -> None:
    shell = Shell(_VALUES.get, separators=separators)

    for command in shell.commands(Traced.at(script, 0)):
        for word in command:
            assert all(
                place == NOWHERE or place >= 1000 or script[place] == character
                for character, place in zip(word.text, word.places, strict=True)
            )
