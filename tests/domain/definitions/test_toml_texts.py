"""TOML with the places of its texts: `tomllib` says what they are."""

import tomllib
from collections.abc import Iterator, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.definitions.toml_texts import Item, Text, read_toml
from shared.domain.files.text import SourceText
from shared.errors import Unreadable

WRITTEN = st.sampled_from(
    ['"a"', "'b'", '"c\\"d"', "''", '""', '"""e"""', '"""\nf\ng"""', "'''h'''", "'''\ni\"'''", '"#j"', "'[k]'", '"l=m"',
     "1", "true", "[]", '["n", \'o\', # p "q"\n "r"]', '{x = "s", "y.z" = "t"}', '["ü", "v"]']
)  # fmt: skip
KEYS = st.sampled_from(["a", "b", '"c d"', "'e'", "f.g", '"h".i'])
HEADS = st.sampled_from(["", "[t]\n", '["u"]\n', '[v."w"] # "x"\n', "[[y]]\n"])


@st.composite
def documents(draw: st.DrawFn) -> str:
    pairs = draw(st.lists(st.tuples(KEYS, WRITTEN, st.sampled_from(["", '  # "why'])), max_size=5))
    lines = [draw(HEADS), *(f"{key} = {written}{comment}\n" for key, written, comment in pairs)]
    return "".join(lines).replace("\n", draw(st.sampled_from(["\n", "\r\n"])))


def plain(item: Item) -> object:
    if isinstance(item, Text):
        return item.value.text
    if isinstance(item, Mapping):
        return {key: plain(value) for key, value in item.items()}
    return [plain(value) for value in item] if isinstance(item, tuple) else item


def found(item: Item) -> Iterator[Text]:
    if isinstance(item, Text):
        yield item
    for inner in item.values() if isinstance(item, Mapping) else item if isinstance(item, tuple) else ():
        yield from found(inner)


@given(documents())
def test_a_file_says_what_tomllib_reads_in_it(text: str) -> None:
    try:
        expected = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        with pytest.raises(Unreadable):
            read_toml(SourceText(text, "utf-8"))
        return
    assert plain(read_toml(SourceText(text, "utf-8"))) == expected


@given(documents())
def test_a_text_stands_where_it_is_said_to(text: str) -> None:
    try:
        root = read_toml(SourceText(text, "utf-8"))
    except Unreadable:
        return
    for one in found(root):
        places = [place for place in one.value.places if place >= 0]
        assert not places or "".join(text[place] for place in places) == one.value.text
        assert not places or text.count("\n", 0, places[0]) + 1 == one.number


@given(st.text(alphabet="ab=[]{}\"'#\\\n.,\ue0000"))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        read_toml(SourceText(text, "utf-8"))
    except Unreadable:
        return


def test_a_plain_text_can_be_edited_and_an_escaped_one_cannot() -> None:
    one, two = found(read_toml(SourceText('a = "x"\nb = "\\u0078"\n', "utf-8")))

    assert (one.value.text, list(one.value.places), one.number) == ("x", [5], 1)
    assert (two.value.text, list(two.value.places), two.number) == ("x", [-1], 2)
