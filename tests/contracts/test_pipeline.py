"""What `Pipeline` promises, kept by the adapter (on the stand) and by the fake."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
import requests
import yaml

from local.azure_devops.api import AUDIENCE
from local.azure_devops.pipelines import EDIT_QUEUE_CONFIGURATION, QUEUE_BUILDS
from local.azure_devops.server import Organization
from local.identity import make_token
from shared.adapters.azure_devops import AzureDevOpsOrganizations
from shared.domain.records.pipeline_contract import numbered
from shared.domain.records.run_outcomes import JobOutcome
from shared.domain.targets import Target
from shared.errors import AccessDenied, NotThere, Permanent, PipelineRejected, ServiceUnavailable
from shared.limits import RUNS_PER_LOOKUP
from tests.contracts.worlds import PARAMETERS, MemoryPipeline, PipelineWorld, StandPipeline, StandRepository


@pytest.fixture(params=["adapter", "fake"])
def world(request: pytest.FixtureRequest) -> PipelineWorld:
    if request.param == "adapter":
        made: StandPipeline = request.getfixturevalue("stand_pipeline")
        return made
    return MemoryPipeline()


def test_a_queued_run_has_an_id_its_parameters_and_a_page(world: PipelineWorld) -> None:
    run = world.pipeline.queue(world.commit, PARAMETERS)
    assert run.id > 0
    assert run.parameters == PARAMETERS
    assert run.url
    assert run.url.endswith(f"/_build/results?buildId={run.id}")


def test_every_run_has_an_id_of_its_own(world: PipelineWorld) -> None:
    assert world.pipeline.queue(world.commit, PARAMETERS).id != world.pipeline.queue(world.commit, PARAMETERS).id


def test_runs_are_found_by_time_newest_first(world: PipelineWorld) -> None:
    start = world.now()
    first = world.pipeline.queue(world.commit, PARAMETERS)
    between = world.now()
    second = world.pipeline.queue(world.commit, {**PARAMETERS, "batch": "2"})
    end = world.now()
    assert [run.id for run in world.pipeline.runs_since(start)] == [second.id, first.id]
    assert [run.id for run in world.pipeline.runs_since(between)] == [second.id]
    assert list(world.pipeline.runs_since(end)) == []


def test_all_runs_are_found_however_many_there_are(world: PipelineWorld) -> None:
    start = world.now()
    queued = [world.pipeline.queue(world.commit, PARAMETERS).id for _ in range(RUNS_PER_LOOKUP + 2)]
    assert [run.id for run in world.pipeline.runs_since(start)] == queued[::-1]


def test_a_cancelled_run_is_found_and_said_to_be_cancelled(world: PipelineWorld) -> None:
    start = world.now()
    first, second = (world.pipeline.queue(world.commit, PARAMETERS) for _ in range(2))
    world.end(first.id, "canceled", {})
    world.end(second.id, "failed", {})
    assert [(run.id, run.cancelled) for run in world.pipeline.runs_since(start)] == [
        (second.id, False), (first.id, True),
    ]  # fmt: skip


def test_a_found_run_is_the_run_that_was_queued(world: PipelineWorld) -> None:
    start = world.now()
    queued = world.pipeline.queue(world.commit, {**PARAMETERS, "environments": "1:sp ace/ü.yml:,2:b.yml:"})
    assert list(world.pipeline.runs_since(start)) == [queued]


def test_a_moment_may_be_long_ago_and_in_any_zone(world: PipelineWorld) -> None:
    start = world.now() - timedelta(days=400)
    queued = world.pipeline.queue(world.commit, PARAMETERS)
    assert [run.id for run in world.pipeline.runs_since(start)] == [queued.id]


@pytest.mark.parametrize(
    "wrong",
    [
        {**PARAMETERS, "enviroments": "a.yml"},
        {name: value for name, value in PARAMETERS.items() if name != "environments"},
        {**PARAMETERS, "schema": "3"},
        {**PARAMETERS, "attempt": "1"},
        {},
    ],
    ids=["unknown", "missing", "value", "of schema 3", "none"],
)
def test_wrong_parameters_are_rejected_and_nothing_is_queued(world: PipelineWorld, wrong: dict[str, str]) -> None:
    start = world.now()
    with pytest.raises(PipelineRejected):
        world.pipeline.queue(world.commit, wrong)
    assert list(world.pipeline.runs_since(start)) == []


def test_parameters_with_a_default_may_be_given(world: PipelineWorld) -> None:
    given = {**PARAMETERS, "feed": "ml/other"}
    assert world.pipeline.queue(world.commit, given).parameters == given


def test_an_unknown_pipeline_rejects_the_run(world: PipelineWorld) -> None:
    with pytest.raises(PipelineRejected):
        world.without_pipeline().queue(world.commit, PARAMETERS)


def test_an_unknown_commit_is_rejected(world: PipelineWorld) -> None:
    with pytest.raises(PipelineRejected):
        world.pipeline.queue("1" * 40, PARAMETERS)


def test_a_run_whose_answer_is_lost_is_found_by_its_parameters(world: PipelineWorld) -> None:
    start = world.now()
    world.lose_next_answer()
    with pytest.raises(ServiceUnavailable):
        world.pipeline.queue(world.commit, PARAMETERS)
    assert [run.parameters for run in world.pipeline.runs_since(start)] == [PARAMETERS]


def test_a_run_may_be_listed_late(world: PipelineWorld) -> None:
    start = world.now()
    queued = world.pipeline.queue(world.commit, PARAMETERS)
    world.list_late(2)
    found = [[run.id for run in world.pipeline.runs_since(start)] for _ in range(3)]
    assert found == [[], [], [queued.id]]


# What only the service has


def test_a_list_of_runs_that_does_not_go_on_is_no_answer(
    stand_pipeline: StandPipeline, organization: Organization
) -> None:
    start = stand_pipeline.now()
    for _ in range(RUNS_PER_LOOKUP + 1):
        run = stand_pipeline.pipeline.queue(stand_pipeline.commit, PARAMETERS)
        organization.pipelines.build(run.id).queued = start
    with pytest.raises(Permanent, match=r"does not go on$"):
        stand_pipeline.pipeline.runs_since(start)


def test_runs_of_another_branch_or_pipeline_are_not_found(
    stand_pipeline: StandPipeline, azure_devops: AzureDevOpsOrganizations, target: Target
) -> None:
    start = stand_pipeline.now()
    stand_pipeline.pipeline.queue(stand_pipeline.commit, PARAMETERS)
    for other in (replace(target, branch="release"), replace(target, pipeline=8)):
        assert list(azure_devops.pipeline(other).runs_since(start)) == []


def test_a_run_may_have_long_paths_and_paths_that_differ_in_capitals_only(world: PipelineWorld) -> None:
    paths = ["A/x.yml", "a/x.yml", f"{'environments/of-the-team/' * 8}environment.yml"]
    given = {**PARAMETERS, "environments": numbered((path, ()) for path in paths)}

    assert world.pipeline.queue(world.commit, given).parameters == given


@pytest.mark.parametrize("lacking", [QUEUE_BUILDS, EDIT_QUEUE_CONFIGURATION])
def test_who_may_not_queue_is_told_which_permission_is_missing_and_where_it_is_granted(
    stand_pipeline: StandPipeline, organization: Organization, lacking: str
) -> None:
    organization.pipelines.permissions.remove(lacking)

    with pytest.raises(AccessDenied) as caught:
        stand_pipeline.pipeline.queue(stand_pipeline.commit, PARAMETERS)

    line = str(caught.value)
    assert organization.pipelines.builds == []
    assert f"needs {lacking} permissions" in line
    assert "`Queue builds` and `Edit queue build configuration`" in line
    assert "pipeline 7 of project ml, Manage security" in line
    assert "\n" not in line


@pytest.mark.parametrize(
    ("file", "right", "wrong", "reason"),
    [
        ("pipelines/rebuild.yml", "rebuild_$", "a-b_$", "The job name a-b_1 is not valid."),
        ("pipelines/rebuild.yml", "rebuild_${{ split(item, ':')[0] }}", "x", "The job name x appears more than once."),
        ("pipelines/rebuild.yml", "rebuild_$", f"{'r' * 100}_$", "is longer than 100 characters"),
        ("pipelines/rebuild.yml", "split(parameters.environments, ',')", "parameters.tools", "needs a list or a map"),
        ("azure-pipelines.yml", "pipelines/rebuild.yml", "no.yml", "File /.rebuilder/no.yml not found"),
        (
            "azure-pipelines.yml",
            "default: azure-ml",
            "default: other",
            "references service connection other which could",
        ),
        ("azure-pipelines.yml", '["4"]', '["3"]', "The 'schema' parameter value '4' is not a valid value."),
    ],
    ids=["invalid", "twice", "long", "expression", "template", "connection", "values"],
)
def test_what_the_yaml_makes_of_a_run_is_refused_before_it_is_queued_and_the_reason_is_one_line(
    stand_pipeline: StandPipeline, stand_repository: StandRepository, organization: Organization,
    file: str, right: str, wrong: str, reason: str,
) -> None:  # fmt: skip
    text = stand_repository.files()[f".rebuilder/{file}"].decode()
    assert right in text
    commit = stand_repository.commit({f".rebuilder/{file}": text.replace(right, wrong).encode()})

    with pytest.raises(PipelineRejected) as caught:
        stand_pipeline.pipeline.queue(commit, PARAMETERS)

    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    assert organization.pipelines.builds == []


def test_a_preview_shows_the_whole_pipeline_and_queues_nothing(
    stand_pipeline: StandPipeline, organization: Organization, azure_devops: AzureDevOpsOrganizations, target: Target
) -> None:
    wish = {"previewRun": True, "templateParameters": PARAMETERS}
    answer = requests.post(
        f"{organization.url}/ml/_apis/pipelines/7/runs?api-version=7.1", json=wish, timeout=30,
        headers={"Authorization": f"Bearer {make_token(AUDIENCE)}"},
    )  # fmt: skip

    jobs = yaml.safe_load(answer.json()["finalYaml"])["jobs"]
    assert [(job["job"], job["displayName"]) for job in jobs] == [("rebuild_1", "a/a.yml"), ("rebuild_2", "b/b.yml")]
    assert organization.pipelines.builds == []


def test_a_run_that_has_not_begun_says_nothing_of_its_jobs(world: PipelineWorld) -> None:
    run = world.pipeline.queue(world.commit, PARAMETERS)

    outcome = world.pipeline.outcome(run.id)

    assert (outcome.completed, outcome.result, outcome.jobs, outcome.problem) == (False, None, {}, None)
    assert outcome.parameters == PARAMETERS
    assert (outcome.waits, outcome.url) == (None, run.url)


@pytest.mark.parametrize("what", ["approval", "permission", "ExclusiveLock"])
def test_a_run_says_what_it_waits_for_until_it_is_released(world: PipelineWorld, what: str) -> None:
    world.hold(what)
    run = world.pipeline.queue(world.commit, PARAMETERS)
    held = world.pipeline.outcome(run.id)
    world.release()
    released = world.pipeline.outcome(run.id)

    assert (held.waits, held.completed, held.jobs) == (what, False, {})
    assert released.waits is None
    assert world.pipeline.outcome(world.pipeline.queue(world.commit, PARAMETERS).id).waits is None


def test_a_run_that_is_over_waits_for_nothing(world: PipelineWorld) -> None:
    world.hold("approval")
    run = world.pipeline.queue(world.commit, PARAMETERS)
    world.end(run.id, "canceled", {})

    assert world.pipeline.outcome(run.id).waits is None


def test_what_became_of_each_job_is_told_with_its_first_error(world: PipelineWorld) -> None:
    run = world.pipeline.queue(world.commit, PARAMETERS)
    world.end(
        run.id,
        "failed",
        {
            "a/a.yml": JobOutcome("completed", "failed", ("Check the commit",), "no file of our-package==1.1"),
            "b/b.yml": JobOutcome("completed", "succeeded", ("Check the commit", "Download the packages")),
            "c/c.yml": JobOutcome("inProgress", None, ("Check the commit",)),
        },
    )

    outcome = world.pipeline.outcome(run.id)

    assert (outcome.completed, outcome.result) == (True, "failed")
    assert outcome.finished is not None
    assert outcome.jobs == {
        "a/a.yml": JobOutcome("completed", "failed", ("Check the commit",), "no file of our-package==1.1"),
        "b/b.yml": JobOutcome("completed", "succeeded", ("Check the commit", "Download the packages")),
        "c/c.yml": JobOutcome("inProgress", None, ("Check the commit",)),
    }


def test_a_broken_pipeline_tells_why(world: PipelineWorld) -> None:
    run = world.pipeline.queue(world.commit, PARAMETERS)
    world.end(run.id, "failed", {}, "File /nowhere.yml not found")

    outcome = world.pipeline.outcome(run.id)

    assert (outcome.completed, outcome.problem) == (True, "File /nowhere.yml not found")


def test_a_run_that_is_not_there_is_not_there(world: PipelineWorld) -> None:
    with pytest.raises(NotThere):
        world.pipeline.outcome(4040)


def test_a_run_is_given_template_parameters_and_nothing_else(
    stand_pipeline: StandPipeline, organization: Organization
) -> None:
    """Variables would need a permission of their own, and reach scripts as environment variables."""
    organization.api.recorded = []
    stand_pipeline.pipeline.queue(stand_pipeline.commit, PARAMETERS)

    (request,) = (one for one in organization.api.recorded if one.operation == "queue run")
    body = json.loads(request.body)
    assert body.keys() == {"resources", "templateParameters"}
    assert body["templateParameters"] == PARAMETERS
