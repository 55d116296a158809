import re
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.due import Forced
from shared.domain.inventory.build_blockers import is_safe_path, name_blocker
from tests.domain.repositories import DOCKERFILE, decisions, environment, plan_of

BUILDABLE: dict[str, str | bytes] = {
    "e/env.yml": environment("e"),
    "e/Dockerfile": DOCKERFILE,
    "e/requirements.txt": "our-pkg==1.0\n",
}
NO_NAME = "is not a name that Azure ML takes: letters, digits, - . and _ only"
NO_BOTH = "`build` goes with neither `image` nor `conda_file`"
CONDA = "dependencies: [python=3.10, {pip: [our-pkg==1.0]}]\n"


def without(path: str, **files: str) -> dict[str, str | bytes]:
    return {name: content for name, content in {**BUILDABLE, **files}.items() if name != path}


def held(files: dict[str, str | bytes]) -> str:
    plan = plan_of(files, "our-pkg 1.1")
    assert plan.edits == ()
    return decisions(plan)["e/env.yml"]


def test_what_can_be_rebuilt_is() -> None:
    assert held_or_not(BUILDABLE) == "bump"
    assert held_or_not({"e/env.yml": "name: e\nimage: x\nconda_file: c.yml\n", "e/c.yml": CONDA}) == "bump"


def held_or_not(files: dict[str, str | bytes]) -> str:
    return decisions(plan_of(files, "our-pkg 1.1"))["e/env.yml"]


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        (without("e/Dockerfile"), "held(cannot be rebuilt: e/env.yml: its build context has no e/Dockerfile)"),
        (
            {**BUILDABLE, "Dockerfile": DOCKERFILE,
             "e/env.yml": "name: e\nbuild: {path: ., dockerfile_path: ../Dockerfile}\n"},
            "held(cannot be rebuilt: Dockerfile lies outside the build context e: the image build cannot read it)",
        ),
        (
            {**BUILDABLE, "e/env.yml": environment("my env")},
            f"held(cannot be rebuilt: `name` 'my env' {NO_NAME})",
        ),
        (
            {**BUILDABLE, "e/env.yml": environment("AzureML-e")},
            "held(cannot be rebuilt: `name` begins with AzureML, which is kept for Microsoft's own)",
        ),
        (
            {**BUILDABLE, "e/env.yml": environment("e" * 256)},
            "held(cannot be rebuilt: `name` has 256 characters; Azure ML takes 255 at most)",
        ),
        (
            {**BUILDABLE, "e/env.yml": environment("e") + "image: x\n"},
            f"held(cannot be rebuilt: {NO_BOTH} (it has image))",
        ),
        (
            {**BUILDABLE, "e/env.yml": environment("e") + "image: x\nconda_file: c.yml\n", "e/c.yml": CONDA},
            f"held(cannot be rebuilt: {NO_BOTH} (it has image and conda_file))",
        ),
    ],
)  # fmt: skip
def test_no_pin_is_raised_for_what_cannot_be_rebuilt(files: dict[str, str | bytes], reason: str) -> None:
    assert held(files) == reason


def test_paths_that_differ_in_capitals_only_are_two_environments() -> None:
    files = {**BUILDABLE, **{path.replace("e/", "E/"): content for path, content in BUILDABLE.items()}}
    files["E/env.yml"] = environment("other")

    assert decisions(plan_of(files, "our-pkg 1.1")) == {"E/env.yml": "bump", "e/env.yml": "bump"}


def test_what_the_pipeline_will_ask_for_is_said_when_it_is_planned() -> None:
    files = {**BUILDABLE, "e/Dockerfile": "FROM x\nRUN pip install -r requirements.txt\n"}

    warnings = plan_of(files, "our-pkg 1.1").warnings

    assert [warning.split(":")[0] for warning in warnings] == ["e/Dockerfile", "e/env.yml"]
    assert "its Python is not known" in warnings[1]


@pytest.mark.parametrize("asked", ["e/env.yml", "e"])
def test_a_rerun_means_environments_by_path_or_name(asked: str) -> None:
    plan = plan_of(BUILDABLE, "our-pkg 1.0", forced=Forced((asked,), only=True))

    assert [environment.path for environment in plan.environments] == ["e/env.yml"]
    assert plan.warnings == ()


def test_a_rerun_that_asks_for_what_is_not_there_is_told() -> None:
    plan = plan_of(BUILDABLE, "our-pkg 1.0", forced=Forced(("nope",), only=True))

    assert plan.environments == ()
    assert plan.warnings == ("the rerun asks for 'nope', which is neither an environment's path nor a name",)


HOSTILE = [
    "..",
    ".",
    "../x",
    "a/../../b",
    "C:\\x",
    "-rf",
    "a\nb",
    "a\0b",
    "\u202egnp",
    "/etc",
    "$(x)",
    "a b",
    "",
    "\u212a",
]


@given(st.one_of(st.sampled_from(HOSTILE), st.text(max_size=20)))
def test_only_plain_names_of_environments_are_taken(name: str) -> None:
    taken = name_blocker(name) is None

    assert taken is bool(re.fullmatch(r"(?!(?i:azureml))[A-Za-z0-9][A-Za-z0-9._-]*", name))


@given(st.one_of(st.sampled_from(HOSTILE), st.text(max_size=20), st.text("ab.-_/\\:, \n", max_size=12)))
def test_only_plain_paths_travel_and_they_lead_nowhere_else(path: str) -> None:
    if is_safe_path(path):
        assert re.fullmatch(r"[A-Za-z0-9._/-]+", path)
        assert ".." not in PurePosixPath(path).parts
        assert PurePosixPath("repository", path).is_relative_to("repository")
