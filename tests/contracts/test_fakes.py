"""The switches of the fakes themselves."""

import pytest

from shared.errors import ServiceUnavailable, StateChanged
from tests.fakes.azure_devops import FakeRepository
from tests.fakes.storage import MemoryLedgerStore

GONE = ServiceUnavailable("no answer")


def test_a_call_that_fails_before_has_no_effect() -> None:
    repository = FakeRepository({"a": b"a"})
    base = repository.tip()
    repository.fail("push", "before", GONE)
    with pytest.raises(ServiceUnavailable):
        repository.push(base, "Change", {"a": b"b"})
    assert repository.head == base


def test_a_call_that_fails_after_has_its_effect() -> None:
    repository = FakeRepository({"a": b"a"})
    repository.fail("push", "after", GONE)
    with pytest.raises(ServiceUnavailable):
        repository.push(repository.tip(), "Change", {"a": b"b"})
    assert repository.files() == {"a": b"b"}


def test_faults_are_used_up_in_order_by_their_own_method() -> None:
    store = MemoryLedgerStore()
    store.faults = {"create": [("before", GONE), ("after", GONE)]}
    assert store.read("key") is None
    for _ in range(2):
        with pytest.raises(ServiceUnavailable):
            store.create("key", b"")
    with pytest.raises(StateChanged):
        store.create("key", b"")
    assert store.calls == ["read", "create", "create", "create"]


def test_an_error_of_the_call_itself_comes_before_a_lost_answer() -> None:
    store = MemoryLedgerStore()
    store.create("key", b"")
    store.fail("create", "after", GONE)
    with pytest.raises(StateChanged):
        store.create("key", b"")
