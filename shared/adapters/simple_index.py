"""A page of a simple index (PEP 503, HTML): the links to a package's files. Pure, and total: any text will do.

Every character is passed once, so a page costs what it is long. `html.parser` starts anew at each unfinished tag: 60 kB
of them take Python 3.13.0 twelve seconds.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from urllib.parse import parse_qsl, unquote, urldefrag, urljoin, urlsplit

from shared.domain.feed_facts import FeedFile

# Printable ASCII without quotes, spaces and backslashes. urllib and urllib3 disagree about who is addressed where an
# address holds others, and our token must go to nobody else.
_ADDRESS = re.compile(r"[!#-\[\]-~]+")
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")

# Possessive throughout: what has been passed is not tried again.
_TAG = re.compile(r"""<(?P<name>[a-zA-Z][^\s/>]*+)(?P<rest>(?:[^"'>]|"[^"]*+"|'[^']*+')*+)>""")
_ATTRIBUTE = re.compile(
    r"""(?P<name>[^\s"'>/=]++)(?:\s*+=\s*+(?:"(?P<double>[^"]*+)"|'(?P<single>[^']*+)'|(?P<bare>[^\s"'>]++)))?+"""
)
# What stands in these is text, whatever it looks like.
_TEXT_ONLY = {name: re.compile(rf"</{name}[\s/>]", re.IGNORECASE) for name in ("script", "style", "textarea", "title")}
# Comments, declarations, and the end of a tag.
_CLOSED_BY = {"<!--": "-->", "<!": ">", "<?": ">", "</": ">"}


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
    found: dict[str, Link] = {}
    try:
        for attributes in _anchors(page):
            href = attributes.get("href")
            url = resolved(base, href) if href else None
            if not href or not url:
                continue
            # The name is the address' last part (as pip has it); the link's text says the same for a person.
            name = unquote(urlsplit(url).path.rpartition("/")[2])
            python = attributes.get("data-requires-python", "").strip()
            if name:
                found.setdefault(name, Link(FeedFile(name, _sha256(href), python or None), url))
    except ValueError:
        # A tag that is not closed, or a character reference to a number that Python does not read.
        return None
    return tuple(found.values())


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


def _anchors(page: str) -> Iterator[dict[str, str]]:
    """Yield the attributes of each `<a …>`.

    Raises:
        ValueError: something is not closed.
    """
    at = page.find("<")
    while at >= 0:
        opening = next((opening for opening in _CLOSED_BY if page.startswith(opening, at)), None)
        if opening:
            end = page.index(_CLOSED_BY[opening], at + len(opening)) + 1
        elif page[at + 1 : at + 2].isalpha() and page[at + 1].isascii():
            tag = _TAG.match(page, at)
            if tag is None:
                raise ValueError("a tag is not closed")
            end = tag.end()
            name = tag["name"].lower()
            if name == "a":
                yield _attributes(tag["rest"])
            elif name in _TEXT_ONLY:
                closing = _TEXT_ONLY[name].search(page, end)
                if closing is None:
                    raise ValueError("what stands in a tag does not end")
                end = closing.start()
        else:
            end = at + 1
        at = page.find("<", end)


def _attributes(text: str) -> dict[str, str]:
    # The first of two attributes of one name counts (HTML).
    found: dict[str, str] = {}
    for attribute in _ATTRIBUTE.finditer(text):
        value = attribute["double"] or attribute["single"] or attribute["bare"] or ""
        found.setdefault(attribute["name"].lower(), unescape(value))
    return found


def _sha256(href: str) -> str | None:
    stated = dict(parse_qsl(urldefrag(href.strip()).fragment)).get("sha256", "")
    return stated.lower() if _SHA256.fullmatch(stated) else None
