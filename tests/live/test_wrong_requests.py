"""The table of wrong requests, sent to the live service: each row that says what the service answers."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import requests

from local.wheels import empty_wheel
from tests.contracts.wrong_requests import ALL, At, Known, Upload, WrongRequest
from tests.live.site import Site
from tests.live.worlds import LiveFeed, LiveRepository, upload_form

# What would stay, and could not be found again, if the service took it.
_HOOKS = re.compile(r"/_apis/hooks/")
_ARM = "management.azure.com"
ROWS = [row for row in ALL if row.known is not Known.STAND and not _HOOKS.search(row.path)]
PACKAGE = "our-package"


class Sender:
    """Sends rows, each name in them in place of the stand's."""

    def __init__(self, site: Site, folder: Path) -> None:
        self._site = site
        self._folder = folder
        self._repository = LiveRepository(site, folder / "repository")
        self._feed = LiveFeed(site, folder / "wheels")
        self._feed.publish(PACKAGE, "1.0")

    def send(self, row: WrongRequest) -> requests.Response:
        site = self._site
        base = {
            str(At.DEVOPS): site.organization,
            str(At.FEEDS): site.feeds_url,
            str(At.PACKAGES): site.packages_url,
            _ARM: site.workspace_url,
        }[row.at]
        made = row.body() if callable(row.body) else row.body
        token = site.arm_token() if row.at == _ARM else site.token()
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        headers["X-TFS-FedAuthRedirect"] = "Suppress"
        body: bytes | None = made if isinstance(made, bytes) else None
        if isinstance(made, Upload):
            body, headers["Content-Type"] = self._form(made)
        elif made is not None and body is None:
            body, headers["Content-Type"] = json.dumps(self._filled(made)).encode(), "application/json"
        shown = {name: value for name, value in {**headers, **row.headers}.items() if value}
        return requests.request(
            row.method,
            base + self._filled(row.path),
            data=body,
            headers=shown,
            auth=lambda request: request,
            timeout=120,
            allow_redirects=False,
        )

    def _filled(self, value: Any) -> Any:
        if isinstance(value, str):
            target, branch = self._site.settings.target, self._repository.branch
            feed = self._site.settings.feed
            filled = {
                "project": target.project, "repository": target.repository, "feed": feed.name,
                "pipeline": str(target.pipeline), "tip": self._repository.repository.tip() if "{tip}" in value else "",
            }  # fmt: skip
            named = re.sub(r"\{(\w+)\}", lambda found: filled.get(found[1], found[0]), value)
            # An environment that should be refused can be found again, in case it is not.
            named = re.sub(r"^(/environments/[^/?]+)", rf"\1-{self._site.settings.prefix}", named)
            # A push that should be refused goes to a branch of our own, in case it is not.
            named = f"refs/heads/{branch}" if named == "refs/heads/main" else named
            return re.sub(rf"\b{PACKAGE}\b", self._feed.real_name(PACKAGE), named)
        if isinstance(value, Mapping):
            return {name: self._filled(one) for name, one in value.items()}
        return [self._filled(one) for one in value] if isinstance(value, list) else value

    def _form(self, row: Upload) -> tuple[bytes, str]:
        wheel = empty_wheel(self._filled(row.name), row.version, self._folder)
        changed = {name: self._filled(value) for name, value in row.changed.items()}
        return upload_form(self._filled(row.name), row.version, row.filename or wheel.name, wheel.read_bytes(), changed)


@pytest.fixture(scope="module")
def sender(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Sender:
    return Sender(site, tmp_path_factory.mktemp("wrong"))


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_wrong_request_is_refused_as_the_stand_refuses_it(sender: Sender, row: WrongRequest) -> None:
    """Its status: what the answer says besides is held against the stand's, side by side."""
    answer = sender.send(row)
    assert answer.status_code == row.status, answer.text[:300]
