"""A clock that stands still."""

from datetime import UTC, datetime, timedelta


class FakeClock:
    """Shows the same moment until it is told to go on."""

    def __init__(self, start: datetime = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)) -> None:
        self._now = start

    def now(self) -> datetime:
        return self._now

    def advance(self, by: timedelta) -> None:
        self._now += by


class FakeStopwatch:
    """Counts seconds, and sleeps by counting on.

    Attributes:
        slept: how long, each time.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self.slept: list[float] = []

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds
