"""Credentials inside addresses: found, reported by their line, and never shown."""

import re

# RFC 3986: what stands between `//` and `@` is user information.
_USER_INFORMATION = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<user>[^\s/@'\"<>]+)@")
# `${USER}:${TOKEN}`, `$(token)`, `{{token}}`: a place for a credential, which stands elsewhere.
_PLACEHOLDERS = re.compile(r"(?:\$\{[^}]*\}|\$\w+|\$\([^)]*\)|\{\{[^}]*\}\}|<[^>]*>|:)+")


def masked(text: str) -> str:
    """Return a text in which every credential of an address is replaced by `***`."""
    if "://" not in text:
        return text
    return _USER_INFORMATION.sub(lambda found: f"{found['scheme']}://***@" if _secret(found) else found[0], text)


def credential_lines(text: str) -> tuple[int, ...]:
    """The lines of a text, from 1, in which an address holds a credential."""
    if "@" not in text or "://" not in text:
        return ()
    return tuple(
        number
        for number, line in enumerate(text.split("\n"), start=1)
        if "@" in line and any(_secret(found) for found in _USER_INFORMATION.finditer(line))
    )


def _secret(found: re.Match[str]) -> bool:
    # `ssh://git@host` names an account, and proves nothing.
    account_only = "ssh" in found["scheme"].lower() and ":" not in found["user"]
    return not account_only and not _PLACEHOLDERS.fullmatch(found["user"])
