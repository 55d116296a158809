"""Timer schedules: the six fields of NCRONTAB, seconds first, in UTC."""

from datetime import datetime

_RANGES = ((0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 6))


class Schedule:
    """When a timer fires."""

    def __init__(self, text: str) -> None:
        fields = text.split()
        if len(fields) != len(_RANGES):
            raise ValueError(f"{text!r} is not a schedule of six fields")
        self._sets = [_values(field, low, high) for field, (low, high) in zip(fields, _RANGES, strict=True)]

    def fires_at(self, moment: datetime) -> bool:
        """Whether the timer fires in this second."""
        now = (
            moment.second,
            moment.minute,
            moment.hour,
            moment.day,
            moment.month,
            moment.isoweekday() % 7,  # Sunday is 0
        )
        return all(value in allowed for value, allowed in zip(now, self._sets, strict=True))


def _values(field: str, low: int, high: int) -> frozenset[int]:
    """The values that one field allows: `*`, `*/5`, `1,2`, `1-5`, `1-9/2`."""
    allowed: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = (f"{low}-{high}" if span == "*" else span).partition("-")
        start, end = int(first), int(last or first)
        if not low <= start <= end <= high:
            raise ValueError(f"{field!r} is outside {low} to {high}")
        allowed.update(range(start, end + 1, int(step or 1)))
    return frozenset(allowed)
