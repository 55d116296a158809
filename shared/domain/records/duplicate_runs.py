"""A run whose job says it is a duplicate: its environment is followed in the older run, which does the work.

That happens when the answer to queueing a run was lost and Azure DevOps showed the run late, so that it was queued
again and the second one was written down.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from shared.domain.records.history import Happened, HistoryLine
from shared.domain.records.pipeline_contract import older_run, work_of
from shared.domain.records.rebuilds import RebuildEntry, RebuiltEnvironment
from shared.domain.records.run_outcomes import RunOutcome

type Look = Callable[[int], RunOutcome]


def older_runs(environments: Iterable[RebuiltEnvironment], look: Look) -> dict[str, tuple[int, int]]:
    """The run that each environment is followed in and the older one that does its work, by path.

    An environment whose job names no older run, or one that is not there or does other work, is left out.

    Args:
        environments: those that are not settled.
        look: looks at a run; one that is not there has no parameters.
    """
    found = {}
    for environment in environments:
        if environment.run is None:
            continue
        older = _effective(environment.path, environment.run, look)
        if older != environment.run:
            found[environment.path] = (environment.run, older)
    return found


def followed_in(rebuild: RebuildEntry, older: Mapping[str, tuple[int, int]], look: Look, at: datetime) -> RebuildEntry:
    """The rebuild with its environments followed in older runs; what another worker has moved already stays."""
    environments = tuple(
        replace(e, run=older[e.path][1]) if e.path in older and e.run == older[e.path][0] else e
        for e in rebuild.environments
    )
    if environments == rebuild.environments:
        return rebuild
    moves = dict(sorted(set(older.values())))
    runs = tuple(
        replace(run, id=moves[run.id], url=look(moves[run.id]).url) if run.id in moves else run for run in rebuild.runs
    )
    told = tuple(
        HistoryLine(at, Happened.NOTE, f"run {run.id} is a duplicate: followed in run {moves[run.id]}", moves[run.id])
        for run in rebuild.runs
        if run.id in moves
    )
    return replace(rebuild, environments=environments, runs=runs, history=(*rebuild.history, *told))


def _effective(path: str, run: int, look: Look) -> int:
    """The run that does an environment's work: the run itself, or the first of those that it gave way to."""
    work = work_of(look(run).parameters)
    # Each is older than the one before, so this ends.
    while (older := _gave_way(path, look(run))) is not None and older < run and work_of(look(older).parameters) == work:
        run = older
    return run


def _gave_way(path: str, outcome: RunOutcome) -> int | None:
    job = outcome.jobs.get(path)
    return older_run(job.problem) if job else None
