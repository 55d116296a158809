"""The step that looks for an older run, on the stand's own list of runs."""

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests

from local.azure_devops.api import AUDIENCE, BUILD_SERVICE
from local.azure_devops.server import Organization
from local.identity import make_token
from shared.adapters.azure_devops import AzureDevOpsOrganizations
from shared.domain.records.pipeline_contract import numbered, older_run
from shared.domain.targets import Target
from shared.limits import RUNS_PER_LOOKUP
from shared.steps.duplicate import duplicate
from shared.steps.job_state import Job, StepFailed
from tests.fakes.credential import StubCredential
from tests.steps.conftest import Checkout


class Pipeline:
    """The pipeline that a job's run is one of; each test rebuilds something else."""

    def __init__(self, organization: Organization, job: Job) -> None:
        self.organization = organization
        self.job = replace(job, rebuild=uuid.uuid4().hex[:16])
        names = organization.names
        target = Target(
            name="sample", organization=organization.url, project=names.project, repository=names.repository,
            branch="main", pipeline=names.pipeline, feeds=(),
        )  # fmt: skip
        self._pipeline = AzureDevOpsOrganizations(StubCredential(AUDIENCE)).pipeline(target)
        self.variables = {
            "SYSTEM_COLLECTIONURI": f"{organization.url}/",
            "SYSTEM_TEAMPROJECT": names.project,
            "SYSTEM_DEFINITIONID": str(names.pipeline),
            "BUILD_SOURCEBRANCH": "refs/heads/main",
            "SYSTEM_ACCESSTOKEN": make_token(AUDIENCE, subject=BUILD_SERVICE),
        }

    def queue(self, batch: str = "1", rebuild: str | None = None) -> Job:
        """A run, as its own job sees it."""
        commit = self.organization.repository.tip() or ""
        parameters = {
            "schema": "4", "rebuild": rebuild or self.job.rebuild, "batch": batch,
            "commit": commit, "environments": numbered([(self.job.environment, self.job.earlier)]),
        }  # fmt: skip
        run = self._pipeline.queue(commit, parameters)
        return replace(self.job, run=str(run.id), batch=batch, rebuild=parameters["rebuild"])

    def look(self, job: Job, variables: Mapping[str, str] | None = None) -> None:
        duplicate(job, {**self.variables, **(variables or {})})


@pytest.fixture
def pipeline(organization: Organization, checkout: Checkout) -> Iterator[Pipeline]:
    yield Pipeline(organization, checkout.job)
    organization.faults.clear()


def test_the_second_run_of_the_same_work_ends_and_names_the_first(pipeline: Pipeline) -> None:
    first, second, third = pipeline.queue(), pipeline.queue(), pipeline.queue()

    pipeline.look(first)
    for later in (second, third):
        with pytest.raises(StepFailed) as ended:
            pipeline.look(later)

        assert older_run(str(ended.value)) == int(first.run)


def test_another_batch_or_rebuild_is_other_work(pipeline: Pipeline) -> None:
    pipeline.queue(batch="2")
    pipeline.queue(rebuild="f" * 16)

    pipeline.look(pipeline.queue())


@pytest.mark.parametrize(("status", "result"), [("completed", "canceled"), ("cancelling", None)])
def test_a_cancelled_run_does_nobodys_work(pipeline: Pipeline, status: str, result: str | None) -> None:
    first, second = pipeline.queue(), pipeline.queue()
    build = pipeline.organization.pipelines.build(int(first.run))
    build.status, build.result, build.finished = status, result, datetime.now(UTC)

    pipeline.look(second)


def test_an_older_run_that_failed_was_the_one_run_of_its_work(pipeline: Pipeline) -> None:
    first, second = pipeline.queue(), pipeline.queue()
    build = pipeline.organization.pipelines.build(int(first.run))
    build.status, build.result, build.finished = "completed", "failed", datetime.now(UTC)

    with pytest.raises(StepFailed):
        pipeline.look(second)


def test_runs_of_another_branch_do_not_count(pipeline: Pipeline) -> None:
    pipeline.queue()

    pipeline.look(pipeline.queue(), {"BUILD_SOURCEBRANCH": "refs/heads/release"})


@pytest.mark.parametrize("fault", ["403", "401", "sign-in"])
def test_a_service_that_cannot_be_asked_is_a_warning_and_the_job_goes_on(
    pipeline: Pipeline, capsys: pytest.CaptureFixture[str], fault: str
) -> None:
    pipeline.queue()
    second = pipeline.queue()
    pipeline.organization.faults.set("builds", fault, times=9)

    pipeline.look(second)

    shown = capsys.readouterr().out
    assert shown.startswith("##vso[task.logissue type=warning]not known whether an older run does the same")
    assert f"looking for runs of pipeline {pipeline.organization.names.pipeline}" in shown


@pytest.mark.parametrize("name", ["SYSTEM_ACCESSTOKEN", "SYSTEM_COLLECTIONURI", "SYSTEM_DEFINITIONID"])
def test_a_variable_that_is_missing_is_a_warning_that_names_it(
    pipeline: Pipeline, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    pipeline.look(pipeline.job, {name: ""})

    assert f"`{name}` is missing" in capsys.readouterr().out


def test_few_runs_are_listed_with_one_request(pipeline: Pipeline) -> None:
    job = pipeline.queue()
    api = pipeline.organization.api
    api.recorded = []
    try:
        pipeline.look(job)
        (asked,) = [one for one in api.recorded if one.operation == "builds"]
    finally:
        api.recorded = None

    assert asked.query["$top"] == str(RUNS_PER_LOOKUP)
    assert "minTime" in asked.query


def test_the_stand_lets_a_job_see_runs_and_do_nothing_else(pipeline: Pipeline) -> None:
    organization = pipeline.organization

    answer = requests.post(
        f"{organization.url}/{organization.names.project}/_apis/pipelines/{organization.names.pipeline}/runs?api-version=7.1",
        headers={"Authorization": f"Bearer {pipeline.variables['SYSTEM_ACCESSTOKEN']}"}, json={}, timeout=30,
    )  # fmt: skip

    assert answer.status_code == 403
    assert answer.json()["message"] == "The build service may not do this here: queue run."


def test_the_command_ends_with_the_jobs_one_line_error(pipeline: Pipeline, tmp_path: Path) -> None:
    first, second = pipeline.queue(), pipeline.queue()
    variables = {
        **pipeline.variables,
        "REBUILDER_ENVIRONMENT": second.environment,
        "REBUILDER_REBUILD": second.rebuild,
        "REBUILDER_BATCH": second.batch,
        "REBUILDER_COMMIT": second.commit,
        "REBUILDER_WORKSPACES": "s/ml/training",
        "REBUILDER_FOLDER": str(second.folder),
        "BUILD_BUILDID": second.run,
        "BUILD_SOURCESDIRECTORY": str(second.sources),
        "AZURE_DEVOPS_CACHE_DIR": str(tmp_path / "job" / "cache"),
        "PATH": os.environ["PATH"],
    }

    done = subprocess.run(
        [sys.executable, "-m", "shared", "duplicate"], env=variables, capture_output=True, text=True, check=False
    )

    line = f"duplicate of run {first.run}: it was queued before for the same rebuild and batch"
    assert done.returncode == 1
    assert done.stdout.startswith(f"##vso[task.logissue type=error]{line}")
    assert pipeline.variables["SYSTEM_ACCESSTOKEN"] not in done.stdout + done.stderr
