"""The Azure ML stand-in takes what Azure ML takes; what it refuses is listed in tests/contracts/wrong_requests.py."""

from collections.abc import Iterator

import pytest
import requests

from local.azure_ml.server import AzureML
from local.certificates import make_certificates
from local.identity import make_token
from local.processes import StandError, hold_ports

WORKSPACE = "/subscriptions/s/resourceGroups/ml/providers/Microsoft.MachineLearningServices/workspaces/training"


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AzureML]:
    certificates = make_certificates(tmp_path_factory.mktemp("azure-ml"), ("localhost",))
    (port,) = hold_ports(1)
    made = AzureML(port=port, certificates=certificates, workspaces=("training",))
    made.start()
    yield made
    made.stop()


@pytest.mark.parametrize("name", ["e", "e" * 255, "acpt-pytorch-2.2-cuda12.1", "my_AzureML-e", "E-1"])
def test_a_right_name_is_taken(stand_in: AzureML, name: str) -> None:
    answer = requests.put(
        f"https://127.0.0.1:{stand_in.port}{WORKSPACE}/environments/{name}/versions/1",
        params={"api-version": "2023-04-01-preview"},
        json={"properties": {"build": {"contextUri": "https://account.blob.core.windows.net/container/0/"}}},
        headers={"Authorization": f"Bearer {make_token('https://management.azure.com')}"},
        verify=str(stand_in.certificates.bundle),
        timeout=10,
    )

    assert answer.status_code == 201


def test_a_stand_in_that_cannot_listen_says_so(stand_in: AzureML) -> None:
    twin = AzureML(port=stand_in.port, certificates=stand_in.certificates, workspaces=("training",))

    with pytest.raises(StandError, match=f"port {twin.port}"):
        twin.start()
