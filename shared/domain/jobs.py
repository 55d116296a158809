"""Names that the app, the pipeline's template and its steps have in common: of jobs, steps and tags."""

from shared.domain.states import EnvironmentState

# Job names hold letters, digits and `_` only; each other character has a code of its own, so no two paths meet.
# pipelines/rebuild.yml does the same with `replace`.
_CODES = (("_", "_u"), ("/", "_s"), (".", "_d"), ("-", "_h"))

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


def job_name(path: str) -> str:
    """The name of the job that rebuilds the environment at a path."""
    for character, code in _CODES:
        path = path.replace(character, code)
    return f"rebuild_{path}"
