import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.definitions import Definition, Include
from shared.domain.definitions.conda import read_conda
from shared.domain.definitions.pins import Exact, is_held, pin_of
from shared.domain.files.text import Edit, SourceText, apply
from shared.errors import Unreadable


def read(text: str | bytes) -> Definition:
    return read_conda(SourceText.decode(text.encode() if isinstance(text, str) else text))


def with_pip(*items: str, indent: str = "      ", end: str = "\n") -> str:
    lines = ["name: training", "dependencies:", "  - python=3.10", "  - pip:", *(f"{indent}- {item}" for item in items)]
    return end.join(lines) + end


def raised(raw: bytes, version: str) -> bytes:
    """The bytes with the first pin raised."""
    definition = read(raw)
    requirement = definition.requirements[0]
    pin = pin_of(requirement)
    assert isinstance(pin, Exact)
    span = requirement.span(definition.source, pin.start, pin.end)
    assert span is not None
    return apply(raw, [Edit("conda.yml", span, pin.written, version, definition.source.encoding)])


@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8], ids=["plain", "marked"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize("indent", ["      ", "    "], ids=["indented", "flush"])
@pytest.mark.parametrize(
    "item",
    [
        "our-pkg=={}",
        "'our-pkg=={}'",
        '"our-pkg=={}"',
        "our-pkg=={}  # note ==9",
        "our-pkg[a]  ==  {}",
        "  our-pkg=={} ",
    ],
)
def test_a_pin_in_the_pip_list_is_raised_and_no_other_byte_changes(
    item: str, indent: str, end: str, mark: bytes
) -> None:
    def text(version: str) -> bytes:
        file = "# é 🚢" + end + with_pip(item.format(version), "other==2.0", indent=indent, end=end)
        return mark + file.encode()

    assert raised(text("1.0"), "1.1") == text("1.1")


def test_a_pip_list_without_indentation_and_final_newline_is_edited() -> None:
    before = b"dependencies:\n- pip:\n  - our-pkg==1.0"

    assert raised(before, "1.1") == b"dependencies:\n- pip:\n  - our-pkg==1.1"


def test_a_pip_list_in_flow_style_is_edited() -> None:
    before = b"{dependencies: [python=3.10, {pip: [our-pkg==1.0, 'other==2.0']}]}"

    assert raised(before, "1.1") == before.replace(b"1.0", b"1.1")


@given(
    st.lists(st.sampled_from(("our-pkg==1.0", "'b>=2'", '"c"', "d==3 # x", "-r base.txt", "e @ https://h.test/e.zip")))
)
def test_items_are_read_in_their_order_with_their_lines(items: list[str]) -> None:
    definition = read(with_pip(*items))
    lines = [r.line.number for r in definition.requirements] + [include.line for include in definition.includes]

    assert sorted(lines) == [5 + at for at in range(len(items))]
    assert [r.line.number for r in definition.requirements] == sorted(r.line.number for r in definition.requirements)
    assert definition.unreadable == ()


@pytest.mark.parametrize(
    "item",
    [
        "our-pkg==1.0 # rebuilder: hold",
        "'our-pkg==1.0'   # Rebuilder: hold",
        "'our-pkg==1.0 # rebuilder: hold'",
    ],
)
def test_a_comment_behind_an_item_holds_it_and_no_other(item: str) -> None:
    first, second = read(with_pip(item, "other==1.0")).requirements

    assert is_held(first)
    assert not is_held(second)


@pytest.mark.parametrize(
    "item",
    [">-\n        our-pkg==1.0", "|\n        our-pkg==1.0", '"our-pkg\\u003d=1.0"'],
    ids=["folded", "block", "escaped"],
)  # fmt: skip
def test_a_value_that_is_folded_or_escaped_is_read_but_has_no_place(item: str) -> None:
    definition = read(with_pip(item))
    (requirement,) = definition.requirements
    pin = pin_of(requirement)

    assert requirement.name == "our-pkg"
    assert isinstance(pin, Exact)
    assert requirement.line.pieces == ()
    assert requirement.span(definition.source, pin.start, pin.end) is None


@pytest.mark.parametrize(
    "item",
    [
        "!!str our-pkg==1.0",
        "&a our-pkg==1.0",
        "'our-pkg==1.0; python_version>''3'''",
        '"our-pkg==1.0; python_version>\\"3\\""',
        "our-pkg==1.0;\n        python_version>'3'",
        "\"our-pkg==1.0;\n        python_version>'3'\"",
    ],
    ids=["tagged", "anchored", "doubled quotes", "escaped quotes", "plain on two lines", "quoted on two lines"],
)
def test_a_version_that_stands_in_one_piece_has_a_place_however_its_value_is_written(item: str) -> None:
    definition = read(with_pip(item))
    (requirement,) = definition.requirements
    pin = pin_of(requirement)

    assert isinstance(pin, Exact)
    span = requirement.span(definition.source, pin.start, pin.end)
    assert span is not None
    assert definition.source.text.encode()[span.start : span.end] == b"1.0"


def test_the_pip_list_may_include_requirements_files() -> None:
    definition = read(with_pip("-r requirements.txt", "-c limits.txt", "--requirement=more.txt"))

    assert definition.includes == (
        Include("requirements.txt", 5, constraint=False),
        Include("limits.txt", 6, constraint=True),
        Include("more.txt", 7, constraint=False),
    )


@pytest.mark.parametrize(
    ("item", "python"),
    [
        ("python=3.10", "3.10"),
        ("python==3.10.4", "3.10"),
        ("python = 3.9", "3.9"),
        ("python 3.11", "3.11"),
        ("python=3.10.*", "3.10"),
        ("python=3.10.4=h123_0_cpython", "3.10"),
        ("'python=3.12'", "3.12"),
        ("python>=3.10", None),
        ("python<3.12", None),
        ("python", None),
        ("python=3", None),
        ("python=3.*", None),
        ("python-dateutil=2.8", None),
        ("ipython=8.10", None),
    ],
)
def test_only_an_exact_python_is_known(item: str, python: str | None) -> None:
    assert read(f"dependencies:\n  - {item}\n  - pip\n").python == python


def test_a_conda_package_of_the_same_name_is_no_requirement_of_pip() -> None:
    assert read("dependencies:\n  - our-pkg=1.0\n  - pip\n").requirements == ()


@pytest.mark.parametrize(
    "text",
    ["name: x\n", "{}", "dependencies: []\n", "dependencies:\n  - pip:\n", "dependencies:\n  - pip: []\n",
     "dependencies:\n  - {nix: [our-pkg==1.0]}\n", "pip:\n  - our-pkg==1.0\n"],
)  # fmt: skip
def test_a_file_without_a_pip_list_names_nothing_and_has_no_problem(text: str) -> None:
    definition = read(text)

    assert (definition.requirements, definition.unreadable) == ((), ())


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", None),
        ("- a\n", 1),
        ("text\n", None),
        ("\ndependencies: our-pkg==1.0\n", 2),
        ("dependencies:\n  pip: [our-pkg==1.0]\n", 2),
        ("dependencies:\n  - pip: our-pkg==1.0\n", 2),
        ("dependencies:\n  - pip:\n      - [our-pkg==1.0]\n", 3),
        ("dependencies:\n  - pip:\n      - our-pkg: 1.0\n", 3),
        ("dependencies:\n  - pip:\n      -\n", 3),
        ("dependencies:\n  - pip:\n      - our-pkg=1.0\n", 3),
        ("dependencies:\n  - pip:\n      - |\n        a==1\n        b==2\n", 3),
    ],
    ids=["empty", "list", "text", "dependencies as text", "dependencies as map", "pip as text", "list in the list",
         "map in the list", "null in the list", "no requirement", "two requirements in one item"],
)  # fmt: skip
def test_what_is_no_conda_file_or_no_requirement_is_listed(text: str, line: int | None) -> None:
    assert [number for number, _ in read(text).unreadable] == [line]


def test_what_is_not_yaml_is_unreadable() -> None:
    with pytest.raises(Unreadable, match="it is not YAML"):
        read("dependencies: [")


@pytest.mark.parametrize("filler", [" ", "=", "1", "\n"])
def test_a_long_entry_is_read_without_delay(filler: str) -> None:
    """What makes a pattern backtrack takes hours at this length."""
    read(f'dependencies:\n  - "python{filler * 20_000}"\n')


def test_many_pins_are_read_without_delay() -> None:
    assert len(read(with_pip(*(f"pkg-{at}==1.0" for at in range(4_000)))).requirements) == 4_000
