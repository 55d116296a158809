from collections.abc import Mapping
from typing import Any

import pytest

from shared.domain.states import (
    ENVIRONMENT_MOVES,
    REBUILD_MOVES,
    RELEASE_MOVES,
    SETTLED_ENVIRONMENT,
    EnvironmentState,
    IllegalMove,
    RebuildState,
    ReleaseState,
    moved,
)

E = EnvironmentState
WAY = (E.PLANNED, E.COMMITTED, E.QUEUED, E.PACKAGED, E.VERIFIED, E.REGISTERED, E.IMAGE_BUILT)
ENDS = (E.FAILED, E.CANCELLED, E.SUPERSEDED, E.DUPLICATE)
TABLES: list[tuple[Any, Mapping[Any, frozenset[Any]]]] = [
    (ReleaseState, RELEASE_MOVES),
    (RebuildState, REBUILD_MOVES),
    (EnvironmentState, ENVIRONMENT_MOVES),
]


@pytest.mark.parametrize(("states", "table"), TABLES)
def test_every_state_has_a_row_and_rows_name_states_only(states: Any, table: Mapping[Any, frozenset[Any]]) -> None:
    assert set(table) == set(states)
    assert all(row <= set(states) for row in table.values())


@pytest.mark.parametrize(("states", "table"), TABLES)
def test_a_move_is_made_exactly_if_the_table_has_it(states: Any, table: Mapping[Any, frozenset[Any]]) -> None:
    for present in states:
        for following in states:
            if following in table[present]:
                assert moved(table, present, following) is following
            else:
                with pytest.raises(IllegalMove, match=f"{following} may not follow {present}"):
                    moved(table, present, following)


@pytest.mark.parametrize(("states", "table"), TABLES)
def test_every_state_can_be_reached_from_the_first(states: Any, table: Mapping[Any, frozenset[Any]]) -> None:
    first = next(iter(states))
    reached, fresh = {first}, {first}
    while fresh:
        fresh = {state for present in fresh for state in table[present]} - reached
        reached |= fresh

    assert reached == set(states)


@pytest.mark.parametrize("at", range(len(WAY)))
def test_an_environment_never_goes_back(at: int) -> None:
    assert not ENVIRONMENT_MOVES[WAY[at]] & {*WAY[: at + 1]}


@pytest.mark.parametrize("end", [E.SUPERSEDED, E.DUPLICATE, E.IMAGE_BUILT])
def test_an_environment_never_leaves_its_end(end: EnvironmentState) -> None:
    assert not ENVIRONMENT_MOVES[end]


@pytest.mark.parametrize("end", [E.FAILED, E.CANCELLED])
def test_a_failed_job_that_was_run_again_can_only_be_registered(end: EnvironmentState) -> None:
    assert ENVIRONMENT_MOVES[end] == {E.REGISTERED}


def test_what_is_registered_is_never_called_failed() -> None:
    assert ENVIRONMENT_MOVES[E.REGISTERED] == {E.IMAGE_BUILT}


def test_an_environment_that_waits_goes_on_or_waits_for_more() -> None:
    assert ENVIRONMENT_MOVES[E.WAITING] == {E.WAITING, *WAY[2:], *ENDS}


def test_a_rebuild_is_finished_by_environments_that_are_registered_or_at_an_end() -> None:
    assert {*ENDS, E.REGISTERED, E.IMAGE_BUILT} == SETTLED_ENVIRONMENT


@pytest.mark.parametrize("end", [RebuildState.FINISHED, RebuildState.SUPERSEDED])
def test_a_rebuild_never_leaves_its_end(end: RebuildState) -> None:
    assert not REBUILD_MOVES[end]


def test_a_rebuild_that_has_pushed_is_not_superseded() -> None:
    assert RebuildState.SUPERSEDED not in REBUILD_MOVES[RebuildState.COMMITTED]
    assert RebuildState.SUPERSEDED not in REBUILD_MOVES[RebuildState.QUEUED]


def test_no_parked_rebuild_is_revived() -> None:
    assert REBUILD_MOVES[RebuildState.PARKED] == {RebuildState.SUPERSEDED}


def test_a_refused_release_starts_anew() -> None:
    assert RELEASE_MOVES[ReleaseState.REFUSED] == {ReleaseState.SIGNALLED}


def test_a_parked_release_starts_anew_is_due_again_is_planned_after_all_or_its_environments_are_owed() -> None:
    assert RELEASE_MOVES[ReleaseState.PARKED] == {
        ReleaseState.SIGNALLED,
        ReleaseState.CONFIRMED,
        ReleaseState.PLANNED,
        ReleaseState.SETTLED,
    }


def test_a_settled_release_may_be_planned_again() -> None:
    assert ReleaseState.PLANNED in RELEASE_MOVES[ReleaseState.SETTLED]


def test_nothing_is_planned_that_the_feed_did_not_confirm() -> None:
    assert ReleaseState.PLANNED not in RELEASE_MOVES[ReleaseState.SIGNALLED]
