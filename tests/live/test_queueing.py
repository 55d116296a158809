"""What a run of a pipeline is refused for: the whole YAML is compiled before the answer."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from shared.errors import PipelineRejected
from tests.contracts.worlds import PARAMETERS
from tests.live.pipelines import PROJECT, pipeline, skipped
from tests.live.site import Site
from tests.live.worlds import LivePipeline, push_branch


def _queue(site: Site, folder: Path, jobs: Sequence[Mapping[str, object]], **given: str) -> None:
    """All jobs are skipped, so that a run which is queued although it should not be costs nothing."""
    world = LivePipeline(site, folder / "pipeline", pipeline(jobs, site.settings.vm_image))
    world.pipeline.queue(world.commit, {**PARAMETERS, **given})


@pytest.fixture
def one(site: Site, tmp_path: Path) -> LivePipeline:
    return LivePipeline(site, tmp_path / "pipeline", pipeline([skipped()], site.settings.vm_image))


@pytest.mark.parametrize(
    "wrong", [{"enviroments": "a.yml"}, {"schema": "1"}], ids=["unknown parameter", "value that is not allowed"]
)
def test_wrong_parameters_are_400_and_a_validation_error(site: Site, one: LivePipeline, wrong: dict[str, str]) -> None:
    itself = {"refName": one.target.ref, "version": one.commit}
    body = {"resources": {"repositories": {"self": itself}}, "templateParameters": {**PARAMETERS, **wrong}}
    answer = site.ask("POST", site.runs_api, body=body)
    assert (answer.status_code, answer.json()["typeKey"]) == (400, "PipelineValidationException")


def test_a_parameter_that_is_a_list_is_400(site: Site, one: LivePipeline) -> None:
    itself = {"refName": one.target.ref, "version": one.commit}
    body = {
        "resources": {"repositories": {"self": itself}},
        "templateParameters": {**PARAMETERS, "environments": ["a"]},
    }
    assert site.ask("POST", site.runs_api, body=body).status_code == 400


def test_a_runs_page_is_where_the_product_says(site: Site, one: LivePipeline) -> None:
    run = one.pipeline.queue(one.commit, PARAMETERS)
    build = site.ask("GET", f"{site.builds_api}/{run.id}").json()
    said, shown = str(run.url), str(build["_links"]["web"]["href"])
    assert said.rpartition("/")[2] == shown.rpartition("/")[2] == f"results?buildId={run.id}"
    assert (build["sourceBranch"], build["sourceVersion"]) == (one.target.ref, one.commit)


def test_a_job_name_may_have_100_characters(site: Site, tmp_path: Path) -> None:
    _queue(site, tmp_path, [skipped("a" * 100)])


def test_a_job_name_may_not_have_101_characters(site: Site, tmp_path: Path) -> None:
    with pytest.raises(PipelineRejected):
        _queue(site, tmp_path, [skipped("a" * 101)])


def test_job_names_are_compared_without_case(site: Site, tmp_path: Path) -> None:
    with pytest.raises(PipelineRejected):
        _queue(site, tmp_path, [skipped("Rebuild_A"), skipped("rebuild_a")])


def test_a_pipeline_without_jobs_is_refused(site: Site, tmp_path: Path) -> None:
    with pytest.raises(PipelineRejected):
        _queue(site, tmp_path, [])


def test_a_template_that_is_not_there_is_refused_at_queueing(site: Site, tmp_path: Path) -> None:
    with pytest.raises(PipelineRejected):
        _queue(site, tmp_path, [{"template": "nowhere.yml"}])


def test_a_service_connection_that_is_not_there_is_refused_at_queueing(site: Site, tmp_path: Path) -> None:
    inputs = {
        "azureSubscription": "nobody-has-this", "scriptType": "bash", "scriptLocation": "inlineScript",
        "inlineScript": "true",
    }  # fmt: skip
    with pytest.raises(PipelineRejected):
        _queue(site, tmp_path, [skipped(steps=[{"task": "AzureCLI@2", "inputs": inputs}])])


def test_expressions_that_the_template_uses_are_known(site: Site, tmp_path: Path) -> None:
    """One job for each path: `each`, `split` and `replace`."""
    key = "${{ each path in split(parameters.environments, ',') }}"
    job = skipped("rebuild_${{ replace(replace(path, '/', '_s'), '.', '_d') }}", displayName="${{ path }}")
    _queue(site, tmp_path, [{key: [job]}], environments="a/a.yml,b/b.yml")


def test_the_products_own_pipeline_is_compiled(site: Site, tmp_path: Path) -> None:
    """With its template, but without the service connection and the jobs' agents: nothing is queued."""
    text = (PROJECT / "azure-pipelines.yml").read_text()
    where = Path(site.settings.pipeline_file).parent
    template = (PROJECT / "pipelines" / "rebuild.yml").read_bytes()
    files = {site.settings.pipeline_file: text.encode(), (where / "pipelines/rebuild.yml").as_posix(): template}
    branch = push_branch(site, files, tmp_path / "pipeline")
    body = {
        "previewRun": True,
        "resources": {"repositories": {"self": {"refName": f"refs/heads/{branch}"}}},
        "templateParameters": {**PARAMETERS, "feed": str(site.settings.feed)},
    }
    answer = site.ask("POST", site.runs_api, body=body)
    assert answer.status_code == 200 or "service connection" in answer.text, answer.text
