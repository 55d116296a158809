"""Reads the repository: the catalog and the rules at one commit."""

from dataclasses import dataclass
from threading import RLock

from shared.domain.inventory.catalog import Catalog, Listing, Missing, Shelf
from shared.domain.inventory.scan import scan
from shared.domain.rules.rules import RULES_FILE, Rules, read_rules
from shared.domain.targets import Target
from shared.errors import ServiceUnavailable
from shared.ports import AzureDevOps, Repository


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the repository holds at one commit.

    Attributes:
        listing: which blob lies where.
        catalog: the environments.
        rules_blob: the blob of the rules file, if there is one.
    """

    listing: Listing
    catalog: Catalog
    rules_blob: str | None


class Snapshots:
    """Reads repositories at commits and remembers what blobs say, for each target, as long as the process lives."""

    def __init__(self, azure_devops: AzureDevOps) -> None:
        self._azure_devops = azure_devops
        self._shelves: dict[str, Shelf] = {}
        self._latest: dict[str, Snapshot] = {}
        # Queue messages and requests are served by several threads of one process.
        self._locks: dict[str, RLock] = {}

    def at(self, target: Target, commit: str) -> Snapshot:
        """Read the environments at a commit; only blobs never seen before are fetched."""
        with self._lock(target):
            return self._snapshot(target, commit)

    def _snapshot(self, target: Target, commit: str) -> Snapshot:
        known = self._latest.get(target.name)
        if known and known.listing.commit == commit:
            return known
        repository = self._azure_devops.repository(target)
        listing = repository.listing(commit)
        shelf = self._shelves.setdefault(target.name, Shelf())
        while isinstance(found := scan(listing, shelf), Missing):
            self._fetch(repository, shelf, found.blobs)
        snapshot = Snapshot(listing, found, listing.files.get(RULES_FILE))
        shelf.trim(listing, [*found.blobs.values(), *([snapshot.rules_blob] if snapshot.rules_blob else [])])
        self._latest[target.name] = snapshot
        return snapshot

    def rules(self, target: Target, snapshot: Snapshot) -> Rules | None:
        """The rules at a snapshot's commit, or None if the repository has none.

        Raises:
            InvalidConfiguration: they cannot be followed.
        """
        if snapshot.rules_blob is None:
            return None
        return read_rules(self.raw(target, snapshot, RULES_FILE))

    def raw(self, target: Target, snapshot: Snapshot, path: str) -> bytes:
        """The bytes of a file at a snapshot's commit."""
        blob = snapshot.listing.files[path]
        with self._lock(target):
            shelf = self._shelves.setdefault(target.name, Shelf())
            if blob not in shelf.raw:
                self._fetch(self._azure_devops.repository(target), shelf, frozenset({blob}))
            return shelf.raw[blob]

    def _lock(self, target: Target) -> RLock:
        return self._locks.setdefault(target.name, RLock())

    def _fetch(self, repository: Repository, shelf: Shelf, blobs: frozenset[str]) -> None:
        fetched = repository.blobs(sorted(blobs))
        if lost := blobs - fetched.keys():
            raise ServiceUnavailable(f"the repository did not send {len(lost)} of {len(blobs)} files it lists")
        shelf.raw.update(fetched)
