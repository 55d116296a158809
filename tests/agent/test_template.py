import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from local.agent.expressions import Unknown
from local.agent.pipeline import JobPlan, plan_pipeline
from local.agent.template import compile_pipeline
from shared.domain.records.pipeline_contract import STEPS, numbered
from shared.limits import ENVIRONMENTS_PER_RUN

ROOT = Path(__file__).resolve().parent.parent.parent
RUN = {"schema": "4", "rebuild": "0123", "batch": "1", "commit": "c" * 40}


def compiled(files: Mapping[str, str], given: Mapping[str, str] | None = None) -> dict[str, Any]:
    def read(path: str) -> str:
        if path not in files:
            raise Unknown(f"File /{path} not found in the repository.")
        return files[path]

    return compile_pipeline(read, "p.yml", given or {}, {"Build.Reason": "Manual"})


def own_pipeline(*paths: str, earlier: Sequence[str] = ()) -> list[JobPlan]:
    given = {**RUN, "environments": numbered((path, earlier) for path in paths)}
    document = compile_pipeline(lambda path: (ROOT / path).read_text(), "azure-pipelines.yml", given, {})
    (stage,) = plan_pipeline(document)
    return list(stage.jobs)


def test_the_projects_own_pipeline_has_a_job_for_each_environment_and_shows_its_path() -> None:
    paths = ["training_environment/training-environment.yml", "a_b/c.yml", "a/b_c.yml"]

    jobs = own_pipeline(*paths)

    assert [job.label for job in jobs] == paths
    assert [job.variables["REBUILDER_ENVIRONMENT"] for job in jobs] == paths
    assert {job.variables["REBUILDER_COMMIT"] for job in jobs} == {"c" * 40}


@pytest.mark.parametrize(
    "paths",
    [["A/x.yml", "a/x.yml"], ["a/" + "-_" * 500 + ".yml"], [f"{number}.yml" for number in range(ENVIRONMENTS_PER_RUN)]],
    ids=["capitals", "long", "many"],
)
def test_whatever_paths_a_run_has_the_service_takes_the_names_of_its_jobs(paths: list[str]) -> None:
    jobs = own_pipeline(*paths)

    assert [job.label for job in jobs] == paths
    assert len({job.name.casefold() for job in jobs}) == len(paths)
    assert all(len(job.name) < 20 for job in jobs)


def test_a_job_is_told_the_earlier_rebuilds_of_its_files() -> None:
    (without,) = own_pipeline("a.yml")
    first, second = own_pipeline("a.yml", "b.yml", earlier=["0123", "4567"])

    assert without.variables["REBUILDER_EARLIER"] == ""
    assert {job.variables["REBUILDER_EARLIER"] for job in (first, second)} == {"0123+4567"}
    assert [job.label for job in (first, second)] == ["a.yml", "b.yml"]


def test_no_two_jobs_publish_under_one_name() -> None:
    published = [
        step.inputs["artifact"] for job in own_pipeline("A/x.yml", "a/x.yml", "b.yml") for step in job.steps
        if step.kind == "publish"
    ]  # fmt: skip

    assert len({name.casefold() for name in published}) == 3
    assert all("System.JobName" not in name for name in published)
    assert all(name.endswith("_$(System.StageAttempt)_$(System.JobAttempt)") for name in published)


def test_the_app_and_the_template_call_the_steps_by_the_same_names() -> None:
    (job,) = own_pipeline("a.yml")

    assert set(STEPS) <= {step.label for step in job.steps}


def test_what_steps_read_of_other_steps_is_something_that_these_set() -> None:
    (job,) = own_pipeline("a.yml")
    named = {step.name for step in job.steps if step.name}
    texts = [
        text for step in job.steps for name, text in (*step.env.items(), *step.inputs.items()) if name != "script"
    ]  # fmt: skip
    read = {name for text in texts for name in re.findall(r"\$\(([\w.]+)\)", text)}

    outputs = {name for name in read if not name.startswith(("System.", "Agent.", "Build."))}
    assert outputs == {"targetPython", "environmentPython.pythonLocation"}
    assert "environmentPython" in named


def test_no_value_of_a_parameter_stands_in_a_scripts_text() -> None:
    (job,) = own_pipeline("canary/environment.yml", earlier=["4567"])

    for step in job.steps:
        if step.kind in ("script", "bash", "AzureCLI@2"):
            assert "canary" not in str(step.inputs), step.label
            assert "0123" not in str(step.inputs), step.label
            assert "4567" not in str(step.inputs), step.label


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
    with pytest.raises(Unknown, match="The job name a-b is not valid"):
        plan_pipeline({"jobs": [{"job": "a-b", "steps": []}]})
    with pytest.raises(Unknown, match="The job name 1a is not valid"):
        plan_pipeline({"jobs": [{"job": "1a", "steps": []}]})
    with pytest.raises(Unknown, match="The job name a appears more than once"):
        plan_pipeline({"jobs": [{"job": "A", "steps": []}, {"job": "a", "steps": []}]})
    with pytest.raises(Unknown, match="The stage name s appears more than once"):
        plan_pipeline({"stages": [{"stage": "S", "jobs": [{"job": "a"}]}, {"stage": "s", "jobs": [{"job": "a"}]}]})
    with pytest.raises(Unknown, match="The step name s appears more than once"):
        plan_pipeline({"steps": [{"script": "x", "name": "S"}, {"script": "x", "name": "s"}]})
    with pytest.raises(Unknown, match="is longer than 100 characters"):
        plan_pipeline({"jobs": [{"job": "a" * 101, "steps": []}]})
    plan_pipeline({"jobs": [{"job": "a" * 100, "steps": []}]})


def test_a_pipeline_without_jobs_or_with_too_many_is_refused() -> None:
    with pytest.raises(Unknown, match="must contain at least one job"):
        plan_pipeline({"jobs": []})
    with pytest.raises(Unknown, match="must contain at least one job with no dependencies"):
        plan_pipeline({"jobs": [{"job": "a", "dependsOn": "a"}]})
    with pytest.raises(Unknown, match="depends on the unknown job c"):
        plan_pipeline({"jobs": [{"job": "a"}, {"job": "b", "dependsOn": "c"}]})
    with pytest.raises(Unknown, match="257 jobs"):
        plan_pipeline({"jobs": [{"job": f"a{number}"} for number in range(257)]})


@pytest.mark.parametrize(
    ("parameter", "value", "complaint"),
    [
        ("{name: p, values: [a, b]}", "c", "The 'p' parameter value 'c' is not a valid value."),
        ("{name: p, type: number}", "one", "The 'p' parameter value 'one' is not a valid Number."),
        ("{name: p, type: boolean}", "perhaps", "The 'p' parameter value 'perhaps' is not a valid Boolean."),
        ("{name: p, type: object}", "[", "p.yml: while parsing"),
        ("{name: p, type: step}", "x", "has type 'step', which is not known to this agent"),
        ("{name: other, default: x}", "x", "Unexpected parameter 'p'"),
    ],
)
def test_values_have_to_fit_their_parameter(parameter: str, value: str, complaint: str) -> None:
    with pytest.raises(Unknown, match=complaint):
        compiled({"p.yml": f"parameters: [{parameter}]\nsteps: []"}, {"p": value})
