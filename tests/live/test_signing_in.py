"""How Azure DevOps takes our token, and how it refuses one."""

import pytest
import requests

from tests.live.site import Site

_BAD = {"Authorization": "Bearer eyJhbGciOiJub25lIn0.eyJhdWQiOiJub2JvZHkifQ.e30"}


def test_a_token_that_is_not_accepted_is_refused_with_401(site: Site) -> None:
    answer = site.ask("GET", f"{site.git_api}/refs", headers=_BAD)
    assert answer.status_code == 401


def test_without_the_suppress_header_a_bad_token_gives_401_or_a_way_to_sign_in(site: Site) -> None:
    """Each of these the product takes for a refusal."""
    answer = requests.get(f"{site.organization}{site.git_api}/refs", headers=_BAD, timeout=60, allow_redirects=False)
    is_page = answer.status_code == 200 and "html" in answer.headers.get("Content-Type", "")
    assert answer.status_code in (401, 203, 302) or is_page


def test_git_itself_asks_to_sign_in(site: Site) -> None:
    answer = requests.get(
        f"{site.clone_url}/info/refs", params={"service": "git-upload-pack"}, timeout=60, allow_redirects=False
    )
    assert answer.status_code in (401, 203, 302)


@pytest.mark.parametrize("scheme", ["bearer", "basic"])
def test_the_simple_index_takes_our_token(site: Site, scheme: str) -> None:
    name, _ = site.settings.public
    if scheme == "bearer":
        answer = site.ask("GET", f"{site.simple_index}/{name}/", version=None)
    else:
        answer = requests.get(
            f"{site.simple_index}/{name}/", auth=("anybody", site.token()), timeout=60, allow_redirects=False
        )
    assert answer.status_code == 200
    assert "html" in answer.headers["Content-Type"]


def test_the_simple_index_asks_who_shows_nothing_to_sign_in(site: Site) -> None:
    name, _ = site.settings.public
    answer = requests.get(f"{site.simple_index}/{name}/", timeout=60, allow_redirects=False)
    assert answer.status_code in (401, 203, 302)
