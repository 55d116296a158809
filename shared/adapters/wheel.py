"""The METADATA of a wheel, read in place: nothing is extracted, and no size that a wheel claims is believed."""

import re
import zipfile
from typing import IO

from shared.adapters.zips import BROKEN, is_usual
from shared.limits import METADATA_BYTES, WHEEL_DIRECTORY_BYTES

# Only at the top: a wheel may carry other wheels' folders inside.
_METADATA = re.compile(r"[^/]+\.dist-info/METADATA")


class Unusable(Exception):
    """A file that tells nothing; the text is the reason. It never leaves the adapters."""


def metadata_bytes(wheel: IO[bytes]) -> bytes:
    """Return the bytes of a wheel's METADATA.

    Raises:
        Unusable: it is no wheel, is broken, has none or several, or one that is too large.
    """
    try:
        with zipfile.ZipFile(_Bounded(wheel)) as archive:
            found = [entry for entry in archive.infolist() if _METADATA.fullmatch(entry.filename)]
            if len(found) != 1:
                raise Unusable(f"it has {len(found)} METADATA files")
            if not is_usual(found[0]):
                raise Unusable("its METADATA is compressed in an unusual way")
            with archive.open(found[0]) as member:
                raw = member.read(METADATA_BYTES + 1)
    except BROKEN as problem:
        raise Unusable(f"it is no readable wheel ({type(problem).__name__})") from problem
    if len(raw) > METADATA_BYTES:
        raise Unusable("its METADATA is too large")
    return raw


class _Bounded:
    """A file that hands out no more at once than a wheel's directory may have: zipfile reads that in one go."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        """Read, unless it is too much."""
        found = self._file.read(min(size, WHEEL_DIRECTORY_BYTES + 1) if size >= 0 else WHEEL_DIRECTORY_BYTES + 1)
        if len(found) > WHEEL_DIRECTORY_BYTES:
            raise zipfile.BadZipFile("the directory is too large")
        return found

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go somewhere."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Where it is."""
        return self._file.tell()

    def seekable(self) -> bool:
        """As every wheel on a disk."""
        return True
