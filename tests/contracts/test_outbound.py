"""Where the adapters' requests go: to the service that the settings name, and nowhere else."""

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import pytest

from local.azure_devops.api import AUDIENCE
from local.azure_devops.server import Organization
from local.faults import Fault
from shared.adapters.azure_devops import AzureDevOpsOrganizations
from shared.adapters.azure_devops.guard import Pause
from shared.domain.targets import Target
from shared.errors import AccessDenied, NotThere, PipelineRejected
from tests.contracts.test_faults import STEPS, Step, _wheel
from tests.fakes.clock import FakeStopwatch
from tests.fakes.credential import StubCredential

__all__ = ["_wheel"]  # a fixture: every test finds it on the module's feed


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[object]]:
    """Every address that this thread connects to; names are looked up for these only."""
    mine, found = threading.get_ident(), list[object]()
    connect = socket.socket.connect

    def noted(self: socket.socket, address: Any) -> None:
        if threading.get_ident() == mine:
            found.append(address)
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", noted)
    yield found
    monkeypatch.undo()


@pytest.mark.parametrize("fault", [Fault.USUAL, Fault.REDIRECT], ids=str)
@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.operation)
def test_no_request_goes_anywhere_but_to_the_configured_service(
    organization_of_module: Organization, target_of_module: Target, step: Step, fault: Fault, connected: list[object]
) -> None:
    """Even where an answer leads elsewhere, which is how a sign-in page is shown."""
    # A connection of its own: what is open already would not be seen.
    stopwatch = FakeStopwatch()
    azure_devops = AzureDevOpsOrganizations(StubCredential(AUDIENCE), lambda: Pause(stopwatch.now, stopwatch.sleep))
    organization_of_module.faults.set(step.operation, fault, times=9)
    with suppress(NotThere, PipelineRejected, AccessDenied):
        step.run(azure_devops, target_of_module)
    organization_of_module.faults.clear()

    addresses = [*organization_of_module.urls.values(), organization_of_module.index.storage]
    own = [urlsplit(address) for address in addresses]
    assert connected
    assert set(connected) <= {(one.hostname, one.port) for one in own}
