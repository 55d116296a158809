"""What the outside has to offer. Services know these protocols and nothing of Azure.

Adapters raise the errors of `shared.errors` and nothing else on purpose; each protocol says which ones matter.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from shared.domain.feed_facts import FeedFile, Metadata
from shared.domain.inventory.catalog import Listing
from shared.domain.names import PackageName
from shared.domain.provenance import Upstream
from shared.domain.records.run_outcomes import RunOutcome
from shared.domain.releases import FeedName
from shared.domain.targets import Target, Workspace
from shared.errors import RebuilderError


class Clock(Protocol):
    """The time."""

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""
        ...


@dataclass(frozen=True, slots=True)
class Stored:
    """A blob of the ledger as it was read."""

    raw: bytes
    etag: str


@dataclass(frozen=True, slots=True)
class Write:
    """What shall become of a blob that is still as it was read.

    Attributes:
        key: the blob.
        raw: its new bytes, or None to delete it.
        etag: how it was read; None if there was none.
    """

    key: str
    raw: bytes | None
    etag: str | None


class LedgerStore(Protocol):
    """Blobs with create-once and compare-and-swap: the only lock that the product needs.

    What is asked for many at once is done in any order, and part of it only where an error is raised.
    """

    def read(self, key: str) -> Stored | None:
        """Return a blob, or None if there is none."""
        ...

    def create(self, key: str, raw: bytes) -> str:
        """Create a blob and return its ETag.

        Raises:
            StateChanged: it exists already.
        """
        ...

    def replace(self, key: str, raw: bytes, etag: str) -> str:
        """Replace a blob that is still as it was read, and return its new ETag.

        Raises:
            StateChanged: somebody else changed or deleted it.
        """
        ...

    def delete(self, key: str, etag: str | None = None) -> None:
        """Delete a blob; without an ETag nothing happens if there is none.

        Args:
            key: the blob.
            etag: delete it only if it is still as it was read.

        Raises:
            StateChanged: it is not: somebody else changed or deleted it.
        """
        ...

    def read_many(self, keys: Iterable[str]) -> Mapping[str, Stored]:
        """Return those of many blobs that are there."""
        ...

    def write_many(self, writes: Iterable[Write]) -> Sequence[bool]:
        """Create, replace or delete many blobs; tells of each whether that was done, or somebody else was faster."""
        ...

    def keys(self, prefix: str) -> Iterable[str]:
        """The keys that begin with a prefix, in order."""
        ...


class Queue(Protocol):
    """One queue of work. Messages never expire."""

    def send(self, text: str, delay: timedelta = timedelta()) -> None:
        """Put a message into the queue, visible after a while."""
        ...


@dataclass(frozen=True, slots=True)
class FeedVersion:
    """One version of a package as the feed has it.

    Attributes:
        version: as the feed spells it.
        files: names of its files.
        views: names of the views that hold it.
        upstream: where it was taken from, or None if it was published to this feed.
        beside_own: whether the feed also holds versions of this package that were published to it.
        deleted: whether it lies in the recycle bin.
    """

    version: str
    files: tuple[str, ...] = ()
    views: tuple[str, ...] = ()
    upstream: Upstream | None = None
    beside_own: bool = False
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """One line of a feed's change log: a version was added or changed.

    Attributes:
        name: the package.
        version: the version.
        upstream: where it was taken from, or None if it was published to this feed.
    """

    name: str
    version: str
    upstream: Upstream | None = None


@dataclass(frozen=True, slots=True)
class Changes:
    """A page of a feed's change log.

    Attributes:
        items: added or changed Python versions, oldest first.
        token: where the next page begins.
        more: whether there may be more now.
    """

    items: tuple[Change, ...]
    token: int
    more: bool


# A package and a version of it.
type PackageVersion = tuple[PackageName, str]


class Feed(Protocol):
    """One feed of Azure Artifacts."""

    def version(self, package: PackageName, version: str) -> FeedVersion | None:
        """Look a version up (by PEP 440 equality), or return None if the feed does not show it."""
        ...

    def changes(self, token: int) -> Changes:
        """Read the change log strictly after a token."""
        ...

    def latest_token(self) -> int:
        """The token of the newest change: where somebody begins who has no interest in the past."""
        ...

    def id(self) -> str:
        """The feed's GUID: some hooks name it so."""
        ...

    def files(self, package: PackageName, version: str) -> tuple[FeedFile, ...]:
        """The files of a version (by PEP 440 equality) that an installer is offered, ordered by name.

        Empty if there are none. They arrive one by one: what is there now may not be all.

        Raises:
            NotThere: there is no such feed.
        """
        ...

    def metadata(self, package: PackageName, version: str) -> Metadata | None:
        """Download one wheel of a version, its first by name, and read what the version requires.

        Other wheels of it may require something else: nothing forbids that. Looking at a version that the feed would
        take from an upstream source makes the feed take it.

        Returns:
            None if there is no wheel, or if it tells nothing: it is broken, too large, or not the file that the index
            states the hash of. None is no reason to ask again soon.

        Raises:
            NotThere: there is no such feed.
        """
        ...

    def metadata_many(self, versions: Iterable[PackageVersion]) -> Sequence[Metadata | RebuilderError | None]:
        """Return what `metadata` returns of each of many versions, in their order, or why it is not known.

        What one cannot be answered for says nothing of the others; but of a service that is away few are asked for.
        """
        ...

    def published(self) -> frozenset[PackageName]:
        """The packages of which the feed shows a version that was published to it and not taken from elsewhere.

        Raises:
            NotThere: there is no such feed.
            Permanent: it has more packages than we list.
        """
        ...


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit of the repository."""

    id: str
    message: str


class Repository(Protocol):
    """One branch of a repository. Never forced: every commit's parent was the branch's tip."""

    def tip(self) -> str:
        """The id of the branch's newest commit.

        Raises:
            NotThere: the repository or the branch does not exist.
        """
        ...

    def listing(self, commit: str) -> Listing:
        """Which blob lies where at a commit."""
        ...

    def blobs(self, ids: Iterable[str]) -> Mapping[str, bytes]:
        """The bytes of blobs."""
        ...

    def push(self, base: str, message: str, files: Mapping[str, bytes]) -> str:
        """Change files in one commit on top of `base`, and return the commit's id.

        Raises:
            BranchMoved: the branch's tip is not `base`.
            RejectedByPolicy: the branch does not take pushes.
        """
        ...

    def commits_since(self, base: str) -> Sequence[Commit]:
        """The branch's commits down to `base`, newest first: all of them, or an error.

        Raises:
            Permanent: not all of them can be seen.
        """
        ...


@dataclass(frozen=True, slots=True)
class PipelineRun:
    """A run of the rebuild pipeline.

    Attributes:
        id: its id (the build's id too).
        parameters: the template parameters it was queued with.
        url: where a person can look at it.
        cancelled: somebody cancelled it, whether it has ended yet or not.
    """

    id: int
    parameters: Mapping[str, str]
    url: str | None = None
    cancelled: bool = False


class Pipeline(Protocol):
    """The rebuild pipeline of a target."""

    def runs_since(self, moment: datetime) -> Sequence[PipelineRun]:
        """The runs of this pipeline on the target's branch that were queued since then."""
        ...

    def queue(self, commit: str, parameters: Mapping[str, str]) -> PipelineRun:
        """Queue a run at a commit. Not repeated by anybody: look first (`runs_since`).

        Raises:
            PipelineRejected: the service refused the parameters or the YAML, or the pipeline is not there.
        """
        ...

    def outcome(self, run: int) -> RunOutcome:
        """Look at a run.

        Raises:
            NotThere: there is no such run, or not any more.
        """
        ...


@dataclass(frozen=True, slots=True)
class Subscription:
    """A service hook subscription."""

    id: str
    event: str
    status: str
    url: str | None


@dataclass(frozen=True, slots=True)
class RegisteredVersion:
    """One version of an environment that Azure ML holds.

    Attributes:
        version: its version.
        tags: its tags.
        context: address of its build context, if it has one.
    """

    version: str
    tags: Mapping[str, str]
    context: str | None = None


@dataclass(frozen=True, slots=True)
class Sought:
    """A version of an environment that is looked for.

    Attributes:
        workspace: where.
        name: the environment's name.
        tag: the tag that tells the version.
        values: what it may be; a version with the first one counts before one with the second, and so on.
    """

    workspace: Workspace
    name: str
    tag: str
    values: tuple[str, ...]


class AzureML(Protocol):
    """The Azure ML workspaces."""

    def registered(self, sought: Iterable[Sought]) -> Sequence[RegisteredVersion | RebuilderError | None]:
        """Return the versions that are sought, in their order: None where there is none, or why it is not known.

        Raises:
            ServiceUnavailable: there is no connection to Azure ML.
        """
        ...


class Hooks(Protocol):
    """The service hook subscriptions of an organisation."""

    def subscriptions(self) -> Sequence[Subscription]:
        """All web hook subscriptions that we may see."""
        ...


class AzureDevOps(Protocol):
    """Gives the parts of Azure DevOps that a target has to do with."""

    def repository(self, target: Target) -> Repository:
        """The target's repository."""
        ...

    def pipeline(self, target: Target) -> Pipeline:
        """The target's rebuild pipeline."""
        ...

    def feed(self, target: Target, feed: FeedName) -> Feed:
        """One of the target's feeds."""
        ...
