"""Set-up for all tests: Hypothesis profiles, and no network but this machine's own."""

import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("default", max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("long", max_examples=3000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


# Whole files go to one of two processors: the longest ones begin first, so that none is left over at the end.
_LONGEST_FIRST = ("test_pipeline.py", "test_sample.py", "test_run.py", "test_trouble.py", "test_sources.py", "steps/")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the tests by how long their file takes, and leave the very long ones to `make test-long`."""
    if os.environ.get("HYPOTHESIS_PROFILE") != "long":
        items[:] = [item for item in items if item.get_closest_marker("long") is None]

    def rank(item: pytest.Item) -> int:
        stand = "/stand/" in str(item.path) or "/local/" in str(item.path) or "/steps/" in str(item.path)
        found = [at for at, name in enumerate(_LONGEST_FIRST) if stand and name in str(item.path)]
        return found[0] if found else len(_LONGEST_FIRST)

    items.sort(key=rank)


@pytest.fixture(autouse=True)
def _only_this_machine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A test that reaches out to the world fails, unless it says that it has to."""
    if request.node.get_closest_marker("package_index"):
        yield
        return
    connect = socket.socket.connect

    def checked(self: socket.socket, address: Any) -> None:
        if isinstance(address, tuple) and address[0] not in ("127.0.0.1", "::1", "localhost"):
            pytest.fail(f"this test tried to reach {address[0]}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", checked)
    yield
