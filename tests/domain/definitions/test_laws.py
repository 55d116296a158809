"""Laws that hold for every kind of definition file, whatever its text."""

from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.definitions import Definition, Entry, Found
from shared.domain.definitions.conda import read_conda, read_pip_lists
from shared.domain.definitions.dockerfile import read_dockerfile
from shared.domain.definitions.pins import Exact, pin_of
from shared.domain.definitions.requirements import read_requirements
from shared.domain.files.text import Edit, SourceText, apply
from shared.domain.inventory.environments import read_environment
from shared.errors import Unreadable
from tests.domain.strategies import Written, requirement_lines, requirements_texts, written

type Reader = Callable[[SourceText], Definition]


def dockerfile(source: SourceText) -> Definition:
    return read_dockerfile(source).definition


READERS: dict[str, Reader] = {
    "requirements": read_requirements,
    "Dockerfile": dockerfile,
    "conda": read_conda,
    "pip lists": read_pip_lists,
}

_DOCKER_PIECES = (
    "FROM x\n", "FROM x:$V AS a\n", "FROM a\n", "RUN pip install our-pkg==1.0", "RUN ", "pip install ",
    "our-pkg==1.0", " 'our-pkg == 1.0; python_version<\"3\"'", " other==2", " our-pkg==$V", " our-pkg==${V:-1.0}",
    "ARG V=1.0\n", "ENV V=1.0 W='our-pkg==1.0'\n", "ENV V 1.0\n", "ARG V\n", " $W", " \\\n  ", "\n", "\n", "\r\n",
    " # rebuilder: hold", "# rebuilder: hold\n", "  # note\n", "RUN <<EOF\npip install our-pkg==1.0\nEOF\n", "<<-E",
    "E\n", " && ", " | ", "; ", 'RUN ["pip", "install", "our-pkg==1.0"]\n', 'RUN bash -c "pip install our-pkg==1.0"',
    "COPY r.txt /\n", "é", "'", '"', "\\", "`", "$(", "# escape=`\n", "`\n", "ONBUILD ", "conda install our-pkg=1.0",
    "echo 'our-pkg==1.0' >> r.txt", "\t", "-r r.txt ", "[", "]", "}", "\x0c", "\u2028", "\x85",
)  # fmt: skip
_CONDA_PIECES = (
    "dependencies:\n", "  - python=3.10\n", "  - pip:\n", "    - our-pkg==1.0\n", "    - 'our-pkg==1.0'\n",
    '    - "our-pkg==1.0" # note\n', "    - &a our-pkg==1.0\n", "    - *a\n", "    - >-\n      our-pkg==1.0\n",
    '    - "our-\\u0070kg==1.0"\n', "    - -r base.txt\n", "    - 'it''s==1.0'\n", "---\n", "...\n", "# note\n",
    "  - our-pkg=1.0\n", "{{ x }}\n", "name: é\n", "  - {pip: [our-pkg==1.0, 'other==2']}\n", "<<: *b\n",
    "x: &b {dependencies: [{pip: [our-pkg==1.0]}]}\n", "- ", "'", '"', ":", " ", "\n", "\r\n", "\t", "[", "]", "{",
    "}", "!!int ''", "%YAML 1.1\n", "&", "*", "\u2028", "\x85", "? ",
)  # fmt: skip
_DOCKERFILES = st.lists(st.sampled_from(_DOCKER_PIECES), max_size=12).map("".join)
_CONDA_FILES = st.lists(st.sampled_from(_CONDA_PIECES), max_size=12).map("".join)
_TEXTS = st.one_of(st.text(max_size=100), requirements_texts(), _DOCKERFILES, _CONDA_FILES)


def definition_of(reader: str, file: Written) -> Definition | None:
    """What a file says, unless it cannot be read as that."""
    try:
        return READERS[reader](SourceText.decode(file.raw))
    except Unreadable:
        return None


def pins(definition: Definition) -> list[tuple[Exact, Edit]]:
    """The exact pins that can be edited, with an edit that changes none of them."""
    found = []
    for requirement in definition.requirements:
        try:
            pin = pin_of(requirement)
        except Unreadable:
            continue
        if isinstance(pin, Exact) and (span := requirement.span(definition.source, pin.start, pin.end)):
            found.append((pin, Edit("x", span, pin.written, pin.written, definition.source.encoding)))
    return found


@pytest.mark.parametrize("reader", READERS)
@given(file=written(_TEXTS))
def test_no_text_raises_anything_but_that_it_cannot_be_read(reader: str, file: Written) -> None:
    definition = definition_of(reader, file)
    if definition is None:
        return

    for requirement in definition.requirements:
        assert requirement.name is None or requirement in definition.naming(requirement.name).requirements
        assert requirement.name is None or requirement.name in definition.words
    assert all(isinstance(why, str) for _, why in definition.unreadable)


@pytest.mark.parametrize("reader", READERS)
@given(file=written(_TEXTS))
def test_what_cannot_be_read_is_what_reading_every_line_tells(reader: str, file: Written) -> None:
    definition = definition_of(reader, file)
    if definition is None:
        return

    found = definition.read(definition.lines()).unreadable if definition.strict else ()
    assert definition.unreadable == (*definition.unusual, *found)


def test_plain_lines_are_not_read_to_see_that_they_can_be() -> None:
    text = "".join(f"package-{at}==1.{at}\n" for at in range(100)) + "no requirement\nours>=1; python_version>'3'\n"
    definition = read_requirements(SourceText(text, "utf-8"))
    asked: list[Entry] = []

    def read(entries: Iterable[Entry]) -> Found:
        asked.extend(entries)
        return definition.read(asked)

    assert replace(definition, read=read).unreadable == ((101, "'no requirement' is not a requirement"),)
    assert len(asked) == 2


@pytest.mark.parametrize("reader", READERS)
@given(file=written(_TEXTS))
def test_the_span_of_a_pin_holds_its_version_in_the_bytes(reader: str, file: Written) -> None:
    definition = definition_of(reader, file)
    if definition is None:
        return

    for pin, edit in pins(definition):
        assert file.raw[edit.span.start : edit.span.end] == pin.written.encode(definition.source.encoding)


@pytest.mark.parametrize("reader", READERS)
@given(file=written(_TEXTS), version=st.sampled_from(("7.7", "1.0.1", "1!2", "10.20.30rc1")))
def test_raising_a_pin_raises_it_and_changes_nothing_else(reader: str, file: Written, version: str) -> None:
    definition = definition_of(reader, file)
    if definition is None or not (found := pins(definition)):
        return
    _, edit = found[0]
    raised = apply(file.raw, [Edit("x", edit.span, edit.old, version, edit.encoding)])
    again = definition_of(reader, Written(raised.removeprefix(file.bom).decode(file.encoding), file.encoding, file.bom))

    assert raised[: edit.span.start] == file.raw[: edit.span.start]
    assert raised[edit.span.start + len(version.encode(edit.encoding)) :] == file.raw[edit.span.end :]
    assert again is not None
    assert len(again.requirements) == len(definition.requirements)
    assert version in {pin.written for pin, _ in pins(again)}


@given(st.one_of(st.text(max_size=100), _CONDA_FILES))
def test_any_text_may_be_looked_at_for_an_environment(text: str) -> None:
    try:
        found = read_environment(SourceText(f"name: x\nimage: y\n{text}", "utf-8"))
    except Unreadable:
        return

    assert found is None or found.source.text.startswith("name: x")


def flat(value: object) -> list[str]:
    """Every text in the `pip:` lists of a conda file's values, as PyYAML's constructor gives them."""
    found = []
    for document in value if isinstance(value, list) else []:
        for dependency in (document.get("dependencies") or []) if isinstance(document, dict) else []:
            if isinstance(dependency, dict):
                found += [str(item) for item in dependency.get("pip") or []]
    return found


_ITEMS = st.one_of(
    requirement_lines(), st.sampled_from(("it's==1", 'a"b', "é==1.0", "a # b", "a: b", "{{ x }}", "1.0", ""))
)


@given(
    st.lists(st.lists(_ITEMS, min_size=1, max_size=4), min_size=1, max_size=3),
    st.sampled_from((None, "'", '"')),
    st.booleans(),
    st.booleans(),
)
def test_the_items_of_pip_lists_are_those_that_yaml_gives(
    documents: list[list[str]], style: str | None, flow: bool, wide: bool
) -> None:
    """PyYAML writes the file, and its constructor tells what stands there."""
    text = yaml.safe_dump_all(
        [{"dependencies": ["python=3.10", {"pip": items}]} for items in documents],
        default_style=style, default_flow_style=flow, width=20 if not wide else 10_000, allow_unicode=True,
    )  # fmt: skip
    definition = read_conda(SourceText(text, "utf-8"))

    assert [entry.line.text for entry in definition.lines()] == flat(list(yaml.safe_load_all(text)))


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    "piece",
    ["our-pkg==1.0 \\\n", "our-pkg==1.0\n", "RUN pip install our-pkg==1.0\n", "ARG V=1.0\n", "ENV A=$A\n", "-r r.txt\n",
     "RUN <<E\n", "COPY a b\n", "FROM x AS a\n", "- our-pkg\n", "#\n", "\n", " ", "a: ", "'", '"', "x=$V ", "{{",
     "\t\\\n",     "RUN pip install -r a.txt\nCOPY a b\n", "ARG V=1.0\nRUN pip install x==$V\n", "our-pkg "],
)  # fmt: skip
def test_a_file_of_the_largest_size_is_read_in_a_time_that_grows_with_it(reader: str, piece: str) -> None:
    """What is not linear takes hours at this length, and the suite's time limit ends it."""
    definition_of(reader, Written(f"FROM x\nRUN {piece * (60_000 // len(piece))}", "utf-8"))
