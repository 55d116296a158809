"""Lost answers, doubled hooks, killed processes and bad input: nothing twice, nothing lost, nothing half-done."""

import json

import pytest
import requests

from local.stand import Stand
from tests.stand.conftest import commits_about, publish, queued, quiet, runs_about, state_of
from tests.waiting import wait_for

pytestmark = pytest.mark.stand


def test_doubled_hooks_change_nothing(stand: Stand) -> None:
    stand.organization.hooks.duplicates = 4

    publish(stand, "pkg-twice", "1.1")

    queued(stand, "pkg-twice", "1.1")
    for _ in range(2):
        stand.post_hook({"feed": "ml/packages", "name": "pkg-twice", "version": "1.1.0"})
    stand.fire_timer()
    quiet(stand)
    assert len(commits_about(stand, "pkg-twice")) == 1
    assert len(runs_about(stand, "pkg-twice")) == 1


def test_a_push_whose_answer_is_lost_is_not_pushed_again(stand: Stand) -> None:
    stand.organization.faults.set("push", "after")

    publish(stand, "pkg-lost-push", "1.1")

    found = queued(stand, "pkg-lost-push", "1.1")
    assert commits_about(stand, "pkg-lost-push") == [found["rebuild"]["commit"]]
    assert any("found" in step["what"] for step in found["rebuild"]["history"])


def test_a_run_whose_answer_is_lost_is_not_queued_again(stand: Stand) -> None:
    stand.organization.faults.set("queue run", "after")

    publish(stand, "pkg-lost-run", "1.1")

    found = queued(stand, "pkg-lost-run", "1.1")
    assert runs_about(stand, "pkg-lost-run") == [found["rebuild"]["runs"][0]["id"]]
    assert any("found run" in step["what"] for step in found["rebuild"]["history"])


def test_a_killed_app_goes_on_where_it_was(stand: Stand) -> None:
    stand.organization.faults.set("packages", "503", times=50)
    publish(stand, "pkg-killed", "1.1")
    wait_for(lambda: state_of(stand, "pkg-killed", "1.1"), "its message is in hand")

    stand.functions.stop(kill=True)
    stand.organization.faults.clear()
    stand.start_functions()

    queued(stand, "pkg-killed", "1.1")
    assert len(commits_about(stand, "pkg-killed")) == 1
    assert len(runs_about(stand, "pkg-killed")) == 1


def test_a_hook_that_comes_while_the_storage_is_away_is_sent_again(stand: Stand) -> None:
    stand.azurite.stop()
    answer = requests.post(
        f"{stand.app_url}/api/hooks",
        json={"feed": "packages", "name": "pkg-storage", "version": "1.1"},
        headers={"X-Rebuilder-Secret": stand.hook_secret},
        timeout=30,  # the service's own: after that it takes the notification for lost
    )
    publish(stand, "pkg-storage", "1.1")

    stand.azurite.start()

    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    queued(stand, "pkg-storage", "1.1")


def test_an_environment_that_cannot_be_read_holds_nobody_else(stand: Stand) -> None:
    publish(stand, "pkg-broken-neighbour", "1.1")

    found = queued(stand, "pkg-broken-neighbour", "1.1")
    decisions = {row["path"]: (row["decision"], row["reason"]) for row in found["environments"]}
    assert decisions["env-pkg-broken-neighbour/environment.yml"] == ("bump", "1.0 → 1.1")
    assert decisions["broken/environment.yml"] == (
        "held",
        "cannot read broken/docker-context/requirements.txt line 2: '!!! no requirement' is not a requirement",
    )


def test_a_release_that_the_feed_does_not_have_does_nothing_and_says_so(stand: Stand) -> None:
    assert stand.post_hook({"feed": "packages", "name": "pkg-nowhere", "version": "9"}).status_code == 202

    found = wait_for(lambda: state_of(stand, "pkg-nowhere", "9"), "the release is known")
    assert found["state"] == "signalled"
    assert commits_about(stand, "pkg-nowhere") == []


@pytest.mark.parametrize(
    ("body", "status", "outcome"),
    [
        (b"no json", 200, "rejected"),
        (b"[]", 200, "rejected"),
        (b'{"eventType": 7}', 200, "rejected"),
        (b'{"feed": "packages", "name": "../x", "version": "1"}', 200, "rejected"),
        (b'{"eventType": "git.push"}', 200, "ignored"),
        (b'{"eventType": "\\ud800"}', 200, "ignored"),
        (b'{"feed": "\\ud800", "name": "pkg-hook", "version": "1"}', 200, "ignored"),
        (b'{"feed": "elsewhere", "name": "pkg-hook", "version": "1"}', 200, "ignored"),
    ],
)
def test_what_is_none_of_our_business_is_answered_kindly(stand: Stand, body: bytes, status: int, outcome: str) -> None:
    answer = _post(stand, body)

    assert (answer.status_code, answer.json()["outcome"]) == (status, outcome)
    assert "\n" not in answer.json()["reason"]


def test_an_unreadable_notification_is_quarantined_for_a_person(stand: Stand) -> None:
    from shared.adapters.blob_ledger import QUARANTINE, BlobLedgerStore
    from tests.fakes.credential import StubCredential

    _post(stand, b"canary of an unreadable body")

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REQUESTS_CA_BUNDLE", str(stand.certificates.bundle))
        store = BlobLedgerStore(stand.azurite.blobs, StubCredential("https://storage.azure.com"), QUARANTINE)
        entries = [store.read(key) for key in store.keys("")]
    bodies = [json.loads(entry.raw)["entry"]["body"] for entry in entries if entry]
    assert "canary of an unreadable body" in bodies


@pytest.mark.parametrize("headers", [{}, {"X-Rebuilder-Secret": "wrong"}, {"Authorization": "Basic !!!"}])
def test_a_wrong_secret_is_401_with_an_empty_body(stand: Stand, headers: dict[str, str]) -> None:
    answer = requests.post(f"{stand.app_url}/api/hooks", json={}, headers=headers, timeout=30)

    assert (answer.status_code, answer.content) == (401, b"")


def test_the_hook_endpoint_takes_post_and_json_of_a_bounded_size_only(stand: Stand) -> None:
    url, headers = f"{stand.app_url}/api/hooks", {"X-Rebuilder-Secret": stand.hook_secret}

    for method in ("GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"):
        answer = requests.request(method, url, json={}, headers=headers, timeout=30)
        assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    assert requests.post(url, data=b"{}", timeout=30).status_code == 415
    assert requests.post(url, data=b"{}", headers=headers, timeout=30).status_code == 415
    assert _post(stand, b" " * (2 * 1024 * 1024 + 1)).status_code == 413


def test_no_endpoint_but_the_hooks_takes_the_hooks_secret(stand: Stand) -> None:
    for path, method in (
        ("/api/rebuilds", "POST"),
        ("/api/releases/a/1", "GET"),
        ("/api/rebuilds/x", "GET"),
        ("/api/parked", "GET"),
        ("/api/parked", "POST"),
    ):
        answer = requests.request(
            method, stand.app_url + path, json={}, headers={"x-functions-key": stand.hook_secret}, timeout=30
        )
        assert answer.status_code == 401


@pytest.mark.parametrize(
    ("wish", "status"),
    [
        ({"name": "pkg-hook"}, 400),
        ({"name": "pkg hook", "version": "1"}, 400),
        ({"name": "pkg-hook", "version": "1", "feed": "elsewhere"}, 404),
        ({"name": "pkg-hook", "version": "1", "target": "elsewhere"}, 404),
        ({"name": "pkg-hook", "version": "1", "colour": "red"}, 400),
    ],
)
def test_a_wish_that_cannot_be_granted_is_told_in_one_line(stand: Stand, wish: dict[str, str], status: int) -> None:
    answer = stand.post("/api/rebuilds", wish)

    assert answer.status_code == status
    assert answer.json()["error"]
    assert "\n" not in answer.json()["error"]


def test_what_is_not_known_is_404(stand: Stand) -> None:
    assert stand.get("/api/releases/unheard-of/1").status_code == 404
    assert stand.get("/api/rebuilds/unheard-of").status_code == 404
    assert stand.post("/api/parked", {"id": "unheard-of"}).status_code == 404
    assert stand.get("/api/parked").json() == {"parked": []}


def _post(stand: Stand, body: bytes) -> requests.Response:
    headers = {"X-Rebuilder-Secret": stand.hook_secret, "Content-Type": "application/json"}
    return requests.post(f"{stand.app_url}/api/hooks", data=body, headers=headers, timeout=30)
