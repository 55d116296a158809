"""Twine's form: what the feed checks before it takes a file."""

import hashlib
from collections.abc import Callable, Mapping

from packaging.utils import canonicalize_name, canonicalize_version

from local.azure_devops.packages import Refused, identity, metadata

_DIGESTS = {
    "sha256_digest": lambda content: hashlib.sha256(content).hexdigest(),
    "md5_digest": lambda content: hashlib.md5(content, usedforsecurity=False).hexdigest(),
    "blake2_256_digest": lambda content: hashlib.blake2b(content, digest_size=32).hexdigest(),
}
_KINDS = {".whl": "bdist_wheel", ".tar.gz": "sdist", ".zip": "sdist"}


def check_upload(fields: Mapping[str, str], filename: str, content: bytes) -> None:
    """Hold the form's fields against the file.

    Args:
        fields: of the form, the file aside.
        filename: of the file.
        content: its bytes.

    Raises:
        Refused: 400, they differ, or something is missing.
    """
    if fields.get(":action") != "file_upload":
        raise Refused(400, f"':action' is '{fields.get(':action', '')}' and not 'file_upload'")
    for field in ("name", "version", "filetype", "metadata_version"):
        if not fields.get(field, "").strip():
            raise Refused(400, f"The upload states no '{field}'")
    stated = {field: digest for field in _DIGESTS if (digest := fields.get(field, "").strip())}
    if not stated:
        raise Refused(400, "The upload states no digest of the file")
    for field, digest in stated.items():
        if _DIGESTS[field](content) != digest.casefold():
            raise Refused(400, f"The file's {field} is not the one that is stated")
    name, version = identity(filename, content)
    _check("name", fields["name"], name, canonicalize_name)
    _check("version", fields["version"], version, canonicalize_version)
    if filename.endswith(".whl"):
        inside = metadata(filename, content)
        _check("name", fields["name"], inside.get("Name", ""), canonicalize_name)
        _check("version", fields["version"], inside.get("Version", ""), canonicalize_version)
    kind = next((kind for ending, kind in _KINDS.items() if filename.endswith(ending)), "")
    if fields["filetype"] != kind:
        raise Refused(400, f"'{filename}' is no {fields['filetype']}")


def _check(field: str, stated: str, found: str, canonical: Callable[[str], str]) -> None:
    if canonical(stated) != canonical(found):
        raise Refused(400, f"The upload states {field} '{stated}', and the file is of '{found}'")
