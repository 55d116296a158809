"""Build blockers: reasons, seen in its files, why the pipeline cannot rebuild an environment."""

import re

from shared.domain.inventory.environments import Environment

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_LONGEST_NAME = 255


def build_blocker(environment: Environment) -> str | None:
    """Return why the pipeline cannot rebuild an environment, in one line, or None if no reason is known.

    The planner holds an environment for it, and the pipeline fails one that is asked for all the same.
    """
    if why := name_blocker(environment.name):
        return why
    if environment.version and environment.version.is_number_with_point:
        return f"`version` {environment.version.text} is read as a number: write it in quotes"
    if environment.contradiction:
        return environment.contradiction
    if environment.context is None:
        if environment.uses:
            return None
        return f"{environment.path} has neither a build context nor a conda file in this repository"
    if environment.dockerfile is None:
        missing = [str(problem) for problem in environment.unseen if problem.path == environment.path]
        return missing[0] if missing else f"its build context {environment.context or '.'} has no Dockerfile"
    return outside(environment, environment.dockerfile)


def outside(environment: Environment, *paths: str) -> str | None:
    """Return why the image build cannot read one of some files, or None: it sees the build context only."""
    if environment.context is None:
        return None
    for path in paths:
        if environment.context and not f"{path}/".startswith(f"{environment.context}/"):
            return f"{path} lies outside the build context {environment.context}: the image build cannot read it"
    return None


def name_blocker(name: str) -> str | None:
    """Return why Azure ML refuses an environment of this name, or None if it does not."""
    if len(name) > _LONGEST_NAME:
        return f"`name` has {len(name)} characters; Azure ML takes {_LONGEST_NAME} at most"
    if not _NAME.fullmatch(name):
        return f"`name` {name!r} is not a name that Azure ML takes: letters, digits, - . and _ only"
    if name.casefold().startswith("azureml"):
        return "`name` begins with AzureML, which is kept for Microsoft's own"
    return None


# What a path may hold to travel as a pipeline parameter, numbered and in a list separated by commas.
_SAFE_PATH = re.compile(r"[A-Za-z0-9._][A-Za-z0-9._/-]*")


def is_safe_path(path: str) -> bool:
    """Tell whether an environment's path can travel to the pipeline and names a file of the repository there."""
    return bool(_SAFE_PATH.fullmatch(path)) and ".." not in path.split("/")
