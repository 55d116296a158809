"""The rebuild pipeline of a target (REST: "Pipelines - Runs", "Build - Builds").

A run's id is its build's id; only the list of builds can be filtered by definition, branch and time.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from urllib.parse import quote

from azure.devops.connection import Connection
from azure.devops.v7_1.pipelines.models import (
    RepositoryResourceParameters,
    RunPipelineParameters,
    RunResourcesParameters,
)

from shared.adapters.azure_devops.connection import client, translated
from shared.domain.targets import Target
from shared.errors import NotThere, PipelineRejected
from shared.limits import RUNS_PER_LOOKUP
from shared.ports import PipelineRun


class AzurePipeline:
    """The pipeline of a target."""

    def __init__(self, connection: Connection, target: Target) -> None:
        self._connection = connection
        self._target = target

    def runs_since(self, moment: datetime) -> Sequence[PipelineRun]:
        """The runs of this pipeline on the target's branch that were queued since then, newest first."""
        target = self._target
        with translated(f"looking for runs of pipeline {target.pipeline}"):
            builds = client(self._connection, "build").get_builds(
                target.project,
                definitions=[target.pipeline],
                branch_name=target.ref,
                min_time=moment,
                query_order="queueTimeDescending",
                top=RUNS_PER_LOOKUP,
            )
        return [
            PipelineRun(int(build.id), dict(build.template_parameters or {}), self._page(int(build.id)))
            for build in builds
        ]

    def queue(self, commit: str, parameters: Mapping[str, str]) -> PipelineRun:
        """Queue a run of the branch, pinned to a commit."""
        target = self._target
        itself = RepositoryResourceParameters(ref_name=target.ref, version=commit)
        wish = RunPipelineParameters(
            resources=RunResourcesParameters(repositories={"self": itself}), template_parameters=dict(parameters)
        )
        try:
            with translated(f"queueing pipeline {target.pipeline}"):
                run = client(self._connection, "pipelines").run_pipeline(wish, target.project, target.pipeline)
        except NotThere as problem:
            raise PipelineRejected(str(problem)) from problem
        return PipelineRun(int(run.id), dict(parameters), self._page(int(run.id)))

    def _page(self, run: int) -> str:
        """The run's page for people; the SDK's models lose the link that the service sends."""
        return f"{self._target.organization}/{quote(self._target.project)}/_build/results?buildId={run}"
