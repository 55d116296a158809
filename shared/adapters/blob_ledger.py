"""Blobs of one container of an Azure storage account: the ledger's, and those in quarantine.

Create-once is `If-None-Match: *`, compare-and-swap is `If-Match` (REST reference, "Specifying conditional headers
for Blob service operations").
"""

from collections.abc import Iterable, Mapping, Sequence

from azure.core import MatchConditions
from azure.core.credentials import TokenCredential
from azure.core.exceptions import ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.storage.blob import BlobClient, ContainerClient

from shared.adapters.paging import bounded
from shared.adapters.side_by_side import SideBySide
from shared.adapters.storage import client_options, translated
from shared.errors import StateChanged
from shared.limits import LEDGER_PAGES
from shared.ports import Stored, Write

LEDGER = "ledger"
QUARANTINE = "quarantine"


class BlobLedgerStore:
    """Blobs of one container, created on first use and closed to everybody without a role."""

    def __init__(self, account_url: str, credential: TokenCredential, container: str = LEDGER) -> None:
        self._container = ContainerClient(account_url, container, credential=credential, **client_options())
        self._name = container
        self._side_by_side = SideBySide()

    def read(self, key: str) -> Stored | None:
        """Return a blob, or None if there is none."""
        with translated(f"reading {key} in container {self._name}"):
            try:
                answer = self._blob(key).download_blob()
                return Stored(answer.readall(), answer.properties.etag)
            except ResourceNotFoundError:
                return None

    def create(self, key: str, raw: bytes) -> str:
        """Create a blob and return its ETag."""
        with translated(f"writing {key} to container {self._name}"):
            try:
                return self._upload(key, raw)
            except ResourceNotFoundError:
                self._create_container()
            except ResourceExistsError:
                raise StateChanged(f"{key} exists already") from None
        return self.create(key, raw)

    def replace(self, key: str, raw: bytes, etag: str) -> str:
        """Replace a blob that is still as it was read, and return its new ETag."""
        with translated(f"writing {key} to container {self._name}"):
            try:
                answer = self._blob(key).upload_blob(
                    raw, overwrite=True, etag=etag, match_condition=MatchConditions.IfNotModified
                )
            except (ResourceModifiedError, ResourceNotFoundError):
                raise StateChanged(f"{key} was changed by somebody else") from None
            return str(answer["etag"])

    def delete(self, key: str, etag: str | None = None) -> None:
        """Delete a blob; with an ETag only one that is still as it was read."""
        with translated(f"deleting {key} from container {self._name}"):
            try:
                if etag is None:
                    self._blob(key).delete_blob()
                else:
                    self._blob(key).delete_blob(etag=etag, match_condition=MatchConditions.IfNotModified)
            except (ResourceModifiedError, ResourceNotFoundError):
                if etag is not None:
                    raise StateChanged(f"{key} was changed by somebody else") from None

    def read_many(self, keys: Iterable[str]) -> Mapping[str, Stored]:
        """Return those of many blobs that are there."""
        wanted = list(keys)
        found = self._side_by_side.map(self.read, wanted)
        return {key: stored for key, stored in zip(wanted, found, strict=True) if stored}

    def write_many(self, writes: Iterable[Write]) -> Sequence[bool]:
        """Create, replace or delete many blobs; tells of each whether that was done, or somebody else was faster."""
        return self._side_by_side.map(self._write, writes)

    def _write(self, write: Write) -> bool:
        try:
            if write.raw is None:
                self.delete(write.key, write.etag)
            elif write.etag is None:
                self.create(write.key, write.raw)
            else:
                self.replace(write.key, write.raw, write.etag)
        except StateChanged:
            return False
        return True

    def keys(self, prefix: str) -> Iterable[str]:
        """The keys that begin with a prefix, in order.

        On storage with a hierarchical namespace, listings hold the folders as well, marked in their metadata
        (learn.microsoft.com, "Known issues with Azure Data Lake Storage"); they are left out.
        """
        with translated(f"listing {prefix} in container {self._name}"):
            try:
                pages = self._container.list_blobs(name_starts_with=prefix, include=["metadata"]).by_page()
                blobs = bounded(f"listing {prefix} in the ledger", pages, LEDGER_PAGES)
                return sorted(blob.name for blob in blobs if (blob.metadata or {}).get("hdi_isfolder") != "true")
            except ResourceNotFoundError:
                return []

    def _blob(self, key: str) -> BlobClient:
        return self._container.get_blob_client(key)

    def _upload(self, key: str, raw: bytes) -> str:
        return str(self._blob(key).upload_blob(raw, overwrite=False)["etag"])

    def _create_container(self) -> None:
        try:
            self._container.create_container()
        except ResourceExistsError:
            return
