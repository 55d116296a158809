"""Credentials inside addresses: found, reported by their line, and never shown."""

import re
from collections.abc import Iterator

# RFC 3986: what stands between `//` and `@` is user information. A password may hold an `@`, as pip takes it.
_USER_INFORMATION = re.compile(r"://(?P<name>[^\s/@?#:'\"<>]*)(?::(?P<password>[^\s/'\"<>]*))?@")
# `${TOKEN}`, `$(token)`, `{{token}}`: a place for a credential, which stands elsewhere; `***` is one that was masked.
_PLACEHOLDERS = re.compile(r"(?:\$\{[^}]*\}|\$\w+|\$\([^)]*\)|\{\{[^}]*\}\}|\*+)*")


def masked(text: str) -> str:
    """Return a text in which every credential of an address is replaced by `***`."""
    if "://" not in text:
        return text
    return _USER_INFORMATION.sub(lambda found: "://***@" if _is_secret(found) else found[0], text)


def credential_lines(text: str) -> tuple[int, ...]:
    """The lines of a text, from 1, in which an address holds a credential."""
    return tuple(dict.fromkeys(_lines(text))) if "@" in text else ()


def _lines(text: str) -> Iterator[int]:
    line, counted = 1, 0
    for found in _USER_INFORMATION.finditer(text):
        if _is_secret(found):
            line += text.count("\n", counted, found.start())
            counted = found.start()
            yield line


def _is_secret(found: re.Match[str]) -> bool:
    if found["password"]:
        return not _PLACEHOLDERS.fullmatch(found["password"])
    # `ssh://git@host` names an account, and proves nothing.
    scheme = found.string[max(0, found.start() - 3) : found.start()]
    account = found["password"] is None and scheme.lower() == "ssh"
    return not account and not _PLACEHOLDERS.fullmatch(found["name"])
