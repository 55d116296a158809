"""What always holds, whatever happens: the promises as functions of what can be seen from outside.

The numbers are those of the list of invariants that the promises stand on: I1 pins never go down, I2 one commit per
rebuild, I3 one effective run per environment and rebuild, I4 only versions change, I5 no commit of anybody is undone,
I6 legal moves only, I7 every signal has an outcome, I8 the outcome is that of an undisturbed world.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping

from packaging.version import Version

from shared.domain.records.pipeline_contract import work_of
from shared.domain.states import (
    ENVIRONMENT_MOVES,
    REBUILD_MOVES,
    RELEASE_MOVES,
    EnvironmentState,
    RebuildState,
    ReleaseState,
)
from tests.fakes.azure_devops import FakeCommit
from tests.services.world import World

_PIN = re.compile(rb"^([A-Za-z0-9._-]+)==([^\s#;]+)", re.MULTILINE)
_RISING = re.compile(rb"^version: .*$", re.MULTILINE)
OVER = {ReleaseState.SETTLED, ReleaseState.REFUSED, ReleaseState.PARKED}


def pins(raw: bytes) -> dict[str, Version]:
    """The exact pins of a requirements file."""
    return {name.decode(): Version(version.decode()) for name, version in _PIN.findall(raw)}


class Watch:
    """Looks at a world from outside, again and again."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._seen_commits: set[str] = set()
        self._entries: dict[str, bytes] = {}
        self._write = world.store._write
        world.store._write = self._noted  # type: ignore[method-assign]

    def check(self) -> None:
        """All that holds at every moment."""
        self._check_commits()
        self._check_runs()

    def check_end(self, *, heard_of: Mapping[tuple[str, str], int] | None = None) -> None:
        """All that holds once everything is quiet."""
        self.check()
        world = self._world
        assert not world.signals.waiting, "I7: a signal waits"
        assert not world.rebuilds.waiting, "I7: a turn waits"
        assert world.app.ledger.due("main") == [], "I7: something is due"
        assert world.app.lease.present("main") is None, "I7: a plan has the lease"
        assert world.app.ledger.following("main") == [], "a run is not followed to its end"
        for name, version in heard_of or {}:
            entry = world.release(name, version)
            assert entry is not None, f"I7: nobody knows of {name} {version}"
            assert entry.state in OVER, f"I7: {name} {version} is {entry.state}: {entry.history[-1].what}"
        for key, stored in world.store.blobs.items():
            if key.startswith("main/releases/"):
                state = json.loads(stored.raw)["entry"]["state"]
                assert state in OVER, f"I7: {key} is {state}"

    # I1, I2, I4, I5

    def _check_commits(self) -> None:
        rebuilds: Counter[str] = Counter()
        for commit in self._ours():
            rebuilds[_trailer(commit)] += 1
            if commit.id in self._seen_commits:
                continue
            self._seen_commits.add(commit.id)
            assert commit.parent is not None
            self._check_commit(commit, self._world.repository.files(commit.parent))
        twice = [rebuild for rebuild, count in rebuilds.items() if count > 1]
        assert not twice, f"I2: rebuild {twice[0]} has {rebuilds[twice[0]]} commits"

    def _check_commit(self, commit: FakeCommit, before: Mapping[str, bytes]) -> None:
        assert commit.files.keys() == before.keys(), "I4: a commit of ours adds or removes files"
        for path, raw in commit.files.items():
            if raw == before[path]:
                continue
            assert _without_versions(raw) == _without_versions(before[path]), f"I4: more than a version in {path}"
            lowered = {
                name: (old, pins(raw)[name]) for name, old in pins(before[path]).items() if pins(raw)[name] < old
            }
            assert not lowered, f"I1: {path} is lowered: {lowered}"

    def _ours(self) -> Iterator[FakeCommit]:
        return (commit for commit in self._world.repository.all() if "Rebuild-Id:" in commit.message)

    # I3

    def _check_runs(self) -> None:
        """A second run of the same rebuild and batch is ended by the pipeline's first step, and registers nothing."""
        effective: Counter[tuple[str, str]] = Counter()
        keys = set()
        order = {commit.id: at for at, commit in enumerate(reversed(self._world.repository.all()))}
        newest: dict[str, int] = {}
        for run in self._world.pipeline.runs:
            key = work_of(run.parameters)
            if key not in keys:
                for path in run.paths:
                    effective[run.parameters["rebuild"], path] += 1
                    at = order[run.commit]
                    assert at >= newest.get(path, 0), f"run {run.id} registers older content of {path} over newer"
                    newest[path] = at
            keys.add(key)
        twice = [place for place, count in effective.items() if count > 1]
        assert not twice, f"I3: {twice[0]} is rebuilt twice"

    @property
    def doubled_runs(self) -> int:
        """How many runs are there that an older one of the same rebuild and batch makes superfluous."""
        keys = [work_of(run.parameters) for run in self._world.pipeline.runs]
        return len(keys) - len(set(keys))

    # I6

    def _noted(self, key: str, raw: bytes) -> str:
        """Every write of the ledger is a move that the state tables have."""
        before = self._entries.get(key)
        if before is not None:
            _check_move(key, json.loads(before)["entry"], json.loads(raw)["entry"])
        self._entries[key] = raw
        return self._write(key, raw)


def _check_move(key: str, before: dict[str, object], after: dict[str, object]) -> None:
    kind = key.split("/")[1]
    if kind == "releases":
        present, following = ReleaseState(str(before["state"])), ReleaseState(str(after["state"]))
        assert _legal(present, following, RELEASE_MOVES), f"I6: {key} from {present} to {following}"
    elif kind == "rebuilds":
        one, other = RebuildState(str(before["state"])), RebuildState(str(after["state"]))
        # What is written at once may have passed a state in between: queued as a whole, and committed before.
        assert _legal(one, other, REBUILD_MOVES), f"I6: {key} from {one} to {other}"
        states = {e["path"]: EnvironmentState(e["state"]) for e in before["environments"]}  # type: ignore[attr-defined]
        for environment in after["environments"]:  # type: ignore[attr-defined]
            was, now = states[environment["path"]], EnvironmentState(environment["state"])
            assert was == now or now in ENVIRONMENT_MOVES[was], f"I6: {environment['path']} from {was} to {now}"


def _legal[S: (ReleaseState, RebuildState)](present: S, following: S, moves: Mapping[S, frozenset[S]]) -> bool:
    """Whether one state leads to another, if need be over one that was passed within a single write."""
    if present == following or following in moves[present]:
        return True
    return any(following in moves[between] for between in moves[present])


def _trailer(commit: FakeCommit) -> str:
    return next(line for line in commit.message.splitlines() if line.startswith("Rebuild-Id:"))


def _without_versions(raw: bytes) -> bytes:
    return _RISING.sub(b"version:", _PIN.sub(rb"\1==", raw))
