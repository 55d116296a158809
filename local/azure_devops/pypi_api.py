"""What maintainers do with a version on the feed: delete it, put it into a view (REST: "Artifacts - Python Api")."""

from typing import Any

from packaging.utils import canonicalize_name, canonicalize_version

from local.azure_devops import locations
from local.azure_devops.answers import ServiceError
from local.azure_devops.api import Api, Call
from local.azure_devops.feed import Feed
from local.azure_devops.names import is_called
from local.azure_devops.packages import FeedVersion


class PyPiApi:
    """The REST calls of the packages' host."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    def serve(self, api: Api) -> None:
        """Serve the REST calls."""
        api.add("delete version", "DELETE", locations.PYPI_VERSION, self._delete)
        api.add("update version", "PATCH", locations.PYPI_VERSION, self._update)

    def _find(self, call: Call) -> tuple[str, str, FeedVersion]:
        wanted = call.parameters["feedId"]
        if call.project is None or not is_called(wanted, self._feed.name, self._feed.id):
            raise ServiceError(404, "FeedIdNotFoundException", f"A feed with ID '{wanted}' doesn't exist.")
        name, version = call.parameters["packageName"], call.parameters["packageVersion"]
        found = self._feed.packages.get(canonicalize_name(name), {}).get(canonicalize_version(version))
        if found is None or found.deleted:
            raise ServiceError(404, "PackageNotFoundException", f"Cannot find the package '{name} {version}' in feed.")
        return name, version, found

    def _delete(self, call: Call) -> Any:
        name, version, found = self._find(call)
        self._feed.delete(name, version)
        return {"name": name, "version": found.spelling}

    def _update(self, call: Call) -> Any:
        name, version, found = self._find(call)
        views = (call.json() or {}).get("views") or {}
        if views.get("op") != "add" or views.get("path") != "/views/-" or not views.get("value"):
            raise ServiceError(400, "InvalidPatchOperationException", "A view is added with 'add' to '/views/-'.")
        if views["value"] not in found.views:
            self._feed.promote(name, version, views["value"])
        return {"name": name, "version": found.spelling}
