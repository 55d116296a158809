"""Set-up for all tests: Hypothesis profiles, and no network but this machine's own."""

import gc
import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("default", max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("long", max_examples=3000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


# Whole files go to one of three processes: the longest ones begin first, so that none is left over at the end.
_LONGEST_FIRST = (
    "local/test_sample.py", "stand/test_pipeline.py", "stand/test_reliability.py", "local/test_run.py",
    "reliability/test_model.py", "reliability/test_crashes.py", "stand/test_trouble.py", "stand/test_sources.py",
    "stand/test_identity.py", "stand/test_steps.py", "tests/test_live.py", "tests/steps/",
)  # fmt: skip
# Files whose tests share what takes long to start, a stand or Azurite: they go to the same process.
_SHARING = (
    ("stand/test_trouble.py", "stand/test_sources.py", "stand/test_identity.py"),
    ("contracts/test_ledger_store.py", "contracts/test_queue.py"),
)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give whole files to processes, however the tests are started."""
    from xdist.scheduler.loadfile import LoadFileScheduling  # type: ignore[import-untyped]

    class Files(LoadFileScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            return next((names[0] for names in _SHARING if file.endswith(names)), file)

    return Files(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the tests by how long their file takes, and leave the very long ones to `make test-long`."""
    if os.environ.get("HYPOTHESIS_PROFILE") != "long":
        items[:] = [item for item in items if item.get_closest_marker("long") is None]

    def rank(item: pytest.Item) -> int:
        found = [at for at, name in enumerate(_LONGEST_FIRST) if name in item.path.as_posix()]
        return found[0] if found else len(_LONGEST_FIRST)

    items.sort(key=rank)


def pytest_collection_finish() -> None:
    """Keep the collector from looking at modules and tests again and again: that is a tenth of a sweep's time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _only_this_machine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A test that reaches out to the world fails, unless it says that it has to."""
    if request.node.get_closest_marker("package_index") or request.node.get_closest_marker("live"):
        yield
        return
    connect = socket.socket.connect

    def checked(self: socket.socket, address: Any) -> None:
        if isinstance(address, tuple) and address[0] not in ("127.0.0.1", "::1", "localhost"):
            pytest.fail(f"this test tried to reach {address[0]}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", checked)
    yield
