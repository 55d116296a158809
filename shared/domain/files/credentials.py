"""Credentials inside addresses: found, reported by their line, and never shown."""

import re
from collections.abc import Iterator, Mapping

# RFC 3986: what stands between `//` and `@` is user information. A password may hold an `@`, as pip takes it.
_USER_INFORMATION = re.compile(r"://(?P<name>[^\s/@?#:'\"<>]{0,300})(?::(?P<password>[^\s/]{0,600}))?@")
# A shared access signature, and whatever else of the kind stands behind the question mark.
_QUERY = re.compile(r"(?P<address>://[^\s?#'\"<>]{1,600})\?(?P<query>[^\s#'\"<>]+)")
_SIGNED = re.compile(r"(?:^|[&;])(?:sig|signature|token|access_token|password|pwd|secret|key|code)=", re.IGNORECASE)
# `${TOKEN}`, `$(token)`, `{{token}}`: a place for a credential, which stands elsewhere; `***` is one that was masked.
_PLACEHOLDERS = re.compile(r"(?:\$\{[^}]*\}|\$\w+|\$\([^)]*\)|\{\{[^}]*\}\}|\*+)*")


def masked(text: str) -> str:
    """Return a text in which every credential of an address is replaced by `***`."""
    if "://" not in text:
        return text
    named = _USER_INFORMATION.sub(lambda found: "://***@" if _is_secret(found) else found[0], text)
    if "?" not in named:
        return named
    return _QUERY.sub(lambda found: f"{found['address']}?***" if _is_signed(found) else found[0], named)


def masked_within(value: object) -> object:
    """Return a value as JSON knows them with every text in it masked, keys included."""
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, Mapping):
        return {masked_within(key): masked_within(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [masked_within(inner) for inner in value]
    return value


def credential_lines(text: str) -> tuple[int, ...]:
    """The lines of a text, from 1, in which an address holds a credential."""
    return tuple(sorted(set(_lines(text)))) if "://" in text else ()


def _lines(text: str) -> Iterator[int]:
    for pattern, is_secret in ((_USER_INFORMATION, _is_secret), (_QUERY, _is_signed)):
        line, counted = 1, 0
        for found in pattern.finditer(text):
            if is_secret(found):
                line += text.count("\n", counted, found.start())
                counted = found.start()
                yield line


def _is_signed(found: re.Match[str]) -> bool:
    return bool(_SIGNED.search(found["query"]))


def _is_secret(found: re.Match[str]) -> bool:
    if found["password"]:
        return not _PLACEHOLDERS.fullmatch(found["password"])
    # `ssh://git@host` names an account, and proves nothing.
    scheme = found.string[max(0, found.start() - 3) : found.start()]
    account = found["password"] is None and scheme.lower() == "ssh"
    return not account and not _PLACEHOLDERS.fullmatch(found["name"])
