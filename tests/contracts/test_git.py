"""The stand's repository as git sees it: nobody reads or writes who does not sign in."""

from pathlib import Path

import pytest

from local.azure_devops.api import AUDIENCE, BUILD_SERVICE
from local.azure_devops.repository import GitError, git
from local.azure_devops.server import Organization
from local.identity import make_token

# What stands in nobody's settings on this machine, and asks nobody.
_ALONE = {"GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_ASKPASS": ""}
_SOMEBODY = ("-c", "user.name=Somebody", "-c", "user.email=somebody@stand.invalid")


def with_token(token: str) -> dict[str, str]:
    """As an agent signs in: for one program, and nothing of it is kept."""
    return {
        **_ALONE,
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "http.extraHeader",
        "GIT_CONFIG_VALUE_0": f"Authorization: Bearer {token}",
    }


def commit(clone: Path) -> str:
    git(*_SOMEBODY, "commit", "--quiet", "--allow-empty", "--message", "Nothing", at=clone)
    return git("rev-parse", "HEAD", at=clone).decode().strip()


def test_a_person_clones_and_pushes_with_the_address_that_is_printed(
    organization: Organization, tmp_path: Path
) -> None:
    git("clone", "--quiet", organization.developers_clone_url, "clone", at=tmp_path, environment=_ALONE)
    made = commit(tmp_path / "clone")
    git("push", "--quiet", at=tmp_path / "clone", environment=_ALONE)
    assert organization.repository.tip() == made


@pytest.mark.parametrize("token", [None, "", make_token(AUDIENCE, lifetime=-60), make_token("another audience")])
def test_nobody_clones_who_does_not_sign_in(organization: Organization, tmp_path: Path, token: str | None) -> None:
    environment = _ALONE if token is None else with_token(token)
    with pytest.raises(GitError):
        git("clone", "--quiet", organization.clone_url, "clone", at=tmp_path, environment=environment)
    assert not (tmp_path / "clone").exists()


def test_a_job_reads_the_repository_and_does_not_write_to_it(organization: Organization, tmp_path: Path) -> None:
    before = organization.repository.tip()
    signed = with_token(make_token(AUDIENCE, subject=BUILD_SERVICE))
    git("clone", "--quiet", organization.clone_url, "clone", at=tmp_path, environment=signed)
    assert commit(tmp_path / "clone") != before
    assert b"Bearer" not in (tmp_path / "clone" / ".git" / "config").read_bytes()
    with pytest.raises(GitError, match="403"):
        git("push", "--quiet", at=tmp_path / "clone", environment=signed)
    assert organization.repository.tip() == before


def test_our_identity_may_push(organization: Organization, tmp_path: Path) -> None:
    signed = with_token(make_token(AUDIENCE))
    git("clone", "--quiet", organization.clone_url, "clone", at=tmp_path, environment=signed)
    made = commit(tmp_path / "clone")
    git("push", "--quiet", at=tmp_path / "clone", environment=signed)
    assert organization.repository.tip() == made
