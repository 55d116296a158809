"""The pipeline queue: runs are checked against the pipeline's YAML as the service would, and wait for an agent."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from local.agent.expressions import Unknown
from local.agent.pipeline import StagePlan
from local.agent.record import Record, Timeline
from local.azure_devops import locations
from local.azure_devops.answers import ServiceError, check_members, collection
from local.azure_devops.api import Api, Call
from local.azure_devops.compilation import Compiled, compiled
from local.azure_devops.repository import GitError, GitRepository, git


@dataclass
class Definition:
    """A pipeline; each of its runs waits for a check, if it has one."""

    id: int
    name: str
    yaml_path: str
    repository: GitRepository
    enabled: bool = True
    check: str | None = None


@dataclass
class Build:
    """A run of a pipeline, which is a build as well."""

    id: int
    definition: Definition
    branch: str
    commit: str
    parameters: dict[str, str]
    stages: list[StagePlan]
    queued: datetime
    status: str = "notStarted"
    result: str | None = None
    started: datetime | None = None
    finished: datetime | None = None
    tags: list[str] = field(default_factory=list)
    timeline: Timeline | None = None
    checks: list[Record] = field(default_factory=list)
    cancelled: threading.Event = field(default_factory=threading.Event)


# Permissions of pipelines, as the service and its pages call them. The second one is needed by who gives a run values
# for parameters that take any (release notes of sprint 237).
QUEUE_BUILDS = "Queue builds"
EDIT_QUEUE_CONFIGURATION = "Edit queue build configuration"


class Pipelines:
    """The pipelines of the project.

    Attributes:
        listed_after: fault switch: a run appears in lists only after this many look-ups.
        connections: the service connections that pipelines may use.
        permissions: what the app's identity may do on pipelines; fault switch: take one away.
        queued: called with each run that is queued.
    """

    def __init__(self, project: str) -> None:
        self.project = project
        self.listed_after = 0
        self.connections = {"azure-ml"}
        self.permissions = {QUEUE_BUILDS, EDIT_QUEUE_CONFIGURATION}
        self._check: str | None = None
        self.queued: list[Callable[[Build], None]] = []
        self._definitions: dict[int, Definition] = {}
        self._builds: dict[int, Build] = {}
        self._lock = threading.Lock()

    def define(self, definition: Definition) -> None:
        """Create a pipeline."""
        self._definitions[definition.id] = definition

    def hold(self, check: str = "Approval") -> None:
        """Let the next runs wait for a check, until `release`: `Approval`, `Authorization` or any other."""
        self._check = check

    def release(self) -> None:
        """Let every run go on that waits, and the next ones too."""
        with self._lock:
            self._check = None
            held = [build for build in self.builds if any(check.state != "completed" for check in build.checks)]
            for check in (check for build in held for check in build.checks):
                check.end("succeeded")
        for build in held:
            self._hand_over(build)

    @property
    def builds(self) -> list[Build]:
        """All runs, oldest first."""
        return list(self._builds.values())

    def build(self, number: int) -> Build:
        """A run.

        Raises:
            ServiceError: there is none of this number.
        """
        build = self._builds.get(number)
        if build is None:
            raise ServiceError(404, "BuildNotFoundException", f"The requested build {number} could not be found.")
        return build

    def serve(self, api: Api) -> None:
        """Serve the REST calls."""
        api.add("queue run", "POST", locations.RUNS, self._queue)
        api.add("get run", "GET", locations.RUNS, self._get_run)
        api.add("builds", "GET", locations.BUILDS, self._get_builds)

    def _definition(self, number: str) -> Definition:
        found = self._definitions.get(int(number))
        if found is None:
            raise ServiceError(404, "PipelineNotFoundException", f"No pipeline was found with identifier {number}.")
        if not found.enabled:
            raise ServiceError(400, "DefinitionDisabledException", f"The pipeline {found.name} is disabled.")
        return found

    def _queue(self, call: Call) -> Any:
        definition = self._definition(call.parameters["pipelineId"])
        self._require(QUEUE_BUILDS, definition)
        wish = call.json() or {}
        check_members("a run", wish, "resources", "templateParameters", "previewRun")
        itself = ((wish.get("resources") or {}).get("repositories") or {}).get("self") or {}
        branch = str(itself.get("refName") or f"refs/heads/{definition.repository.branch}")
        if definition.repository.tip(branch) is None:
            raise _invalid(f"Could not find the branch {branch}.")
        commit = definition.repository.tip(str(itself.get("version") or branch) + "^{commit}")
        if commit is None:
            raise _invalid("Could not find the commit or branch to build.")
        given = wish.get("templateParameters") or {}
        result = self.compile(definition, branch, commit, given)
        if result.free_text:
            self._require(EDIT_QUEUE_CONFIGURATION, definition)
        if wish.get("previewRun"):
            return {"finalYaml": result.final_yaml}
        return self._run(call, self.start(definition, branch, commit, given, result.stages))

    def _require(self, permission: str, definition: Definition) -> None:
        if permission not in self.permissions:
            raise ServiceError(
                403,
                "AccessDeniedException",
                f"TF215106: Access denied. environment-rebuilder needs {permission} permissions for build pipeline "
                f"{definition.id}:{definition.name} in team project {self.project} to perform the action. For more "
                "information, contact the Azure DevOps administrator.",
            )

    def compile(self, definition: Definition, branch: str, commit: str, given: dict[str, Any]) -> Compiled:
        """Compile a pipeline at a commit.

        Raises:
            ServiceError: the service would refuse the run.
        """

        def read(path: str) -> str:
            try:
                return git("show", f"{commit}:{path}", at=definition.repository.path).decode()
            except GitError:
                raise Unknown(f"File /{path} not found in the repository at {commit}.") from None

        variables = {
            "Build.DefinitionName": definition.name,
            "Build.Reason": "Manual",
            "Build.Repository.Name": definition.repository.name,
            "Build.SourceBranch": branch,
            "Build.SourceVersion": commit,
            "System.DefinitionId": str(definition.id),
            "System.TeamProject": self.project,
        }
        try:
            return compiled(read, definition.yaml_path, given, variables, self.connections)
        except Unknown as problem:
            raise _invalid(str(problem)) from None

    def start(
        self, definition: Definition, branch: str, commit: str, parameters: dict[str, str], stages: list[StagePlan]
    ) -> Build:
        """Queue a run of what was compiled."""
        with self._lock:
            build = Build(len(self._builds) + 1, definition, branch, commit, parameters, stages, datetime.now(UTC))
            build.checks += _checks(definition.check or self._check)
            self._builds[build.id] = build
        if not build.checks:
            self._hand_over(build)
        return build

    def _hand_over(self, build: Build) -> None:
        for tell in self.queued:
            tell(build)

    def _get_run(self, call: Call) -> Any:
        build = self._builds.get(int(call.parameters.get("runId") or 0))
        if build is None or build.definition.id != int(call.parameters["pipelineId"]):
            raise ServiceError(404, "PipelineRunNotFoundException", "The run is not there.")
        return self._run(call, build)

    def _get_builds(self, call: Call) -> Any:
        if number := call.parameters.get("buildId"):
            return self.describe(call, self.build(int(number)))
        if self.listed_after > 0:
            self.listed_after -= 1
            return collection([])
        found = sorted(self._builds.values(), key=lambda build: build.queued, reverse=True)
        definitions = {int(number) for number in call.query.get("definitions", "").split(",") if number}
        since = call.query.get("mintime")
        earliest = datetime.fromisoformat(since) if since else None
        until = call.query.get("maxtime")
        latest = datetime.fromisoformat(until) if until else None
        rows = [
            self.describe(call, build)
            for build in found
            if (not definitions or build.definition.id in definitions)
            and call.query.get("branchname") in (None, build.branch)
            and (earliest is None or build.queued >= earliest)
            and (latest is None or build.queued <= latest)
        ]
        return collection(rows[: int(call.query.get("$top") or 1000)])

    def _run(self, call: Call, build: Build) -> dict[str, Any]:
        state = {"notStarted": "inProgress"}.get(build.status, build.status)
        where = call.project_url
        row: dict[str, Any] = {
            "_links": {
                "self": {"href": f"{where}/_apis/pipelines/{build.definition.id}/runs/{build.id}"},
                "web": {"href": f"{where}/_build/results?buildId={build.id}"},
            },
            "templateParameters": build.parameters,
            "pipeline": {"id": build.definition.id, "name": build.definition.name, "folder": "\\", "revision": 1,
                         "url": f"{where}/_apis/pipelines/{build.definition.id}?revision=1"},
            "state": state,
            "createdDate": _moment(build.queued),
            "url": f"{where}/_apis/pipelines/{build.definition.id}/runs/{build.id}",
            "resources": {"repositories": {"self": {
                "repository": {"type": "azureReposGit"}, "refName": build.branch, "version": build.commit}}},
            "id": build.id,
            "name": f"{build.queued:%Y%m%d}.{build.id}",
        }  # fmt: skip
        if build.result and build.finished:
            row |= {"result": build.result, "finishedDate": _moment(build.finished)}
        return row

    def describe(self, call: Call, build: Build) -> dict[str, Any]:
        """A run as the build it is, in the service's words."""
        where = call.project_url
        row: dict[str, Any] = {
            "_links": {
                "self": {"href": f"{where}/_apis/build/Builds/{build.id}"},
                "web": {"href": f"{where}/_build/results?buildId={build.id}"},
            },
            "id": build.id,
            "buildNumber": f"{build.queued:%Y%m%d}.{build.id}",
            "status": build.status,
            "queueTime": _moment(build.queued),
            "url": f"{where}/_apis/build/Builds/{build.id}",
            "definition": {"id": build.definition.id, "name": build.definition.name, "type": "build"},
            "sourceBranch": build.branch,
            "sourceVersion": build.commit,
            "reason": "manual",
            "tags": build.tags,
            "templateParameters": build.parameters,
        }
        if build.started:
            row["startTime"] = _moment(build.started)
        if build.result and build.finished:
            row |= {"result": build.result, "finishTime": _moment(build.finished)}
        return row


def _checks(kind: str | None) -> list[Record]:
    """What the timeline holds of a run that waits for a check."""
    if kind is None:
        return []
    above = Record("Checkpoint", "Checkpoint", "__default.Checkpoint", None, 1)
    check = Record(f"Checkpoint.{kind}", f"Checkpoint.{kind}", f"__default.Checkpoint.{kind}", above.id, 1)
    for record in (above, check):
        record.begin()
    return [above, check]


def _invalid(message: str) -> ServiceError:
    return ServiceError(
        400,
        "PipelineValidationException",
        message,
        customProperties={"ValidationErrors": [{"message": message, "severity": "error"}]},
    )


def _moment(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
