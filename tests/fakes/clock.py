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
