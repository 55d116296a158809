"""What can go wrong, sorted by what the caller can do about it.

Every error carries one line for a person: what, where, why and what to do. Adapters translate vendor errors
into these at the edge, services never see an HTTP status, and only the entry points map them to statuses or to
a queue's retry.
"""

from collections.abc import Iterable
from datetime import timedelta


class RebuilderError(Exception):
    """Root of all errors that this product raises on purpose."""


class InvalidInput(RebuilderError):
    """Somebody gave us something that will never become valid: never retried."""


class InvalidName(InvalidInput):
    """Not the name of a Python package."""


class InvalidVersion(InvalidInput):
    """Not a version as PEP 440 has it."""


class InvalidNotification(InvalidInput):
    """A hook's body that cannot be read."""


class InvalidMessage(InvalidInput):
    """A queue message of another schema, or with missing parts."""


class InvalidConfiguration(InvalidInput):
    """Settings or rules with problems; all of them are named at once.

    Attributes:
        where: the file, or what else holds them.
        problems: one line each; `line 4: …` goes on from `where`.
    """

    def __init__(self, where: str, problems: Iterable[str]) -> None:
        self.where = where
        self.problems = tuple(problems)
        super().__init__("; ".join([*self.messages[:1], *self.problems[1:]]))

    @property
    def messages(self) -> tuple[str, ...]:
        """Each problem for itself: `rebuilder.yml line 4: …`."""
        return tuple(
            f"{self.where} {problem}" if problem.startswith("line ") else f"{self.where}: {problem}"
            for problem in self.problems
        )


class Unreadable(InvalidInput):
    """A definition file, or one line of it, that cannot be read."""

    def __init__(self, why: str, line: int | None = None) -> None:
        self.why = why
        self.line = line
        super().__init__(f"line {line}: {why}" if line else why)


class NotAuthentic(RebuilderError):
    """The caller did not show the secret it should have."""


class NotKnown(RebuilderError):
    """Somebody asked for something that is not there."""


class Busy(RebuilderError):
    """What was asked for cannot start now: something of the kind is running already, or work is suspended."""


class Conflict(RebuilderError):
    """Somebody else moved first: read again and decide again."""


class StateChanged(Conflict):
    """A ledger entry is not as it was when it was read."""


class BranchMoved(Conflict):
    """The branch's tip is not the commit that was planned against."""


class Transient(RebuilderError):
    """May work later: the queue's message comes again.

    Attributes:
        retry_after: how long the service asked us to wait, if it said so.
    """

    def __init__(self, message: str, retry_after: timedelta | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class Throttled(Transient):
    """The service asks us to slow down."""


class ServiceUnavailable(Transient):
    """The service did not answer, or answered with an error of its own."""


class OutOfTime(Transient):
    """Work stopped at a safe point, as a function may run no longer: what was done is recorded, the rest follows."""


class Permanent(RebuilderError):
    """Will not work by itself: recorded and shown to a person, never retried in a loop."""


class AccessDenied(Permanent):
    """Our identity may not do this."""


class RejectedByPolicy(Permanent):
    """The branch does not take a direct push."""


class PipelineRejected(Permanent):
    """The service refused to queue the run: wrong parameters, broken YAML, or no such pipeline."""


class DamagedEntry(Permanent):
    """A ledger entry that is damaged or of another schema: never overwritten, it waits for a person.

    Attributes:
        path: where it lies.
        why: what is wrong with it.
    """

    def __init__(self, path: str, why: str) -> None:
        self.path = path
        self.why = why
        super().__init__(f"the ledger's {path} {why}")


class NotThere(Permanent):
    """A repository, branch, feed or pipeline that the settings name does not exist."""
