import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.files.text import Edit, SourceText, Span, apply
from shared.errors import Conflict, Unreadable
from tests.domain.strategies import Written, written

_PROSE = st.lists(
    st.sampled_from(("our-pkg==", "a", "é", " ", "\t", "\n", "\r\n", "\r", "\x0c", "\x85", "\u2028", "日本", "🚢", "#"))
).map("".join)
_VERSIONS = st.text("0123456789.abcrc!+", min_size=1, max_size=6)


@st.composite
def _replacements(draw: st.DrawFn) -> tuple[Written, list[tuple[str, str, str]]]:
    """A file, and what it consists of: (text that stays, version before, version after)."""
    parts = draw(st.lists(st.tuples(_PROSE, _VERSIONS, _VERSIONS), min_size=1, max_size=5))
    tail = draw(_PROSE)
    file = draw(written(st.just("".join(kept + old for kept, old, _ in parts) + tail)))
    if file.encoding == "latin-1":
        parts = [(kept.encode("latin-1", "ignore").decode("latin-1"), old, new) for kept, old, new in parts]
        tail = tail.encode("latin-1", "ignore").decode("latin-1")
    head = file.text.removesuffix("".join(kept + old for kept, old, _ in parts) + tail)
    return file, [(head + parts[0][0], *parts[0][1:]), *parts[1:], (tail, "", "")]


@given(_replacements())
def test_edits_change_the_named_spans_and_no_other_byte(case: tuple[Written, list[tuple[str, str, str]]]) -> None:
    file, parts = case
    source = SourceText.decode(file.raw)
    edits, at = [], 0
    for kept, old, new in parts:
        span = source.span(at + len(kept), at + len(kept) + len(old))
        edits.append(Edit("file", span, old, new, source.encoding))
        at += len(kept) + len(old)

    assert apply(file.raw, edits) == file.bom + "".join(k + new for k, _, new in parts).encode(file.encoding)
    assert apply(file.raw, reversed(edits)) == apply(file.raw, edits)


@given(written(_PROSE))
def test_decoding_and_encoding_again_gives_the_same_bytes(file: Written) -> None:
    source = SourceText.decode(file.raw)

    assert source.text == file.text
    assert source.bom + source.text.encode(source.encoding) == file.raw


@given(written(_PROSE), st.data())
def test_a_span_holds_exactly_its_characters(file: Written, data: st.DataObject) -> None:
    source = SourceText.decode(file.raw)
    start = data.draw(st.integers(0, len(source.text)))
    end = data.draw(st.integers(start, len(source.text)))
    span = source.span(start, end)

    assert file.raw[span.start : span.end].decode(source.encoding) == source.text[start:end]


@given(st.binary(max_size=60))
def test_any_bytes_are_text_that_can_be_written_back_or_unreadable(raw: bytes) -> None:
    try:
        source = SourceText.decode(raw)
    except Unreadable:
        return

    assert source.bom + source.text.encode(source.encoding) == raw


def test_no_edits_change_nothing() -> None:
    assert apply(b"a\r\nb", []) == b"a\r\nb"


def test_the_same_edit_given_twice_is_made_once() -> None:
    edit = Edit("f", Span(3, 6), "1.0", "1.1")

    assert apply(b"a==1.0", [edit, edit]) == b"a==1.1"


def test_edits_that_overlap_are_a_conflict() -> None:
    edits = [Edit("reqs.txt", Span(0, 3), "1.0", "2"), Edit("reqs.txt", Span(2, 4), "00", "x")]

    with pytest.raises(Conflict, match=r"reqs\.txt: two edits touch byte 2"):
        apply(b"1.000", edits)


def test_two_edits_of_one_span_are_a_conflict() -> None:
    with pytest.raises(Conflict):
        apply(b"a==1.0", [Edit("f", Span(3, 6), "1.0", "1.1"), Edit("f", Span(3, 6), "1.0", "1.2")])


def test_edits_may_touch_each_other() -> None:
    assert apply(b"ab", [Edit("f", Span(0, 1), "a", "1"), Edit("f", Span(1, 2), "b", "2")]) == b"12"


@pytest.mark.parametrize(
    "raw",
    [b"a==1.1", b"a==", b"", b" a==1.0", b"\xef\xbb\xbfa==1.0"],
    ids=["raised", "cut", "empty", "moved", "marked"],
)
def test_an_edit_of_a_file_that_has_changed_is_a_conflict(raw: bytes) -> None:
    with pytest.raises(Conflict, match=r"does not hold '1\.0' any more"):
        apply(raw, [Edit("f", Span(3, 6), "1.0", "1.2")])


@pytest.mark.parametrize(
    ("raw", "encoding", "text"),
    [
        (b"", "utf-8", ""),
        ("é".encode(), "utf-8", "é"),
        (codecs.BOM_UTF8 + b"a", "utf-8", "a"),
        (codecs.BOM_UTF16_LE + "é".encode("utf-16-le"), "utf-16-le", "é"),
        (codecs.BOM_UTF16_BE + "é".encode("utf-16-be"), "utf-16-be", "é"),
        (codecs.BOM_UTF32_LE + "é".encode("utf-32-le"), "utf-32-le", "é"),
        (codecs.BOM_UTF32_BE + "é".encode("utf-32-be"), "utf-32-be", "é"),
        (b"# -*- coding: latin-1 -*-\n\xe9", "latin-1", "# -*- coding: latin-1 -*-\né"),
        (b"\n# vim: set fileencoding=cp1252 :\n\x80", "cp1252", "\n# vim: set fileencoding=cp1252 :\n€"),
        (b"a\nb\n# coding: latin-1\n", "utf-8", "a\nb\n# coding: latin-1\n"),
        (b"a # coding: latin-1\n", "utf-8", "a # coding: latin-1\n"),
        (codecs.BOM_UTF8 + b"# coding: latin-1\n\xc3\xa9", "utf-8", "# coding: latin-1\né"),
    ],
)
def test_the_encoding_is_found_in_pips_order(raw: bytes, encoding: str, text: str) -> None:
    source = SourceText.decode(raw)

    assert (source.encoding, source.text) == (encoding, text)


UNREADABLE = {
    "no UTF-8": b"our-pkg==1.0\n\xff",
    "UTF-16 of odd length": codecs.BOM_UTF16_LE + b"a\0b",
    "half a surrogate pair": codecs.BOM_UTF16_LE + b"\x3d\xd8",
    "an unknown encoding": b"# coding: no-such-codec\n",
    "an encoding that is none of text": b"# coding: zlib\n",
    "an encoding of another alphabet": b"# coding: ascii\n\xe9",
    "text that is written back in another way": b"# coding: unicode_escape\n\\u0041",
    "an archive": b"PK\x03\x04\x00\x00\x00\x00",
    "text with NUL": b"our-pkg==1.0\0\n",
}


@pytest.mark.parametrize("raw", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_bytes_that_are_not_text_are_unreadable(raw: bytes) -> None:
    with pytest.raises(Unreadable):
        SourceText.decode(raw)


def test_a_coding_comment_counts_at_the_start_of_its_line_only() -> None:
    """As pip has it: an indented one is a comment like any other."""
    assert SourceText.decode(" # coding: latin-1\né\n".encode()).encoding == "utf-8"
    assert SourceText.decode("# coding: latin-1\né\n".encode("latin-1")).encoding == "latin-1"
