"""Who is shown our token, and what becomes of answers that are not what was asked for."""

import hashlib
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.processes import hold_ports
from shared.adapters.azure_devops.connection import IdentityAuthentication
from shared.adapters.azure_devops.downloads import Downloads
from shared.adapters.wheel import Unusable
from shared.errors import AccessDenied, Permanent, RebuilderError, ServiceUnavailable, Throttled
from shared.limits import INDEX_PAGE_BYTES, REDIRECTS, WHEEL_BYTES
from tests.adapters.host import Host
from tests.fakes.credential import StubCredential

WHEEL = b"a wheel " * 100_000
HTML = {"Content-Type": "text/html; charset=utf-8"}
SECRET = "sig=canary"


@pytest.fixture
def service() -> Iterator[Host]:
    with Host() as made:
        yield made


@pytest.fixture
def storage() -> Iterator[Host]:
    with Host() as made:
        yield made


@pytest.fixture
def downloads(service: Host) -> Downloads:
    return Downloads(IdentityAuthentication(StubCredential("azure-devops")), [f"{service.url}/contoso"])


def fetch(downloads: Downloads, url: str) -> bytes:
    with downloads.file("downloading", url) as download:
        content = download.file.read()
        assert download.sha256 == hashlib.sha256(content).hexdigest()
        return content


def redirect(url: str, status: int = 303) -> tuple[int, dict[str, str], bytes]:
    return status, {"Location": url}, b""


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_the_storage_is_not_shown_our_token(service: Host, storage: Host, downloads: Downloads, status: int) -> None:
    service.answers["/w"] = redirect(f"{storage.url}/w?{SECRET}", status)
    storage.answers[f"/w?{SECRET}"] = (200, {}, WHEEL)
    assert fetch(downloads, f"{service.url}/w") == WHEEL
    assert service.shown["/w"]["authorization"].startswith("Bearer ")
    assert {"authorization", "cookie", "x-tfs-fedauthredirect"} & storage.shown[f"/w?{SECRET}"].keys() == set()


def test_the_service_is_shown_it_again_behind_a_redirect(service: Host, storage: Host, downloads: Downloads) -> None:
    service.answers["/w"] = redirect("/by-id/w")
    service.answers["/by-id/w"] = redirect(f"{storage.url}/back")
    storage.answers["/back"] = redirect(f"{service.url}/end")
    service.answers["/end"] = (200, {}, WHEEL)
    assert fetch(downloads, f"{service.url}/w") == WHEEL
    assert all(service.shown[path]["authorization"].startswith("Bearer ") for path in ("/w", "/by-id/w", "/end"))
    assert "authorization" not in storage.shown["/back"]


def test_a_link_to_another_host_is_not_shown_it(storage: Host, downloads: Downloads) -> None:
    storage.answers["/w"] = (200, {}, WHEEL)
    assert fetch(downloads, f"{storage.url}/w") == WHEEL
    assert "authorization" not in storage.shown["/w"]


def test_nobody_is_shown_what_lies_in_netrc(
    service: Host, storage: Host, downloads: Downloads, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password canary\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    service.answers["/w"] = redirect(f"{storage.url}/w")
    storage.answers["/w"] = (200, {}, WHEEL)
    fetch(downloads, f"{service.url}/w")
    assert service.shown["/w"]["authorization"].startswith("Bearer ")
    assert "authorization" not in storage.shown["/w"]


@pytest.mark.parametrize(
    "target", ["ftp://x/w", "file:///etc/passwd", "https://[", "http://a:b@127.0.0.1/w", "http://a b/"]
)
def test_redirects_to_odd_places_are_not_followed(service: Host, downloads: Downloads, target: str) -> None:
    service.answers["/w"] = redirect(target)
    with pytest.raises(ServiceUnavailable, match=r"^downloading: (a redirect leads to where we do not go|ValueError)$"):
        fetch(downloads, f"{service.url}/w")


def test_redirects_end(service: Host, downloads: Downloads) -> None:
    service.answers["/w"] = redirect("/w")
    with pytest.raises(ServiceUnavailable, match=f"more than {REDIRECTS} redirects"):
        fetch(downloads, f"{service.url}/w")
    assert len(service.asked) == REDIRECTS + 1


@pytest.mark.parametrize("status", [400, 403, 500, 503])
def test_a_storage_that_refuses_is_unavailable_and_says_nothing_secret(
    service: Host, storage: Host, downloads: Downloads, status: int
) -> None:
    service.answers["/w"] = redirect(f"{storage.url}/w?{SECRET}")
    storage.answers[f"/w?{SECRET}"] = (status, {}, b"canary")
    with pytest.raises(ServiceUnavailable) as raised:
        fetch(downloads, f"{service.url}/w")
    assert str(raised.value) == f"downloading: the feed's storage answers {status}"


def test_a_storage_that_does_not_answer_leaves_nothing_secret_behind(service: Host, downloads: Downloads) -> None:
    service.answers["/w"] = redirect(f"http://127.0.0.1:{hold_ports(1)[0]}/w?{SECRET}")
    with pytest.raises(ServiceUnavailable) as raised:
        fetch(downloads, f"{service.url}/w")
    assert str(raised.value) == "downloading: ConnectionError"
    assert "canary" not in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize(
    ("status", "headers", "error"),
    [
        (203, HTML, AccessDenied),
        (200, HTML, AccessDenied),
        (401, {}, AccessDenied),
        (403, {}, AccessDenied),
        (429, {"Retry-After": "7"}, Throttled),
        (500, {}, ServiceUnavailable),
        (503, {}, ServiceUnavailable),
        (204, {}, Permanent),
        (400, {}, Permanent),
    ],
)
def test_the_status_of_the_service_says_what_is_wrong(
    service: Host, downloads: Downloads, status: int, headers: dict[str, str], error: type[RebuilderError]
) -> None:
    service.answers["/w"] = (status, headers, b"")
    with pytest.raises(error) as raised:
        fetch(downloads, f"{service.url}/w")
    assert type(raised.value) is error
    assert str(raised.value).startswith("downloading: ")
    if isinstance(raised.value, Throttled):
        assert raised.value.retry_after
        assert raised.value.retry_after.total_seconds() == 7


def test_a_file_that_is_not_there_is_unusable(service: Host, storage: Host, downloads: Downloads) -> None:
    service.answers["/w"] = redirect(f"{storage.url}/gone")
    for path in ("/w", "/nothing"):
        with pytest.raises(Unusable, match="gone"):
            fetch(downloads, f"{service.url}{path}")


def test_a_file_that_says_it_is_too_large_is_not_downloaded(service: Host, downloads: Downloads) -> None:
    service.answers["/w"] = (200, {"Content-Length": str(WHEEL_BYTES + 1)}, b"")
    with pytest.raises(Unusable, match="larger"):
        fetch(downloads, f"{service.url}/w")


@pytest.mark.parametrize("stated", ["8", ""])
def test_a_file_that_is_too_large_is_not_downloaded_whole(service: Host, stated: str) -> None:
    service.answers["/w"] = (200, {"Content-Length": stated}, b"8 bytes!")
    for largest, fits in ((7, False), (8, True)):
        bounded = Downloads(IdentityAuthentication(StubCredential("azure-devops")), [service.url], largest=largest)
        if fits:
            assert fetch(bounded, f"{service.url}/w") == b"8 bytes!"
        else:
            with pytest.raises(Unusable, match="larger than 7 bytes"):
                fetch(bounded, f"{service.url}/w")


def test_a_file_that_ends_too_early_is_not_a_file(service: Host, downloads: Downloads) -> None:
    service.answers["/w"] = (200, {"Content-Length": "100", "Connection": "close"}, b"half")
    with pytest.raises(ServiceUnavailable):
        fetch(downloads, f"{service.url}/w")


def test_a_download_ends_in_time(service: Host) -> None:
    service.answers["/w"] = (200, {}, WHEEL)
    hasty = Downloads(IdentityAuthentication(StubCredential("azure-devops")), [service.url], seconds=0)
    with pytest.raises(ServiceUnavailable, match="not over after 0 seconds"):
        fetch(hasty, f"{service.url}/w")


def test_a_page_is_its_text_and_where_it_was(service: Host, downloads: Downloads) -> None:
    service.answers["/a"] = redirect("/a/", 301)
    service.answers["/a/"] = (200, HTML, "links \u00e4".encode())
    page = downloads.page("reading", f"{service.url}/a")
    assert page
    assert (page.text, page.url) == ("links \u00e4", f"{service.url}/a/")


def test_a_page_that_is_not_there_is_none(service: Host, downloads: Downloads) -> None:
    assert downloads.page("reading", f"{service.url}/a/") is None


def test_a_page_elsewhere_is_a_sign_in_page(service: Host, storage: Host, downloads: Downloads) -> None:
    service.answers["/a/"] = redirect(f"{storage.url}/signin", 302)
    storage.answers["/signin"] = (200, HTML, b"<html>Sign in</html>")
    with pytest.raises(AccessDenied, match="sign-in page"):
        downloads.page("reading", f"{service.url}/a/")


@pytest.mark.parametrize("target", ["/_signin?realm=us", "https://login.microsoftonline.com/common/oauth2"])
def test_the_way_to_sign_in_is_not_gone_and_a_fresh_token_is_shown_first(
    service: Host, downloads: Downloads, target: str
) -> None:
    service.answers["/a/"] = redirect(target, 302)
    with pytest.raises(AccessDenied, match="sign-in page"):
        downloads.page("reading", f"{service.url}/a/")
    assert service.asked == ["/a/", "/a/"]


def test_a_package_may_be_called_like_a_sign_in_page(service: Host, downloads: Downloads) -> None:
    service.answers["/simple/signin"] = redirect("/simple/signin/", 301)
    service.answers["/simple/signin/"] = (200, HTML, b"links")
    assert downloads.page("reading", f"{service.url}/simple/signin")


def test_a_page_that_is_no_page_cannot_be_understood(service: Host, downloads: Downloads) -> None:
    service.answers["/a/"] = (200, {"Content-Type": "application/json"}, b"{}")
    with pytest.raises(ServiceUnavailable, match="cannot be understood"):
        downloads.page("reading", f"{service.url}/a/")


def test_a_page_has_its_bounds(service: Host, downloads: Downloads) -> None:
    service.answers["/a/"] = (200, HTML, b" " * (INDEX_PAGE_BYTES + 1))
    with pytest.raises(Permanent, match="larger"):
        downloads.page("reading", f"{service.url}/a/")
