"""What `LedgerStore` promises, kept by the adapter (on Azurite) and by the fake."""

from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest
from azure.storage.blob import ContainerClient

from local.azurite import Azurite
from shared.adapters.blob_ledger import LEDGER, QUARANTINE, BlobLedgerStore
from shared.errors import StateChanged
from shared.limits import SIDE_BY_SIDE
from shared.ports import LedgerStore, Write
from tests.fakes.credential import StubCredential
from tests.fakes.storage import MemoryLedgerStore

KEY = "sample/rebuilds/0123.json"
AWKWARD = [
    "sample/releases/ml%2Fpackages/our-package/1.0%2Blocal.json",
    "sample/releases/ml/packages/our-package/1.0+local.json",
    f"sample/environments/{quote('sp ace/ü/100%.yml', safe='')}.json",
    "sample/environments/%252F.json",
    "sample/environments/a%20b.json",
    "sample/environments/a b.json",
    "sample/environments/~tilde~#hash?question&and=equals.json",
]


@pytest.fixture(params=["adapter", "fake"])
def store(request: pytest.FixtureRequest) -> LedgerStore:
    if request.param == "fake":
        return MemoryLedgerStore()
    azurite: Azurite = request.getfixturevalue("azurite")
    # The container is the same for all tests: each begins with an empty one.
    made = BlobLedgerStore(azurite.blobs, request.getfixturevalue("storage_credential"))
    for key in made.keys(""):
        made.delete(key)
    return made


def test_reading_what_is_not_there_gives_none(store: LedgerStore) -> None:
    assert store.read(KEY) is None


def test_what_was_created_is_read_back(store: LedgerStore) -> None:
    raw = b'\xef\xbb\xbf{"a": "\xc3\xbc"}\r\n\x00\xff'
    etag = store.create(KEY, raw)
    stored = store.read(KEY)
    assert stored
    assert (stored.raw, stored.etag) == (raw, etag)


def test_an_empty_blob_is_there(store: LedgerStore) -> None:
    store.create(KEY, b"")
    stored = store.read(KEY)
    assert stored
    assert stored.raw == b""


def test_a_blob_is_created_once(store: LedgerStore) -> None:
    store.create(KEY, b"first")
    with pytest.raises(StateChanged):
        store.create(KEY, b"second")
    assert _raw(store, KEY) == b"first"


def test_of_many_who_create_at_once_one_succeeds(store: LedgerStore) -> None:
    def create(number: int) -> bool:
        try:
            store.create(KEY, str(number).encode())
        except StateChanged:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(create, range(8))) == 1


def test_a_blob_is_replaced_as_it_was_read(store: LedgerStore) -> None:
    first = store.create(KEY, b"first")
    second = store.replace(KEY, b"second", first)
    assert second != first
    third = store.replace(KEY, b"third", second)
    stored = store.read(KEY)
    assert stored
    assert (stored.raw, stored.etag) == (b"third", third)


def test_replacing_a_blob_that_changed_changes_nothing(store: LedgerStore) -> None:
    stale = store.create(KEY, b"first")
    store.replace(KEY, b"second", stale)
    with pytest.raises(StateChanged):
        store.replace(KEY, b"third", stale)
    assert _raw(store, KEY) == b"second"


def test_equal_bytes_are_a_change_too(store: LedgerStore) -> None:
    stale = store.create(KEY, b"same")
    store.replace(KEY, b"same", stale)
    with pytest.raises(StateChanged):
        store.replace(KEY, b"other", stale)


def test_replacing_a_deleted_blob_does_not_create_it(store: LedgerStore) -> None:
    etag = store.create(KEY, b"first")
    store.delete(KEY)
    with pytest.raises(StateChanged):
        store.replace(KEY, b"second", etag)
    assert store.read(KEY) is None


def test_a_blob_that_was_deleted_and_created_again_is_another_one(store: LedgerStore) -> None:
    stale = store.create(KEY, b"first")
    store.delete(KEY)
    store.create(KEY, b"first")
    with pytest.raises(StateChanged):
        store.replace(KEY, b"second", stale)


def test_deleting_twice_is_deleting_once(store: LedgerStore) -> None:
    store.create(KEY, b"first")
    store.delete(KEY)
    store.delete(KEY)
    assert store.read(KEY) is None


def test_a_blob_that_changed_is_not_deleted_by_who_read_it_before(store: LedgerStore) -> None:
    stale = store.create(KEY, b"first")
    fresh = store.replace(KEY, b"second", stale)
    with pytest.raises(StateChanged):
        store.delete(KEY, stale)
    assert _raw(store, KEY) == b"second"
    store.delete(KEY, fresh)
    assert store.read(KEY) is None
    with pytest.raises(StateChanged):
        store.delete(KEY, fresh)


def test_keys_are_those_with_the_prefix_in_order(store: LedgerStore) -> None:
    for key in ("b/2.json", "a/2.json", "a/10.json", "ab/1.json", "a/B.json"):
        store.create(key, b"{}")
    assert list(store.keys("a/")) == ["a/10.json", "a/2.json", "a/B.json"]
    assert list(store.keys("")) == ["a/10.json", "a/2.json", "a/B.json", "ab/1.json", "b/2.json"]
    assert list(store.keys("nothing/")) == []


def test_names_survive_as_they_are(store: LedgerStore) -> None:
    for key in AWKWARD:
        store.create(key, key.encode())
    assert list(store.keys("sample/")) == sorted(AWKWARD)
    assert [_raw(store, key) for key in AWKWARD] == [key.encode() for key in AWKWARD]
    for key in AWKWARD:
        store.delete(key)
    assert list(store.keys("sample/")) == []


# What only the service has


def test_the_container_is_created_when_it_is_needed_and_open_to_nobody(
    azurite: Azurite, storage_credential: StubCredential
) -> None:
    store = BlobLedgerStore(azurite.blobs, storage_credential, "made-by-nobody")
    assert store.read(KEY) is None
    assert list(store.keys("")) == []
    store.delete(KEY)
    with pytest.raises(StateChanged):
        store.replace(KEY, b"nothing to replace", '"0x1"')
    store.create(KEY, b"first")
    assert _raw(store, KEY) == b"first"
    made = ContainerClient(azurite.blobs, "made-by-nobody", credential=storage_credential)
    assert made.get_container_properties().public_access is None


def test_containers_are_apart(azurite: Azurite, storage_credential: StubCredential) -> None:
    ledger, quarantine = (BlobLedgerStore(azurite.blobs, storage_credential, name) for name in (LEDGER, QUARANTINE))
    ledger.create("apart.json", b"ledger")

    assert quarantine.read("apart.json") is None
    quarantine.create("apart.json", b"quarantine")
    quarantine.delete("apart.json")
    assert _raw(ledger, "apart.json") == b"ledger"


def _raw(store: LedgerStore, key: str) -> bytes | None:
    stored = store.read(key)
    return stored.raw if stored else None


def test_folders_of_a_hierarchical_namespace_are_no_keys(azurite: Azurite, storage_credential: StubCredential) -> None:
    made = BlobLedgerStore(azurite.blobs, storage_credential)
    made.create("folders/held/a.json", b"{}")
    container = ContainerClient(azurite.blobs, LEDGER, credential=storage_credential)
    # So they look in a listing; Azurite has no such namespace.
    container.upload_blob("folders/held/b", b"", metadata={"hdi_isfolder": "true"}, overwrite=True)

    assert list(made.keys("folders/")) == ["folders/held/a.json"]


def test_many_blobs_are_read_at_once_and_those_that_are_not_there_left_out(store: LedgerStore) -> None:
    many = [f"sample/environments/{number}.json" for number in range(SIDE_BY_SIDE * 3)]
    for key in many[::2]:
        store.create(key, key.encode())
    found = store.read_many(many)
    assert {key: stored.raw for key, stored in found.items()} == {key: key.encode() for key in many[::2]}
    assert all(store.read(key) == stored for key, stored in found.items())


def test_many_writes_tell_of_each_whether_somebody_else_was_faster(store: LedgerStore) -> None:
    names = ("there", "read", "stale", "gone", "old")
    there, read, stale, gone, old = (f"sample/environments/{name}.json" for name in names)
    etags = {key: store.create(key, b"first") for key in (there, read, stale, gone, old)}
    store.replace(stale, b"theirs", etags[stale])
    store.delete(gone)
    store.replace(old, b"theirs", etags[old])
    fresh = "sample/environments/fresh.json"
    done = store.write_many(
        [
            Write(fresh, b"ours", None),
            Write(there, b"ours", None),
            Write(read, b"ours", etags[read]),
            Write(stale, b"ours", etags[stale]),
            Write(gone, b"ours", etags[gone]),
            Write(old, None, etags[old]),
        ]
    )
    assert done == [True, False, True, False, False, False]
    assert {key: stored.raw for key, stored in store.read_many([fresh, *etags]).items()} == {
        fresh: b"ours",
        there: b"first",
        read: b"ours",
        stale: b"theirs",
        old: b"theirs",
    }


def test_many_blobs_are_deleted_as_they_were_read(store: LedgerStore) -> None:
    keys = [f"sample/due/{number}.json" for number in range(SIDE_BY_SIDE + 1)]
    etags = {key: store.create(key, b"mark") for key in keys}
    assert all(store.write_many(Write(key, None, etag) for key, etag in etags.items()))
    assert list(store.keys("sample/due/")) == []


def test_nothing_is_asked_for_nothing(store: LedgerStore) -> None:
    assert store.read_many([]) == {}
    assert store.write_many([]) == []
