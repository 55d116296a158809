"""Registers the environment in each workspace with azure-ai-ml, as `az ml environment create` does.

`create_or_update` returning means registered, never built: Azure ML builds the image by itself, when it likes.
"""

import os
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from shared.domain.records.pipeline_contract import COMMIT_TAG, PACKAGE_TAG, REBUILD_TAG, RUN_TAG, SUPERSEDED
from shared.domain.targets import Workspace
from shared.limits import AZURE_CLI_SECONDS
from shared.steps.commands import say
from shared.steps.job_state import Job, Registered, StepFailed, Work, context_folder, yaml_file

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

# The SDK reads upload errors only beside its progress bar and can wait for ever. Hundreds of wheels take minutes.
_PATIENCE_SECONDS = 20 * 60

# How often a version is chosen anew that somebody else took meanwhile.
_ATTEMPTS = 3

# learn.microsoft.com/azure/machine-learning/how-to-assign-roles
_WAYS_OUT = {
    403: "; give the service connection's identity the role AzureML Data Scientist on {workspace}, and, where the keys "
    "of its storage are disabled, Storage Blob Data Contributor there",
    404: "; see whether {workspace} is there, as the pipeline's parameter `workspaces` names it",
}
_TAKEN = "Azure ML has version {} with other content already"

# Azure ML takes some dozens of tags; more private packages than this in one environment are named no more.
_MOST_PACKAGE_TAGS = 30


def register(job: Job) -> Work:
    """Register the staged environment in every workspace.

    Raises:
        StepFailed: with what Azure ML or the SDK says, in one line.
    """
    work = Work.load(job)
    if not job.workspaces:
        raise StepFailed("no workspace is named: set the pipeline's parameter `workspaces`")
    tags = tags_of(job, work)
    for workspace in job.workspaces:
        done = _in_time(lambda workspace=workspace: _register(job, workspace, work.name, tags))  # type: ignore[misc]
        work.registered.append(done)
        work.save(job)
        how = " (the same content as before, with new tags)" if done.unchanged else ""
        say(f"registered {work.name} {done.version} in {workspace}{how}")
    return work


def tags_of(job: Job, work: Work) -> dict[str, str]:
    """What ties a registered version to the release: rebuild, run, commit, and the version of each private package."""
    private = {name: version for name, version in work.packages.items() if name in work.private}
    return {
        REBUILD_TAG: job.rebuild,
        RUN_TAG: job.run,
        COMMIT_TAG: job.commit,
        **{f"{PACKAGE_TAG}{name}": version for name, version in sorted(private.items())[:_MOST_PACKAGE_TAGS]},
    }


def _register(job: Job, workspace: Workspace, name: str, tags: dict[str, str]) -> Registered:
    from azure.ai.ml import load_environment
    from azure.core.exceptions import HttpResponseError, ResourceExistsError

    try:
        client = _client(workspace)
        for attempt in range(1, _ATTEMPTS + 1):
            known = versions_of(client, name)
            if earlier := registered_before(known, job, name, workspace):
                return Registered(str(workspace), earlier)
            environment = load_environment(yaml_file(job))
            chosen = environment.version
            _check_version(known.get(str(chosen)), job)
            environment.tags = {**(environment.tags or {}), **tags}
            try:
                # Progress stays on: without it a failing upload hangs.
                made: Any = client.environments.create_or_update(environment)
                # With the content of the newest version Azure ML takes that one, and its tags anew.
                return Registered(str(workspace), str(made.version), unchanged=str(made.version) in known)
            except ResourceExistsError as problem:
                if chosen is not None:
                    raise StepFailed(f"{_TAKEN.format(chosen)} (409): {_first_line(problem)}") from problem
                if attempt == _ATTEMPTS:
                    raise
                # The SDK chose the next version, and somebody else took it at the same time.
                say(f"another version of {name} was registered at the same time: looking again")
    except StepFailed:
        raise
    except HttpResponseError as problem:
        # Of an error without a status nobody but the credential knows.
        what = f"Azure ML answers {problem.status_code}" if problem.status_code else "no sign-in to Azure ML"
        way_out = _WAYS_OUT.get(problem.status_code or 0, "").format(workspace=workspace)
        raise StepFailed(f"{what}: {_first_line(problem)}{way_out}") from problem
    except Exception as problem:
        raise StepFailed(f"azure-ai-ml: {_first_line(problem)}") from problem
    raise AssertionError("the last attempt returns or raises")


def versions_of(client: "MLClient", name: str) -> dict[str, Any]:
    """The versions of an environment that a workspace holds, by their number."""
    from azure.core.exceptions import ResourceNotFoundError

    try:
        return {str(version.version): version for version in client.environments.list(name=name)}
    except ResourceNotFoundError as problem:
        if "workspace" in str(problem).replace(name, "").casefold():
            raise
        return {}


def registered_before(known: Mapping[str, Any], job: Job, name: str, workspace: Workspace) -> str | None:
    """The version that an earlier try of the same files registered, or None if there is none.

    Args:
        known: the versions that the workspace holds, by their number.
        job: the job.
        name: the environment's name.
        workspace: the workspace.

    Raises:
        StepFailed: a later run has registered a version; this one's, older, must not become the newest.
    """
    later = 0
    for number, version in known.items():
        tags = version.tags or {}
        if tags.get(REBUILD_TAG) in (job.rebuild, *job.earlier):
            say(f"{name} {number} in {workspace} was registered by an earlier try of the same files")
            return number
        if str(tags.get(RUN_TAG, "")).isdigit():
            later = max(later, int(tags[RUN_TAG]))
    if job.run.isdigit() and later > int(job.run):
        raise StepFailed(f"{SUPERSEDED}{later}: it has registered a version of {name} in {workspace} since")
    return None


def _check_version(there: Any, job: Job) -> None:
    """Refuse a version that the YAML states and Azure ML holds with another context, before that is uploaded.

    The address of a context holds its hash (azure-ai-ml 1.35, `_upload_to_datastore`).
    """
    if there is None:
        return
    from azure.ai.ml._utils._asset_utils import get_ignore_file, get_object_hash

    context = context_folder(job)
    if get_object_hash(context, get_ignore_file(context)) not in ((there.build and there.build.path) or ""):
        raise StepFailed(f"{_TAKEN.format(there.version)}: raise `version` in {job.environment}")


def _client(workspace: Workspace) -> "MLClient":
    from azure.ai.ml import MLClient
    from azure.identity import AzureCliCredential

    return MLClient(
        # The service connection's own sign-in, and never an identity that the agent has besides.
        AzureCliCredential(process_timeout=AZURE_CLI_SECONDS),
        subscription_id=workspace.subscription,
        resource_group_name=workspace.resource_group,
        workspace_name=workspace.name,
    )


def _in_time(action: Callable[[], Registered]) -> Registered:
    """Run something that may never end; give up after a while."""
    outcome: list[Registered] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(action())
        except BaseException as problem:  # noqa: BLE001 (it is raised again where it is waited for)
            failure.append(problem)

    worker = threading.Thread(target=run, daemon=True)
    worker.start()
    worker.join(float(os.environ.get("REBUILDER_REGISTER_SECONDS") or _PATIENCE_SECONDS))
    if failure:
        raise failure[0]
    if not outcome:
        raise StepFailed("Azure ML has not taken the environment in time; the upload of its context hangs")
    return outcome[0]


def _first_line(problem: BaseException) -> str:
    lines = [line.strip() for line in str(problem).splitlines() if line.strip()]
    return lines[0] if lines else type(problem).__name__
