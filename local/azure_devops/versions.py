"""The `api-version` of a request: in the query or in `Accept`, needed to write, and never above the service's.

learn.microsoft.com/azure/devops/integrate/concepts/rest-api-versioning
"""

import re
from collections.abc import Mapping

from local.azure_devops.answers import ServiceError
from local.azure_devops.locations import NEWEST, Location

_FORM = re.compile(r"(\d+)\.(\d+)(?:-preview(?:\.(\d+))?)?", re.IGNORECASE)
_IN_ACCEPT = re.compile(r"api-version\s*=\s*([^;,\s]+)", re.IGNORECASE)


def check_version(method: str, location: Location, query: Mapping[str, str], accept: str) -> None:
    """Refuse a version that is missing where something is written, or that the service does not have.

    Args:
        method: of the request.
        location: what it addresses.
        query: names in lower case.
        accept: the header.

    Raises:
        ServiceError: 400.
    """
    in_accept = _IN_ACCEPT.search(accept)
    asked = query.get("api-version") or (in_accept[1] if in_accept else None)
    if asked is None:
        if method in ("GET", "HEAD"):
            return
        raise ServiceError(
            400,
            "VssVersionNotSpecifiedException",
            f'No api-version was supplied for the "{method}" request. The version must be supplied either as part of '
            'the Accept header (e.g. "application/json; api-version=1.0") or as a query parameter '
            '(e.g. "?api-version=1.0").',
        )
    found = _FORM.fullmatch(asked)
    if found is None:
        raise ServiceError(
            400, "VssInvalidApiResourceVersionException", f"The api-version '{asked}' is not a valid version."
        )
    version = int(found[1]), int(found[2])
    resource = int(found[3] or 0)
    if not (1, 0) <= version <= NEWEST or resource > location.version:
        newest = ".".join(map(str, NEWEST))
        raise ServiceError(
            400,
            "VssVersionOutOfRangeException",
            f"The requested REST API version of {asked} is out of range for this server. The latest REST API version "
            f"this server supports is {newest}.",
        )
