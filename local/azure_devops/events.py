"""The events that hooks tell of, in the service's words (learn.microsoft.com/azure/devops/service-hooks/events).

The documented events of builds and runs, and the package event, which no public list has.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from local.azure_devops.names import Names, guid, project_id

PACKAGE_CHANGED = "ms.azure-artifacts.packagemanagement-packagechanged-event"
BUILD_COMPLETED = "build.complete"
RUN_STATE_CHANGED = "ms.vss-pipelines.run-state-changed-event"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of event.

    Attributes:
        publisher: who tells of it.
        versions: of its resource; the first is the default.
        inputs: what a subscription can filter it by.
    """

    publisher: str
    versions: tuple[str, ...]
    inputs: frozenset[str]


KINDS: Mapping[str, Kind] = {
    BUILD_COMPLETED: Kind(
        "tfs", ("2.0", "1.0", "1.0-preview.1"), frozenset({"projectId", "definitionName", "buildStatus"})
    ),
    RUN_STATE_CHANGED: Kind(
        "pipelines", ("5.1-preview.1",), frozenset({"projectId", "pipelineId", "runStateId", "runResultId"})
    ),
    # [unverified] Nobody has seen a publisher of it.
    PACKAGE_CHANGED: Kind("tfs", ("1.0",), frozenset({"projectId"})),
}


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, as one version of its resource tells it.

    Attributes:
        kind: its event type.
        versions: of the resource that this is.
        resource: what it happened to.
        text: what it says to a person.
        link: to a page about it.
        facts: what a subscription's inputs are compared with, by the input's name.
    """

    kind: str
    versions: tuple[str, ...]
    resource: Mapping[str, Any]
    text: str
    link: str
    facts: Mapping[str, str] = field(default_factory=dict)

    def message(self) -> dict[str, str]:
        """The message in the three forms that a subscription can choose from."""
        return {
            "text": self.text,
            "html": f'{self.text} (<a href="{self.link}">see it</a>)',
            "markdown": f"{self.text} ([see it]({self.link}))",
        }


def package_changed(names: Names, url: str, *, feed_id: str, name: str, version: str) -> Event:
    """A version's first file arrived on a feed.

    Args:
        names: of the organisation.
        url: its address.
        feed_id: of the feed.
        name: of the package.
        version: of it.
    """
    project = {"id": project_id(names.project), "name": names.project}
    return Event(
        PACKAGE_CHANGED,
        KINDS[PACKAGE_CHANGED].versions,
        {
            "feed": {"id": feed_id, "name": names.feed, "project": project},
            "package": {"name": name, "normalizedName": name, "protocolType": "PyPi"},
            "packageVersion": {"version": version, "normalizedVersion": version},
            "publishType": 1,
        },
        f"Package {name} {version} was published",
        f"{url}/{names.project}/_artifacts/feed/{names.feed}/PyPI/{name}/{version}",
        {"projectId": names.project_id},
    )


def run_finished(names: Names, url: str, *, run: int, pipeline: int, name: str, result: str) -> Iterator[Event]:
    """A pipeline's run ended: both events that exist for it, the older one in both versions.

    Args:
        names: of the organisation.
        url: its address.
        run: its number.
        pipeline: its pipeline's number.
        name: the pipeline's name.
        result: `succeeded`, `failed` or `canceled`.
    """
    outcome = {"succeeded": "succeeded", "partiallySucceeded": "partiallySucceeded", "failed": "failed"}.get(
        result, "stopped"
    )
    at = f"{url}/{names.project_id}"
    page = f"{at}/_build/results?buildId={run}"
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    project = {"id": names.project_id, "name": names.project, "url": f"{url}/_apis/projects/{names.project_id}",
               "state": "wellFormed", "visibility": "private"}  # fmt: skip
    definition = {"id": pipeline, "name": name, "type": "build", "path": "\\", "queueStatus": "enabled",
                  "url": f"{at}/_apis/build/Definitions/{pipeline}", "project": project}  # fmt: skip
    number = f"{now[:10].replace('-', '')}.{run}"
    shared = {"id": run, "buildNumber": number, "url": f"{at}/_apis/build/Builds/{run}",
              "uri": f"vstfs:///Build/Build/{run}", "reason": "manual", "finishTime": now}  # fmt: skip
    facts = {"projectId": names.project_id, "definitionName": name, "buildStatus": outcome}
    yield Event(
        BUILD_COMPLETED,
        ("2.0",),
        {
            **shared, "_links": {"self": {"href": shared["url"]}, "web": {"href": page}},
            "status": "completed", "result": result, "definition": definition, "project": project, "tags": [],
        },
        f"Build {number} {outcome}", page, facts,
    )  # fmt: skip
    yield Event(
        BUILD_COMPLETED,
        ("1.0", "1.0-preview.1"),
        {**shared, "status": outcome, "definition": {"id": pipeline, "name": name}, "requests": []},
        f"Build {number} {outcome}", page, facts,
    )  # fmt: skip
    self_link = f"{at}/_apis/Pipelines/{pipeline}/runs/{run}"
    yield Event(
        RUN_STATE_CHANGED,
        KINDS[RUN_STATE_CHANGED].versions,
        {
            "run": {
                "_links": {"self": {"href": self_link}, "web": {"href": page}},
                "pipeline": {"id": pipeline, "name": name},
                "state": "completed",
                "result": result,
                "finishedDate": now,
                "url": self_link,
            }
        },
        f"Run {number} {outcome}",
        page,
        {
            "projectId": names.project_id, "pipelineId": str(pipeline), "runStateId": "Completed",
            "runResultId": result,
        },
    )  # fmt: skip


def containers(names: Names, url: str) -> dict[str, dict[str, str]]:
    """Where an event comes from: the organisation, which has two names here, and the project."""
    organization = {"id": names.organization_id, "baseUrl": f"{url}/"}
    return {
        "collection": organization,
        "account": {**organization, "id": guid("account", names.organization)},
        "project": {"id": names.project_id, "baseUrl": f"{url}/"},
    }
