"""The state machine: two workers that a test moves call by call, and everything that can happen around them.

Rules are drawn by Hypothesis. After each of them the invariants hold; at the end the faults stop, the timer fires, and
everything has to come to where an undisturbed world would be.
"""

import os
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from packaging.version import Version

from shared.composition import App
from shared.domain.states import EnvironmentState
from shared.errors import RebuilderError, ServiceUnavailable, StateChanged, Throttled
from shared.limits import MAX_DEQUEUE_COUNT
from tests.fakes.faults import Faulty
from tests.reliability.invariants import Watch, pins
from tests.reliability.platform import LEASE, Platform, Worker
from tests.services.world import World, environment

PACKAGES = ("our-package", "our-library")
VERSIONS = ("1.1", "1.2", "2.0", "2.0.1", "3.0")
RULES = b'deliver: push\npackages:\n  - {match: "our-*", upto: major}\n'
FILES = {
    "rebuilder.yml": RULES,
    **environment("training", b"our-package==1.0\npandas==2.0\nour-library==1.0  # with it\n"),
    **environment("scoring", b"our-package==1.0\r\n"),
    **environment("ranged", b"our-library>=1.0\n"),
    **environment("reporting", b"jinja2==3.1\n"),
}
PINNED = {
    ("training", "our-package"), ("training", "our-library"), ("scoring", "our-package"),
}  # fmt: skip
# host.json: no function runs for longer, so no worker outlives its claim.
FUNCTION_TIMEOUT = timedelta(minutes=5)
FAULTY = (
    ("store", "read"), ("store", "create"), ("store", "replace"), ("store", "delete"), ("store", "keys"),
    ("signals", "send"), ("rebuilds", "send"),
    ("repository", "tip"), ("repository", "listing"), ("repository", "blobs"), ("repository", "push"),
    ("repository", "commits_since"),
    ("feed", "version"), ("feed", "changes"), ("feed", "files"), ("feed", "metadata"), ("feed", "published"),
    ("pipeline", "runs_since"), ("pipeline", "queue"), ("pipeline", "outcome"),
    ("azure_ml", "registered"),
)  # fmt: skip

which = st.integers(0, 1)


class Promises(RuleBasedStateMachine):
    """The world, and what a fair observer expects of it."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(FILES)
        self.platform = Platform(self.world, workers=2)
        self.watch = Watch(self.world)
        self.pending: list[tuple[str, str]] = []
        self.published: set[tuple[str, str]] = set()
        self.deleted: set[tuple[str, str]] = set()
        self.accepted: dict[tuple[str, str], int] = {}
        # What a person set a pin to, and the highest version that had ever stood there.
        self.set_by_hand: dict[tuple[str, str], tuple[Version, Version]] = {}
        self.late_lists = 0
        self.began: dict[int, Any] = {}

    @initialize(order=st.integers(0, 1000))
    def the_app_is_deployed(self, order: int) -> None:
        """The timer fires for the first time: the change log is read from here.

        Args:
            order: draws in which order many blobs and versions are dealt with that are asked for at once.
        """
        self.world.store.order.seed(order)
        self.world.feed.order.seed(order)
        self.platform.timer()
        self.publish("our-package", "1.1", 1)
        self.deliver(0)

    # Releases and signals

    @rule(package=st.sampled_from(PACKAGES), version=st.sampled_from(VERSIONS), copies=st.integers(0, 3))
    def publish(self, package: str, version: str, copies: int) -> None:
        """A version is uploaded; the hook that tells of it is sent any number of times, later."""
        if (package, version) not in self.published:
            self.world.feed.publish(package, version)
            self.published.add((package, version))
        self.pending += [(package, version)] * copies

    @precondition(lambda self: self.pending)
    @rule(at=st.integers(0, 50))
    def deliver(self, at: int) -> None:
        """Some hook arrives, in any order; its sender tries again if it gets no good answer."""
        name, version = self.pending.pop(at % len(self.pending))
        try:
            self.world.announce(name, version)
            self.accepted[name, version] = self.accepted.get((name, version), 0) + 1
        except RebuilderError:
            self.pending.append((name, version))

    @precondition(lambda self: self.published)
    @rule(at=st.integers(0, 50))
    def promote(self, at: int) -> None:
        """A version is put into a view."""
        self.world.feed.promote(*self._some(at), "Release")

    @precondition(lambda self: len(self.published) > 3 and len(self.deleted) < 2)
    @rule(at=st.integers(0, 50))
    def delete(self, at: int) -> None:
        """A version is deleted from the feed."""
        self.world.feed.delete(*self._some(at))
        self.deleted.add(self._some(at))

    @precondition(lambda self: self.published)
    @rule(at=st.integers(0, 50), environments=st.sampled_from(((), ("scoring",))))
    def rerun(self, at: int, environments: tuple[str, ...]) -> None:
        """A person asks for a release again, perhaps for one environment."""
        name, version = self._some(at)
        try:
            self.world.app.reruns.ask(feed=None, name=name, version=version, environments=environments)
        except RebuilderError:
            return

    def _some(self, at: int) -> tuple[str, str]:
        return sorted(self.published)[at % len(self.published)]

    # Workers

    @rule(which=which, calls=st.sampled_from((1, 2, 3, 5, 8, 13, 40, 200)))
    def work(self, which: int, calls: int) -> None:
        """A worker goes on, or takes the next message."""
        if self._take(which):
            self._worker(which).step(calls)

    @rule(first=st.integers(1, 40), second=st.integers(1, 40), rounds=st.integers(1, 4))
    def work_side_by_side(self, first: int, second: int, rounds: int) -> None:
        """Two workers go on in turns."""
        for _ in range(rounds):
            for which, calls in enumerate((first, second)):
                if self._take(which):
                    self._worker(which).step(calls)

    @rule(which=which, messages=st.integers(1, 6))
    def work_off(self, which: int, messages: int) -> None:
        """A worker works off some messages."""
        for _ in range(messages):
            if self._take(which):
                self._worker(which).finish()

    def _take(self, which: int) -> bool:
        """Let a worker be busy, if there is anything to do; it waits for a message that comes soon."""
        worker, clock = self._worker(which), self.world.clock
        if worker.is_busy:
            return True
        moments = [m for m in (self.world.signals.next_visible(), self.world.rebuilds.next_visible()) if m]
        if moments and timedelta() < min(moments) - clock.now() < FUNCTION_TIMEOUT:
            self._pass(min(moments) - clock.now())
        self.began[which] = clock.now()
        return worker.take("signals") or worker.take("rebuilds")

    @rule(which=which)
    def finish(self, which: int) -> None:
        """A worker finishes what it does."""
        self._worker(which).finish()

    @rule(which=which)
    def kill(self, which: int) -> None:
        """A worker dies where it stands, with all that it knew."""
        self._worker(which).kill()

    @rule(which=which)
    def timer(self, which: int) -> None:
        """The timer fires."""
        if self._worker(which).begin(_repair):
            self.began[which] = self.world.clock.now()

    @rule(minutes=st.sampled_from((0.5, 4.0, 11.0, 61.0)))
    def time_passes(self, minutes: float) -> None:
        """The clock goes on."""
        self._pass(timedelta(minutes=minutes))

    def _pass(self, time: timedelta) -> None:
        """What has run for too long is ended by the platform."""
        now = self.world.clock.now() + time
        for which, worker in enumerate(self.platform.workers):
            if worker.is_busy and now - self.began[which] > FUNCTION_TIMEOUT:
                worker.kill()
        self.world.clock.advance(time)

    def _worker(self, which: int) -> Worker:
        return self.platform.workers[which]

    @precondition(lambda self: not any(worker.is_busy for worker in self.platform.workers))
    @rule(name=st.sampled_from(("signals", "rebuilds")))
    def a_message_is_given_up(self, name: str) -> None:
        """The platform hands a message out for the last time: what it was about is parked."""
        queue, app = getattr(self.world, name), self.world.app
        if leased := queue.lease(LEASE):
            try:
                (app.worker.signal if name == "signals" else app.worker.turn)(leased.text, MAX_DEQUEUE_COUNT)
            except RebuilderError:
                return
            queue.done(leased)

    @rule()
    def a_person_releases_what_is_parked(self) -> None:
        """All of it is taken up again."""
        try:
            self.world.app.parked.requeue()
        except RebuilderError:
            return

    # The pipeline

    @precondition(lambda self: any(run.result is None for run in self.world.pipeline.runs))
    @rule(at=st.integers(0, 50), failing=st.booleans(), told=st.booleans())
    def run_ends(self, at: int, failing: bool, told: bool) -> None:
        """A run is worked off, well or badly, and a hook may tell of it."""
        going = [run for run in self.world.pipeline.runs if run.result is None]
        run = going[at % len(going)]
        first = run.paths[0]
        self.world.build(run, failing={first: "the disk is full"} if failing else None)
        if told:
            try:
                self.world.tell_of(run)
            except RebuilderError:
                return

    # Faults

    @rule(
        place=st.sampled_from(FAULTY),
        when=st.sampled_from(("before", "after")),
        problem=st.sampled_from((ServiceUnavailable("no answer"), Throttled("slow", timedelta(minutes=3)))),
    )
    def something_goes_wrong(self, place: tuple[str, str], when: Any, problem: Exception) -> None:
        """The next call of something fails, or takes effect and its answer is lost."""
        part, method = place
        target: Faulty = getattr(self.world, part)
        if part == "store" and method in ("create", "replace") and when == "after":
            problem = StateChanged("412")  # the SDK repeats a lost write, and is told that the entry has changed
        target.fail(method, when, problem)

    @rule()
    def runs_are_shown_late(self) -> None:
        """The next look-up of runs does not see the newest."""
        self.world.pipeline.unlisted += 1
        self.late_lists += 1

    # Persons

    @rule()
    def a_person_commits_something_else(self) -> None:
        """The branch moves."""
        self.world.repository.commit({"README.md": str(len(self.world.repository.all())).encode()})

    @rule(place=st.sampled_from(sorted(PINNED)), version=st.sampled_from(("0.9", *VERSIONS)))
    def a_person_sets_a_pin(self, place: tuple[str, str], version: str) -> None:
        """A pin is set to any version, or set back."""
        name, package = place
        path = f"{name}/context/requirements.txt"
        raw = self.world.file(path)
        present = pins(raw)[package]
        changed = raw.replace(f"{package}=={present}".encode(), f"{package}=={version}".encode())
        self.world.repository.commit({path: changed})
        self.set_by_hand[place] = Version(version), self._highest(path, package)

    @rule(broken=st.booleans())
    def the_rules_change(self, broken: bool) -> None:
        """Somebody breaks the rules file, or mends it."""
        self.world.repository.commit({"rebuilder.yml": b"deliver: [\n" if broken else RULES})

    # What has to hold

    @invariant()
    def the_promises_hold(self) -> None:
        """At every moment."""
        self.watch.check()
        assert self.watch.doubled_runs <= self.late_lists, "I3: a run is queued twice, and no look-up was late"

    def teardown(self) -> None:
        """The faults stop: everything comes to where it would be without them."""
        self.world.repository.commit({"rebuilder.yml": RULES})
        self.world.pipeline.unlisted = 0
        for part in self.platform.parts:
            part.faults.clear()
        for name, version in self.pending:
            self.world.announce(name, version)
            self.accepted[name, version] = self.accepted.get((name, version), 0) + 1
        self.platform.recover()
        if self.world.app.parked.requeue():
            self.platform.recover()
        self.watch.check_end(heard_of=self.accepted)
        self._check_pins()
        self._check_environments()

    def _check_pins(self) -> None:
        """Every pin is at the highest version that there is, or newer than all that a person has set it back from."""
        for place in PINNED:
            name, package = place
            pin = pins(self.world.file(f"{name}/context/requirements.txt"))[package]
            there = {Version(v) for p, v in self.published - self.deleted if p == package}
            gone = {Version(v) for p, v in self.deleted if p == package}
            by_hand, highest = self.set_by_hand.get(place, (Version("1.0"), Version("1.0")))
            due = {version for version in there if version > highest}
            if by_hand == highest:
                due |= {by_hand}
            if due:
                assert pin >= max(due), f"I8: {place} stands at {pin}, and {max(due)} is there"
            assert pin in there | gone | {by_hand}, f"I8: nobody published {package} {pin}"

    def _check_environments(self) -> None:
        """Nothing is left half done: every rebuild is over, and says of each environment what became of it."""
        world = self.world
        for key in [key for key in world.store.blobs if key.startswith("main/rebuilds/")]:
            status = world.app.status.rebuild(key.removeprefix("main/rebuilds/").removesuffix(".json"))
            over = status["state"] in ("finished", "superseded")
            assert over, f"I7: rebuild {status['id']} is {status['state']}"
            for found in status["environments"]:
                if found["state"] == EnvironmentState.REGISTERED:
                    assert found["workspaces"], f"{found['path']} is registered nowhere"

    def _highest(self, path: str, package: str) -> Version:
        """The highest version that has ever stood in a file: a person who goes back means all that came before."""
        return max(pins(commit.files[path])[package] for commit in self.world.repository.all())


def _repair(app: App) -> None:
    app.repair.run()


LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
TestPromises = Promises.TestCase
# 10,000 steps, or 200,000.
TestPromises.settings = settings(
    max_examples=2000 if LONG else 100,
    stateful_step_count=100,
    deadline=None,
    derandomize=not LONG,
    suppress_health_check=list(HealthCheck),
)
