"""What the ledger makes of moments: one order of them, whatever their zones and however far away."""

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.releases import ReleaseId
from shared.ledger import Ledger
from shared.ledger_entries import WaitingEntry, waiting_key
from tests.fakes.storage import MemoryLedgerStore

_ZONES = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
# Past the year 2038, where 32 bits end.
_MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=_ZONES)  # noqa: DTZ001 (they get a zone)


@given(st.lists(_MOMENTS, min_size=1, max_size=5))
def test_what_waits_is_read_back_in_the_order_of_time(moments: list[datetime]) -> None:
    ledger = Ledger(MemoryLedgerStore())
    waiting = [WaitingEntry(at, ReleaseId.of("f", f"p{number}", "1")) for number, at in enumerate(moments)]
    for entry in waiting:
        ledger.create(waiting_key("main", entry), entry)

    found = ledger.waiting("main")

    assert found == sorted(waiting)
    assert {entry.since.tzinfo for entry in found} == {UTC}
