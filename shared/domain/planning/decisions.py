"""A decision: what happens to a requirement or an environment, with a hold's code and a sentence for a person."""

from dataclasses import dataclass
from enum import StrEnum

from shared.domain.holds import Hold


class Kind(StrEnum):
    """The outcomes for a requirement or an environment as a whole."""

    BUMP = "bump"
    REBUILD = "rebuild"
    CURRENT = "current"
    HELD = "held"
    UNAFFECTED = "unaffected"


@dataclass(frozen=True, slots=True)
class Decision:
    """An outcome, with its reason in a few words for a person.

    Attributes:
        kind: what.
        reason: why.
        hold: the code of the reason, for `held` alone.
    """

    kind: Kind
    reason: str
    hold: Hold | None = None

    @property
    def acts(self) -> bool:
        """Tell whether it leads to a rebuild."""
        return self.kind in (Kind.BUMP, Kind.REBUILD)

    @property
    def is_taken(self) -> bool:
        """Tell whether an environment gets this version, or has it."""
        return self.kind in (Kind.BUMP, Kind.REBUILD, Kind.CURRENT)

    def __str__(self) -> str:
        return f"{self.kind}({self.reason})" if self.kind is Kind.HELD else str(self.kind)


def held(hold: Hold, reason: str) -> Decision:
    """A decision to leave the requirement alone, with the reason's code and sentence."""
    return Decision(Kind.HELD, reason, hold)
