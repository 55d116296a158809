from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from local.agent.expressions import Unknown
from local.agent.pipeline import plan_pipeline
from local.agent.template import compile_pipeline
from shared.domain.jobs import STEPS, job_name

ROOT = Path(__file__).resolve().parent.parent.parent
RUN = {"schema": "2", "rebuild": "0123", "batch": "1", "attempt": "1", "commit": "c" * 40}


def compiled(files: Mapping[str, str], given: Mapping[str, str] | None = None) -> dict[str, Any]:
    def read(path: str) -> str:
        if path not in files:
            raise Unknown(f"File /{path} not found in the repository.")
        return files[path]

    return compile_pipeline(read, "p.yml", given or {}, {"Build.Reason": "Manual"})


def own_pipeline(environments: str) -> list[Any]:
    document = compile_pipeline(
        lambda path: (ROOT / path).read_text(), "azure-pipelines.yml", {**RUN, "environments": environments}, {}
    )
    (stage,) = plan_pipeline(document)
    return list(stage.jobs)


def test_the_projects_own_pipeline_has_a_job_for_each_environment() -> None:
    paths = ["training_environment/training-environment.yml", "a_b/c.yml", "a/b_c.yml"]

    jobs = own_pipeline(",".join(paths))

    assert [job.label for job in jobs] == paths
    assert [job.name for job in jobs] == [job_name(path) for path in paths]
    assert {job.variables["REBUILDER_COMMIT"] for job in jobs} == {"c" * 40}


def test_the_app_and_the_template_call_the_steps_by_the_same_names() -> None:
    (job,) = own_pipeline("a.yml")

    assert set(STEPS) <= {step.label for step in job.steps}


def test_no_value_of_a_parameter_stands_in_a_scripts_text() -> None:
    (job,) = own_pipeline("canary/environment.yml")

    for step in job.steps:
        if step.kind in ("script", "bash", "AzureCLI@2"):
            assert "canary" not in str(step.inputs), step.label
            assert "0123" not in str(step.inputs), step.label


def test_each_and_if_expand_into_lists_and_maps() -> None:
    text = """
parameters:
  - {name: names, type: string, default: "a,b"}
  - {name: loud, type: boolean, default: false}
steps:
  - ${{ each name in split(parameters.names, ',') }}:
      - script: echo ${{ name }}
        ${{ if eq(name, 'a') }}:
          displayName: first
        ${{ elseif eq(name, 'b') }}:
          displayName: second
        ${{ else }}:
          displayName: other
  - ${{ if parameters.loud }}:
      - script: echo loud
  - ${{ else }}:
      - script: echo quiet
"""
    steps = compiled({"p.yml": text}, {"names": "a,b,c"})["steps"]

    assert steps == [
        {"script": "echo a", "displayName": "first"},
        {"script": "echo b", "displayName": "second"},
        {"script": "echo c", "displayName": "other"},
        {"script": "echo quiet"},
    ]


def test_templates_of_steps_and_jobs_are_included_with_their_parameters() -> None:
    files = {
        "p.yml": "jobs:\n  - template: t/jobs.yml\n    parameters: {who: me}\n",
        "t/jobs.yml": "parameters: [{name: who, type: string}]\njobs:\n  - job: J\n    steps:\n"
        "      - template: steps.yml\n        parameters: {text: 'hello ${{ parameters.who }}'}\n",
        "t/steps.yml": "parameters: [{name: text, type: string}]\nsteps:\n  - script: echo ${{ parameters.text }}\n",
    }

    assert compiled(files) == {"jobs": [{"job": "J", "steps": [{"script": "echo hello me"}]}]}


def test_objects_travel_as_text_and_arrive_as_lists() -> None:
    text = """
parameters: [{name: all, type: object}]
steps:
  - ${{ each x in parameters.all }}:
      - script: ${{ x }}
"""

    assert compiled({"p.yml": text}, {"all": '["a", "b"]'})["steps"] == [{"script": "a"}, {"script": "b"}]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("steps: [", "p.yml: while parsing"),
        ("- a", "p.yml: it is no pipeline"),
        ("schedules: []\nsteps: []", "p.yml: the key `schedules` is not known to this agent"),
        ("extends: {template: t.yml@other}", r"p.yml: templates of other repositories \(`t.yml@other`\) are not known"),
        ("extends: {template: nowhere.yml}", "File /nowhere.yml not found"),
        ("parameters: [{name: p, type: string}]\nsteps: []", "A value for the 'p' parameter must be provided"),
        ("steps:\n  - script: ${{ upper('x') }}", "p.yml: the function `upper` is not known to this agent"),
        ("steps:\n  - ${{ insert }}: {script: x}", "p.yml: `insert` is not known to this agent"),
    ],
)
def test_what_the_agent_does_not_know_it_refuses_by_name(text: str, complaint: str) -> None:
    with pytest.raises(Unknown, match=complaint):
        compiled({"p.yml": text})


@pytest.mark.parametrize(
    ("step", "complaint"),
    [
        ({"pwsh": "x"}, "a step of kind `pwsh` is not known to this agent"),
        ({"task": "Docker@2"}, "the task `Docker@2` is not known to this agent"),
        ({"task": "AzureCLI@2", "inputs": {"scriptTyp": "bash"}}, "the key `scriptTyp` of a AzureCLI@2 is not known"),
        ({"script": "x", "retryCountOnTaskFailure": "3"}, "the key `retryCountOnTaskFailure` of a script is not known"),
    ],
)
def test_steps_that_the_agent_does_not_know_it_refuses_by_name(step: dict[str, Any], complaint: str) -> None:
    with pytest.raises(Unknown, match=complaint):
        plan_pipeline({"steps": [step]})


def test_kinds_of_jobs_and_names_that_the_service_refuses_are_refused() -> None:
    with pytest.raises(Unknown, match="a job of kind `deployment` is not known"):
        plan_pipeline({"jobs": [{"deployment": "x"}]})
    with pytest.raises(Unknown, match="is not valid"):
        plan_pipeline({"jobs": [{"job": "a-b", "steps": []}]})
    with pytest.raises(Unknown, match="two jobs are named 'a'"):
        plan_pipeline({"jobs": [{"job": "a", "steps": []}, {"job": "a", "steps": []}]})


def test_no_two_paths_share_a_job_name() -> None:
    paths = ["a/b.yml", "a_b.yml", "a-b.yml", "a.b.yml", "a_sb.yml", "a__b.yml", "A/b.yml"]

    assert len({job_name(path) for path in paths}) == len(paths)
