import io
import zipfile
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.azure_devops.repository import blob_id, unzipped
from shared.errors import AccessDenied, Permanent, ServiceUnavailable


def packed(*files: bytes) -> bytes:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, content in enumerate(files):
            archive.writestr(str(number), content)
    return raw.getvalue()


def test_files_are_known_by_their_content() -> None:
    assert dict(unzipped(packed(b"a", b"b"))) == {blob_id(b"a"): b"a", blob_id(b"b"): b"b"}


def test_files_that_are_too_large_together_are_not_unpacked() -> None:
    zeros = packed(bytes(6), bytes(5))
    assert len(list(unzipped(zeros, 11))) == 2
    with pytest.raises(Permanent, match="larger than 10 bytes"):
        next(unzipped(zeros, 10))


@pytest.mark.parametrize("whole", [packed(b"some content" * 9)])
def test_half_a_zip_is_no_answer(whole: bytes) -> None:
    for end in (0, 1, len(whole) // 2, len(whole) - 1):
        with pytest.raises(ServiceUnavailable):
            list(unzipped(whole[:end]))


def test_a_page_is_a_sign_in_page() -> None:
    with pytest.raises(AccessDenied):
        list(unzipped(b"\xef\xbb\xbf\r\n<html>"))


def _with(raw: bytes, *, flag: int = 0, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of one entry whose headers state a flag or a method of compression, in both places that they stand."""
    changed = bytearray(raw)
    for header, flags in ((raw.index(b"PK\x03\x04"), 6), (raw.index(b"PK\x01\x02"), 8)):
        changed[header + flags] |= flag
        changed[header + flags + 2 : header + flags + 4] = method.to_bytes(2, "little")
    return bytes(changed)


ENTRY = packed(b"some content" * 9)


@pytest.mark.parametrize(
    "raw",
    [
        _with(ENTRY, flag=0x01),
        _with(ENTRY, flag=0x20),
        _with(ENTRY, flag=0x40),
        _with(ENTRY, method=99),
        _with(ENTRY, method=zipfile.ZIP_LZMA),
        _with(ENTRY, method=zipfile.ZIP_BZIP2),
        _with(ENTRY, method=zipfile.ZIP_STORED),
    ],
    ids=["encrypted", "patched", "strongly encrypted", "unknown method", "lzma", "bzip2", "not compressed"],
)
def test_an_entry_that_cannot_be_read_is_no_answer(raw: bytes) -> None:
    with pytest.raises(ServiceUnavailable):
        list(unzipped(raw))


@given(st.data())
def test_a_damaged_zip_is_read_or_refused(data: st.DataObject) -> None:
    raw = bytearray(packed(b"some content" * 9, b"other"))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))

    with suppress(AccessDenied, Permanent, ServiceUnavailable):
        list(unzipped(bytes(raw)))
