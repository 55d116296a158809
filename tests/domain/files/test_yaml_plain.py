import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.files.text import SourceText
from shared.domain.files.yaml_plain import Document, Other, read_plain
from shared.errors import Unreadable


def read(text: str) -> Document:
    return read_plain(SourceText(text, "utf-8"))


_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=5), inner, max_size=4)),
    max_leaves=20,
)


@given(_JSON, st.booleans())
def test_plain_values_are_read_as_yaml_reads_them(value: object, flow: bool) -> None:
    document = read(yaml.safe_dump(value, default_flow_style=flow))

    assert document.value == value
    assert document.problems == ()


@given(st.lists(st.text("abc", min_size=1, max_size=3), min_size=1, unique=True), st.sampled_from(("\n", "\r\n", "\r")))
def test_each_value_has_its_line(names: list[str], end: str) -> None:
    names = [f"k{name}" for name in names]
    document = read("# first" + end + "".join(f"{name}:{end}  - x{end}" for name in names))

    for at, name in enumerate(names):
        assert document.key_line((name,)) == 2 + 2 * at
        assert document.line((name,)) == document.line((name, 0)) == document.line((name, 7, "x")) == 3 + 2 * at


def test_what_is_written_is_kept_where_yaml_would_make_a_number_of_it() -> None:
    assert read("[3.10, 0x1F, 2024-13-45, 1_000, .inf]").value == [
        Other("3.10"), Other("0x1F"), Other("2024-13-45"), Other("1_000"), Other(".inf")
    ]  # fmt: skip


def test_keys_are_text_however_they_are_written() -> None:
    assert read("{3.10: a, on: b, ~: c, = : d, '<<': e}").value == {
        "3.10": "a",
        "on": "b",
        "~": "c",
        "=": "d",
        "<<": "e",
    }


def test_an_empty_file_has_no_lines() -> None:
    document = read("# nothing")

    assert (document.value, document.line(()), document.key_line(("a",))) == (None, None, None)


def test_a_place_that_is_not_there_holds_nothing() -> None:
    document = read("a: [x, {b: y}]")

    assert document.at(("a", 1, "b")) == "y"
    assert [document.at(place) for place in (("a", 2), ("a", "b"), ("a", 0, "c"), ("z",))] == [None] * 4


@given(
    st.dictionaries(st.sampled_from("abcd"), st.sampled_from("xyz"), max_size=3),
    st.dictionaries(st.sampled_from("abcd"), st.sampled_from("xyz"), max_size=3),
    st.dictionaries(st.sampled_from("abcd"), st.sampled_from("xyz"), max_size=3),
    st.sampled_from(("<<: [*one, *two]", "<<: *two", "<<: [*two, *two, *one]")),
)
def test_maps_are_merged_as_pyyaml_merges_them(
    one: dict[str, str], two: dict[str, str], own: dict[str, str], merge: str
) -> None:
    def flow(pairs: dict[str, str]) -> str:
        return ", ".join(f"{key}: {value}" for key, value in pairs.items())

    text = f"- &one {{{flow(one)}}}\n- &two {{<<: *one, {flow(two)}}}\n- {{{merge}, {flow(own)}}}\n"
    found = read(text)

    assert found.value == yaml.safe_load(text)
    assert [list(item) for item in found.value if isinstance(item, dict)] == [  # type: ignore[attr-defined]
        list(item) for item in yaml.safe_load(text)
    ]


def test_an_alias_stands_on_the_line_of_what_it_names() -> None:
    document = read("a: &x\n  b: 1\nc: *x\n")

    assert (document.line(("c", "b")), document.key_line(("c",))) == (2, 3)


def test_a_key_that_stands_twice_is_named_each_time() -> None:
    assert read("a: 1\nb: {c: 1, c: 2}\n'a': 3\na: 4\n").problems == (
        (3, ("a",), "stands on line 1 already: keep one of them"),
        (4, ("a",), "stands on line 1 already: keep one of them"),
        (2, ("b", "c"), "stands on line 2 already: keep one of them"),
    )


@pytest.mark.parametrize(
    "text",
    ["a:\n - [" + "x," * 60_000 + "]",
     "a: &a {" + "".join(f"k{at}: x, " for at in range(1000)) + "}\nb: {<<: [" + "*a, " * 1000 + "]}"],
    ids=["values", "merged keys"],
)  # fmt: skip
def test_too_much_is_refused_with_the_line(text: str) -> None:
    with pytest.raises(Unreadable, match=r"line [12]: it holds more than 50,000 keys and values"):
        read(text)


def test_what_is_nested_too_deep_by_aliases_is_refused() -> None:
    text = f"a: &a {'[' * 40}x{']' * 40}\nb: {'[' * 40}*a{']' * 40}\n"

    with pytest.raises(Unreadable, match=r"line 1: it is nested too deep"):
        read(text)
