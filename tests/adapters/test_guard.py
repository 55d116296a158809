"""What happens around every request to Azure DevOps."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import requests
from azure.identity import ManagedIdentityCredential

from shared.adapters.azure_devops.guard import Guard, MustWait, Pause, SignInPage, Tokens, TooLarge
from shared.limits import LONGEST_PAUSE, PAUSE_INSIDE
from tests.adapters.host import Host
from tests.fakes.clock import FakeStopwatch
from tests.fakes.credential import CachingCredential


@pytest.fixture
def service() -> Iterator[Host]:
    with Host() as made:
        yield made


@pytest.fixture
def stranger() -> Iterator[Host]:
    with Host() as made:
        yield made


@pytest.fixture
def stopwatch() -> FakeStopwatch:
    return FakeStopwatch()


@pytest.fixture
def pause(stopwatch: FakeStopwatch) -> Pause:
    return Pause(stopwatch.now, stopwatch.sleep)


@pytest.fixture
def credential() -> CachingCredential:
    return CachingCredential("azure-devops")


@pytest.fixture
def tokens(credential: CachingCredential) -> Tokens:
    return Tokens(credential)


# Waiting


def test_who_is_not_asked_to_wait_does_not(pause: Pause, stopwatch: FakeStopwatch) -> None:
    pause.pass_by()
    assert stopwatch.slept == []


def test_a_short_wait_is_slept_and_then_it_is_over(pause: Pause, stopwatch: FakeStopwatch) -> None:
    pause.ask(PAUSE_INSIDE)
    pause.pass_by()
    pause.pass_by()
    assert stopwatch.slept == [PAUSE_INSIDE.total_seconds()]


def test_a_long_wait_is_not_slept_and_what_is_left_of_it_is_told(pause: Pause, stopwatch: FakeStopwatch) -> None:
    pause.ask(timedelta(seconds=60))
    stopwatch.seconds += 20
    with pytest.raises(MustWait) as raised:
        pause.pass_by()
    assert raised.value.remaining == timedelta(seconds=40)
    assert stopwatch.slept == []


def test_of_several_waits_the_longest_counts(pause: Pause) -> None:
    for seconds in (60, 90, 30):
        pause.ask(timedelta(seconds=seconds))
    with pytest.raises(MustWait) as raised:
        pause.pass_by()
    assert raised.value.remaining == timedelta(seconds=90)


def test_who_comes_back_when_told_goes_through_at_once(pause: Pause, stopwatch: FakeStopwatch) -> None:
    """As the queue's message does, whatever was asked."""
    for _ in range(20):
        pause.ask(LONGEST_PAUSE)
        with pytest.raises(MustWait) as raised:
            pause.pass_by()
        stopwatch.seconds += raised.value.remaining.total_seconds()
        pause.pass_by()
    assert stopwatch.slept == []


def test_who_has_slept_goes_even_if_others_are_asked_to_wait_meanwhile(stopwatch: FakeStopwatch) -> None:
    def sleep(seconds: float) -> None:
        stopwatch.sleep(seconds)
        shared.ask(LONGEST_PAUSE)

    shared: Pause = Pause(stopwatch.now, sleep)
    shared.ask(timedelta(seconds=1))
    shared.pass_by()
    assert stopwatch.slept == [1]


def test_an_organisation_waits_alone(tokens: Tokens, service: Host, stopwatch: FakeStopwatch) -> None:
    service.answers["/slow"] = (200, {"Retry-After": "60"}, b"{}")
    service.answers["/a"] = (200, {}, b"{}")
    one, other = (Guard(tokens, Pause(stopwatch.now, stopwatch.sleep)) for _ in range(2))
    requests.get(f"{service.url}/slow", auth=one, timeout=9)
    assert requests.get(f"{service.url}/a", auth=other, timeout=9).status_code == 200
    with pytest.raises(MustWait):
        requests.get(f"{service.url}/a", auth=one, timeout=9)
    assert service.asked == ["/slow", "/a"]


# Tokens


def test_of_many_threads_one_renews_a_token(tokens: Tokens, credential: CachingCredential) -> None:
    refused = tokens.present()
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(tokens.in_place_of, [refused] * 50))
    assert credential.issued == 2
    assert found == {tokens.present()} != {refused}


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    """The identity endpoint of Azure App Service."""
    with Host() as made:
        made.regardless_of_query = True
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{made.url}/token")
        monkeypatch.setenv("IDENTITY_HEADER", "secret")
        yield made


def hand_out(endpoint: Host, token: str) -> None:
    body = json.dumps({"access_token": token, "expires_on": str(int(time.time()) + 3600)}).encode()
    endpoint.answers["/token"] = (200, {"Content-Type": "application/json"}, body)


def test_the_managed_identity_leaves_its_cache_aside_for_a_fresh_token(endpoint: Host) -> None:
    """What `Tokens` relies on, with the installed azure-identity and msal."""
    tokens = Tokens(ManagedIdentityCredential())
    hand_out(endpoint, "first")
    assert tokens.present() == "first"
    hand_out(endpoint, "second")
    assert tokens.present() == "first"
    assert tokens.in_place_of("first") == "second"
    assert tokens.present() == "second"
    assert tokens.in_place_of("first") == "second"
    assert len(endpoint.asked) == 2


# Answers


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_and_nobody_else_is_shown_our_token(
    service: Host, stranger: Host, tokens: Tokens, pause: Pause, status: int
) -> None:
    service.answers["/a"] = (status, {"Location": f"{stranger.url}/b"}, b"")
    with pytest.raises(SignInPage):
        requests.get(f"{service.url}/a", auth=Guard(tokens, pause), timeout=9)
    assert stranger.asked == []
    # Once with the token of before, once with a fresh one.
    assert service.asked == ["/a", "/a"]


def test_where_redirects_are_followed_requests_shows_our_token_to_nobody_else(
    service: Host, stranger: Host, tokens: Tokens, pause: Pause
) -> None:
    service.answers["/a"] = (302, {"Location": f"{stranger.url}/b"}, b"")
    stranger.answers["/b"] = (200, {}, b"{}")
    requests.get(f"{service.url}/a", auth=Guard(tokens, pause, follows=True), timeout=9)
    assert service.shown["/a"]["authorization"].startswith("Bearer ")
    assert "authorization" not in stranger.shown["/b"]


def test_a_token_of_ours_goes_before_what_lies_in_netrc(
    service: Host,
    tokens: Tokens,
    pause: Pause,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    netrc = tmp_path_factory.mktemp("home") / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password canary\n")
    monkeypatch.setenv("NETRC", str(netrc))
    requests.get(f"{service.url}/a", auth=Guard(tokens, pause), timeout=9)
    assert service.shown["/a"]["authorization"] == f"Bearer {tokens.present()}"


@pytest.mark.parametrize(("size", "fits"), [(8, True), (9, False)])
@pytest.mark.parametrize("stated", [{}, {"Content-Length": ""}])
def test_an_answer_has_a_largest_size(
    service: Host, tokens: Tokens, pause: Pause, size: int, fits: bool, stated: dict[str, str]
) -> None:
    service.answers["/a"] = (200, stated, b"x" * size)
    guard = Guard(tokens, pause, largest=8)
    with requests.Session() as session:
        answer = session.get(f"{service.url}/a", auth=guard, stream=True, timeout=9)
        if fits:
            assert answer.content == b"x" * size
        else:
            with pytest.raises(TooLarge, match="larger than 8 bytes"):
                _ = answer.content
