"""Removes what the tests created, found by its prefix: whatever became of the run that created it."""

from collections.abc import Callable, Iterator
from pathlib import Path

from local.azure_devops.repository import GitError, git
from tests.live.settings import MARK
from tests.live.site import Site
from tests.live.worlds import delete_version

# What nobody can remove, in words.
STAYS = (
    "numbers of the versions on the feed: they lie in its recycle bin, and no upload can have them again",
    "archived environments of the workspace: Azure ML deletes none",
    "runs of the pipelines, until the project's retention removes them",
    "the package from the public index, which the feed keeps",
)


def clean_up(site: Site, prefix: str, branches: str) -> Iterator[str]:
    """Remove everything whose name begins so, and tell of each thing; what fails is told and stops nothing else.

    Args:
        site: where.
        prefix: of packages and environments.
        branches: beginning of branch names.

    Yields:
        a line for each thing, which begins with `removed`, `cancelled`, `archived` or `FAILED`.
    """
    steps: tuple[Callable[[Site, str], Iterator[str]], ...] = (_packages, _environments)
    for step, mark in ((_runs, branches), (_branches, branches), *((step, prefix) for step in steps)):
        try:
            yield from step(site, mark)
        except Exception as problem:  # noqa: BLE001 the next step is tried whatever happened
            yield f"FAILED to clean up ({step.__name__.strip('_')}): {type(problem).__name__}: {problem}"


def all_of_a_run(run: str) -> tuple[str, str]:
    """Prefix and branches of one run."""
    return f"{MARK}-{run}", f"{MARK}/{run}/"


def all_runs() -> tuple[str, str]:
    """Prefix and branches of every run that there ever was."""
    return f"{MARK}-", f"{MARK}/"


def _runs(site: Site, branches: str) -> Iterator[str]:
    """Runs of the tests' branches, and all that wait for the approval that nobody gives."""
    target, held = site.settings.target.pipeline, site.settings.held_pipeline
    query = {"definitions": f"{target},{held}", "queryOrder": "queueTimeDescending", "$top": "500"}
    answer = site.ask("GET", site.builds_api, query=query)
    answer.raise_for_status()
    for build in answer.json()["value"]:
        mine = build["definition"]["id"] == held or str(build["sourceBranch"]).startswith(f"refs/heads/{branches}")
        if mine and build["status"] not in ("completed", "cancelling"):
            site.ask("PATCH", f"{site.builds_api}/{build['id']}", body={"status": "cancelling"}).raise_for_status()
            yield f"cancelled run {build['id']}"


def _branches(site: Site, branches: str) -> Iterator[str]:
    environment = site.git_environment()
    listed = git(
        "ls-remote", "--heads", site.clone_url, f"refs/heads/{branches}*", at=Path.cwd(), environment=environment
    )
    refs = [line.split("\t")[1] for line in listed.decode().splitlines()]
    for ref in refs:
        try:
            git("push", "--quiet", site.clone_url, f":{ref}", at=Path.cwd(), environment=environment)
            yield f"removed branch {ref.removeprefix('refs/heads/')}"
        except GitError as problem:
            yield f"FAILED to remove branch {ref}: {problem}"


def _packages(site: Site, prefix: str) -> Iterator[str]:
    query = {"protocolType": "PyPi", "packageNameQuery": prefix, "includeAllVersions": "true", "$top": "1000"}
    answer = site.ask("GET", f"{site.feeds_url}{site.feed_api}/packages", query=query)
    answer.raise_for_status()
    for package in answer.json()["value"]:
        if not str(package["normalizedName"]).startswith(prefix):
            continue
        for version in package["versions"]:
            if not version.get("isDeleted"):
                delete_version(site, package["name"], version["version"])
                yield f"removed {package['name']} {version['version']} from the feed"


def _environments(site: Site, prefix: str) -> Iterator[str]:
    answer = site.ask_arm("GET", "/environments")
    while True:
        answer.raise_for_status()
        page = answer.json()
        for environment in page["value"]:
            if prefix in str(environment["name"]):
                yield from _archive(site, str(environment["name"]))
        following = page.get("nextLink")
        if not following:
            return
        answer = site.follow_arm(following)


def _archive(site: Site, name: str) -> Iterator[str]:
    listed = site.ask_arm("GET", f"/environments/{name}/versions")
    listed.raise_for_status()
    for version in listed.json()["value"]:
        properties = version["properties"]
        if not properties.get("isArchived"):
            kept = {key: one for key, one in properties.items() if key in _WRITABLE and one is not None}
            answer = site.put_environment(name, version["name"], **{**kept, "isArchived": True})
            yield f"{'archived' if answer.ok else 'FAILED to archive'} environment {name}:{version['name']}"


_WRITABLE = ("image", "build", "condaFile", "osType", "tags", "description", "properties", "isAnonymous")
