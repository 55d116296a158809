import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.jobs import STEPS, is_safe_path, job_name
from shared.domain.states import ENVIRONMENT_MOVES, EnvironmentState

_PATHS = st.text("ab_/.-u", min_size=1, max_size=12).filter(is_safe_path)


@given(_PATHS)
def test_any_path_that_can_travel_is_the_name_of_a_job(path: str) -> None:
    assert re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", job_name(path))


@pytest.mark.parametrize(
    "path", ["", "/etc/x.yml", "../x.yml", "a/../../x.yml", "-x.yml", "a b.yml", "a,b.yml", "ä.yml"]
)
def test_a_path_that_would_be_something_else_in_the_pipeline_does_not_travel(path: str) -> None:
    assert not is_safe_path(path)


@given(_PATHS, _PATHS)
def test_different_paths_are_different_jobs(one: str, other: str) -> None:
    assert (job_name(one) == job_name(other)) is (one == other)


@pytest.mark.parametrize(
    ("one", "other"), [("a/b", "a_b"), ("a/b", "a.b"), ("a-b", "a_hb"), ("a_/b", "a/_b"), ("a_u", "a_"), ("a.", "a_d")]
)
def test_paths_that_look_alike_are_different_jobs(one: str, other: str) -> None:
    assert job_name(one) != job_name(other)


def test_the_steps_of_a_job_stand_for_states_in_their_order() -> None:
    states = [EnvironmentState.QUEUED, *STEPS.values(), EnvironmentState.REGISTERED]

    assert all(after in ENVIRONMENT_MOVES[before] for before, after in pairwise(states))
