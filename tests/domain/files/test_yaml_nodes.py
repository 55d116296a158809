import codecs

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.files.text import SourceText
from shared.domain.files.yaml_nodes import compose, entries, get, items, line_of, literal, load, scalar
from shared.errors import Unreadable


def root_of(text: str) -> yaml.Node | None:
    return compose(SourceText(text, "utf-8"))


_WORDS = st.lists(st.sampled_from(("a", "1.0", "é", "日", "🚢", "our-pkg==1.0", "x y", "~=", "#")), min_size=1).map(
    "".join
)
_STYLES = st.sampled_from(("{}", "'{}'", '"{}"', "  {}  ", "'{}' # note", "{}  # note"))


@given(
    st.lists(st.tuples(_WORDS, _STYLES), min_size=1, max_size=5), st.sampled_from(("\n", "\r\n", "\r")), st.booleans()
)
def test_a_literal_stands_where_it_is_said_to_stand(lines: list[tuple[str, str]], end: str, marked: bool) -> None:
    text = "# é 🚢" + end + "".join(f"- {style.format(word)}{end}" for word, style in lines)
    source = SourceText.decode((codecs.BOM_UTF8 if marked else b"") + text.encode())
    nodes = items(compose(source))

    assert len(nodes) == len(lines)
    for node, (word, _) in zip(nodes, lines, strict=True):
        if scalar(node) is None:
            continue
        place = literal(source, node)
        assert place is not None
        assert source.text[slice(*place)] == scalar(node)
        assert word.startswith(str(scalar(node)))


@pytest.mark.parametrize(
    "written",
    ['"1\\u002e0"', "'it''s'", "|\n  1.0", ">-\n  1.0\n  2.0", "a\n  b", "[1.0]", "{a: b}"],
    ids=["escape", "doubled quote", "block", "folded", "two lines", "list", "map"],
)
def test_a_value_that_is_written_in_another_way_has_no_place(written: str) -> None:
    source = SourceText(f"version: {written}\n", "utf-8")
    node = get(compose(source), "version")

    assert node is not None
    assert literal(source, node) is None


@pytest.mark.parametrize("text", ["", "\n", "# only a comment\n", "---\n"])
def test_an_empty_document_is_no_map(text: str) -> None:
    assert list(entries(root_of(text))) == []
    assert scalar(root_of(text)) is None


@pytest.mark.parametrize(
    ("text", "line"),
    [("a: [1\nb: 2\n", 2), ("a: b: c\n", 1), ("\ta: 1\n", 1), ("a: *nowhere\n", 1), ("a: 1\n---\nb: 2\n", 3)],
    ids=["open list", "two colons", "tab", "unknown alias", "two documents"],
)
def test_what_is_not_one_yaml_document_is_unreadable_and_the_line_is_named(text: str, line: int) -> None:
    with pytest.raises(Unreadable) as caught:
        root_of(text)

    assert caught.value.line == line


def test_a_character_that_yaml_forbids_is_unreadable() -> None:
    with pytest.raises(Unreadable, match="it is not YAML"):
        root_of("name: \x07\n")


def test_a_list_that_is_opened_too_often_is_unreadable() -> None:
    with pytest.raises(Unreadable):
        root_of("[" * 500)


@given(st.text(max_size=40))
def test_any_text_is_yaml_or_unreadable(text: str) -> None:
    try:
        root = root_of(text)
    except Unreadable:
        return

    assert root is None or isinstance(root, yaml.Node)


def test_entries_of_anything_but_a_map_are_none() -> None:
    assert list(entries(root_of("[a, b]"))) == []
    assert list(entries(root_of("text"))) == []
    assert list(entries(None)) == []


def test_keys_that_are_not_text_are_passed_over() -> None:
    assert [key for key, _ in entries(root_of("? [a]\n: 1\nb: 2\n"))] == ["b"]


def test_the_last_of_repeated_keys_counts() -> None:
    assert scalar(get(root_of("a: 1\na: 2\n"), "a")) == "2"


def test_items_of_anything_but_a_list_are_none() -> None:
    assert [scalar(node) for node in items(root_of("[a, b]"))] == ["a", "b"]
    assert items(root_of("a: 1")) == []
    assert items(None) == []


@pytest.mark.parametrize("written", ["null", "~", "", "Null"])
def test_null_is_no_text(written: str) -> None:
    assert scalar(get(root_of(f"a: {written}\n"), "a")) is None


@pytest.mark.parametrize("written", ["'null'", "1", "true", "1.10", "2024-01-01"])
def test_any_other_scalar_is_its_text_as_written(written: str) -> None:
    assert scalar(get(root_of(f"a: {written}\n"), "a")) == written.strip("'")


def test_the_line_of_a_node_is_counted_from_one() -> None:
    node = get(root_of("\n\na:\n  b: 1\n"), "a")

    assert node is not None
    assert line_of(node) == 4


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? ", "- [", "a: [{"])
def test_a_text_that_is_nested_too_deep_is_unreadable_and_does_not_end_the_process(opening: str) -> None:
    with pytest.raises(Unreadable, match="nested too deep"):
        root_of(opening * 50_000)


@pytest.mark.parametrize("value", ["!!int ''", "!!timestamp x", "!!float ''", "!!bool x", "!!int '0x'", "2024-13-45"])
def test_a_value_that_its_type_does_not_allow_is_unreadable(value: str) -> None:
    with pytest.raises(Unreadable, match="it is not YAML"):
        load(SourceText(f"a: {value}\n", "utf-8"))
