"""A page of a simple index (PEP 503, HTML): the links to a package's files. Pure, and total: any text will do."""

import re
from dataclasses import dataclass
from html.parser import HTMLParser
from urllib.parse import parse_qsl, unquote, urldefrag, urljoin, urlsplit

from shared.domain.feed_facts import FeedFile

# Printable ASCII without quotes, spaces and backslashes. urllib and urllib3 disagree about who is addressed where an
# address holds others, and our token must go to nobody else.
_ADDRESS = re.compile(r"[!#-\[\]-~]+")
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")


@dataclass(frozen=True, slots=True)
class Link:
    """A link of the page.

    Attributes:
        file: what it says of the file.
        url: where the file is, absolute.
    """

    file: FeedFile
    url: str


def links(page: str, base: str) -> tuple[Link, ...] | None:
    """Return the page's links to files, each file once; links that cannot be followed are left out.

    Args:
        page: the page.
        base: where it was found: relative links begin there.

    Returns:
        None if the page cannot be read to its end: half of a list would be a lie.
    """
    reader = _Reader(base)
    try:
        reader.feed(page)
        reader.close()
    except (AssertionError, ValueError):
        # html.parser's answers to some malformed declarations and character references.
        return None
    return tuple(reader.found.values())


def resolved(base: str, href: str) -> str | None:
    """Return where a link or redirect leads, or None if it is nowhere that we go.

    Only https is followed, and http from http (the stand). Credentials in an address are not taken.
    """
    try:
        url = urldefrag(urljoin(base, href.strip())).url
        parts, origin = urlsplit(url), urlsplit(base)
        # Reading it checks it.
        _ = parts.port
    except ValueError:
        return None
    is_secure = parts.scheme == "https" or parts.scheme == origin.scheme == "http"
    if not is_secure or not parts.hostname or "@" in parts.netloc or not _ADDRESS.fullmatch(url):
        return None
    return url


class _Reader(HTMLParser):
    """Collects links by the name of their file; the first of a name counts."""

    def __init__(self, base: str) -> None:
        super().__init__()
        self.found: dict[str, Link] = {}
        self._base = base

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep a link."""
        # The first of two attributes of one name counts (HTML); a dict would keep the last.
        attributes = dict(reversed(attrs))
        href = attributes.get("href")
        url = resolved(self._base, href) if tag == "a" and href else None
        if not href or not url:
            return
        # The name is the address' last part (as pip has it); the link's text says the same for a person.
        name = unquote(urlsplit(url).path.rpartition("/")[2])
        python = (attributes.get("data-requires-python") or "").strip()
        if name:
            self.found.setdefault(name, Link(FeedFile(name, _sha256(href), python or None), url))


def _sha256(href: str) -> str | None:
    stated = dict(parse_qsl(urldefrag(href.strip()).fragment)).get("sha256", "")
    return stated.lower() if _SHA256.fullmatch(stated) else None
