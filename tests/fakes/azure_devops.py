"""Azure DevOps in memory: one branch, one feed, one pipeline."""

import hashlib
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from shared.domain.feed_facts import FeedFile, Metadata
from shared.domain.inventory.catalog import Link, Listing
from shared.domain.names import PackageName
from shared.domain.provenance import Upstream
from shared.domain.records.run_outcomes import JobOutcome, RunOutcome
from shared.domain.releases import FeedName
from shared.domain.targets import Target
from shared.errors import BranchMoved, NotThere, Permanent, PipelineRejected, RebuilderError, RejectedByPolicy
from shared.limits import CHANGES_PER_REQUEST
from shared.ports import Change, Changes, Clock, Commit, FeedVersion, PackageVersion, PipelineRun
from tests.fakes.faults import Faulty


@dataclass(frozen=True, slots=True)
class FakeCommit:
    """A commit with all of its files."""

    id: str
    message: str
    parent: str | None
    files: Mapping[str, bytes]
    links: Mapping[str, Link] = field(default_factory=dict)


class FakeRepository(Faulty):
    """One branch.

    Attributes:
        protected: the branch does not take pushes.
        exists: the branch is there.
        head: its newest commit, whatever `exists` says.
    """

    def __init__(self, files: Mapping[str, bytes] | None = None) -> None:
        super().__init__()
        self.protected = False
        self.exists = True
        self.head = ""
        self._commits: dict[str, FakeCommit] = {}
        self._blobs: dict[str, bytes] = {}
        self.commit(dict(files or {}), "Import the environments")

    def commit(self, files: Mapping[str, bytes | None], message: str = "Work of somebody else") -> str:
        """Somebody else commits: files are written, or removed where there is None."""
        before = self._commits.get(self.head)
        present = dict(before.files) if before else {}
        for path, raw in files.items():
            if raw is None:
                present.pop(path)
            else:
                present[path] = raw
        return self._add(message, present)

    def link(self, path: str, link: Link) -> str:
        """Somebody else commits a symbolic link or a submodule."""
        before = self._commits[self.head]
        return self._add("Link", before.files, {**before.links, path: link})

    def files(self, commit: str | None = None) -> Mapping[str, bytes]:
        """The files at a commit, or at the tip."""
        return self._commits[commit or self.head].files

    def history(self) -> list[Commit]:
        """Every commit of the branch, newest first."""
        return [Commit(commit.id, commit.message) for commit in self._from(self.head)]

    def all(self) -> list[FakeCommit]:
        """Every commit of the branch with its files, newest first."""
        return list(self._from(self.head))

    def tip(self) -> str:
        with self._call("tip"):
            if not self.exists:
                raise NotThere("the repository has no such branch")
            return self.head

    def listing(self, commit: str) -> Listing:
        with self._call("listing"):
            if commit not in self._commits:
                raise Permanent(f"there is no commit {commit}")
            found = self._commits[commit]
            return Listing(commit, {path: blob_id(raw) for path, raw in found.files.items()}, found.links)

    def blobs(self, ids: Iterable[str]) -> Mapping[str, bytes]:
        with self._call("blobs"):
            wanted = list(ids)
            if unknown := [one for one in wanted if one not in self._blobs]:
                raise NotThere(f"there is no blob {unknown[0]}")
            return {one: self._blobs[one] for one in wanted}

    def push(self, base: str, message: str, files: Mapping[str, bytes]) -> str:
        with self._call("push"):
            if self.protected:
                raise RejectedByPolicy("pushes to this branch are not permitted")
            if not self.exists or base != self.head:
                raise BranchMoved("the branch has already been updated")
            if not message.strip():
                raise Permanent("a commit needs a message")
            before = self._commits[base]
            if unknown := sorted(files.keys() - before.files.keys()):
                raise Permanent(f"{unknown[0]} is not there")
            return self._add(message, {**before.files, **files})

    def commits_since(self, base: str) -> Sequence[Commit]:
        with self._call("commits_since"):
            if not self.exists:
                raise NotThere("the repository has no such branch")
            found = []
            for commit in self.history():
                if commit.id == base:
                    break
                found.append(commit)
            return found

    def _add(self, message: str, files: Mapping[str, bytes], links: Mapping[str, Link] | None = None) -> str:
        parent = self.head or None
        if links is None:
            links = self._commits[parent].links if parent else {}
        made = hashlib.sha1(f"{parent} {message} {len(self._commits)}".encode(), usedforsecurity=False).hexdigest()
        self._commits[made] = FakeCommit(made, message, parent, dict(files), dict(links))
        self._blobs.update({blob_id(raw): raw for raw in files.values()})
        self.head = made
        return made

    def _from(self, start: str) -> Iterator[FakeCommit]:
        at: str | None = start
        while at:
            commit = self._commits[at]
            yield commit
            at = commit.parent


def blob_id(raw: bytes) -> str:
    """Git's id of a blob."""
    return hashlib.sha1(b"blob %d\0%b" % (len(raw), raw), usedforsecurity=False).hexdigest()


@dataclass
class FakeVersion:
    """One version on the feed.

    Attributes:
        files: by name, as the index lists them.
        metadata: of its wheels, by file name; of a broken one there is none.
        hidden: it is uploaded, and the feed does not show it yet.
        token: of its newest change.
    """

    name: str
    spelling: str
    files: dict[str, FeedFile] = field(default_factory=dict)
    metadata: dict[str, Metadata] = field(default_factory=dict)
    views: list[str] = field(default_factory=lambda: ["Local"])
    upstream: Upstream | None = None
    deleted: bool = False
    hidden: bool = False
    token: int = 0


class FakeFeed(Faulty):
    """One feed.

    Attributes:
        page_size: changes that one page of the change log holds.
        order: draws in which order many versions are dealt with, one after another.
    """

    def __init__(self, feed_id: str = "6a5b9c1e-0d43-4b70-9f0e-3d1f4f1b2a77") -> None:
        super().__init__()
        self.order = random.Random(0)
        self.page_size = CHANGES_PER_REQUEST
        self._id = feed_id
        self._versions: dict[tuple[str, Version], FakeVersion] = {}
        self._token = 0

    def publish(
        self,
        name: str,
        version: str,
        *,
        file: str | None = None,
        upstream: Upstream | None = None,
        hidden: bool = False,
        requires: Iterable[str] = (),
        requires_python: str | None = None,
        broken: bool = False,
    ) -> str:
        """Somebody uploads a file of a version, by default its wheel; or the feed takes it from an upstream source.

        Returns:
            the SHA-256 of the file.
        """
        entry = self._find(name, version)
        if entry is None:
            entry = FakeVersion(name, version, upstream=upstream, hidden=hidden)
            self._versions[canonicalize_name(name), Version(version)] = entry
        file = file or f"{canonicalize_name(name).replace('-', '_')}-{version}-py3-none-any.whl"
        digest = hashlib.sha256(f"{file} {version}".encode()).hexdigest()
        is_wheel = file.endswith(".whl")
        # The feed reads what a wheel says, and no source distribution.
        entry.files[file] = FeedFile(file, digest, requires_python if is_wheel else None)
        if is_wheel and not broken:
            entry.metadata[file] = Metadata(requires_python, tuple(requires))
        self._changed(entry)
        return digest

    def show(self, name: str, version: str) -> None:
        """A hidden version becomes visible."""
        entry = self._known(name, version)
        entry.hidden = False
        self._changed(entry)

    def promote(self, name: str, version: str, view: str) -> None:
        """Put a version into a view."""
        entry = self._known(name, version)
        entry.views.append(view)
        self._changed(entry)

    def delete(self, name: str, version: str) -> None:
        """Move a version to the recycle bin."""
        entry = self._known(name, version)
        entry.deleted = True
        self._changed(entry)

    def version(self, package: PackageName, version: str) -> FeedVersion | None:
        with self._call("version"):
            entry = self._find(package, version)
            if entry is None or entry.hidden:
                return None
            if entry.deleted:
                return FeedVersion(entry.spelling, deleted=True)
            beside_own = package in self._own()
            return FeedVersion(
                entry.spelling, tuple(sorted(entry.files)), tuple(entry.views), entry.upstream, beside_own
            )

    def changes(self, token: int) -> Changes:
        with self._call("changes"):
            news = sorted(
                (entry for entry in self._versions.values() if entry.token > token and not entry.hidden),
                key=lambda entry: entry.token,
            )[: self.page_size]
            items = tuple(Change(entry.name, entry.spelling, entry.upstream) for entry in news if not entry.deleted)
            return Changes(items, news[-1].token if news else token, more=len(news) >= self.page_size)

    def latest_token(self) -> int:
        with self._call("latest_token"):
            return self._token

    def id(self) -> str:
        with self._call("id"):
            return self._id

    def files(self, package: PackageName, version: str) -> tuple[FeedFile, ...]:
        with self._call("files"):
            entry = self._shown(package, version)
            return tuple(file for _, file in sorted(entry.files.items())) if entry else ()

    def metadata(self, package: PackageName, version: str) -> Metadata | None:
        with self._call("metadata"):
            entry = self._shown(package, version)
            wheels = sorted(name for name in entry.files if name.endswith(".whl")) if entry else []
            return entry.metadata.get(wheels[0]) if entry and wheels else None

    def metadata_many(self, versions: Iterable[PackageVersion]) -> Sequence[Metadata | RebuilderError | None]:
        wanted = list(versions)
        found = {place: self._metadata_or_problem(*place) for place in self.order.sample(wanted, len(wanted))}
        return [found[place] for place in wanted]

    def _metadata_or_problem(self, package: PackageName, version: str) -> Metadata | RebuilderError | None:
        try:
            return self.metadata(package, version)
        except RebuilderError as problem:
            return problem

    def published(self) -> frozenset[PackageName]:
        with self._call("published"):
            return self._own()

    def _own(self) -> frozenset[PackageName]:
        return frozenset(
            PackageName(canonicalize_name(entry.name))
            for entry in self._versions.values()
            if not (entry.upstream or entry.hidden or entry.deleted)
        )

    def _changed(self, entry: FakeVersion) -> None:
        if not entry.hidden:
            self._token += 1
            entry.token = self._token

    def _find(self, name: str, version: str) -> FakeVersion | None:
        try:
            return self._versions.get((canonicalize_name(name), Version(version)))
        except InvalidVersion:
            return None

    def _shown(self, name: str, version: str) -> FakeVersion | None:
        entry = self._find(name, version)
        return None if entry is None or entry.hidden or entry.deleted else entry

    def _known(self, name: str, version: str) -> FakeVersion:
        entry = self._find(name, version)
        assert entry is not None, f"nobody published {name} {version}"
        return entry


@dataclass
class FakeRun:
    """A queued run.

    Attributes:
        jobs: what became of its jobs so far, by display name.
        result: what came of it, once it is over.
        problem: an error of the run itself.
        finished: when it was over.
        waits: what it waits for.
    """

    id: int
    commit: str
    parameters: Mapping[str, str]
    queued: datetime
    jobs: dict[str, JobOutcome] = field(default_factory=dict)
    result: str | None = None
    problem: str | None = None
    finished: datetime | None = None
    waits: str | None = None

    @property
    def paths(self) -> list[str]:
        """The environments that it rebuilds."""
        return [item.split(":")[1] for item in self.parameters["environments"].split(",")]

    @property
    def url(self) -> str:
        """Its page."""
        return f"https://dev.azure.invalid/_build/results?buildId={self.id}"


class FakePipeline(Faulty):
    """One pipeline.

    Attributes:
        runs: everything that was queued, oldest first.
        exists: the pipeline is there.
        required: parameters that a run has to give.
        optional: parameters that have a default.
        values: parameter → the values that it takes, where not any will do.
        unlisted: look-ups that do not see any run yet.
    """

    def __init__(self, clock: Clock, repository: FakeRepository | None = None) -> None:
        super().__init__()
        self.runs: list[FakeRun] = []
        self.exists = True
        self.required = ["schema", "rebuild", "batch", "commit", "environments"]
        self.optional = ["feed", "serviceConnection", "workspaces", "tools", "pool"]
        self.values: dict[str, list[str]] = {"schema": ["4"]}
        self.unlisted = 0
        self._waits: str | None = None
        self._clock = clock
        self._repository = repository

    def hold(self, what: str = "approval") -> None:
        """The next runs wait for something."""
        self._waits = what

    def release(self) -> None:
        """Nothing waits any more."""
        self._waits = None
        for run in self.runs:
            run.waits = None

    def runs_since(self, moment: datetime) -> Sequence[PipelineRun]:
        with self._call("runs_since"):
            if self.unlisted:
                self.unlisted -= 1
                return []
            return [_seen(run) for run in reversed(self.runs) if run.queued >= moment]

    def queue(self, commit: str, parameters: Mapping[str, str]) -> PipelineRun:
        with self._call("queue"):
            if not self.exists:
                raise PipelineRejected("there is no such pipeline")
            if self._repository and commit not in {one.id for one in self._repository.history()}:
                raise PipelineRejected(f"there is no commit {commit}")
            if unknown := sorted(parameters.keys() - {*self.required, *self.optional}):
                raise PipelineRejected(f"unexpected parameter {unknown[0]}")
            if missing := sorted(set(self.required) - parameters.keys()):
                raise PipelineRejected(f"a value for {missing[0]} must be provided")
            for name, allowed in self.values.items():
                if name in parameters and parameters[name] not in allowed:
                    raise PipelineRejected(f"{parameters[name]!r} is no value for {name}")
            run = FakeRun(len(self.runs) + 1, commit, dict(parameters), self._clock.now(), waits=self._waits)
            self.runs.append(run)
            return _seen(run)

    def outcome(self, run: int) -> RunOutcome:
        with self._call("outcome"):
            for one in self.runs:
                if one.id == run:
                    return RunOutcome(
                        dict(one.parameters), one.result is not None, one.result, dict(one.jobs), one.problem,
                        one.finished, one.waits if one.result is None else None, one.url,
                    )  # fmt: skip
            raise NotThere(f"there is no run {run}")


def _seen(run: FakeRun) -> PipelineRun:
    return PipelineRun(run.id, dict(run.parameters), run.url, cancelled=run.result == "canceled")


class FakeAzureDevOps:
    """The same repository, pipeline and feeds for every target."""

    def __init__(self, repository: FakeRepository, pipeline: FakePipeline, feeds: Mapping[str, FakeFeed]) -> None:
        self._repository = repository
        self._pipeline = pipeline
        self._feeds = feeds

    def repository(self, target: Target) -> FakeRepository:
        return self._repository

    def pipeline(self, target: Target) -> FakePipeline:
        return self._pipeline

    def feed(self, target: Target, feed: FeedName) -> FakeFeed:
        return self._feeds[str(feed)]
