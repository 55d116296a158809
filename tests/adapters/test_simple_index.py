"""Pages of a simple index, well made and otherwise."""

from html import escape
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.simple_index import Link, links, resolved
from shared.domain.feed_facts import FeedFile

BASE = "https://pkgs.dev.azure.com/contoso/ml/_packaging/packages/pypi/simple/our-package/"
WHEEL = "our_package-1.0-py3-none-any.whl"
DOWNLOAD = f"https://pkgs.dev.azure.com/contoso/ml/_packaging/packages/pypi/download/our-package/1.0/{WHEEL}"
HASH = "0123456789abcdef" * 4


def only(page: str, base: str = BASE) -> Link:
    found = links(page, base)
    assert found is not None
    (link,) = found
    return link


def test_a_page_as_the_service_has_it() -> None:
    page = f"""<!DOCTYPE html><html><head><title>Links for our-package</title></head>
        <body><h1>Links for our-package</h1>
        <a href="../../download/our-package/1.0/{WHEEL}#sha256={HASH}" data-requires-python="&gt;=3.9,&lt;4">{WHEEL}</a>
        </body></html>"""
    assert only(page) == Link(FeedFile(WHEEL, HASH, ">=3.9,<4"), DOWNLOAD)


@pytest.mark.parametrize(
    ("href", "url"),
    [
        (f"../../download/our-package/1.0/{WHEEL}", DOWNLOAD),
        (f"/contoso/ml/_packaging/packages/pypi/download/our-package/1.0/{WHEEL}", DOWNLOAD),
        (DOWNLOAD, DOWNLOAD),
        (f"  {DOWNLOAD}\n", DOWNLOAD),
        (f"//files.invalid/{WHEEL}?sig=a&amp;b=c#md5=x", f"https://files.invalid/{WHEEL}?sig=a&b=c"),
    ],
)
def test_links_may_be_relative_or_absolute(href: str, url: str) -> None:
    assert only(f'<A HREF="{href}">text</A>') == Link(FeedFile(WHEEL), url)


def test_the_name_is_the_last_part_of_the_address_and_not_the_text() -> None:
    assert only('<a href="x/our_package-1.0%2Blocal.tar.gz">other</a>').file.name == "our_package-1.0+local.tar.gz"


@pytest.mark.parametrize(
    ("fragment", "sha256"),
    [
        (f"sha256={HASH}", HASH),
        (f"sha256={HASH.upper()}", HASH),
        (f"egg=x&amp;sha256={HASH}", HASH),
        ("sha256=", None),
        (f"sha256={HASH}0", None),
        (f"sha256={HASH[:-1]}g", None),
        (f"sha512={HASH}", None),
    ],
)
def test_only_a_whole_hash_is_one(fragment: str, sha256: str | None) -> None:
    assert only(f'<a href="{WHEEL}#{fragment}">x</a>').file.sha256 == sha256


def test_a_file_counts_once_and_the_first_time() -> None:
    page = f'<a href="a/{WHEEL}#sha256={HASH}"></a><a href="b/{WHEEL}" href="c/{WHEEL}"></a>'
    assert only(page) == Link(FeedFile(WHEEL, HASH), f"{BASE}a/{WHEEL}")
    assert only(f'<a href="b/{WHEEL}" href="c/{WHEEL}"></a>').url == f"{BASE}b/{WHEEL}"


@pytest.mark.parametrize(
    "href",
    [
        "",
        "http://files.invalid/a.whl",
        "ftp://files.invalid/a.whl",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https://user:password@files.invalid/a.whl",
        "https://pkgs.dev.azure.com@files.invalid/a.whl",
        "https://files.invalid\\@pkgs.dev.azure.com/a.whl",
        "https://files.invalid:port/a.whl",
        "https://files.invalid:99999/a.whl",
        "https://[/a.whl",
        "a b.whl",
        "a\x00.whl",
        "\u00e4.whl",
        "https://files\u2100.invalid/a.whl",
    ],
)
def test_links_that_lead_nowhere_are_left_out(href: str) -> None:
    assert resolved(BASE, href) in (None, BASE)
    assert links(f'<a href="{escape(href)}">x</a><a>y</a><a href>z</a><link href="b.whl">', BASE) == ()


def test_http_leads_to_http_and_https_never_does() -> None:
    assert resolved("http://127.0.0.1:80/a/", "http://localhost/b") == "http://localhost/b"
    assert resolved(BASE, "http://localhost/b") is None


@pytest.mark.parametrize(
    "page", [f'<a href="a.whl">&#{"9" * 5000};', f'<a href="&#{"9" * 5000};">', "<![x[", "<![\x00"]
)
def test_a_page_that_cannot_be_read_is_none_or_read(page: str) -> None:
    found = links(f'<a href="{WHEEL}"></a>{page}', BASE)
    assert found is None or found[0].file.name == WHEEL


MARKUP = st.lists(
    st.one_of(
        st.text(max_size=20),
        st.sampled_from(
            ["<a ", "<a href=", '"', "'", ">", "</a>", "<!", "<![", "<!--", "<?", "]]>", "&#", "&#x", ";", "../",
             "#sha256=", "data-requires-python=", WHEEL, "https://", "[", "//", "<script>", "<!DOCTYPE ", "\x00"]
        ),
    )
).map("".join)  # fmt: skip


@given(MARKUP, st.sampled_from([BASE, "http://127.0.0.1/"]))
def test_every_page_is_read_or_none(page: str, base: str) -> None:
    for link in links(page, base) or ():
        assert link.url.startswith(("https://", base[:7]))
        assert link.file.name


@given(st.text())
def test_every_link_leads_somewhere_or_nowhere(href: str) -> None:
    found = resolved(BASE, href)
    assert found is None or found.startswith("https://")


class StandardReader(HTMLParser):
    """What the standard library reads: the addresses of `<a>`."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.found += [value for name, value in attrs if name == "href" and value][:1]


NAMES = st.text("abc._-0123", min_size=1, max_size=8).filter(lambda name: name.strip("."))
QUOTED = st.text("ab <>=/'&;#-", max_size=8)
ANCHORS = st.builds(
    lambda tag, name, quote, python, text: (
        f'<{tag} data-x="{escape(python)}" href={quote}{escape(name)}{quote}\n data-y>{escape(text)}</{tag}>'
    ),
    st.sampled_from("aA"), NAMES, st.sampled_from(['"', "'"]), QUOTED, QUOTED,
)  # fmt: skip
OTHERS = st.one_of(
    QUOTED.map(escape),
    QUOTED.map(lambda text: f"<!-- {text.replace('-', '').replace('>', '')} <a href='no'> -->"),
    QUOTED.map(lambda text: f"<script>{text.replace('<', '')} <a href='no'> </SCRIPT>"),
    st.sampled_from(
        ["<!DOCTYPE html>", "<br/>", "<?xml version='1'?>", "</p>", "<abbr href='no'>", "< a href='no'", "<"]
    ),
)


@given(st.lists(st.one_of(ANCHORS, OTHERS)).map("\n".join))
def test_a_well_made_page_is_read_as_the_standard_library_reads_it(page: str) -> None:
    standard = StandardReader()
    standard.feed(page)

    found = links(page, BASE)

    assert found is not None
    assert [link.url for link in found] == list(dict.fromkeys(BASE + href for href in standard.found))


@pytest.mark.timeout(20)  # no measure: starting anew at each of them takes minutes
@pytest.mark.parametrize(
    "part", ["<a ", "<a\n", '<a href="', '<a a="b"c', "<!--", "<!", "<?", "</a", "&#", "<script>", "<a b='"]
)
def test_a_page_of_what_is_never_closed_costs_what_it_is_long(part: str) -> None:
    assert links(part * (400_000 // len(part)), BASE) in (None, ())
