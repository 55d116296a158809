"""What the feed tells, and where."""

import io
import re
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
import requests

from local.wheels import empty_wheel
from shared.domain.names import package_name
from tests.live.site import Site
from tests.live.worlds import LiveFeed, upload


@pytest.fixture
def feed(site: Site, tmp_path: Path) -> LiveFeed:
    return LiveFeed(site, tmp_path / "wheels")


def _page(site: Site, name: str) -> str:
    answer = site.ask("GET", f"{site.simple_index}/{name}/", version=None)
    assert answer.status_code == 200
    return answer.text


def _packages(site: Site, **query: str) -> list[dict[str, Any]]:
    answer = site.ask("GET", f"{site.feeds_url}{site.feed_api}/packages", query={"protocolType": "PyPi", **query})
    assert answer.status_code == 200
    return list(answer.json()["value"])


def test_the_simple_index_states_hashes_and_pythons(site: Site, feed: LiveFeed) -> None:
    digest = feed.publish("our-package", "1.0.0", requires_python=">=3.9")
    page = _page(site, feed.real_name("our-package"))
    assert f"#sha256={digest}" in page
    assert 'data-requires-python="&gt;=3.9"' in page


def test_the_simple_index_leads_from_an_address_without_slash_to_the_page(site: Site) -> None:
    name, _ = site.settings.public
    answer = site.ask("GET", f"{site.simple_index}/{name}", version=None)
    assert answer.status_code in (200, 301, 302, 303, 307, 308)


def test_a_package_that_nobody_has_has_no_page(site: Site) -> None:
    answer = site.ask("GET", f"{site.simple_index}/{site.new_name()}/", version=None)
    assert answer.status_code == 404


def test_a_file_lies_at_a_storage_that_takes_no_token_of_ours(site: Site, feed: LiveFeed) -> None:
    """The product follows the way there without its token."""
    feed.publish("our-package", "1.0.0")
    name = feed.real_name("our-package")
    link = re.search(r'href="([^"#]+)', _page(site, name))
    assert link
    address = urljoin(f"{site.simple_index}/{name}/", link[1].replace("&amp;", "&"))
    for _ in range(5):
        answer = site.ask("GET", address, version=None)
        if not answer.is_redirect:
            break
        address = urljoin(address, answer.headers["Location"])
        if urlsplit(address).netloc not in {urlsplit(site.packages_url).netloc, urlsplit(site.organization).netloc}:
            stranger = requests.get(address, timeout=60, allow_redirects=False)
            assert (answer.status_code, stranger.status_code) == (303, 200)
            return
    pytest.fail(f"the file came from {urlsplit(address).netloc} itself, {answer.status_code}")


def test_a_version_of_our_own_has_no_upstream_source(site: Site, feed: LiveFeed) -> None:
    feed.publish("our-package", "1.0.0")
    (package,) = _packages(site, packageNameQuery=feed.real_name("our-package"), includeAllVersions="true")
    (version,) = package["versions"]
    assert not version.get("directUpstreamSourceId")


def test_a_version_from_the_public_index_names_its_source(site: Site) -> None:
    name, version = site.settings.public
    page = _page(site, name)
    links = (link for link in re.findall(r'href="([^"#]+)', page) if f"-{version}-" in link and ".whl" in link)
    address = urljoin(f"{site.simple_index}/{name}/", next(links).replace("&amp;", "&"))
    # As pip does it: its credentials go no further than the feed.
    assert requests.get(address, auth=("anybody", site.token()), timeout=60).ok
    found = site.azure_devops.feed(site.settings.target, site.settings.feed).version(package_name(name), version)
    assert found
    assert found.upstream
    assert found.upstream.feeds == frozenset()


def test_a_name_query_finds_what_contains_it(site: Site, feed: LiveFeed) -> None:
    feed.publish("our-package", "1.0.0")
    feed.publish("our-package-extra", "1.0.0")
    found = _packages(site, packageNameQuery=feed.real_name("our-package"))
    assert {str(one["normalizedName"]) for one in found} == {
        feed.real_name("our-package"),
        feed.real_name("our-package-extra"),
    }


def test_pages_of_packages_hold_each_once(site: Site, feed: LiveFeed) -> None:
    for number in range(3):
        feed.publish(f"package-{number}", "1.0")
    query = {"packageNameQuery": feed.real_name("package"), "$top": "1"}
    pages = [_packages(site, **query, **{"$skip": str(skip)}) for skip in range(4)]
    assert [len(page) for page in pages] == [1, 1, 1, 0]
    assert len({str(page[0]["id"]) for page in pages[:3]}) == 3


def test_the_same_file_cannot_be_uploaded_twice(site: Site, feed: LiveFeed, tmp_path: Path) -> None:
    feed.publish("our-package", "1.0.0")
    name = feed.real_name("our-package")
    wheel = empty_wheel(name, "1.0.0", tmp_path, requires=["numpy"])
    assert upload(site, name, "1.0.0", wheel.name, wheel.read_bytes()).status_code == 409


def test_a_deleted_number_is_not_free_again(site: Site, feed: LiveFeed, tmp_path: Path) -> None:
    """Metadata and hashes of a version are kept for ever."""
    feed.publish("our-package", "1.0.0")
    feed.delete("our-package", "1.0.0")
    name = feed.real_name("our-package")
    wheel = empty_wheel(name, "1.0.0", tmp_path, requires=["numpy"])
    assert upload(site, name, "1.0.0", wheel.name, wheel.read_bytes()).status_code == 409


def test_a_wheel_without_metadata_is_refused(site: Site) -> None:
    name, content = site.new_name(), io.BytesIO()
    with zipfile.ZipFile(content, "w") as wheel:
        wheel.writestr("nothing.py", "")
    file = f"{name.replace('-', '_')}-1.0-py3-none-any.whl"
    assert upload(site, name, "1.0", file, content.getvalue()).status_code == 400


def test_project_and_feed_may_be_named_by_id(site: Site) -> None:
    found = site.ask("GET", f"{site.feeds_url}{site.feed_api}").json()
    project = f"/{found['project']['id']}" if found.get("project") else ""
    answer = site.ask("GET", f"{site.feeds_url}{project}/_apis/packaging/Feeds/{found['id']}")
    assert answer.status_code == 200
    assert answer.json()["id"] == found["id"]


def test_the_token_of_the_newest_change_is_that_of_the_feed(site: Site, feed: LiveFeed) -> None:
    feed.publish("our-package", "1.0.0")
    latest = feed.feed.latest_token()
    page = feed.feed.changes(latest)
    assert (page.items, page.more) == ((), False)
