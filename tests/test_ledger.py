"""What the ledger makes of moments and marks, and of entries that another version wrote."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.due import Due, DueEnvironment, DueLook, DueRelease, DueRerun
from shared.domain.releases import ReleaseId
from shared.errors import DamagedEntry
from shared.ledger import Ledger
from shared.ledger_entries import due_key, lease_key
from tests.fakes.storage import MemoryLedgerStore

_ZONES = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
# Past the year 2038, where 32 bits end.
_MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=_ZONES)  # noqa: DTZ001 (they get a zone)
_RELEASES = st.builds(
    ReleaseId.of, st.sampled_from(["f", "ml/packages"]), st.sampled_from(["p", "q.r"]), st.just("1!2+a")
)
_PATHS = st.text(min_size=1, max_size=20).filter(lambda path: path.encode(errors="ignore").decode() == path)
_MARKS: st.SearchStrategy[Due] = st.one_of(
    st.builds(DueRelease, _RELEASES, _MOMENTS),
    st.builds(DueRerun, _RELEASES, st.integers(1, 9), st.lists(_PATHS, max_size=3).map(tuple)),
    st.builds(DueEnvironment, _PATHS, st.sampled_from(["0123", "4567"]), st.integers(1, 3), _MOMENTS),
    st.builds(DueLook, _MOMENTS, st.sampled_from(["c" * 40, "d" * 40])),
)


@given(st.lists(_MOMENTS, min_size=1, max_size=5))
def test_releases_that_are_due_are_read_back_in_the_order_of_time(moments: list[datetime]) -> None:
    ledger = Ledger(MemoryLedgerStore())
    marks = [DueRelease(ReleaseId.of("f", f"p{number}", "1"), at) for number, at in enumerate(moments)]
    for mark in marks:
        ledger.create(due_key("main", mark), mark)

    found = [mark for mark in ledger.due("main") if isinstance(mark, DueRelease)]

    assert found == sorted(marks, key=lambda mark: (mark.since, mark.release.package))
    assert {mark.since.tzinfo for mark in found} == {UTC}


@given(st.lists(_MARKS, max_size=8))
def test_every_mark_is_read_back_as_it_was_and_said_twice_is_one(marks: list[Due]) -> None:
    ledger = Ledger(MemoryLedgerStore())
    first: dict[str, Due] = {}
    for mark in [*marks, *marks]:
        key = due_key("main", mark)
        assert ledger.create(key, mark) is (key.path not in first)
        first.setdefault(key.path, mark)

    found = ledger.due("main")

    assert len(found) == len(first)
    assert all(mark in found for mark in first.values())


@pytest.mark.parametrize("schema", [1, 3])
def test_an_entry_of_another_schema_is_refused_in_one_line(schema: int) -> None:
    store = MemoryLedgerStore()
    store.create("main/lease.json", b'{"schema": %d, "entry": {"plan": null}}' % schema)

    with pytest.raises(DamagedEntry) as refused:
        Ledger(store).read(lease_key("main"))

    assert str(refused.value) == f"the ledger's main/lease.json has schema {schema}; this version reads 2"
