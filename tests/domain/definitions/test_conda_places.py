"""Places in YAML: libyaml's marks, which the reader uses, held against ruamel.yaml, which counts for itself."""

from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from shared.domain.definitions.conda import read_conda
from shared.domain.definitions.pins import Exact, pin_of
from shared.domain.files.text import SourceText

_ITEMS = st.sampled_from(
    ("our-pkg==1.0", "'our-pkg == 1.0'", '"our-pkg==1.0"', "our-pkg[a]==1.0  # why", "übung==1.0", "our-pkg===1.0 # é",
     "\"our-pkg==1.0; python_version < '3.9'\"", "numpy>=1", "-r more.txt")
)  # fmt: skip


@st.composite
def conda_files(draw: st.DrawFn) -> str:
    """Conda files as people write them, with one `pip:` list."""
    end = draw(st.sampled_from(("\n", "\r\n")))
    outer, inner = draw(st.sampled_from((("", "  "), ("  ", "    "), ("- ", "")))), draw(st.sampled_from(("", "  ")))
    indent = "" if outer[0] == "- " else outer[0]
    lines = ["# Ümläute 🙂", "name: e", "dependencies:", f"{indent}- python=3.10"]
    lines += [f"{indent}# {draw(st.sampled_from(('', 'our-pkg==0.1', '🙂')))}"] * draw(st.integers(0, 2))
    lines.append(f"{indent}- pip:")
    lines += [f"{indent}  {inner}- {item}" for item in draw(st.lists(_ITEMS, min_size=1, max_size=5))]
    return end.join(lines) + draw(st.sampled_from(("", end)))


@given(conda_files(), st.sampled_from((b"", b"\xef\xbb\xbf")))
def test_items_stand_where_ruamel_says(text: str, bom: bytes) -> None:
    source = SourceText.decode(bom + text.encode())
    (listed,) = [item["pip"] for item in YAML().load(StringIO(text))["dependencies"] if isinstance(item, dict)]
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    entries = list(read_conda(source).lines())

    assert [entry.line.text for entry in entries] == list(listed)
    for at, entry in enumerate(entries):
        line, column = listed.lc.item(at)
        place = starts[line] + column
        assert entry.line.number == line + 1
        assert entry.line.pieces[0] == (0, place + (text[place] in "'\""))


@given(conda_files(), st.sampled_from((b"", b"\xef\xbb\xbf")))
def test_the_bytes_of_a_pin_are_its_version(text: str, bom: bytes) -> None:
    raw = bom + text.encode()
    definition = read_conda(SourceText.decode(raw))

    for requirement in definition.requirements:
        pin = pin_of(requirement)
        if isinstance(pin, Exact):
            span = requirement.span(definition.source, pin.start, pin.end)
            assert span is not None
            assert raw[span.start : span.end] == b"1.0"


@pytest.mark.parametrize("style", ["'", '"', ""])
def test_a_value_behind_wide_characters_stands_where_it_stands(style: str) -> None:
    raw = f"# 🙂é\ndependencies:\n- pip: [🙂é, {style}our-pkg==1.0{style}]\n".encode()
    definition = read_conda(SourceText.decode(raw))
    (requirement,) = [found for found in definition.requirements if found.name == "our-pkg"]
    pin = pin_of(requirement)

    assert isinstance(pin, Exact)
    span = requirement.span(definition.source, pin.start, pin.end)
    assert span is not None
    assert raw[span.start : span.end] == b"1.0"
