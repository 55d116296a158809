"""Killed, cut off, restarted and flooded: what remains is what would remain without all that."""

import os
import random
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from math import ceil

import pytest

from local.azure_devops.repository import git
from local.stand import Stand, StandSettings
from shared.adapters.blob_ledger import BlobLedgerStore
from shared.domain.records.release_entry import ReleaseEntry
from shared.domain.releases import ReleaseId
from shared.domain.states import RebuildState, ReleaseState
from shared.ledger import Ledger
from shared.ledger_entries import lease_key, rebuild_key, release_key
from shared.limits import DEVOPS_RETRIES
from tests.environments import write_environment
from tests.fakes.credential import StubCredential
from tests.stand.conftest import RULES, TIMER_OFF, commits_about, publish, queued, quiet, runs_about
from tests.waiting import wait_for

pytestmark = pytest.mark.stand

SETTLE_SECONDS = 2
UNDISTURBED = "pkg-undisturbed"
DISTURBED = ("pkg-dies-after-push", "pkg-dies-after-run", "pkg-storage-restarts", "pkg-outage")
HOOKED = tuple(f"pkg-hooked-{number:02}" for number in range(50))
STORMY = tuple(f"pkg-stormy-{number:02}" for number in range(50))
STORM_ENVIRONMENTS = 10
# 1,000 hooks and 1,000 releases in the long run of the tests, otherwise as many as overlap.
LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
DELIVERIES, STORMY_VERSIONS = (20, 20) if LONG else (5, 2)
STORM_SECONDS = 1200 if LONG else 240
OUTCOMES = {ReleaseState.PLANNED, ReleaseState.SETTLED}


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """A stand of its own: its storage is restarted, and its environments share the packages of the storms."""
    folder = tmp_path_factory.mktemp("reliability")
    environments = folder / "environments"
    for package in (UNDISTURBED, *DISTURBED):
        write_environment(environments, f"env-{package}", f"{package}==1.0\n")
    for number in range(STORM_ENVIRONMENTS):
        write_environment(environments, f"storm-{number}", "".join(f"{name}==1.0\n" for name in _pinned_by(number)))
    (environments / "rebuilder.yml").write_text(RULES)
    settings = StandSettings(
        folder=folder / "stand",
        repository=environments,
        settle_seconds=SETTLE_SECONDS,
        upstream=False,
        build_hook=False,
        invisible_seconds=3,
        agent=False,
        app_settings=TIMER_OFF,
    )
    with Stand(settings) as running:
        for package in (UNDISTURBED, *DISTURBED, *HOOKED, *STORMY):
            publish(running, package, "1.0", silent=True)
        assert running.fire_timer().status_code == 202
        yield running


@pytest.fixture(scope="module")
def ledger(stand: Stand) -> Iterator[Ledger]:
    """What the app has written down."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REQUESTS_CA_BUNDLE", str(stand.certificates.bundle))
        yield Ledger(BlobLedgerStore(stand.azurite.blobs, StubCredential("https://storage.azure.com")))


def _pinned_by(environment: int) -> list[str]:
    """The packages of the storms that an environment pins; each package is pinned by two environments."""
    return [
        name
        for packages in (HOOKED, STORMY)
        for at, name in enumerate(packages)
        if environment in (at % STORM_ENVIRONMENTS, (at + 3) % STORM_ENVIRONMENTS)
    ]


# What remains


def _remains(stand: Stand, ledger: Ledger, package: str) -> object:
    """Commits, file, runs, and what the ledger says, without what is another for every release."""
    found = queued(stand, package, "1.1")
    quiet(stand)
    commits, runs = commits_about(stand, package), runs_about(stand, package)
    builds = [stand.organization.pipelines.build(run) for run in runs]
    entry = _release(ledger, package, "1.1")
    assert entry is not None
    assert entry.rebuild is not None
    rebuild = ledger.get(rebuild_key("main", entry.rebuild))
    remains = {
        "commits": [_message_and_changes(stand, commit) for commit in commits],
        "file": _file(stand, f"env-{package}/docker-context/requirements.txt"),
        "runs": [(build.commit, sorted(build.parameters.items())) for build in builds],
        "release": (entry.state, entry.reason, found["source"], entry.release and entry.release.files),
        "rebuild": (rebuild.state, rebuild.reason, rebuild.commit, [runs.index(run.id or 0) for run in rebuild.runs]),
        "environments": [(e.path, e.state, runs.index(e.run or 0), e.reason) for e in rebuild.environments],
        "shown": [(row["path"], row["decision"], row["reason"], row["state"]) for row in found["environments"]],
        "lease": _leased(ledger),
        "due": ledger.due("main"),
        "parked": ledger.parked("main"),
    }
    names = {package: "PACKAGE", package.replace("-", "_"): "PACKAGE", entry.rebuild: "REBUILD"}
    names |= {commit: f"COMMIT {number}" for number, commit in enumerate(commits)}
    return {what: _without(names, repr(value)) for what, value in remains.items()}


def _without(names: Mapping[str, str], text: str) -> str:
    for name, word in names.items():
        text = text.replace(name, word)
    return text


def _message_and_changes(stand: Stand, commit: str) -> str:
    shown = git("show", "--format=%B", "--unified=0", commit, at=stand.organization.repository.path).decode()
    return "\n".join(line for line in shown.splitlines() if not line.startswith("index "))


def _release(ledger: Ledger, package: str, version: str) -> ReleaseEntry | None:
    return ledger.read(release_key("main", ReleaseId.of("ml/packages", package, version)))


def _leased(ledger: Ledger) -> str | None:
    """The plan that is being carried out."""
    lease = ledger.read(lease_key("main"))
    return lease.plan if lease else None


def _file(stand: Stand, path: str) -> str:
    return git("show", f"main:{path}", at=stand.organization.repository.path).decode()


@pytest.fixture(scope="module")
def undisturbed(stand: Stand, ledger: Ledger) -> object:
    """What remains of a release that nothing disturbs."""
    publish(stand, UNDISTURBED, "1.1")
    return _remains(stand, ledger, UNDISTURBED)


# Killed


@pytest.mark.parametrize(
    ("operation", "package"), [("push", "pkg-dies-after-push"), ("queue run", "pkg-dies-after-run")]
)
def test_an_app_that_is_killed_after_an_effect_and_before_its_answer_does_nothing_twice(
    stand: Stand, ledger: Ledger, undisturbed: object, operation: str, package: str
) -> None:
    killed = threading.Event()

    def kill() -> None:
        stand.functions.stop(kill=True)
        killed.set()

    stand.organization.faults.then(operation, kill)
    publish(stand, package, "1.1")
    wait_for(killed.is_set, f"the app is killed at {operation}")
    stand.start_functions()

    assert _remains(stand, ledger, package) == undisturbed
    history = queued(stand, package, "1.1")["rebuild"]["history"]
    assert any(step["what"].startswith("found ") for step in history), "it did not die where it should have"


# Away


def test_a_storage_that_is_restarted_loses_no_message(stand: Stand, ledger: Ledger, undisturbed: object) -> None:
    package, faults = "pkg-storage-restarts", stand.organization.faults
    faults.set("packages", "503", times=1000)  # until then the message waits, whoever holds it
    publish(stand, package, "1.1")
    wait_for(lambda: _release_state(ledger, package, "1.1") is ReleaseState.SIGNALLED, "its message is in hand")

    stand.azurite.stop()
    faults.clear()
    stand.azurite.start()

    assert _remains(stand, ledger, package) == undisturbed


def test_an_outage_of_azure_devops_only_delays(stand: Stand, ledger: Ledger, undisturbed: object) -> None:
    package, faults = "pkg-outage", stand.organization.faults
    # Its turn stops at the first call until nothing else works either; the release itself can still be confirmed,
    # whoever asks the feed first.
    before = dict(faults.calls)
    faults.set("refs", "503", times=1000)
    publish(stand, package, "1.1")
    wait_for(lambda: _release_state(ledger, package, "1.1") is ReleaseState.CONFIRMED, "the release is confirmed")
    before["packages"] = faults.calls["packages"]
    faults.set("*", "503", times=1000)
    stand.post_hook({"feed": "ml/packages", "name": UNDISTURBED, "version": "1.1"})
    refused = ("packages", "refs")
    wait_for(lambda: all(faults.calls[name] - before[name] > DEVOPS_RETRIES for name in refused), "both were refused")

    faults.clear()

    assert _remains(stand, ledger, package) == undisturbed
    assert _remains(stand, ledger, UNDISTURBED) == undisturbed


# Flooded


def test_a_storm_of_hooks_is_few_rebuilds(stand: Stand, ledger: Ledger) -> None:
    """50 releases, each told of many times, in any order and by several senders at a time."""
    for package in HOOKED:
        publish(stand, package, "1.1", silent=True)
    hooks = [{"feed": "ml/packages", "name": package, "version": "1.1"} for package in HOOKED * DELIVERIES]
    random.Random(7).shuffle(hooks)

    def send() -> None:
        with ThreadPoolExecutor(8) as senders:
            answers = Counter(senders.map(lambda hook: stand.post_hook(hook).status_code, hooks))
        assert answers == {202: len(hooks)}

    _storm(stand, ledger, send, [(package, "1.1") for package in HOOKED])

    assert _pins(stand, HOOKED) == {package: {"1.1"} for package in HOOKED}


def test_a_storm_of_releases_is_few_rebuilds(stand: Stand, ledger: Ledger) -> None:
    """Many versions of each of 50 packages, which nobody tells of: the feed's change log does."""
    releases = [(package, f"1.{number}") for number in range(1, STORMY_VERSIONS + 1) for package in STORMY]
    for package, version in releases:
        publish(stand, package, version, silent=True)

    _storm(stand, ledger, stand.fire_timer, releases)

    assert _pins(stand, STORMY) == {package: {f"1.{STORMY_VERSIONS}"} for package in STORMY}


def _storm(stand: Stand, ledger: Ledger, send: Callable[[], object], releases: Sequence[tuple[str, str]]) -> None:
    """Let a storm begin, wait until it is over, and check what holds whatever its releases are."""
    tip, before = _tip(stand), _rebuilds(stand)
    began = time.monotonic()

    send()
    wait_for(lambda: not ledger.due("main") and _is_over(ledger, *releases[-1]), "it is over", seconds=STORM_SECONDS)
    quiet(stand, seconds=STORM_SECONDS)

    most = ceil((time.monotonic() - began) / SETTLE_SECONDS) + 1
    rebuilds = _rebuilds(stand) - before
    commits = Counter(_trailers(stand, since=tip))
    assert 1 <= len(rebuilds) <= most
    assert commits == dict.fromkeys(rebuilds, 1), "one commit for each rebuild"
    with ThreadPoolExecutor(8) as readers:
        entries = list(readers.map(lambda release: _release(ledger, *release), releases))
    assert {entry and entry.state for entry in entries} <= OUTCOMES
    assert {entry.rebuild for entry in entries if entry} - {None} == rebuilds
    assert {ledger.get(rebuild_key("main", rebuild)).state for rebuild in rebuilds} == {RebuildState.QUEUED}
    assert (ledger.due("main"), ledger.parked("main")) == ([], [])


def _tip(stand: Stand) -> str:
    return git("rev-parse", "main", at=stand.organization.repository.path).decode().strip()


def _rebuilds(stand: Stand) -> set[str]:
    """The rebuilds that have a run; each has no more than one."""
    works = Counter(build.parameters["rebuild"] for build in stand.organization.pipelines.builds)
    assert set(works.values()) <= {1}
    return set(works)


def _trailers(stand: Stand, since: str) -> list[str]:
    """The rebuilds that commits say they belong to, one for each commit."""
    shown = "--format=%(trailers:key=Rebuild-Id,valueonly,separator=%x2C)"
    return git("log", shown, f"{since}..main", at=stand.organization.repository.path).decode().split()


def _pins(stand: Stand, packages: Iterable[str]) -> dict[str, set[str]]:
    """The versions that environments pin."""
    files = [_file(stand, f"storm-{number}/docker-context/requirements.txt") for number in range(STORM_ENVIRONMENTS)]
    return {package: set(re.findall(rf"^{package}==(.*)$", "".join(files), re.MULTILINE)) for package in packages}


def _release_state(ledger: Ledger, package: str, version: str) -> ReleaseState | None:
    entry = _release(ledger, package, version)
    return entry.state if entry else None


def _is_over(ledger: Ledger, package: str, version: str) -> bool:
    return _release_state(ledger, package, version) in OUTCOMES
