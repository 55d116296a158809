"""Wheels, and what calls itself one."""

import io
import random
import struct
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.wheels import empty_wheel
from shared.adapters.wheel import Unusable, metadata_bytes
from shared.limits import METADATA_BYTES, WHEEL_DIRECTORY_BYTES

INFO = "our_package-1.0.dist-info/METADATA"


def packed(*files: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", method) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return raw.getvalue()


def read(wheel: bytes) -> bytes:
    return metadata_bytes(io.BytesIO(wheel))


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_metadata_are_read_from_the_top_of_the_wheel(method: int) -> None:
    vendored = ("our_package/_vendor/other-2.0.dist-info/METADATA", b"Name: other\n")
    assert read(packed(vendored, (INFO, b"Name: ours\n"), method=method)) == b"Name: ours\n"


def test_a_wheel_as_it_is_built(tmp_path: Path) -> None:
    wheel = empty_wheel("our-package", "1.0", tmp_path, requires=["numpy"])
    assert b"Requires-Dist: numpy\n" in read(wheel.read_bytes())


@pytest.mark.parametrize(
    ("wheel", "why"),
    [
        (b"", "no readable wheel"),
        (b"<html></html>", "no readable wheel"),
        (packed(("a.py", b"")), "0 METADATA"),
        (packed((INFO.lower(), b"")), "0 METADATA"),
        (
            packed((INFO, b"Name: a\n"), (INFO[::-1], b"Name: b\n")).replace(INFO[::-1].encode(), INFO.encode()),
            "2 METADATA",
        ),
        (packed((INFO, b"Name: a\n"), ("b-1.dist-info/METADATA", b"Name: b\n")), "2 METADATA"),
        (packed((INFO, b"Name: a\n"), method=zipfile.ZIP_LZMA), "unusual"),
        (packed((INFO, b"Name: a\n"), method=zipfile.ZIP_BZIP2), "unusual"),
        (packed((INFO, b"Name: a\n" * 10))[:-30], "no readable wheel"),
    ],
    ids=range(9),
)
def test_what_tells_nothing_says_why(wheel: bytes, why: str) -> None:
    with pytest.raises(Unusable, match=why):
        read(wheel)


def test_a_bomb_does_not_go_off() -> None:
    bomb = packed((INFO, b"\0" * (METADATA_BYTES * 20)))
    assert len(bomb) < METADATA_BYTES
    with pytest.raises(Unusable, match="too large"):
        read(bomb)


def test_a_bomb_that_lies_about_its_size_does_not_go_off_either() -> None:
    bomb = bytearray(packed((INFO, b"\0" * (METADATA_BYTES * 20))))
    at = bomb.rindex(b"PK\x01\x02")
    struct.pack_into("<L", bomb, at + 24, 100)
    with pytest.raises(Unusable, match="no readable wheel"):
        read(bytes(bomb))


def test_a_directory_as_large_as_the_wheel_is_not_read() -> None:
    wheel = b"\0" * (WHEEL_DIRECTORY_BYTES + 1)
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, len(wheel), 0, 0)
    with pytest.raises(Unusable, match="BadZipFile"):
        read(wheel + end)


def test_an_encrypted_wheel_is_not_read() -> None:
    wheel = bytearray(packed((INFO, b"Name: a\n")))
    for signature, offset in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        wheel[wheel.index(signature) + offset] |= 1
    with pytest.raises(Unusable, match="RuntimeError"):
        read(bytes(wheel))


WHEEL = packed(("our_package/__init__.py", b"x = 1\n" * 50), (INFO, b"Name: our-package\nRequires-Dist: numpy\n" * 5))


@given(st.binary())
def test_any_bytes_are_a_wheel_or_unusable(raw: bytes) -> None:
    with pytest.raises(Unusable):
        read(raw)


@given(st.randoms(use_true_random=False), st.integers(1, 6))
def test_a_damaged_wheel_is_read_or_unusable(dice: random.Random, times: int) -> None:
    wheel = bytearray(WHEEL)
    for _ in range(times):
        wheel[dice.randrange(len(wheel))] = dice.randrange(256)
    with suppress(Unusable):
        assert len(read(bytes(wheel))) <= METADATA_BYTES
