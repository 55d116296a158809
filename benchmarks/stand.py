"""The whole way on the stand: from a published package to its queued runs, with the real SDKs and a real repository."""

import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measure import Cost
from benchmarks.repositories import NEW, OLD, PACKAGE, make_repository
from benchmarks.results import Row
from local.azure_devops.api import Recorded
from local.stand import Stand, StandSettings
from local.wheels import empty_wheel

_SETTLE_SECONDS = 1
_PATIENCE = 300


def measure(environments: int, affected: int, seed: int) -> Iterator[Row]:
    """Measure the first release of a process, and the next."""
    repository = make_repository(environments, affected, seed)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        repository.write(folder / "environments")
        settings = StandSettings(
            folder=folder / "stand",
            repository=folder / "environments",
            settle_seconds=_SETTLE_SECONDS,
            upstream=False,
            agent=False,
        )
        with Stand(settings) as stand:
            _publish(stand, OLD)
            stand.fire_timer()
            first = {path for path, kind in repository.truth.items() if kind in ("bump", "rebuild")}
            then = first | {path for path, kind in repository.truth.items() if kind == "current"}
            yield _measured(stand, "on the stand, the first release", NEW, environments, first)
            yield _measured(stand, "on the stand, the next", "1.2", environments, then)


def _measured(stand: Stand, what: str, version: str, environments: int, expected: set[str]) -> Row:
    asked: list[Recorded] = []
    stand.organization.api.recorded = asked
    runs = len(stand.organization.pipelines.builds)
    began = time.perf_counter()
    _publish(stand, version)
    while not _is_queued(stand, version):
        if time.perf_counter() - began > _PATIENCE:
            raise SystemExit(f"{PACKAGE} {version} was not queued within {_PATIENCE} seconds")
        time.sleep(0.1)
    wall = time.perf_counter() - began - _SETTLE_SECONDS
    stand.organization.api.recorded = None
    kinds = Counter(one.operation for one in asked)
    new = stand.organization.pipelines.builds[runs:]
    rebuilt = {item.split(":")[1] for build in new for item in build.parameters["environments"].split(",")}
    return Row(
        what,
        environments,
        len(expected),
        Cost(None, wall),
        right=len(rebuilt & expected),
        of=len(expected),
        harmed=len(rebuilt - expected),
        requests=dict(kinds.most_common()),
    )


def _publish(stand: Stand, version: str) -> None:
    wheel = empty_wheel(PACKAGE, version, stand.settings.folder / "wheels")
    stand.organization.feed.publish(wheel.name, wheel.read_bytes(), silent=version == OLD)


def _is_queued(stand: Stand, version: str) -> bool:
    found = stand.release(PACKAGE, version)
    rebuild = found["targets"][0]["rebuild"] if found else None
    return rebuild is not None and rebuild["state"] == "queued"
