"""The states of releases, rebuilds and environments, and which may follow which.

This is the only list of states: code, ledger, API and pages use these words.
"""

from collections.abc import Mapping
from enum import StrEnum

from shared.errors import Conflict


class ReleaseState(StrEnum):
    """How far one release has come for one target."""

    SIGNALLED = "signalled"
    CONFIRMED = "confirmed"
    PLANNED = "planned"
    SETTLED = "settled"
    REFUSED = "refused"
    PARKED = "parked"


class RebuildState(StrEnum):
    """How far one rebuild has come as a whole."""

    PLANNED = "planned"
    PROPOSED = "proposed"
    COMMITTED = "committed"
    QUEUED = "queued"
    FINISHED = "finished"
    SUPERSEDED = "superseded"
    PARKED = "parked"


class EnvironmentState(StrEnum):
    """How far one environment has come in one rebuild.

    From `registered` on it says what was seen in Azure ML, and `image built` only with evidence.
    """

    PLANNED = "planned"
    COMMITTED = "committed"
    QUEUED = "queued"
    PACKAGED = "packaged"
    VERIFIED = "verified"
    REGISTERED = "registered"
    IMAGE_BUILT = "image built"
    WAITING = "waiting"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"
    DUPLICATE = "duplicate"


class IllegalMove(Conflict):
    """A state that may not follow the present one: another worker has gone on meanwhile, so look again."""


_R, _B, _E = ReleaseState, RebuildState, EnvironmentState

# A release that was parked or refused starts anew when somebody tells of it, and is confirmed again first. What a
# person requeues waits again, or is settled where its rebuild had committed: then its environments are owed one.
RELEASE_MOVES: Mapping[ReleaseState, frozenset[ReleaseState]] = {
    _R.SIGNALLED: frozenset({_R.CONFIRMED, _R.REFUSED, _R.PARKED}),
    _R.CONFIRMED: frozenset({_R.PLANNED, _R.SETTLED, _R.REFUSED, _R.PARKED}),
    _R.PLANNED: frozenset({_R.PLANNED, _R.SETTLED, _R.PARKED}),
    _R.SETTLED: frozenset({_R.CONFIRMED, _R.PLANNED, _R.SETTLED, _R.PARKED}),
    _R.REFUSED: frozenset({_R.SIGNALLED}),
    _R.PARKED: frozenset({_R.SIGNALLED, _R.CONFIRMED, _R.PLANNED, _R.SETTLED}),
}

# Forward only: what is parked is superseded by the rebuild that its environments are owed.
REBUILD_MOVES: Mapping[RebuildState, frozenset[RebuildState]] = {
    _B.PLANNED: frozenset({_B.PROPOSED, _B.COMMITTED, _B.SUPERSEDED, _B.PARKED}),
    _B.PROPOSED: frozenset({_B.COMMITTED, _B.SUPERSEDED, _B.PARKED}),
    _B.COMMITTED: frozenset({_B.QUEUED, _B.PARKED}),
    _B.QUEUED: frozenset({_B.FINISHED}),
    _B.FINISHED: frozenset(),
    _B.SUPERSEDED: frozenset(),
    _B.PARKED: frozenset({_B.SUPERSEDED}),
}

_ENDS = frozenset({_E.FAILED, _E.CANCELLED, _E.SUPERSEDED, _E.DUPLICATE})
_WAY = (_E.PLANNED, _E.COMMITTED, _E.QUEUED, _E.PACKAGED, _E.VERIFIED, _E.REGISTERED, _E.IMAGE_BUILT)

# An observer may miss steps on the way, so an environment may skip forward but never go back.
ENVIRONMENT_MOVES: Mapping[EnvironmentState, frozenset[EnvironmentState]] = {
    **{state: frozenset(_WAY[at + 1 :]) | _ENDS | {_E.WAITING} for at, state in enumerate(_WAY[:5])},
    _E.REGISTERED: frozenset({_E.IMAGE_BUILT}),
    _E.IMAGE_BUILT: frozenset(),
    # It waits in the queue: for one thing, for another behind it, and is then queued as before.
    _E.WAITING: frozenset(_WAY[2:]) | _ENDS | {_E.WAITING},
    # Somebody may run the failed jobs of a run again, and Azure ML shows what came of it.
    _E.FAILED: frozenset({_E.REGISTERED}),
    _E.CANCELLED: frozenset({_E.REGISTERED}),
    _E.SUPERSEDED: frozenset(),
    _E.DUPLICATE: frozenset(),
}

# What an environment has to be for its rebuild to be finished.
SETTLED_ENVIRONMENT = _ENDS | {_E.REGISTERED, _E.IMAGE_BUILT}


def moved[S: (ReleaseState, RebuildState, EnvironmentState)](
    table: Mapping[S, frozenset[S]], present: S, following: S
) -> S:
    """Return `following` if it may come after `present`.

    Raises:
        IllegalMove: it may not.
    """
    if following not in table[present]:
        raise IllegalMove(f"{type(present).__name__}: {following} may not follow {present}")
    return following
