"""Small pipelines, run for real."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from local.agent.agent import Agent, Place
from local.agent.machine import STEPS_PYTHON, Machine
from local.agent.record import Record
from local.azure_devops.pipelines import Build, Definition, Pipelines
from local.azure_devops.repository import GitRepository, git
from tests.waiting import wait_for

INDEX = "http://build:canary-token@127.0.0.1:1/simple/"


@dataclass
class Runs:
    """A repository, a pipeline and an agent."""

    folder: Path
    agent: Agent
    pipelines: Pipelines

    def run(self, yaml: str, *, cancel_at: str | None = None) -> Build:
        work = self.folder / "work"
        (work / "p.yml").write_text(yaml)
        git("add", "--all", at=work)
        git(
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@t.invalid",
            "commit",
            "--quiet",
            "--allow-empty",
            "-m",
            "x",
            at=work,
        )
        commit = git("rev-parse", "HEAD", at=work).decode().strip()
        definition = Definition(7, "p", "p.yml", GitRepository("environments", work))
        stages = self.pipelines.compile(definition, "refs/heads/main", commit, {}).stages
        over = threading.Event()
        self.agent.finished[:] = [lambda _: over.set()]
        build = self.pipelines.start(definition, "refs/heads/main", commit, {}, stages)
        self.agent.take(build)
        if cancel_at:
            wait_for(lambda: cancel_at in log(build, "wait"), "the step runs")
            build.cancelled.set()
        assert over.wait(60)
        return build


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    work = tmp_path / "work"
    work.mkdir()
    git("init", "--quiet", "--initial-branch=main", at=work)
    machine = Machine(
        folder=tmp_path / "agent",
        find_python=lambda _: None,
        feed_indexes=lambda: {"ml/packages": INDEX},
        access_token=lambda: "canary-access-token",
        connections={"azure-ml": lambda: "canary-azure-token"},
        azure_environment={"HTTPS_PROXY": "http://127.0.0.1:2"},
    )
    agent = Agent(
        machine=machine, place=Place("ml", "http://127.0.0.1:1/contoso", str(work)), folder=tmp_path / "agent"
    )
    agent.start()
    yield Runs(tmp_path, agent, Pipelines("ml"))
    agent.stop()


def record(build: Build, name: str) -> Record:
    assert build.timeline is not None
    return next(one for one in build.timeline.records if one.name == name)


def log(build: Build, name: str) -> str:
    if build.timeline is None or not any(one.name == name for one in build.timeline.records):
        return ""
    number = record(build, name).log
    file = build.timeline.log_file(number or 0)
    return file.read_text() if file.exists() else ""


def test_scripts_run_in_the_checkout_at_the_commit(runs: Runs) -> None:
    build = runs.run("steps:\n  - checkout: self\n  - script: git rev-parse HEAD; ls\n    displayName: look\n")

    assert build.result == "succeeded"
    assert build.commit in log(build, "look")
    assert "p.yml" in log(build, "look")


def test_variables_macros_and_commands_reach_the_steps_behind(runs: Runs) -> None:
    build = runs.run("""
variables:
  greeting: hello
  both: $(greeting) world
  computed: $[ eq(variables['greeting'], 'hello') ]
steps:
  - bash: |
      echo "##vso[task.setvariable variable=made]by a step"
      echo "##vso[build.addbuildtag]tagged"
      echo "##vso[task.logissue type=warning]mind this%0Aand that"
  - bash: echo "[$(both)] [$MADE] [$OWN] [$(unknown)] [$COMPUTED] [$BUILD_SOURCEVERSION]"
    displayName: show
    env: {OWN: "$(made)"}
""")

    shown = log(build, "show")
    assert "[hello world] [by a step] [by a step]" in shown
    assert f"[True] [{build.commit}]" in shown
    assert build.tags == ["tagged"]
    assert record(build, "Bash").issues == [("warning", "mind this\nand that")]


def test_what_is_no_variable_stays_and_what_a_variable_names_is_expanded(runs: Runs) -> None:
    build = runs.run("""
variables: {inner: X, outer: "<$(inner)>", X: no}
steps:
  - bash: |
      echo '##vso[task.setvariable variable=inner]Y'
  - bash: echo "$(outer)" "$(printf 'a b')"
    displayName: show
  - bash: echo '$($(inner))'
    displayName: nested
""")

    assert "<Y> a b" in log(build, "show")
    assert "$(Y)" in log(build, "nested")


def test_a_variable_wins_over_a_steps_own_of_the_same_name(runs: Runs) -> None:
    build = runs.run("""
variables: {colour: red}
steps:
  - bash: echo "[$COLOUR] [$SHAPE]"
    displayName: show
    env: {COLOUR: green, SHAPE: round}
""")

    assert "[red] [round]" in log(build, "show")


def test_an_output_variable_is_known_by_its_steps_name_alone(runs: Runs) -> None:
    build = runs.run(f"""
steps:
  - task: UsePythonVersion@0
    inputs: {{versionSpec: "{STEPS_PYTHON}"}}
  - task: UsePythonVersion@0
    name: named
    inputs: {{versionSpec: "{STEPS_PYTHON}", addToPath: false}}
  - bash: echo "##vso[task.setvariable variable=made;isOutput=true]by a step"
    name: maker
  - bash: echo '[$(pythonLocation)] [$(named.pythonLocation)] [$(made)] [$(maker.made)]'
    displayName: show
""")

    location = runs.folder / "agent" / "tools" / "Python" / STEPS_PYTHON / "x64"
    assert f"[$(pythonLocation)] [{location}] [$(made)] [by a step]" in log(build, "show")


def test_a_job_is_called_as_the_service_calls_it(runs: Runs) -> None:
    build = runs.run("""
jobs:
  - job: mine
    displayName: a/b.yml
    steps:
      - bash: echo "[$(System.JobName)] [$(System.PhaseName)] [$(System.JobDisplayName)] [$(System.StageName)]"
        displayName: show
  - job: other
    dependsOn: mine
    condition: eq(1, 2)
    steps: [{script: x}]
""")

    assert "[__default] [mine] [a/b.yml] [__default]" in log(build, "show")
    assert build.timeline is not None
    assert [(one.kind, one.name, one.identifier, one.result) for one in build.timeline.records if not one.log] == [
        ("Stage", "__default", "__default", "succeeded"),
        ("Phase", "a/b.yml", "__default.mine", "succeeded"),
        ("Phase", "other", "__default.other", "skipped"),
        ("Job", "a/b.yml", "__default.mine.__default", "succeeded"),
    ]


def test_the_second_artifact_of_one_name_fails(runs: Runs) -> None:
    publish = "{publish: $(Agent.TempDirectory), artifact: $(System.JobName)_1, displayName: publish}"
    build = runs.run(f"jobs: [{{job: one, steps: [{publish}]}}, {{job: two, dependsOn: one, steps: [{publish}]}}]\n")

    assert build.timeline is not None
    published = [one for one in build.timeline.records if one.name == "publish"]
    assert [one.result for one in published] == ["succeeded", "failed"]
    assert published[1].issues == [("error", f"Artifact __default_1 already exists for build {build.id}.")]


def test_a_failure_skips_the_rest_but_what_always_runs(runs: Runs) -> None:
    build = runs.run("""
steps:
  - script: echo '##vso[task.logissue type=error]this is why'; exit 3
    displayName: breaks
  - script: echo never
    displayName: skipped
  - script: echo ever
    displayName: always
    condition: always()
""")

    assert build.result == "failed"
    assert (record(build, "breaks").result, record(build, "breaks").issues) == ("failed", [("error", "this is why")])
    assert record(build, "skipped").result == "skipped"
    assert record(build, "always").result == "succeeded"


def test_a_script_that_fails_without_a_word_has_the_services_error(runs: Runs) -> None:
    build = runs.run("steps:\n  - script: exit 3\n    displayName: x\n")

    assert record(build, "x").issues == [("error", "Bash exited with code '3'.")]


def test_a_step_can_complete_itself(runs: Runs) -> None:
    build = runs.run("steps:\n  - script: echo '##vso[task.complete result=Skipped]'\n    displayName: x\n")

    assert (build.result, record(build, "x").result) == ("succeeded", "skipped")


def test_a_step_that_calls_itself_complete_hides_no_failure(runs: Runs) -> None:
    build = runs.run('steps:\n  - script: echo "##vso[task.complete result=Succeeded]done"; exit 1\n')

    assert build.result == "failed"


def test_jobs_wait_for_those_they_depend_on_and_one_failure_leaves_the_others_alone(runs: Runs) -> None:
    build = runs.run("""
jobs:
  - job: broken
    steps: [{script: exit 1}]
  - job: fine
    steps: [{script: "true"}]
  - job: after_broken
    dependsOn: broken
    steps: [{script: "true"}]
  - job: after_fine
    dependsOn: [fine]
    steps: [{script: "true"}]
  - job: at_the_end
    dependsOn: [broken, fine]
    condition: always()
    steps: [{script: "true"}]
""")

    results = {
        name: record(build, name).result for name in ("broken", "fine", "after_broken", "after_fine", "at_the_end")
    }
    assert results == {
        "broken": "failed", "fine": "succeeded", "after_broken": "skipped", "after_fine": "succeeded",
        "at_the_end": "succeeded",
    }  # fmt: skip
    assert build.result == "failed"


def test_stages_follow_each_other(runs: Runs) -> None:
    build = runs.run("""
stages:
  - stage: one
    jobs: [{job: a, steps: [{script: exit 1}]}]
  - stage: two
    jobs: [{job: b, steps: [{script: "true"}]}]
""")

    assert (record(build, "one").result, record(build, "two").result) == ("failed", "skipped")


def test_credentials_for_the_feed_exist_only_after_signing_in_and_in_no_log(runs: Runs) -> None:
    build = runs.run("""
jobs:
  - job: one
    steps:
      - bash: echo "before [$PIP_INDEX_URL]"
        displayName: before
      - task: PipAuthenticate@1
        inputs: {artifactFeeds: ml/packages}
      - bash: test "$PIP_INDEX_URL" = "http://build:canary-token@127.0.0.1:1/simple/" && echo "after [$PIP_INDEX_URL]"
        displayName: after
  - job: two
    steps:
      - bash: echo "other [$PIP_INDEX_URL]"
        displayName: other
""")

    assert build.result == "succeeded"
    assert "before []" in log(build, "before")
    assert "after [http://build:***@127.0.0.1:1/simple/]" in log(build, "after")
    assert "other []" in log(build, "other")


def test_the_jobs_own_token_is_only_where_a_step_names_it_and_in_no_log(runs: Runs) -> None:
    build = runs.run("""
steps:
  - bash: echo "[$SYSTEM_ACCESSTOKEN]"; env | grep -c canary-access-token || true
    displayName: unnamed
  - bash: test "$SYSTEM_ACCESSTOKEN" = "canary-""access-token" && echo "[$SYSTEM_ACCESSTOKEN]"
    displayName: named
    env: {SYSTEM_ACCESSTOKEN: $(System.AccessToken)}
""")

    assert build.result == "succeeded"
    assert "[]" in log(build, "unnamed")
    assert "[***]" in log(build, "named")


def test_a_sign_in_to_azure_exists_only_inside_azurecli(runs: Runs) -> None:
    build = runs.run("""
steps:
  - bash: az account get-access-token && exit 1 || echo "not signed in [$HTTPS_PROXY]"
    displayName: before
  - task: AzureCLI@2
    displayName: inside
    inputs:
      azureSubscription: azure-ml
      scriptType: bash
      scriptLocation: inlineScript
      inlineScript: az account get-access-token --resource https://management.azure.com; echo "[$HTTPS_PROXY]"
  - bash: az account get-access-token && exit 1 || echo "not signed in any more [$HTTPS_PROXY]"
    displayName: after
""")

    assert build.result == "succeeded"
    assert "not signed in []" in log(build, "before")
    assert '"accessToken": "***"' in log(build, "inside")
    assert "[http://127.0.0.1:2]" in log(build, "inside")
    assert "not signed in any more []" in log(build, "after")


@pytest.mark.parametrize(
    ("step", "complaint"),
    [
        ("{task: PipAuthenticate@1, inputs: {artifactFeeds: ml/other}}", "The feed 'ml/other' is not there"),
        ("{task: UsePythonVersion@0, inputs: {versionSpec: '3.6'}}", "Version spec 3.6 for architecture x64 did"),
        ("{publish: nowhere, artifact: x}", "Path does not exist: nowhere"),
        ("{checkout: other}", "`checkout: other` is not known to this agent"),
        ("{script: 'echo \"##vso[task.setprogress value=1]x\"'}", "the logging command `task.setprogress`"),
        ("{script: x, condition: 'failed()'}", "the function `failed` is not known to this agent"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_fails_with_the_reason(runs: Runs, step: str, complaint: str) -> None:
    build = runs.run(f"steps:\n  - {step}\n")

    assert build.timeline is not None
    issues = [message for one in build.timeline.records for _, message in one.issues]
    assert build.result == "failed"
    assert any(complaint in message for message in issues), issues


def test_jobs_that_wait_for_each_other_fail_the_run_with_the_reason(runs: Runs) -> None:
    build = runs.run("jobs: [{job: a}, {job: b, dependsOn: c}, {job: c, dependsOn: b}]\n")

    assert build.result == "failed"
    assert "jobs wait for each other" in record(build, "__default").issues[0][1]


def test_a_cancelled_run_ends_what_runs(runs: Runs) -> None:
    build = runs.run("steps:\n  - script: echo started; sleep 60\n    displayName: wait\n", cancel_at="started")

    assert (build.result, record(build, "wait").result) == ("canceled", "canceled")


def test_what_is_published_is_kept(runs: Runs) -> None:
    build = runs.run("""
steps:
  - bash: mkdir out && echo kept > out/file
  - publish: $(Build.SourcesDirectory)/out
    artifact: $(System.PhaseName)_$(System.StageAttempt)_$(System.JobAttempt)
""")

    assert build.timeline is not None
    assert (build.timeline.folder / "artifacts" / "Job_1_1" / "file").read_text() == "kept\n"


def test_nothing_of_the_developers_own_environment_is_there(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", "/canary")
    monkeypatch.setenv("CANARY", "x")

    build = runs.run("steps:\n  - bash: env\n    displayName: env\n")

    assert "canary" not in log(build, "env").casefold()
