"""More than anybody sends on an ordinary day: storms of hooks, for two hosts, with a storage that takes its time."""

import asyncio
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from local.azure_devops.api import Recorded
from local.azure_devops.repository import git
from local.azure_ml.server import Version
from local.processes import hold_ports
from local.stand import Stand, StandSettings
from shared.adapters.blob_ledger import BlobLedgerStore
from shared.domain.records.release_entry import ReleaseEntry
from shared.domain.records.run_outcomes import JobOutcome
from shared.domain.releases import ReleaseId
from shared.domain.states import EnvironmentState, RebuildState, ReleaseState
from shared.ledger import Ledger
from shared.ledger_entries import lease_key, rebuild_key, release_key
from tests.contracts.worlds import end_run
from tests.environments import write_environment
from tests.fakes.credential import StubCredential
from tests.stand.conftest import RULES, TIMER_OFF, publish, queued
from tests.waiting import wait_for

pytestmark = pytest.mark.stand

PACKAGES = tuple(f"pkg-{number:02}" for number in range(50))
ENVIRONMENTS, DELIVERIES = 30, 20
# 40 runs in the long run of the tests, otherwise 8.
ENDED = 2000 if os.environ.get("HYPOTHESIS_PROFILE") == "long" else 400
SETTLE_SECONDS = 40
STORAGE_SECONDS = 0.05


class SlowWay:
    """Passes on what is sent to a port, each piece after a while; answers pass at once."""

    def __init__(self, port: int, to: int) -> None:
        self._port, self._to = port, to
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def start(self) -> None:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._connected, "127.0.0.1", self._port, reuse_port=True), self._loop
        ).result()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    async def _connected(self, near: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
        far, request = await asyncio.open_connection("127.0.0.1", self._to)
        await asyncio.gather(self._pass(near, request, STORAGE_SECONDS), self._pass(far, answer, 0))

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, pause: float) -> None:
        try:
            while piece := await source.read(65536):
                await asyncio.sleep(pause)
                sink.write(piece)
                await sink.drain()
        except ConnectionError:
            pass
        finally:
            sink.close()


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    folder = tmp_path_factory.mktemp("overload")
    environments = folder / "environments"
    for number in range(ENVIRONMENTS):
        write_environment(environments, f"env-{number:02}", "".join(f"{name}==1.0\n" for name in PACKAGES))
    (environments / "rebuilder.yml").write_text(RULES)
    (port,) = hold_ports(1)
    settings = StandSettings(
        folder=folder / "stand",
        repository=environments,
        settle_seconds=SETTLE_SECONDS,
        upstream=False,
        build_hook=False,
        hosts=2,
        agent=False,
        app_settings={**TIMER_OFF, "REBUILDER_STORAGE__blobServiceUri": f"https://127.0.0.1:{port}/devstoreaccount1"},
    )
    made = Stand(settings)
    slow = SlowWay(port, to=urlsplit(made.azurite.blobs).port or 0)
    slow.start()
    with made as running:
        for package in PACKAGES:
            publish(running, package, "1.0", silent=True)
        assert running.fire_timer().status_code == 202
        yield running
    slow.stop()


@contextmanager
def _ledger_of(stand: Stand) -> Iterator[Ledger]:
    """What the app has written down."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REQUESTS_CA_BUNDLE", str(stand.certificates.bundle))
        yield Ledger(BlobLedgerStore(stand.azurite.blobs, StubCredential("https://storage.azure.com")))


@pytest.fixture(scope="module")
def ledger(stand: Stand) -> Iterator[Ledger]:
    with _ledger_of(stand) as made:
        yield made


@pytest.mark.timeout(600)
def test_a_storm_of_hooks_is_at_most_two_rebuilds(stand: Stand, ledger: Ledger) -> None:
    """50 releases, each told of twenty times at once, for 30 environments."""
    api, began = stand.organization.api, time.monotonic()
    asked: list[Recorded] = []
    api.recorded = asked
    stand.organization.hooks.duplicates = DELIVERIES - 1
    for package in PACKAGES:
        publish(stand, package, "1.1")
    releases = [release_key("main", ReleaseId.of("ml/packages", package, "1.1")) for package in PACKAGES]

    def is_over() -> bool:
        entries = ledger.read_many(releases).values()
        planned = [e for e in entries if isinstance(e, ReleaseEntry) and e.state is ReleaseState.PLANNED]
        return len(planned) == len(releases) and not ledger.due("main")

    wait_for(is_over, "all releases are planned", seconds=280)
    wait_for(lambda: not ledger.get(lease_key("main")).plan, "their rebuild is queued", seconds=60)
    api.recorded = None

    builds = stand.organization.pipelines.builds
    # Two, unless the machine is so slow that a settle time is over before the storm is.
    assert 1 <= len(builds) <= max(2, (time.monotonic() - began) // SETTLE_SECONDS)
    subjects = git("log", "--format=%s", "main", at=stand.organization.repository.path).decode().splitlines()
    assert len(subjects) == 2 + len(builds)
    pins = (git("show", f"main:env-{n:02}/docker-context/requirements.txt", at=stand.organization.repository.path)
            for n in range(ENVIRONMENTS))  # fmt: skip
    assert set(pins) == {"".join(f"{name}==1.1\n" for name in PACKAGES).encode()}
    # A version is two requests. Each host looks at each once, and once more for what came meanwhile.
    requests = Counter(one.operation for one in asked)
    assert requests.pop("packages") <= 4 * len(PACKAGES) * len(builds)
    assert requests.pop("package version") <= 4 * len(PACKAGES) * len(builds)
    assert requests.total() <= 30 * len(builds), requests


@pytest.mark.timeout(600)
def test_what_ended_while_the_app_was_away_is_followed_to_the_end(tmp_path: Path) -> None:
    """Nobody tells of the end of their runs but the timer."""
    names = [f"env-{number:04}" for number in range(ENDED)]
    for name in names:
        write_environment(tmp_path / "environments", name, f"{PACKAGES[0]}==1.0\n")
    (tmp_path / "environments" / "rebuilder.yml").write_text(RULES)
    settings = StandSettings(
        folder=tmp_path / "stand",
        repository=tmp_path / "environments",
        settle_seconds=1,
        upstream=False,
        build_hook=False,
        agent=False,
        app_settings=TIMER_OFF,
    )
    with Stand(settings) as stand, _ledger_of(stand) as ledger:
        publish(stand, PACKAGES[0], "1.1")
        rebuild = queued(stand, PACKAGES[0], "1.1", seconds=200)["rebuild"]["id"]
        stand.functions.stop()
        for build in stand.organization.pipelines.builds:
            paths = [item.split(":")[1] for item in build.parameters["environments"].split(",")]
            end_run(
                stand.organization, build.id, "succeeded", dict.fromkeys(paths, JobOutcome("completed", "succeeded"))
            )
        tags = {
            "tags": {"rebuilder-rebuild": rebuild},
            "build": {"contextUri": "https://storage/c/"},
            "osType": "Linux",
        }
        held = stand.azure_ml.environments[stand.azure_ml.workspaces[0]]
        held.update({name: [Version(name, "1", {**tags, "isArchived": False})] for name in names})
        stand.azure_ml.requests.clear()

        stand.start_functions()
        assert stand.fire_timer().status_code == 202
        wait_for(lambda: not ledger.following("main"), "all that ended was seen", seconds=200)

        entry = ledger.get(rebuild_key("main", rebuild))
        assert entry.state is RebuildState.FINISHED
        assert Counter(e.state for e in entry.environments) == {EnvironmentState.REGISTERED: len(names)}
        assert all(e.workspaces[0].version == "1" for e in entry.environments)
        asked = [path for method, path in stand.azure_ml.requests if method == "GET" and "/versions" in path]
        assert len(asked) == len(names)  # each once
