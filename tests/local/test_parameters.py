from pathlib import Path

import pytest

from local.azure_devops.parameters import ParameterProblem, check_parameters
from shared.services.queueing import PARAMETER_SCHEMA

ROOT = Path(__file__).resolve().parent.parent.parent
GIVEN = {"schema": PARAMETER_SCHEMA, "rebuild": "0123", "batch": "1", "attempt": "1", "commit": "abc",
         "environments": "a.yml,b.yml"}  # fmt: skip


def test_the_projects_own_pipeline_takes_what_the_product_sends() -> None:
    assert check_parameters((ROOT / "azure-pipelines.yml").read_text(), GIVEN) == GIVEN


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"colour": "red"}, "Unexpected parameter 'colour'"),
        ({"schema": "1"}, "The 'schema' parameter value '1' is not one of 2"),
        ({"batch": 1}, "Unable to convert"),
        ({"environments": ["a"]}, "Unable to convert"),
    ],
)
def test_what_the_service_would_refuse_is_refused(change: dict[str, object], complaint: str) -> None:
    with pytest.raises(ParameterProblem, match=complaint):
        check_parameters((ROOT / "azure-pipelines.yml").read_text(), {**GIVEN, **change})


def test_a_parameter_without_a_default_has_to_be_given() -> None:
    with pytest.raises(ParameterProblem, match="'commit' parameter must be provided"):
        check_parameters((ROOT / "azure-pipelines.yml").read_text(), {k: v for k, v in GIVEN.items() if k != "commit"})


def test_broken_yaml_is_the_services_message() -> None:
    with pytest.raises(ParameterProblem):
        check_parameters("parameters: [", {})


@pytest.mark.parametrize(("kind", "value"), [("number", "one"), ("boolean", "perhaps"), ("step", "x")])
def test_values_have_to_fit_their_type(kind: str, value: str) -> None:
    with pytest.raises(ParameterProblem):
        check_parameters(f"parameters: [{{name: p, type: {kind}}}]", {"p": value})
