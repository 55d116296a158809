"""Wrong requests: each row of the table is answered as the table says, and changes nothing."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest
import requests
from urllib3 import encode_multipart_formdata

from local.azure_devops.api import AUDIENCE
from local.azure_devops.locations import Host
from local.azure_devops.server import Organization
from local.azure_ml.server import AzureML
from local.certificates import make_certificates
from local.identity import make_token
from local.processes import hold_ports
from local.wheels import empty_wheel
from tests.contracts.wrong_requests import ALL, At, Upload, WrongRequest


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    text: str


class Service(Protocol):
    """Whoever is asked."""

    def send(self, wrong: WrongRequest) -> Answer:
        """Send a row."""
        ...

    def state(self) -> object:
        """All that a request could change."""
        ...


# Which fixture sends the rows of a service: only what is asked is started.
_SERVICES = {
    At.DEVOPS: "azure_devops_service",
    At.FEEDS: "azure_devops_service",
    At.PACKAGES: "azure_devops_service",
    At.ARM: "azure_ml_service",
}


@pytest.mark.parametrize("wrong", ALL, ids=str)
def test_a_wrong_request_is_refused_as_the_table_says(request: pytest.FixtureRequest, wrong: WrongRequest) -> None:
    service: Service = request.getfixturevalue(_SERVICES[wrong.at])
    before = service.state()

    answer = service.send(wrong)

    assert (answer.status, bool(re.search(wrong.says, answer.text, re.DOTALL))) == (wrong.status, True), answer.text
    assert service.state() == before


def test_no_two_rows_say_the_same() -> None:
    assert len({wrong.what for wrong in ALL}) == len(ALL)


class AzureDevOpsService:
    """The stand's organisation with one package, `our-package` 1.0."""

    def __init__(self, organization: Organization, folder: Path) -> None:
        self._organization = organization
        self._folder = folder
        wheel = empty_wheel("our-package", "1.0", folder)
        organization.feed.publish(wheel.name, wheel.read_bytes(), silent=True)

    def send(self, wrong: WrongRequest) -> Answer:
        made = wrong.body() if callable(wrong.body) else wrong.body
        headers = {"Authorization": f"Bearer {make_token(AUDIENCE)}", "Accept": "application/json"}
        body: bytes | None = None
        if isinstance(made, Upload):
            body, headers["Content-Type"] = self._form(made)
        elif isinstance(made, bytes):
            body = made
        elif made is not None:
            body, headers["Content-Type"] = json.dumps(self._filled(made)).encode(), "application/json"
        headers = {name: value for name, value in {**headers, **wrong.headers}.items() if value}
        url = self._organization.urls[Host(wrong.at)] + self._filled(wrong.path)
        answer = requests.request(
            wrong.method, url, data=body, headers=headers, auth=lambda asked: asked, timeout=60, allow_redirects=False
        )
        return Answer(answer.status_code, answer.text)

    def state(self) -> object:
        organization = self._organization
        subscribed = requests.get(
            f"{organization.url}/_apis/hooks/subscriptions",
            headers={"Authorization": f"Bearer {make_token(AUDIENCE)}"}, timeout=10,
        ).json()["count"]  # fmt: skip
        heads = sorted((organization.repository.path / "refs").rglob("*"))
        builds = len(organization.pipelines.builds)
        return organization.repository.tip(), heads, organization.feed.token, builds, subscribed

    def _filled(self, value: Any) -> Any:
        """The value with the organisation's own names in place of `{project}` and so on."""
        names = self._organization.names
        if isinstance(value, str):
            filled = {
                "project": names.project, "repository": names.repository, "feed": names.feed,
                "pipeline": names.pipeline, "tip": self._organization.repository.tip(),
            }  # fmt: skip
            return re.sub(r"\{(\w+)\}", lambda found: str(filled.get(found[1], found[0])), value)
        if isinstance(value, Mapping):
            return {name: self._filled(one) for name, one in value.items()}
        return [self._filled(one) for one in value] if isinstance(value, list) else value

    def _form(self, upload: Upload) -> tuple[bytes, str]:
        """The upload as twine sends it."""
        wheel = empty_wheel(upload.name, upload.version, self._folder)
        content = wheel.read_bytes()
        right = {
            ":action": "file_upload", "protocol_version": "1", "metadata_version": "2.1", "filetype": "bdist_wheel",
            "pyversion": "py3", "name": upload.name, "version": upload.version,
            "sha256_digest": hashlib.sha256(content).hexdigest(),
            "md5_digest": hashlib.md5(content, usedforsecurity=False).hexdigest(),
            "blake2_256_digest": hashlib.blake2b(content, digest_size=32).hexdigest(),
        }  # fmt: skip
        fields: list[tuple[str, str | tuple[str, bytes]]] = [
            (name, value) for name, value in {**right, **upload.changed}.items() if value is not None
        ]
        fields.append(("content", (upload.filename or wheel.name, content)))
        return encode_multipart_formdata(fields)


@pytest.fixture(scope="module")
def azure_devops_service(
    organization_of_module: Organization, tmp_path_factory: pytest.TempPathFactory
) -> AzureDevOpsService:
    return AzureDevOpsService(organization_of_module, tmp_path_factory.mktemp("wheels"))


class AzureMLService:
    """The stand's workspace, with nothing in it."""

    _WORKSPACE = "/subscriptions/s/resourceGroups/ml/providers/Microsoft.MachineLearningServices/workspaces/training"

    def __init__(self, stand_in: AzureML) -> None:
        self._stand_in = stand_in

    def send(self, wrong: WrongRequest) -> Answer:
        headers = {"Authorization": f"Bearer {make_token('https://management.azure.com')}", **wrong.headers}
        answer = requests.request(
            wrong.method,
            f"https://127.0.0.1:{self._stand_in.port}{self._WORKSPACE}{wrong.path}",
            data=wrong.body if isinstance(wrong.body, bytes) else json.dumps(wrong.body),
            headers={name: value for name, value in headers.items() if value},
            verify=str(self._stand_in.certificates.bundle),
            timeout=10,
        )
        return Answer(answer.status_code, answer.text)

    def state(self) -> object:
        return {name: list(versions) for name, versions in self._stand_in.environments["training"].items()}


@pytest.fixture(scope="module")
def azure_ml_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AzureMLService]:
    certificates = make_certificates(tmp_path_factory.mktemp("azure-ml"), ("localhost",))
    (port,) = hold_ports(1)
    stand_in = AzureML(port=port, certificates=certificates, workspaces=("training",))
    stand_in.start()
    yield AzureMLService(stand_in)
    stand_in.stop()
