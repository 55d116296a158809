import io
import zipfile

import pytest

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
