"""Where the REST API's resources are: which host has them, and what it answers to `OPTIONS {organisation}/_apis`.

The SDK finds a host by the area's id and an address by the location's. Ids and templates are the service's own (they
stand in the SDK's clients and in the REST reference).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

PACKAGING = "{project}/_apis/{area}/Feeds/{feedId}"
REPOSITORY = "{project}/_apis/{area}/repositories/{repositoryId}"

# The version of the API that the service has; requests for a higher one are refused.
NEWEST = (7, 2)


class Host(StrEnum):
    """One of the service's hosts, by its live name; in the stand each has a port of its own."""

    DEVOPS = "dev.azure.com"
    FEEDS = "feeds.dev.azure.com"
    PACKAGES = "pkgs.dev.azure.com"


@dataclass(frozen=True, slots=True)
class Area:
    """A part of the API as `ResourceAreas` lists it."""

    id: str
    name: str
    host: Host = Host.DEVOPS


AREAS = (
    Area("4e080c62-fa21-4fbc-8fef-2a10a2b38049", "git"),
    Area("965220d5-5bb9-42cf-8d67-9b146df2a5a4", "build"),
    Area("79134c72-4a58-4b42-976c-04e7115f32bf", "core"),
    Area("fb13a388-40dd-4a04-b530-013a739c72ef", "policy"),
    Area("7ab4e64e-c4d8-4f50-ae73-5ef2e21642a5", "packaging", Host.FEEDS),
    Area("92f0314b-06c5-46e0-abe7-15fd9d13276a", "pypi", Host.PACKAGES),
)


def resource_areas(urls: Mapping[Host, str]) -> list[dict[str, str]]:
    """The areas in the service's words.

    Args:
        urls: the organisation's address at each host.
    """
    return [{"id": area.id, "name": area.name, "locationUrl": f"{urls[area.host]}/"} for area in AREAS]


@dataclass(frozen=True, slots=True)
class Location:
    """One resource.

    Attributes:
        id: what the SDK looks it up by; lower case, as the SDK compares it.
        area: of the API.
        resource: its name in addresses.
        template: of the address below the organisation; a parameter without a value is left out.
        version: of the resource, as in `7.1-preview.N`.
    """

    id: str
    area: str
    resource: str
    template: str
    version: int = 1

    def is_at(self, host: Host) -> bool:
        """Tell whether a host has it: the list of areas is at all of them."""
        mine = next((area.host for area in AREAS if area.name == self.area), Host.DEVOPS)
        return self.area == "Location" or host == mine

    def described(self) -> dict[str, Any]:
        """The location in the service's words."""
        return {
            "id": self.id,
            "area": self.area,
            "resourceName": self.resource,
            "routeTemplate": self.template,
            "resourceVersion": self.version,
            "minVersion": "1.0",
            "maxVersion": ".".join(map(str, NEWEST)),
            "releasedVersion": "7.1",
        }

    def pattern(self) -> re.Pattern[str]:
        """Matches addresses below the organisation, in any case and with or without optional parameters."""
        template = self.template.replace("{area}", self.area).replace("{resource}", self.resource)
        parts = template.split("/")
        text = ""
        for at, part in enumerate(parts):
            if not part.startswith("{"):
                text += f"/{re.escape(part)}"
            elif at == 0:
                text += f"(?:/(?P<{part[1:-1]}>(?!_apis)[^/]+))?"
            elif at == len(parts) - 1:
                text += f"(?:/(?P<{part[1:-1]}>[^/]+))?"
            else:
                text += f"/(?P<{part[1:-1]}>[^/]+)"
        return re.compile(text + "/?", re.IGNORECASE)


RESOURCE_AREAS = Location(
    "e81700f7-3be2-46de-8624-2eb35882fcaa", "Location", "ResourceAreas", "_apis/{resource}/{areaId}"
)
REFS = Location("2d874a60-a811-4f62-9c9f-963a6ea0a55b", "git", "refs", REPOSITORY + "/{resource}")
ITEMS = Location("fb93c0db-47ed-4a31-8c20-47552878fb44", "git", "items", REPOSITORY + "/{resource}/{path}")
BLOBS = Location("7b28e929-2c99-405d-9c5c-6167a06e6816", "git", "blobs", REPOSITORY + "/{resource}/{sha1}")
PUSHES = Location("ea98d07b-3c87-4971-8ede-a613694ffb55", "git", "pushes", REPOSITORY + "/{resource}/{pushId}", 2)
COMMITS = Location("c2570c3b-5b3f-41b8-98bf-5407bfde8d58", "git", "commits", REPOSITORY + "/{resource}/{commitId}")
RUNS = Location(
    "7859261e-d2e9-4a68-b820-a5d84cc5bb3d",
    "pipelines",
    "runs",
    "{project}/_apis/{area}/{pipelineId}/{resource}/{runId}",
)
BUILDS = Location(
    "0cd358e1-9217-4d94-8269-1c1ee6f93dcf", "build", "builds", "{project}/_apis/{area}/{resource}/{buildId}", 7
)
_BUILD = "{project}/_apis/{area}/builds/{buildId}"
TIMELINE = Location("8baac422-4c6e-4de5-8532-db96d92acffa", "build", "timeline", _BUILD + "/{resource}/{timelineId}", 2)
LOGS = Location("35a80daf-7f30-45fc-86e8-6b813d9c90df", "build", "logs", _BUILD + "/{resource}/{logId}", 2)
ARTIFACTS = Location(
    "1db06c96-014e-44e1-ac91-90b2d4b3e984", "build", "artifacts", _BUILD + "/{resource}/{artifactName}", 5
)
FEEDS = Location(
    "c65009a7-474a-4ad1-8b42-7d852107ef8c", "packaging", "Feeds", "{project}/_apis/{area}/{resource}/{feedId}"
)
PACKAGES = Location(
    "7a20d846-c929-4acc-9ea2-0d5a7df1b197", "packaging", "packages", PACKAGING + "/{resource}/{packageId}"
)
VERSIONS = Location("3b331909-6a86-44cc-b9ec-c1834c35498f", "packaging", "versions",
                    PACKAGING + "/Packages/{packageId}/{resource}/{packageVersionId}")  # fmt: skip
PACKAGE_CHANGES = Location(
    "323a0631-d083-4005-85ae-035114dfb681", "packaging", "packagechanges", PACKAGING + "/{resource}"
)
FEED_CHANGES = Location(
    "29ba2dad-389a-4661-b5d3-de76397ca05b", "packaging", "feedchanges", "{project}/_apis/{area}/{resource}/{feedId}"
)
PYPI_VERSION = Location("d146ac7e-9e3f-4448-b956-f9bb3bdf9b2e", "pypi", "versions",
                        "{project}/_apis/packaging/feeds/{feedId}/{area}/packages/{packageName}/{resource}/"
                        "{packageVersion}")  # fmt: skip
SUBSCRIPTIONS = Location(
    "fc50d02a-849f-41fb-8af1-0a5216103269", "hooks", "subscriptions", "_apis/{area}/{resource}/{subscriptionId}"
)

ALL = (
    RESOURCE_AREAS, REFS, ITEMS, BLOBS, PUSHES, COMMITS, RUNS, BUILDS, TIMELINE, LOGS, ARTIFACTS, FEEDS, PACKAGES,
    VERSIONS, PACKAGE_CHANGES, FEED_CHANGES, PYPI_VERSION, SUBSCRIPTIONS,
)  # fmt: skip
