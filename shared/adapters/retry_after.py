"""The header `Retry-After` (RFC 9110, 10.2.3): how long a service asks us to wait."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from shared.limits import LONGEST_PAUSE

_SECONDS = re.compile(r"[0-9]{1,9}")


def retry_after(headers: Mapping[str, str]) -> timedelta | None:
    """Read the header, as seconds or as a date.

    Args:
        headers: of an answer; their names are found whatever their case.

    Returns:
        at most `LONGEST_PAUSE`, or None if nothing is asked, or nothing that can be understood.
    """
    asked = headers.get("Retry-After", "").strip()
    if _SECONDS.fullmatch(asked):
        wait = timedelta(seconds=int(asked))
    elif moment := _moment(asked):
        # By the service's own clock, which needs not be ours.
        wait = moment - (_moment(headers.get("Date", "")) or datetime.now(UTC))
    else:
        return None
    return min(wait, LONGEST_PAUSE) if wait > timedelta() else None


def _moment(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
