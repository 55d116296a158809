"""Zips from outside: what zipfile raises for broken ones, and which entries are read at all."""

import struct
import zipfile
import zlib

# Damage, encryption and methods that are not there; zipfile has no error of its own for all of them.
BROKEN = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, RuntimeError, ValueError)


def is_usual(entry: zipfile.ZipInfo) -> bool:
    """Tell whether an entry is stored or deflated: other methods may allocate as much as the zip asks for."""
    return entry.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
