"""The Azure ML stand-in refuses what Azure Resource Manager and Azure ML refuse."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import requests

from local.azure_ml.server import AzureML
from local.certificates import make_certificates
from local.identity import make_token
from local.processes import StandError, hold_ports

VERSION = "2023-04-01-preview"
WORKSPACE = "/subscriptions/s/resourceGroups/ml/providers/Microsoft.MachineLearningServices/workspaces/training"
BUILD = {"contextUri": "https://account.blob.core.windows.net/container/LocalUpload/0/context/"}
IMAGE = "mcr.microsoft.com/azureml/base:1"


@dataclass
class Client:
    """Asks the stand-in over TLS, with the token of an identity that may."""

    stand_in: AzureML
    bundle: str

    def ask(self, method: str, path: str, body: bytes = b"", *, version: str | None = VERSION) -> requests.Response:
        return requests.request(
            method,
            f"https://127.0.0.1:{self.stand_in.port}{path}",
            params={} if version is None else {"api-version": version},
            data=body,
            verify=self.bundle,
            headers={"Authorization": f"Bearer {make_token('https://management.azure.com')}"},
            timeout=10,
        )

    def put(self, name: str, properties: object, number: str = "1") -> requests.Response:
        body = json.dumps({"properties": properties}).encode()
        return self.ask("PUT", f"{WORKSPACE}/environments/{name}/versions/{number}", body)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    certificates = make_certificates(tmp_path_factory.mktemp("azure-ml"), ("localhost",))
    (port,) = hold_ports(1)
    stand_in = AzureML(port=port, certificates=certificates, workspaces=("training",))
    stand_in.start()
    yield Client(stand_in, str(certificates.bundle))
    stand_in.stop()


def error_of(answer: requests.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


type Ask = Callable[[Client], requests.Response]


@pytest.mark.parametrize(
    ("ask", "answer"),
    [
        (lambda c: c.ask("GET", f"{WORKSPACE}/environments", version=None), (400, "MissingApiVersionParameter")),
        (lambda c: c.ask("GET", f"{WORKSPACE}/environments", version="7.1"), (400, "InvalidApiVersionParameter")),
        (lambda c: c.ask("GET", f"{WORKSPACE}/environments", version="2023-04-02"), (400, "NoRegisteredProviderFound")),
        (lambda c: c.put("my env", {"image": IMAGE}), (400, "RequestInvalid")),
        (lambda c: c.put("e" * 256, {"image": IMAGE}), (400, "RequestInvalid")),
        (lambda c: c.put("-e", {"image": IMAGE}), (400, "RequestInvalid")),
        (lambda c: c.put("AzureML-e", {"image": IMAGE}), (400, "UserError")),
        (lambda c: c.put("e", {"image": IMAGE, "build": BUILD}), (400, "UserError")),
        (lambda c: c.put("e", {}), (400, "UserError")),
        (lambda c: c.put("e", {"build": {"dockerfilePath": "Dockerfile"}}), (400, "UserError")),
        (lambda c: c.put("e", None), (400, "InvalidRequestContent")),
        (
            lambda c: c.ask("PUT", f"{WORKSPACE}/environments/e/versions/1", b"{no json"),
            (400, "InvalidRequestContent"),
        ),
        (lambda c: c.ask("GET", f"{WORKSPACE}x/environments"), (404, "ResourceNotFound")),
        (lambda c: c.ask("DELETE", f"{WORKSPACE}/environments/e/versions/1"), (501, "NotInTheStand")),
        (lambda c: c.ask("GET", f"{WORKSPACE}/jobs/j"), (501, "NotInTheStand")),
    ],
)
def test_a_wrong_request_is_refused(client: Client, ask: Ask, answer: tuple[int, str]) -> None:
    client.stand_in.environments["training"].clear()

    assert error_of(ask(client)) == answer
    assert client.stand_in.environments["training"] == {}


def test_what_the_stand_does_not_know_it_names(client: Client) -> None:
    answer = client.ask("PATCH", f"{WORKSPACE}/environments/e")

    assert f"PATCH {WORKSPACE}/environments/e" in answer.json()["error"]["message"]


@pytest.mark.parametrize("name", ["e", "e" * 255, "acpt-pytorch-2.2-cuda12.1", "my_AzureML-e", "E-1"])
def test_a_right_name_is_taken(client: Client, name: str) -> None:
    assert client.put(name, {"build": BUILD}).status_code == 201


def test_a_stand_in_that_cannot_listen_says_so(client: Client) -> None:
    twin = AzureML(port=client.stand_in.port, certificates=client.stand_in.certificates, workspaces=("training",))

    with pytest.raises(StandError, match=f"port {twin.port}"):
        twin.start()
