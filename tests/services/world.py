"""The whole product on fakes: built by its own composition root, with a clock that a test moves."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from shared.composition import App
from shared.domain.notifications import PACKAGE_EVENTS
from shared.domain.records.environment_record import EnvironmentRecord
from shared.domain.records.pipeline_contract import DUPLICATE, STEPS, work_of
from shared.domain.records.rebuilds import RebuildEntry
from shared.domain.records.release_entry import ReleaseEntry
from shared.domain.records.run_outcomes import JobOutcome
from shared.domain.releases import ReleaseId
from shared.domain.states import RebuildState
from shared.errors import ServiceUnavailable
from shared.ledger import Ledger
from shared.ledger_entries import environment_key, rebuild_key, release_key
from shared.limits import MAX_DEQUEUE_COUNT
from shared.messages import Turn, encode
from shared.ports import Subscription
from shared.settings import Settings
from tests.fakes.azure_devops import FakeAzureDevOps, FakeFeed, FakePipeline, FakeRepository, FakeRun
from tests.fakes.azure_ml import FakeAzureML
from tests.fakes.clock import FakeClock
from tests.fakes.storage import MemoryLedgerStore, MemoryQueue

FEED = "ml/packages"
SECRET = "0123456789abcdef"
RULES = b'deliver: push\npackages:\n  - match: "our-*"\n'


def environment(name: str, requirements: bytes) -> dict[str, bytes]:
    """The files of one environment."""
    return {
        f"{name}/environment.yml": f"name: {name}\nbuild:\n  path: context\n".encode(),
        f"{name}/context/Dockerfile": b"FROM scratch\nRUN pip install -r requirements.txt\n",
        f"{name}/context/requirements.txt": requirements,
    }


SAMPLE = {
    "rebuilder.yml": RULES,
    **environment("training", b"pandas==2.0\nour-package==1.0\n"),
    **environment("scoring", b"our-package==1.0  # shared\n"),
    **environment("reporting", b"jinja2==3.1\n"),
}


@dataclass
class FakeHooks:
    """Service hook subscriptions."""

    found: list[Subscription]

    def subscriptions(self) -> list[Subscription]:
        return self.found


class World:
    """One target and everything around it.

    Attributes:
        app: the product.
        crashes: messages that a function failed on, with the error; the platform gives them back.
    """

    # What it is made of: a test may take other parts.
    Store = MemoryLedgerStore
    Repository = FakeRepository
    Feed = FakeFeed
    Pipeline = FakePipeline
    AzureML = FakeAzureML

    def __init__(
        self,
        files: Mapping[str, bytes] | None = None,
        *,
        targets: int = 1,
        workspaces: Iterable[str] = ("training",),
        **settings: str,
    ) -> None:
        self.clock = FakeClock()
        self.store = self.Store()
        self.quarantine = MemoryLedgerStore()
        self.hooks = FakeHooks([])
        self.signals = MemoryQueue(self.clock)
        self.rebuilds = MemoryQueue(self.clock)
        self.repository = self.Repository(SAMPLE if files is None else files)
        self.feed = self.Feed()
        self.pipeline = self.Pipeline(self.clock, self.repository)
        self.azure_ml = self.AzureML()
        self.settings = settings
        self.target_count = targets
        self.workspaces = tuple(workspaces)
        self.app = self.start()

    def start(self) -> App:
        """A new process: everything that was in memory only is gone."""
        target = {
            "organization": "https://dev.azure.com/contoso",
            "project": "ml",
            "repository": "environments",
            "pipeline": 7,
            "feeds": [FEED],
            "workspaces": [{"subscription": "s", "resource_group": "ml", "name": name} for name in self.workspaces],
        }
        names = ["main", "second"][: self.target_count]
        app = App(
            Settings.read(
                {
                    "REBUILDER_TARGETS": json.dumps([{**target, "name": name} for name in names]),
                    "REBUILDER_HOOK_SECRETS": SECRET,
                    "REBUILDER_STORAGE__blobServiceUri": "https://account.blob.core.windows.net",
                    "REBUILDER_STORAGE__queueServiceUri": "https://account.queue.core.windows.net",
                    **self.settings,
                }
            )
        )
        app.clock = self.clock  # type: ignore[assignment]
        app.ledger = Ledger(self.store)
        app.quarantined = Ledger(self.quarantine)
        app.hooks = [self.hooks]
        app.signals = self.signals
        app.rebuilds = self.rebuilds
        app.azure_devops = FakeAzureDevOps(self.repository, self.pipeline, {FEED: self.feed})
        app.azure_ml = self.azure_ml
        self.app = app
        return app

    # What happens outside

    def announce(self, name: str = "our-package", version: str = "1.1", feed: str = FEED) -> None:
        """A publishing pipeline tells of a version."""
        body = json.dumps({"feed": feed, "name": name, "version": version}).encode()
        assert self.app.intake.accept(body).outcome == "accepted"

    def hook(self, publish_type: str = "publish", name: str = "our-package", version: str = "1.1") -> None:
        """A service hook tells that a version was published, or promoted."""
        resource = {
            "feed": {"name": "packages"},
            "package": {"normalizedName": name, "protocolType": "PyPi"},
            "packageVersion": {"version": version},
            "publishType": publish_type,
        }
        body = json.dumps({"eventType": PACKAGE_EVENTS[0], "resource": resource}).encode()
        assert self.app.intake.accept(body).outcome == "accepted"

    def publish(self, name: str = "our-package", version: str = "1.1") -> None:
        """A version is published, and told of."""
        self.feed.publish(name, version)
        self.announce(name, version)

    def build(self, run: FakeRun, failing: Mapping[str, str] | None = None) -> None:
        """The pipeline works a run off: every environment is registered but those that fail, with the reason."""
        problems = failing or {}
        earlier = (one for one in self.pipeline.runs if one.id < run.id and one.result != "canceled")
        older = next((one for one in earlier if work_of(one.parameters) == work_of(run.parameters)), None)
        if older:
            problems = dict.fromkeys(run.paths, f"{DUPLICATE}{older.id}: it does this")
        for path in run.paths:
            if path in problems:
                run.jobs[path] = JobOutcome("completed", "failed", problem=problems[path])
                continue
            run.jobs[path] = JobOutcome("completed", "succeeded", tuple(STEPS))
            for workspace in self.workspaces:
                self.azure_ml.register(
                    f"ml/{workspace}",
                    path.split("/")[0],
                    {"rebuilder-rebuild": run.parameters["rebuild"], "rebuilder-run": str(run.id)},
                )
        run.result = "failed" if problems else "succeeded"
        run.finished = self.clock.now()

    def tell_of(self, run: FakeRun) -> None:
        """A service hook says that a run is over."""
        resource = {"id": run.id, "definition": {"id": 7}, "result": run.result}
        body = json.dumps({"eventType": "build.complete", "resource": resource}).encode()
        assert self.app.intake.accept(body).outcome == "accepted"

    def finish(self, failing: Mapping[str, str] | None = None) -> FakeRun:
        """The oldest run that is not over is worked off, a hook tells of it, and the app does what follows."""
        run = next(run for run in self.pipeline.runs if run.result is None)
        self.build(run, failing)
        self.tell_of(run)
        self.work()
        return run

    # The platform

    def work(self, steps: int = 200) -> None:
        """Handle messages, moving the clock, until both queues are empty."""
        for _ in range(steps):
            if not self.step():
                return
        raise AssertionError(f"the queues are not empty after {steps} messages")

    def step(self) -> bool:
        """Handle the next message, however far in the future it becomes visible; False if there is none."""
        moments = [m for m in (self.signals.next_visible(), self.rebuilds.next_visible()) if m]
        if not moments:
            return False
        if min(moments) > self.clock.now():
            self.clock.advance(min(moments) - self.clock.now())
        if text := self.signals.receive():
            self.app.worker.signal(text)
        elif text := self.rebuilds.receive():
            self.app.worker.turn(text)
        return True

    def fail_for_good(self, text: str, queue: str) -> None:
        """What the platform does with a message whose function failed for the last time."""
        given_up = self.app.worker.signal_given_up if queue == "signals" else self.app.worker.turn_given_up
        given_up(text)

    # What can be seen

    def release(self, name: str = "our-package", version: str = "1.1", target: str = "main") -> ReleaseEntry | None:
        """The ledger's entry of a release."""
        return self.app.ledger.read(release_key(target, ReleaseId.of(FEED, name, version)))

    def give_up_the_turn(self) -> None:
        """The message of the target's turn is handed out for the last time."""
        self.app.worker.turn(encode(Turn("main")), HOPELESS)

    def park_the_rebuild(self) -> None:
        """Of the release that was published: its commit is on the branch, and no run can be queued."""
        self.pipeline.fail("queue", "before", ServiceUnavailable("no answer"))
        while not self.commits:
            assert self.step()
        self.give_up_the_turn()
        self.rebuilds.waiting.clear()
        assert self.rebuild().state is RebuildState.PARKED

    def known(self, name: str = "our-package", version: str = "1.1", target: str = "main") -> ReleaseEntry:
        """The ledger's entry of a release, which has to be there."""
        entry = self.release(name, version, target)
        assert entry is not None
        return entry

    def rebuild(self, name: str = "our-package", version: str = "1.1") -> RebuildEntry:
        """The rebuild that carries a release."""
        entry = self.known(name, version)
        assert entry.rebuild is not None
        return self.app.ledger.get(rebuild_key("main", entry.rebuild))

    def rebuilds_made(self, target: str = "main") -> list[RebuildEntry]:
        """Every rebuild of a target, oldest first."""
        start = f"{target}/rebuilds/"
        ids = [key.removeprefix(start).removesuffix(".json") for key in self.store.blobs if key.startswith(start)]
        entries = [self.app.ledger.get(rebuild_key(target, found)) for found in ids]
        return sorted(entries, key=lambda entry: entry.created)

    def carried(self, path: str) -> EnvironmentRecord:
        """What an environment carries."""
        return self.app.ledger.get(environment_key("main", path))

    def is_at_rest(self, target: str = "main") -> bool:
        """Whether no plan has the target's lease and nothing is due."""
        return self.app.lease.present(target) is None and self.app.ledger.due(target) == []

    @property
    def commits(self) -> list[str]:
        """The subjects of the commits that the product made, oldest first."""
        ours = [commit for commit in self.repository.history() if "Rebuild-Id:" in commit.message]
        return [commit.message.splitlines()[0] for commit in reversed(ours)]

    def file(self, path: str) -> bytes:
        """A file at the branch's tip."""
        return self.repository.files()[path]


HOPELESS = MAX_DEQUEUE_COUNT


def crowd(count: int) -> tuple[World, list[str]]:
    """A world with many environments, and their names."""
    names = [f"env{number:03}" for number in range(count)]
    files = {path: raw for name in names for path, raw in environment(name, b"our-package==1.0\n").items()}
    return World({"rebuilder.yml": RULES, **files}), names
