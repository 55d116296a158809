"""The public index behind the feed: what it lacks and what it fails to tell are two things."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from local.azure_devops.server import Organization
from local.processes import hold_ports
from local.upstream import Upstream, UpstreamDown
from tests.local.index import Index

WHEEL = b"a wheel"
NAME = "left_pad-1.0-py3-none-any.whl"
PAGE = f"""
<a href="../../files/{NAME}#sha256={hashlib.sha256(WHEEL).hexdigest()}" data-requires-python="&gt;=3.9">{NAME}</a>
<a href="../../files/left_pad-1.1-py3-none-any.whl" data-yanked="broken">left_pad-1.1-py3-none-any.whl</a>
<a href="../../files/left_pad-1.0.tar.gz">left_pad-1.0.tar.gz</a>
<a href="../../files/left_pad.exe">left_pad.exe</a>
"""


@pytest.fixture
def index() -> Iterator[Index]:
    with Index({"/simple/left-pad/": PAGE.encode(), f"/files/{NAME}": WHEEL}) as made:
        yield made


def test_files_are_listed_without_what_is_yanked_or_unknown(index: Index) -> None:
    files = Upstream(index.url).files("left-pad")

    assert [(f.name, f.version, f.requires_python) for f in files] == [
        (NAME, "1.0", ">=3.9"),
        ("left_pad-1.0.tar.gz", "1.0", ""),
    ]
    assert files[0].sha256 == hashlib.sha256(WHEEL).hexdigest()
    assert Upstream(index.url).download("left-pad", NAME) == WHEEL


def test_a_page_is_read_once_and_one_that_is_not_there_is_looked_for_again(index: Index) -> None:
    upstream = Upstream(index.url)

    assert upstream.files("left-pad") == upstream.files("left-pad")
    assert upstream.download("left-pad", NAME) == WHEEL
    assert upstream.files("right-pad") == upstream.files("right-pad") == []

    assert index.asked == ["/simple/left-pad/", f"/files/{NAME}", "/simple/right-pad/", "/simple/right-pad/"]


def test_what_the_index_lacks_is_nothing(index: Index) -> None:
    assert Upstream(index.url).files("right-pad") == []
    assert Upstream(index.url).download("left-pad", "left_pad-9-py3-none-any.whl") is None


@pytest.mark.parametrize("status", [401, 429, 500, 503])
def test_a_failing_index_is_no_answer(index: Index, status: int) -> None:
    index.failing = status

    with pytest.raises(UpstreamDown, match=str(status)):
        Upstream(index.url).files("left-pad")


def test_an_index_that_is_not_there_is_no_answer() -> None:
    with pytest.raises(UpstreamDown, match="does not answer"):
        Upstream(f"http://127.0.0.1:{hold_ports(1)[0]}/simple/").files("left-pad")


def test_the_feed_says_so_instead_of_having_no_such_package(index: Index, tmp_path: Path) -> None:
    organization = Organization(port=hold_ports(1)[0], folder=tmp_path, upstream=Upstream(index.url))
    organization.start()
    page = f"{organization.feed_index(organization.password)}left-pad/"
    try:
        index.failing = 500
        failed = requests.get(page, timeout=10)
        index.failing = None
        listed = requests.get(page, timeout=10)
    finally:
        organization.stop()

    assert (failed.status_code, failed.text) == (502, "The upstream source failed: the public index answers 500.")
    assert listed.status_code == 200
    assert NAME in listed.text
