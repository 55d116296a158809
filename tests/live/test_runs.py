"""What a run does on an agent, and what its timeline tells: one run for all of these tests."""

from dataclasses import dataclass
from typing import Any

import pytest

from tests.contracts.worlds import PARAMETERS
from tests.live.pipelines import pipeline
from tests.live.site import Site
from tests.live.worlds import LivePipeline
from tests.waiting import wait_for

# Until hosted agents are free and have done it: minutes, or nothing at all on a stand.
PATIENCE = 30 * 60
pytestmark = pytest.mark.timeout(PATIENCE + 60)

_LABEL = "folder/an environment.yml"


def _say(**values: str) -> dict[str, object]:
    """A step that tells values as warnings: they are found in the timeline, where no secret belongs anyway."""
    said = "\n".join(f'echo "##vso[task.logissue type=warning]{name}=$SAID_{name}"' for name in values)
    return {
        "script": said,
        "displayName": "Say something",
        "env": {f"SAID_{name}": value for name, value in values.items()},
    }


def _publish_same(job: str, **more: object) -> dict[str, object]:
    steps = [
        {"checkout": "none"},
        {"script": 'mkdir -p "$(Agent.TempDirectory)/same" && echo it > "$(Agent.TempDirectory)/same/file"'},
        {"publish": "$(Agent.TempDirectory)/same", "artifact": "same", "displayName": "Publish"},
    ]
    return {"job": job, "steps": steps, **more}


_JOBS = (
    {
        "job": "plain",
        "displayName": _LABEL,
        "variables": {"OUTER": "$(INNER)", "INNER": "nested"},
        "steps": [
            {"checkout": "self"},
            _say(job="$(System.JobName)", phase="$(System.PhaseName)", attempt="$(System.JobAttempt)"),
            _say(unknown="$(nobody.has.this)", nested="$(OUTER)"),
            {"script": 'echo "##vso[task.logissue type=warning]head=$(git rev-parse HEAD)"', "displayName": "Say HEAD"},
            {"task": "UsePythonVersion@0", "inputs": {"versionSpec": "3.13", "addToPath": "false"}},
            _say(without="$(pythonLocation)"),
            {"task": "UsePythonVersion@0", "name": "py", "inputs": {"versionSpec": "3.13", "addToPath": "false"}},
            _say(named="$(py.pythonLocation)"),
        ],
    },
    _publish_same("first"),
    _publish_same("second", dependsOn="first", condition="always()"),
    {
        "job": "fails",
        "steps": [
            {"checkout": "none"},
            {
                "script": 'echo "##vso[task.logissue type=error]no file of it"; exit 1',
                "displayName": "Fail on purpose",
            },
            {"script": "true", "displayName": "Behind it"},
        ],
    },
)


@dataclass(frozen=True)
class Run:
    """The run when it was over."""

    world: LivePipeline
    id: int
    records: list[dict[str, Any]]

    def of(self, kind: str, name: str | None = None) -> list[dict[str, Any]]:
        """The records of a type, and of a name."""
        return [one for one in self.records if one["type"] == kind and name in (None, one["name"])]

    def said(self) -> dict[str, str]:
        """What the steps told."""
        messages = [issue["message"] for one in self.records for issue in one.get("issues") or ()]
        return dict(message.split("=", 1) for message in messages if "=" in message)


@pytest.fixture(scope="module")
def run(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("run") / "pipeline"
    world = LivePipeline(site, folder, pipeline(_JOBS, site.settings.vm_image))
    queued = world.pipeline.queue(world.commit, PARAMETERS)

    wait_for(lambda: world.pipeline.outcome(queued.id).completed, "the run is over", seconds=PATIENCE)
    timeline = site.ask("GET", f"{site.builds_api}/{queued.id}/timeline").json()
    return Run(world, queued.id, list(timeline["records"]))


def test_the_name_of_a_job_without_a_matrix_is_default(run: Run) -> None:
    """So artifacts that are named for it would meet."""
    said = run.said()
    assert (said["job"], said["phase"], said["attempt"]) == ("__default", "plain", "1")


def test_what_is_no_variable_stays_as_it_is_written(run: Run) -> None:
    assert run.said()["unknown"] == "$(nobody.has.this)"


def test_a_variable_in_a_variable_is_replaced(run: Run) -> None:
    assert run.said()["nested"] == "nested"


def test_the_shell_gets_its_own_substitutions(run: Run) -> None:
    assert run.said()["head"] == run.world.commit


def test_an_output_variable_is_known_by_the_steps_name_alone(run: Run) -> None:
    said = run.said()
    assert said["without"] == "$(pythonLocation)"
    assert said["named"].startswith("/")


def test_the_second_artifact_of_a_name_fails_its_job(run: Run) -> None:
    jobs = run.world.pipeline.outcome(run.id).jobs
    assert (jobs["first"].result, jobs["second"].result) == ("succeeded", "failed")
    assert "already exists" in str(jobs["second"].problem)


def test_a_jobs_record_bears_what_people_read(run: Run) -> None:
    (record,) = run.of("Job", _LABEL)
    assert record["identifier"].split(".")[-2:] == ["plain", "__default"]
    assert record["result"] in ("succeeded", "succeededWithIssues")


def test_steps_lie_below_their_job_in_order(run: Run) -> None:
    (job,) = run.of("Job", "fails")
    steps = sorted((one for one in run.of("Task") if one["parentId"] == job["id"]), key=lambda one: one["order"])
    results = {one["name"]: one["result"] for one in steps}
    assert results["Fail on purpose"] == "failed"
    assert results["Behind it"] == "skipped"


def test_a_failed_job_tells_its_first_error(run: Run) -> None:
    outcome = run.world.pipeline.outcome(run.id)
    assert outcome.result == "failed"
    assert outcome.jobs["fails"].problem == "no file of it"


def test_a_run_that_waits_for_an_approval_says_so(site: Site) -> None:
    project, held = site.settings.target.project, site.settings.held_pipeline
    answer = site.ask("POST", f"/{project}/_apis/pipelines/{held}/runs", body={})
    assert answer.status_code == 200
    number = int(answer.json()["id"])

    def open_checks() -> list[tuple[str, str]]:
        timeline = site.ask("GET", f"{site.builds_api}/{number}/timeline")
        records = timeline.json()["records"] if timeline.status_code == 200 and timeline.content else []
        return [(str(one["type"]), str(one["state"])) for one in records if str(one["type"]).startswith("Checkpoint.")]

    found = wait_for(open_checks, "the run waits for a check", seconds=PATIENCE)
    site.ask("PATCH", f"{site.builds_api}/{number}", body={"status": "cancelling"})
    assert ("Checkpoint.Approval", "inProgress") in found
