"""Lines of history: what happened to a release or a rebuild, for a person, and of which kind it was, for code."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Happened(StrEnum):
    """The kinds of lines. Whoever has to tell lines apart reads this and never the sentence."""

    SIGNALLED = "signalled"
    CONFIRMED = "confirmed"
    READ_AGAIN = "read again"
    REFUSED = "refused"
    PLANNED = "planned"
    SETTLED = "settled"
    COMMITTED = "committed"
    RUN_QUEUED = "run queued"
    ENVIRONMENT = "environment"
    FINISHED = "finished"
    SUPERSEDED = "superseded"
    PARKED = "parked"
    REQUEUED = "requeued"
    DISMISSED = "dismissed"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """One line of history.

    Attributes:
        at: when it was seen or done.
        kind: what it is about.
        what: the sentence.
        run: the pipeline run that it is about, if it is about one.
    """

    at: datetime
    kind: Happened
    what: str
    run: int | None = None
