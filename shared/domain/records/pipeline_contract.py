"""The contract with the rebuild pipeline: names of jobs, steps, parameters and tags that both sides use."""

import re
from collections.abc import Iterable, Mapping

from shared.domain.states import EnvironmentState

# Which state of an environment a step's success stands for, by the step's display name.
STEPS = {
    "Download the packages": EnvironmentState.PACKAGED,
    "Prove the offline install": EnvironmentState.VERIFIED,
}

# Tags of a registered environment version that tie it to the release.
REBUILD_TAG = "rebuilder-rebuild"
RUN_TAG = "rebuilder-run"
COMMIT_TAG = "rebuilder-commit"
PACKAGE_TAG = "package-"

# How a job's error begins that found a version of a later run in Azure ML, and registered nothing over it.
SUPERSEDED = "superseded by run "

# How a job's error begins whose run is the second one of the same work, and did nothing.
DUPLICATE = "duplicate of run "

# The parameters of a run that say which work it is: two runs that have them in common do the same.
_WORK = ("rebuild", "batch")
_OLDER = re.compile(rf"{DUPLICATE}([1-9][0-9]{{0,17}})\b")


def numbered(environments: Iterable[tuple[str, Iterable[str]]]) -> str:
    """The environments of a run as the pipeline takes them: `1:first/environment.yml:,2:second/environment.yml:3f2a`.

    The template names each job by its number, since a name has at most 100 characters and ignores case. The job's
    display name is the path itself. Behind the path stand the earlier rebuilds of the same files, if there are some:
    what they have registered is not registered again.

    Args:
        environments: path and earlier rebuilds of each.
    """
    return ",".join(f"{number}:{path}:{'+'.join(earlier)}" for number, (path, earlier) in enumerate(environments, 1))


def work_of(parameters: Mapping[str, str]) -> tuple[str | None, ...]:
    """Return the work that a run does, by the parameters it was queued with: rebuild and batch."""
    return tuple(parameters.get(name) for name in _WORK)


def older_run(problem: str | None) -> int | None:
    """Return the run that a job's error says it is a duplicate of, or None for any other error."""
    found = _OLDER.match(problem or "")
    return int(found[1]) if found else None
