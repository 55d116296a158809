"""What the repository refuses, and what it calls that."""

import base64
from pathlib import Path
from typing import Any

import pytest
import requests

from shared.errors import RejectedByPolicy
from tests.live.site import Site
from tests.live.worlds import LiveRepository

FILE = "rebuilder.yml"


@pytest.fixture
def repository(site: Site, tmp_path: Path) -> LiveRepository:
    return LiveRepository(site, tmp_path / "repository")


def _edit(path: str = FILE, **more: Any) -> dict[str, Any]:
    content = {"content": base64.b64encode(b"ours\n").decode(), "contentType": "base64Encoded"}
    return {"changeType": "edit", "item": {"path": f"/{path}"}, "newContent": content, **more}


def _push(
    site: Site, branch: str, base: str, *changes: dict[str, Any], ref: str | None = None, comment: str = "Change"
) -> requests.Response:
    body = {
        "refUpdates": [{"name": ref or f"refs/heads/{branch}", "oldObjectId": base}],
        "commits": [{"comment": comment, "changes": list(changes)}],
    }
    return site.ask("POST", f"{site.git_api}/pushes", body=body)


def _error(answer: requests.Response) -> tuple[int, str]:
    return answer.status_code, str(answer.json().get("typeKey")) if answer.status_code >= 400 else ""


def test_a_push_to_another_tip_is_409_and_says_so(site: Site, repository: LiveRepository) -> None:
    base = repository.repository.tip()
    repository.commit({"theirs": b"theirs\n"})
    answer = _push(site, repository.branch, base, _edit())
    assert _error(answer) == (409, "GitReferenceStaleException")
    assert "TF401028" in answer.json()["message"]


def test_a_push_to_a_protected_branch_is_refused_by_policy(site: Site) -> None:
    protected = site.azure_devops.repository(site.target(site.settings.protected_branch))
    base = protected.tip()
    path = min(protected.listing(base).files)
    answer = _push(site, site.settings.protected_branch, base, _edit(path))
    assert _error(answer) == (403, "GitRefUpdateRejectedByPolicyException")
    with pytest.raises(RejectedByPolicy):
        protected.push(base, "Change", {path: b"ours\n"})
    assert protected.tip() == base


def test_a_commit_is_by_whom_the_push_names(site: Site, repository: LiveRepository) -> None:
    base = repository.repository.tip()
    path = min(repository.repository.listing(base).files)
    person = {"name": "Live tests' author", "email": "live-tests-author@rebuilder.invalid"}
    body = {
        "refUpdates": [{"name": f"refs/heads/{repository.branch}", "oldObjectId": base}],
        "commits": [{"comment": "Change", "changes": [_edit(path)], "author": person, "committer": person}],
    }
    answer = site.ask("POST", f"{site.git_api}/pushes", body=body)
    assert answer.status_code == 201, answer.text
    made = site.ask("GET", f"{site.git_api}/commits/{answer.json()['commits'][0]['commitId']}").json()
    for kind in ("author", "committer"):
        assert {key: made[kind][key] for key in person} == person


def test_an_invalid_ref_name_is_400(site: Site, repository: LiveRepository) -> None:
    base = repository.repository.tip()
    answer = _push(site, repository.branch, base, _edit(), ref=f"refs/heads/{repository.branch}..x")
    assert answer.status_code == 400


def test_an_edit_of_a_missing_file_is_400(site: Site, repository: LiveRepository) -> None:
    answer = _push(site, repository.branch, repository.repository.tip(), _edit("nobody/has/this.txt"))
    assert answer.status_code == 400


def test_a_file_that_is_there_cannot_be_added(site: Site, repository: LiveRepository) -> None:
    answer = _push(site, repository.branch, repository.repository.tip(), _edit(changeType="add"))
    assert answer.status_code == 400


def test_an_unknown_change_type_is_400(site: Site, repository: LiveRepository) -> None:
    answer = _push(site, repository.branch, repository.repository.tip(), _edit(changeType="improve"))
    assert answer.status_code == 400


def test_broken_base64_is_400(site: Site, repository: LiveRepository) -> None:
    content = {"content": "no base64!", "contentType": "base64Encoded"}
    answer = _push(site, repository.branch, repository.repository.tip(), _edit(newContent=content))
    assert answer.status_code == 400


def test_a_file_twice_in_one_commit_is_400(site: Site, repository: LiveRepository) -> None:
    answer = _push(site, repository.branch, repository.repository.tip(), _edit(), _edit())
    assert answer.status_code == 400


def test_a_commit_without_a_comment_is_400(site: Site, repository: LiveRepository) -> None:
    answer = _push(site, repository.branch, repository.repository.tip(), _edit(), comment="")
    assert answer.status_code == 400


def test_a_write_without_api_version_is_400(site: Site, repository: LiveRepository) -> None:
    answer = site.ask("POST", f"{site.git_api}/pushes", body={}, version=None)
    assert answer.status_code == 400


def test_an_api_version_that_is_too_high_is_400(site: Site) -> None:
    assert site.ask("GET", f"{site.git_api}/refs", version="99.0").status_code == 400


def test_a_body_that_is_not_json_is_400_or_415(site: Site) -> None:
    answer = site.ask("POST", f"{site.git_api}/pushes", raw=b"{not json", headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 415)
