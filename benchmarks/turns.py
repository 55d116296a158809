"""A release in one process, with every service in memory: what the product itself costs, and what it asks for."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import cast

from benchmarks.measure import piece
from benchmarks.repositories import PACKAGE, Repository, make_repository
from benchmarks.results import Row
from shared.ports import Stored
from tests.fakes.storage import MemoryLedgerStore
from tests.services.world import World

# Messages of one release: each run has some, and a turn goes on in as many as it needs.
_STEPS = 10_000


class CountingStore(MemoryLedgerStore):
    """Counts the bytes too."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes_read = self.bytes_written = 0

    def read(self, key: str) -> Stored | None:
        stored = super().read(key)
        self.bytes_read += len(stored.raw) if stored else 0
        return stored

    def create(self, key: str, raw: bytes) -> str:
        self.bytes_written += len(raw)
        return super().create(key, raw)

    def replace(self, key: str, raw: bytes, etag: str) -> str:
        self.bytes_written += len(raw)
        return super().replace(key, raw, etag)


class _World(World):
    Store = CountingStore


class _Measured:
    """A world, and what was asked in it since the last look."""

    def __init__(self, repository: Repository) -> None:
        self.world = _World(repository.files)
        self._truth = repository.truth
        self._before: Counter[str] = Counter()

    def row(self, what: str, work: Callable[[], None]) -> Row:
        cost = piece(work)
        now = self._asked()
        asked, self._before = now - self._before, now
        read, written = asked.pop("bytes read", 0), asked.pop("bytes written", 0)
        affected = sum(kind in ("bump", "rebuild") for kind in self._truth.values())
        return Row(what, len(self._truth), affected, cost, requests=dict(asked), read=read, written=written)

    def _asked(self) -> Counter[str]:
        world, store = self.world, cast("CountingStore", self.world.store)
        return Counter(
            {
                "storage": len(store.calls),
                "repository": len(world.repository.calls),
                "feed": len(world.feed.calls),
                "pipeline": len(world.pipeline.calls),
                "Azure ML": len(world.azure_ml.calls),
                "bytes read": store.bytes_read,
                "bytes written": store.bytes_written,
            }
        )


def measure(environments: int, affected: int, seed: int) -> Iterator[Row]:
    """Measure a release: with a process that has read nothing, one that has, and after a person's commit."""
    repository = make_repository(environments, affected, seed)
    measured = _Measured(repository)
    world = measured.world

    def release(version: str) -> None:
        world.publish(PACKAGE, version)
        world.work(steps=_STEPS)

    def follow() -> None:
        world.app.follow.all()
        if world.app.ledger.following("main"):
            raise SystemExit("not all that has ended was seen")

    yield measured.row("release, nothing read before", lambda: release("1.1"))
    for run in world.pipeline.runs:
        world.build(run)
    yield measured.row("follow its runs", follow)
    yield measured.row("the next release", lambda: release("1.2"))
    world.repository.commit({"README.md": b"by a person\n"})
    yield measured.row("the next, after a person's commit", lambda: release("1.3"))
    _check(repository, world)


def _check(repository: Repository, world: World) -> None:
    """Compare with the truth: a fast answer that is wrong is none."""
    expected = {path for path, kind in repository.truth.items() if kind in ("bump", "rebuild")}
    current = {path for path, kind in repository.truth.items() if kind == "current"}
    rebuilds = world.rebuilds_made()
    for number, rebuild in enumerate(rebuilds):
        found = {environment.path for environment in rebuild.environments}
        if found != (expected if number == 0 else expected | current):
            raise SystemExit(f"rebuild {number} is of {len(found)} environments, which is wrong")
    if len(rebuilds) != 3:
        raise SystemExit(f"{len(rebuilds)} rebuilds were made of three releases")
