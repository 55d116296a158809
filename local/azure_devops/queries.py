"""Query parameters: what the stand honours of them. Any other would change the answer, so it is refused by name."""

import re
from collections.abc import Mapping

from local.azure_devops.answers import NotInTheStand

_ANY = ".*"
_NUMBER = r"\d+"
_EITHER = "true|false"
# The service's default, which changes nothing.
_OFF = "false"

# By operation: the parameters of the REST reference and the values that are honoured, as patterns in any case.
HONOURED: Mapping[str, Mapping[str, str]] = {
    "refs": {"filter": _ANY, "includeLinks": _OFF, "includeStatuses": _OFF, "latestStatusesOnly": _OFF,
             "peelTags": _OFF},
    "items": {"scopePath": _ANY, "recursionLevel": "none|oneLevel|full", "versionDescriptor.version": _ANY,
              "versionDescriptor.versionType": "branch|commit", "versionDescriptor.versionOptions": "none",
              "includeContentMetadata": _OFF, "includeLinks": _OFF, "latestProcessedChange": _OFF, "download": _OFF,
              "zipForUnix": _OFF},
    "blobs": {"filename": _ANY},
    "commits": {"searchCriteria.$top": _NUMBER, "searchCriteria.$skip": _NUMBER,
                "searchCriteria.itemVersion.version": _ANY, "searchCriteria.itemVersion.versionType": "branch",
                "searchCriteria.itemVersion.versionOptions": "none"},
    "builds": {"definitions": r"\d+(,\d+)*", "branchName": _ANY, "minTime": _ANY, "maxTime": _ANY,
               "$top": _NUMBER, "queryOrder": "queueTimeDescending"},
    "packages": {"protocolType": _ANY, "packageNameQuery": _ANY, "includeAllVersions": _EITHER,
                 "includeDeleted": _EITHER, "includeUrls": _EITHER, "$top": _NUMBER, "$skip": _NUMBER},
    "package version": {"includeUrls": _EITHER},
    "package changes": {"continuationToken": _NUMBER, "batchSize": _NUMBER},
    "list subscriptions": {"publisherId": _ANY, "eventType": _ANY, "consumerId": _ANY, "consumerActionId": _ANY},
}  # fmt: skip


def check_query(operation: str, query: Mapping[str, str]) -> None:
    """Refuse what is not honoured.

    Args:
        operation: its name in the stand.
        query: names in lower case.

    Raises:
        NotInTheStand: 400, with the parameter's name.
    """
    honoured = {name.casefold(): values for name, values in HONOURED.get(operation, {}).items()}
    for name, value in query.items():
        if name == "api-version":
            continue
        if name not in honoured:
            raise NotInTheStand(f"the query parameter `{name}` of `{operation}`")
        if not re.fullmatch(honoured[name], value, re.IGNORECASE | re.DOTALL):
            raise NotInTheStand(f"`{name}={value}` of `{operation}`")
