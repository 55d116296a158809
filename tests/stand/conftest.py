"""One stand for all tests of this folder: its repository has an environment for each test's own package."""

from collections.abc import Iterator
from typing import Any

import pytest
from azure.storage.queue import QueueClient

from local.azure_devops.repository import git
from local.stand import Stand, StandSettings
from local.wheels import empty_wheel
from tests.environments import write_environment
from tests.fakes.credential import StubCredential
from tests.waiting import wait_for

PACKAGES = (
    "pkg-hook", "pkg-post", "pkg-build", "pkg-build-new", "pkg-build-old", "pkg-run", "pkg-timer", "pkg-person",
    "pkg-twice", "pkg-lost-push", "pkg-lost-run", "pkg-killed", "pkg-storage", "pkg-broken-neighbour",
    "pkg-late", "pkg-twine", "pkg-mine",
)  # fmt: skip
# The user-assigned identity of the app on this stand; it has no other.
IDENTITY = "0c0ffee0-0000-4000-8000-00000000000a"
# Tests fire the timer themselves. On its own schedule it would signal a test's release, or plan what is held, at any
# moment of any test.
TIMER_OFF = {"AzureWebJobs.repair.Disabled": "true"}
RULES = 'deliver: push\npackages:\n  - match: "pkg-*"\n'


@pytest.fixture(scope="session")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """A running stand whose timer already knows the feed's past."""
    folder = tmp_path_factory.mktemp("stand")
    environments = folder / "environments"
    for package in PACKAGES:
        write_environment(environments, f"env-{package}", f"{package}==1.0\n")
    write_environment(environments, "broken", "pkg-broken-neighbour==1.0\n!!! no requirement\n")
    (environments / "rebuilder.yml").write_text(RULES)
    settings = StandSettings(
        folder=folder / "stand",
        repository=environments,
        settle_seconds=1,
        upstream=False,
        hook_time_scale=0.1,
        invisible_seconds=3,
        agent=False,
        app_settings={**TIMER_OFF, "REBUILDER_STORAGE__clientId": IDENTITY},
    )
    made = Stand(settings)
    made.organization.identity.client_id = IDENTITY
    with made as running:
        assert running.fire_timer().status_code == 202
        yield running


@pytest.fixture(autouse=True)
def _no_faults(request: pytest.FixtureRequest) -> Iterator[None]:
    # Not every file asks for this stand, and to start one takes seconds.
    if "stand" not in request.fixturenames:
        yield
        return
    stand: Stand = request.getfixturevalue("stand")
    yield
    stand.organization.faults.clear()
    stand.organization.hooks.lost = False
    stand.organization.hooks.duplicates = 0
    stand.organization.pipelines.listed_after = 0
    stand.organization.feed.visible_after = 0


def publish(stand: Stand, name: str, version: str, *, silent: bool = False) -> None:
    """Put an empty wheel on the feed."""
    wheel = empty_wheel(name, version, stand.settings.folder / "wheels")
    stand.organization.feed.publish(wheel.name, wheel.read_bytes(), silent=silent)


def state_of(stand: Stand, name: str, version: str) -> dict[str, Any] | None:
    """What the app knows of a release for its only target."""
    found = stand.release(name, version)
    return found["targets"][0] if found else None


def queued(stand: Stand, name: str, version: str, *, seconds: float = 60) -> dict[str, Any]:
    """Wait until a release's rebuild is queued."""

    def look() -> dict[str, Any] | None:
        found = state_of(stand, name, version)
        return found if found and found["rebuild"] and found["rebuild"]["state"] == "queued" else None

    return wait_for(look, f"{name} {version} is queued", seconds=seconds)


def commits_about(stand: Stand, package: str) -> list[str]:
    """The commits whose subject names a package."""
    repository = stand.organization.repository.path
    lines = git("log", "--format=%H %s", "main", at=repository).decode().splitlines()
    return [line.split(" ")[0] for line in lines if f" {package} " in f"{line} "]


def runs_about(stand: Stand, package: str) -> list[int]:
    """The runs that rebuild a package's environment."""
    builds = stand.organization.pipelines.builds
    return [build.id for build in builds if f"env-{package}/" in build.parameters["environments"]]


def quiet(stand: Stand, *, seconds: float = 60) -> None:
    """Wait until both queues are empty: nothing is on its way any more."""
    credential = StubCredential("https://storage.azure.com")
    queues = [QueueClient(stand.azurite.queues, name, credential=credential) for name in ("signals", "rebuilds")]

    def empty() -> bool:
        return all(queue.get_queue_properties().approximate_message_count == 0 for queue in queues)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REQUESTS_CA_BUNDLE", str(stand.certificates.bundle))
        wait_for(empty, "the queues are empty", seconds=seconds)
