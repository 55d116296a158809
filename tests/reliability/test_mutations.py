"""The proof of the proof: with any one safeguard switched off, the tests of the promises find a violation.

Each safeguard is taken out of the way in a world of its own, and the scenario that it is there for is played. If nobody
noticed, the suite would be blind there.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

import pytest

from shared.domain.names import PackageName
from shared.domain.states import ReleaseState
from shared.errors import ServiceUnavailable
from shared.messages import Turn, encode
from shared.ports import FeedVersion, PipelineRun
from shared.services import worker as worker_module
from shared.services.rebuild.queue_runs import QueueRuns
from tests.fakes.azure_devops import FakeFeed, FakePipeline, FakeRepository
from tests.fakes.storage import MemoryLedgerStore
from tests.reliability.invariants import Watch, pins
from tests.reliability.platform import Platform
from tests.services.world import World

TRAINING = "training/context/requirements.txt"


class ForgetfulStore(MemoryLedgerStore):
    """Writes over whatever is there: no ETag is looked at."""

    def replace(self, key: str, raw: bytes, etag: str) -> str:
        present = self.blobs.get(key)
        return super().replace(key, raw, present.etag if present else etag)


class ForcedRepository(FakeRepository):
    """Takes every push as if it were based on the newest commit: the old tip is not looked at."""

    def push(self, base: str, message: str, files: Mapping[str, bytes]) -> str:
        with self._call("push"):
            return self._add(message, {**self.files(base), **files})


class BlindPipeline(FakePipeline):
    """Shows no run to whoever looks for one."""

    def runs_since(self, moment: datetime) -> Sequence[PipelineRun]:
        super().runs_since(moment)
        return []


class CredulousFeed(FakeFeed):
    """Has every version that anybody names, and published each by itself."""

    def version(self, package: PackageName, version: str) -> FeedVersion | None:
        super().version(package, version)
        return FeedVersion(version, (f"{package.replace('-', '_')}-{version}-py3-none-any.whl",), ("Local",))


type Kind = Callable[[], World]


def two_side_by_side(kind: Kind) -> None:
    """Two workers take the same turn and go on in turns, one of them ahead by any number of calls."""
    for ahead in range(0, 120, 2):
        platform = Platform(kind(), workers=2)
        watch = Watch(platform.world)
        platform.world.publish()
        one, other = platform.workers
        assert one.take("signals")
        one.finish()
        platform.world.clock.advance(one.app.settings.settle_time)
        for worker in (one, other):
            worker.begin(lambda app: app.worker.turn(encode(Turn("main"))))
        one.step(ahead)
        while one.is_busy or other.is_busy:
            one.step()
            other.step()
        platform.run()
        watch.check()
        assert watch.doubled_runs == 0, "I3: a run is queued twice"


def a_lost_answer(kind: Kind) -> None:
    """The run is queued, and the answer is lost; the next try is made when the claim is old."""
    world = kind()
    platform, watch = Platform(world), Watch(world)
    world.pipeline.fail("queue", "after", ServiceUnavailable("no answer"))
    world.publish()
    platform.run()
    watch.check()
    assert watch.doubled_runs == 0, "I3: a run is queued twice"


def a_person_commits_in_between(kind: Kind) -> None:
    """The branch moves while a plan is made."""
    world = kind()
    platform, watch = Platform(world), Watch(world)
    world.publish()
    worker = platform.workers[0]
    assert worker.take("signals")
    worker.finish()
    world.clock.advance(worker.app.settings.settle_time)
    assert worker.take("rebuilds")
    while worker.is_busy and "push" not in str(worker.job and worker.job.actor.place):
        worker.step()
    world.repository.commit({TRAINING: b"pandas==3.0\nour-package==1.0\n"})
    worker.finish()
    platform.run()
    watch.check()
    assert pins(world.file(TRAINING))["pandas"].major == 3, "I5: a person's commit is undone"


def a_lie(kind: Kind) -> None:
    """Somebody tells of a version that nobody has published."""
    world = kind()
    platform, watch = Platform(world), Watch(world)
    world.announce("our-package", "6.6")
    platform.run()
    watch.check()
    assert world.known("our-package", "6.6").release is None, "confirmed, and the feed does not have it"


def a_message_that_kills(kind: Kind) -> None:
    """The host dies with a message each time, and never reports it."""
    world = kind()
    platform = Platform(world)
    world.publish()
    worker = platform.workers[0]
    worker.take("signals")
    worker.finish()
    for _ in range(20):
        world.clock.advance(timedelta(minutes=11))
        if not worker.take("rebuilds"):
            break
        while worker.is_busy:
            worker.step()
            if worker.job is not None and "listing" in worker.job.actor.place:
                worker.kill()  # the repository does not fit into memory
    assert world.rebuilds.waiting == [], "it is tried for ever"
    assert world.known().state is ReleaseState.PARKED


class WithoutETag(World):
    """The ledger is written over."""

    Store = ForgetfulStore


class WithoutOldTip(World):
    """The branch is pushed to by force."""

    Repository = ForcedRepository


class WithoutLookUp(World):
    """Nobody looks whether a run is there."""

    Pipeline = BlindPipeline


class WithoutConfirmation(World):
    """Whoever tells of a version is believed."""

    Feed = CredulousFeed


def no_claim(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever wants to queue a run may do so."""
    monkeypatch.setattr(QueueRuns, "_claim", lambda _, rebuild, __: rebuild)


def no_guard(monkeypatch: pytest.MonkeyPatch) -> None:
    """The platform alone counts how often a message was taken."""
    monkeypatch.setattr(worker_module, "MAX_DEQUEUE_COUNT", 10**6)


SCENARIOS = (two_side_by_side, a_lost_answer, a_person_commits_in_between, a_lie, a_message_that_kills)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_with_every_safeguard_the_promises_hold(scenario: Callable[[Kind], None]) -> None:
    scenario(World)


@pytest.mark.parametrize(
    ("kind", "scenario"),
    [
        pytest.param(WithoutETag, two_side_by_side, id="compare-and-swap"),
        pytest.param(WithoutOldTip, a_person_commits_in_between, id="old tip"),
        pytest.param(WithoutLookUp, a_lost_answer, id="look-up"),
        pytest.param(WithoutConfirmation, a_lie, id="confirmation on the feed"),
    ],
)
def test_without_a_safeguard_of_a_service_a_promise_breaks(kind: Kind, scenario: Callable[[Kind], None]) -> None:
    with pytest.raises(AssertionError):
        scenario(kind)


@pytest.mark.parametrize(
    ("switch_off", "scenario"),
    [
        pytest.param(no_claim, two_side_by_side, id="claim"),
        pytest.param(no_guard, a_message_that_kills, id="dequeue guard"),
    ],
)
def test_without_a_safeguard_of_ours_a_promise_breaks(
    switch_off: Callable[[pytest.MonkeyPatch], None],
    scenario: Callable[[Kind], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    switch_off(monkeypatch)

    with pytest.raises(AssertionError):
        scenario(World)
