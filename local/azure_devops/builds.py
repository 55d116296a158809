"""The records of runs: builds, their timelines, logs and artifacts."""

from typing import Any

from local.agent.record import described
from local.azure_devops import locations
from local.azure_devops.api import Api, Call, Raw, ServiceError, collection
from local.azure_devops.pipelines import Build, Pipelines


class BuildRecords:
    """The REST calls that look at runs, or cancel them."""

    def __init__(self, pipelines: Pipelines) -> None:
        self._pipelines = pipelines

    def serve(self, api: Api) -> None:
        """Serve the REST calls."""
        api.add("update build", "PATCH", locations.BUILDS, self._update)
        api.add("timeline", "GET", locations.TIMELINE, self._timeline)
        api.add("logs", "GET", locations.LOGS, self._logs)
        api.add("artifacts", "GET", locations.ARTIFACTS, self._artifacts)

    def _build(self, call: Call) -> Build:
        return self._pipelines.build(int(call.parameters["buildId"]))

    def _update(self, call: Call) -> Any:
        build = self._build(call)
        if (call.json() or {}).get("status") in ("cancelling", "Cancelling") and build.status != "completed":
            build.status = "cancelling"
            build.cancelled.set()
        return self._pipelines.describe(call, build)

    def _timeline(self, call: Call) -> Any:
        build = self._build(call)
        records = build.timeline.records if build.timeline else build.checks
        if not records and build.timeline is None:
            raise ServiceError(404, "TimelineNotFoundException", f"Build {build.id} has no timeline yet.")
        return described(records, f"{call.project_url}/_apis/build/Builds/{build.id}")

    def _logs(self, call: Call) -> Any:
        build = self._build(call)
        numbers = build.timeline.logs() if build.timeline else []
        if number := call.parameters.get("logId"):
            if build.timeline is None or int(number) not in numbers:
                raise ServiceError(404, "BuildLogNotFoundException", f"Build {build.id} has no log {number}.")
            file = build.timeline.log_file(int(number))
            return Raw(file.read_bytes() if file.exists() else b"", "text/plain")
        base = f"{call.project_url}/_apis/build/Builds/{build.id}/logs"
        return collection([{"id": number, "type": "Container", "url": f"{base}/{number}"} for number in numbers])

    def _artifacts(self, call: Call) -> Any:
        build = self._build(call)
        folder = build.timeline.folder / "artifacts" if build.timeline else None
        names = sorted(path.name for path in folder.iterdir()) if folder and folder.is_dir() else []
        return collection(
            [
                {
                    "id": number,
                    "name": name,
                    "resource": {"type": "FilePath", "data": str(folder), "properties": {}},
                }
                for number, name in enumerate(names, start=1)
            ]
        )
