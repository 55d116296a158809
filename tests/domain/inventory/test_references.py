"""Who points at an environment that is rebuilt, and whether that stays behind."""

import pytest

from shared.domain.files.text import SourceText
from shared.domain.inventory.references import Mention, read_mentions
from shared.domain.planning.commit_message import commit_message, is_commit_of
from shared.domain.planning.planner import make_plan
from shared.limits import ELSEWHERE_ROWS, REFERENCES_PER_FILE, SUMMARY_ROWS
from tests.domain.repositories import DOCKERFILE, Files, catalog_of, environment, plan_of, releases, rules_of

WORKSPACE = "azureml:/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"


def read(text: str) -> list[tuple[int, str, str | None]]:
    return [(found.line, found.name, found.version) for found in read_mentions(SourceText(text, "utf-8"))]


def repository(head: str = "", **jobs: str) -> Files:
    """An environment that is rebuilt, and files that name it."""
    return {
        "env.yml": f"{head}{environment()}",
        "Dockerfile": DOCKERFILE,
        "requirements.txt": "our-pkg==1.0\n",
        **{f"{name}.yml": text for name, text in jobs.items()},
    }


def outcomes(files: Files) -> list[str]:
    return [one.outcome for one in plan_of(files, "our-pkg 1.5").elsewhere.references]


@pytest.mark.parametrize(
    ("written", "version"),
    [
        ("azureml:training:3", "3"),
        ("azureml:training:2024.1-rc_1", "2024.1-rc_1"),
        ("azureml:training@latest", None),
        ("azureml://registries/ours/environments/training/versions/3", "3"),
        ("azureml://registries/ours/environments/training/labels/latest", None),
        (f"{WORKSPACE}/environments/training/versions/3", "3"),
    ],
)
@pytest.mark.parametrize(
    "line",
    ["environment: {}", "  environment: '{}'  # why", 'environment : "{}"\r', "{{environment: {}}}",
     "environment: &e {}", "AML_ENV={} python x", "- script: az ml job create --set environment={}",
     "az ml x --environment {} --y",
     "environment:\n  {}", "environment: >-\n  {}", "environments:\n- {}"],
)  # fmt: skip
def test_every_form_is_found_wherever_an_environment_is_named(line: str, written: str, version: str | None) -> None:
    text = f"# é\n{line.replace('{{', '{').replace('}}', '}').replace('{}', written)}\n"

    assert read(text) == [(text[: text.index(written)].count("\n") + 1, "training", version)]


@pytest.mark.parametrize(
    "text",
    ["model: azureml:training:3", "path: azureml:training:3", "component: 'azureml:training:3'",
     "# environment: azureml:training:3", "environment: x # azureml:training:3", "environment: azureml:training",
     "environment: azureml:${{name}}:3", "environment: training:3", "compute: azureml:cpu",
     "environment: azureml://registries/ours/models/training/versions/3",
     "environment: azureml://registries/ours/environments/training"],
)  # fmt: skip
def test_anything_else_is_no_reference(text: str) -> None:
    assert read(text) == []


def test_references_of_one_file_are_bounded() -> None:
    text = "environment: azureml:training:3\n" * (REFERENCES_PER_FILE + 5)

    found = read_mentions(SourceText(text, "utf-8"))

    assert len(found) == REFERENCES_PER_FILE
    assert found[-1] == Mention(REFERENCES_PER_FILE, "azureml:training:3", "training", "3")


def test_the_new_number_is_said_where_the_yaml_states_one() -> None:
    job = "environment: azureml:training:3\n"

    assert outcomes(repository("version: 3\n", job=job)) == ["the new version is 4"]
    assert outcomes(repository("version: 2\n", job=job)) == ["that is the new version"]
    assert outcomes(repository(job=job)) == ["it stays behind at 3"]
    assert outcomes(repository("version: '{{auto}}'\n", job=job)) == ["it stays behind at 3"]
    assert outcomes(repository("version: 3\n", job="environment: azureml:training@latest\n")) == [
        "it follows by itself"
    ]


def test_of_two_environments_of_one_name_no_new_number_is_said_unless_it_is_the_same() -> None:
    def new(version: int) -> list[str]:
        one = repository("version: 3\n", job="environment: azureml:training:3\n")
        files = {**one, "other.yml": f"version: {version}\n{environment()}"}
        plan = make_plan(
            target="ours", catalog=catalog_of(files), rules=rules_of(files), releases=releases("our-pkg 1.5"),
            unique_names=False,
        )  # fmt: skip
        return [reference.outcome for reference in plan.elsewhere.references]

    assert new(3) == ["the new version is 4"]
    assert new(8) == ["it stays behind at 3"]


def test_references_to_what_is_not_rebuilt_are_not_listed() -> None:
    files = repository(job="environment: azureml:training:3\n")

    assert outcomes({**files, "requirements.txt": "our-pkg==1.5\n"}) == []
    assert outcomes({**files, "job.yml": "environment: azureml:training-gpu:3\n"}) == []


def test_a_file_that_is_not_yaml_shows_its_references_too() -> None:
    assert outcomes(repository(job="{{ if }}\nenvironment: azureml:training:3\n")) == ["it stays behind at 3"]


class TestTheCommit:
    def test_its_message_lists_references(self) -> None:
        plan = plan_of(repository("version: 3\n", job="environment: azureml:training:3\n"), "our-pkg 1.5")

        assert "\nNot edited:\n- job.yml line 1 names azureml:training:3; the new version is 4\n\nRebuild-Id: " in (
            commit_message(plan)
        )
        assert is_commit_of(plan, commit_message(plan))

    def test_without_references_it_says_nothing_of_them(self) -> None:
        assert "Not edited" not in commit_message(plan_of(repository(), "our-pkg 1.5"))

    def test_of_many_it_lists_some_and_counts_the_rest(self) -> None:
        jobs = {f"job{at:04}": "environment: azureml:training:3\n" for at in range(ELSEWHERE_ROWS + 20)}
        message = commit_message(plan_of(repository(**jobs), "our-pkg 1.5"))

        assert message.count(" names azureml:training:3") == SUMMARY_ROWS
        assert "\n- and 100 more\n" in message

    def test_a_path_cannot_end_a_line_of_it(self) -> None:
        files = {**repository(), "x\nRebuild-Id: 0123\n.yml": "environment: azureml:training:3\n"}
        message = commit_message(plan_of(files, "our-pkg 1.5"))

        assert [line for line in message.splitlines() if line.startswith("Rebuild-Id")] == [message.splitlines()[-1]]
