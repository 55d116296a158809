from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.inventory.build_blockers import is_safe_path
from shared.domain.records.pipeline_contract import STEPS, numbered
from shared.domain.states import ENVIRONMENT_MOVES, EnvironmentState

_PATHS = st.text("ab_/.-u", min_size=1, max_size=12).filter(is_safe_path)


_EARLIER = st.lists(st.text("0123456789abcdef", min_size=4, max_size=16), max_size=3)


@given(st.lists(st.tuples(_PATHS, _EARLIER), min_size=1, max_size=5))
def test_paths_that_can_travel_arrive_as_they_are_with_a_number_and_earlier_rebuilds(
    environments: list[tuple[str, list[str]]],
) -> None:
    items = [item.split(":") for item in numbered(environments).split(",")]

    assert [(path, [*filter(None, earlier.split("+"))]) for _, path, earlier in items] == environments
    assert [number for number, _, _ in items] == [str(at) for at in range(1, len(environments) + 1)]


@pytest.mark.parametrize(
    "path", ["", "1:x.yml", "/etc/x.yml", "../x.yml", "a/../../x.yml", "-x.yml", "a b.yml", "a,b.yml", "ä.yml"]
)
def test_a_path_that_would_be_something_else_in_the_pipeline_does_not_travel(path: str) -> None:
    assert not is_safe_path(path)


def test_the_steps_of_a_job_stand_for_states_in_their_order() -> None:
    states = [EnvironmentState.QUEUED, *STEPS.values(), EnvironmentState.REGISTERED]

    assert all(after in ENVIRONMENT_MOVES[before] for before, after in pairwise(states))
