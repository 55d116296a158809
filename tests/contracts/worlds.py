"""The same few things that other people do, in the stand and in the fakes, so that one test can drive both."""

import hashlib
import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from packaging.utils import canonicalize_name, canonicalize_version

from local.agent.record import Timeline
from local.azure_devops.packages import PUBLIC, Source
from local.azure_devops.repository import git
from local.azure_devops.server import Organization
from local.faults import Fault
from local.upstream import Upstream as PublicIndex
from local.upstream import UpstreamFile
from local.wheels import empty_wheel
from shared.adapters.azure_devops import AzureDevOpsOrganizations
from shared.domain.inventory.catalog import Link
from shared.domain.provenance import Upstream
from shared.domain.records.run_outcomes import JobOutcome
from shared.domain.targets import Target
from shared.errors import ServiceUnavailable
from shared.ports import Feed, Pipeline, Repository
from tests.fakes.azure_devops import FakeFeed, FakePipeline, FakeRepository
from tests.fakes.clock import FakeClock

# A package that the feed takes from its upstream source.
PUBLIC_PACKAGE, PUBLIC_VERSION = "public-package", "3.1.4"
# Those of a run of the rebuild pipeline.
PARAMETERS = {
    "schema": "4",
    "rebuild": "0123456789abcdef",
    "batch": "1",
    "commit": "0" * 40,
    "environments": "1:a/a.yml:,2:b/b.yml:fedcba9876543210+0011223344556677",
}

_SOMEBODY = {
    "GIT_AUTHOR_NAME": "Somebody", "GIT_AUTHOR_EMAIL": "somebody@stand.invalid",
    "GIT_COMMITTER_NAME": "Somebody", "GIT_COMMITTER_EMAIL": "somebody@stand.invalid",
}  # fmt: skip


class RepositoryWorld(Protocol):
    """A repository, and somebody else who works in it."""

    @property
    def repository(self) -> Repository: ...

    def commit(self, files: Mapping[str, bytes | None], message: str = ...) -> str:
        """Commit to the branch; None removes a file."""
        ...

    def commit_often(self, times: int) -> Sequence[str]:
        """Make many commits to the branch and return their ids, newest first."""
        ...

    def files(self) -> Mapping[str, bytes]:
        """What lies at the branch's tip, symbolic links and submodules left out."""
        ...

    def commit_links(self) -> str:
        """Commit a symbolic link `a-link` and a submodule `a-submodule`."""
        ...

    def protect(self) -> None:
        """Let the branch take no pushes."""
        ...

    def lose_next_answer(self) -> None:
        """Let the next push happen and its answer get lost."""
        ...

    def without_branch(self) -> Repository:
        """A repository that does not have the branch."""
        ...


class Clone:
    """Somebody with a clone of a repository, who works on one branch of it."""

    def __init__(self, url: str, folder: Path, branch: str, environment: Mapping[str, str] | None = None) -> None:
        """Prepare; it is cloned when it is needed.

        Args:
            url: of the repository.
            folder: for the clone.
            branch: to work on.
            environment: further variables of git, such as those to sign in with.
        """
        self._url = url
        self._clone = folder
        self._branch = branch
        self._environment = {**_SOMEBODY, **(environment or {})}

    def commit(self, files: Mapping[str, bytes | None], message: str = "Work of somebody else") -> str:
        self._update()
        for path, raw in files.items():
            file = self._clone / path
            if raw is None:
                file.unlink()
                continue
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(raw)
        self._git("-c", "core.autocrlf=false", "add", "--all")
        return self._push(message)

    def commit_often(self, times: int) -> Sequence[str]:
        self._update()
        tree = self._git("rev-parse", "HEAD^{tree}").decode().strip()
        made = [self._git("rev-parse", "HEAD").decode().strip()]
        for number in range(times):
            arguments = ("commit-tree", tree, "-p", made[-1], "-m", f"Number {number}")
            made.append(self._git(*arguments).decode().strip())
        self._git("push", "--quiet", "origin", f"{made[-1]}:refs/heads/{self._branch}")
        return made[:0:-1]

    @property
    def clone(self) -> Path:
        """A clone at the branch's tip."""
        self._update()
        return self._clone

    def commit_links(self) -> str:
        self._update()
        (self._clone / "a-link").symlink_to("rebuilder.yml")
        (self._clone / ".gitmodules").write_text('[submodule "a"]\n\tpath = a-submodule\n\turl = ../a\n')
        self._git("add", "a-link", ".gitmodules")
        self._git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},a-submodule")
        return self._push("Add links")

    def commit_program(self, path: str, raw: bytes) -> str:
        """Commit a file that can be run."""
        self._update()
        (self._clone / path).write_bytes(raw)
        self._git("add", "--chmod=+x", path)
        return self._push("Add a program")

    def files(self) -> Mapping[str, bytes]:
        self._update()
        listed = self._git("ls-tree", "-r", "-z", f"origin/{self._branch}").decode().split("\0")
        rows = [row.split("\t", 1) for row in listed if row]
        blobs = {path: head.split(" ")[2] for head, path in rows if head.startswith("100")}
        return {path: self._git("cat-file", "blob", blob) for path, blob in blobs.items()}

    def parents(self, commit: str) -> list[str]:
        """The parents of a commit."""
        self._update()
        return self._git("rev-parse", f"{commit}^@").decode().split()

    def mode(self, path: str) -> str:
        """A file's mode at the tip, as git has it."""
        self._update()
        return self._git("ls-tree", f"origin/{self._branch}", "--", path).decode().split(" ")[0]

    def _git(self, *arguments: str) -> bytes:
        return git(*arguments, at=self._clone, environment=self._environment)

    def _update(self) -> None:
        if not self._clone.exists():
            self._clone.mkdir(parents=True)
            self._git("clone", "--quiet", "--branch", self._branch, self._url, ".")
            return
        self._git("fetch", "--quiet")
        self._git("reset", "--quiet", "--hard", f"origin/{self._branch}")

    def _push(self, message: str) -> str:
        self._git("commit", "--quiet", "--message", message)
        self._git("push", "--quiet", "origin", f"HEAD:refs/heads/{self._branch}")
        return self._git("rev-parse", "HEAD").decode().strip()


class StandRepository(Clone):
    """In the stand."""

    def __init__(
        self, organization: Organization, azure_devops: AzureDevOpsOrganizations, target: Target, folder: Path
    ) -> None:
        super().__init__(str(organization.repository.path), folder, target.branch)
        self.repository: Repository = azure_devops.repository(target)
        self._organization = organization
        self._azure_devops = azure_devops
        self._target = target

    def protect(self) -> None:
        self._organization.repository.protected = True

    def lose_next_answer(self) -> None:
        self._organization.faults.set("push", Fault.AFTER)

    def without_branch(self) -> Repository:
        return self._azure_devops.repository(replace(self._target, branch="mai"))


class MemoryRepository:
    """In memory."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.fake = FakeRepository(files)
        self.repository: Repository = self.fake

    def commit(self, files: Mapping[str, bytes | None], message: str = "Work of somebody else") -> str:
        return self.fake.commit(files, message)

    def commit_often(self, times: int) -> Sequence[str]:
        return [self.fake.commit({}, f"Number {number}") for number in range(times)][::-1]

    def files(self) -> Mapping[str, bytes]:
        return self.fake.files()

    def commit_links(self) -> str:
        self.fake.link("a-link", Link.SYMBOLIC)
        return self.fake.link("a-submodule", Link.SUBMODULE)

    def protect(self) -> None:
        self.fake.protected = True

    def lose_next_answer(self) -> None:
        self.fake.fail("push", "after", ServiceUnavailable("the answer is lost"))

    def without_branch(self) -> Repository:
        other = FakeRepository()
        other.exists = False
        return other


class FeedWorld(Protocol):
    """A feed, and somebody who publishes to it."""

    @property
    def feed(self) -> Feed: ...

    def publish(
        self,
        name: str,
        version: str,
        *,
        hidden: bool = False,
        requires: Sequence[str] = (),
        requires_python: str | None = None,
    ) -> str:
        """Upload a wheel and return the SHA-256 of its bytes. A hidden version is not shown yet."""
        ...

    def publish_sdist(self, name: str, version: str) -> str:
        """Upload a source distribution and return the SHA-256 of its bytes."""
        ...

    def publish_broken(self, name: str, version: str) -> None:
        """Upload a wheel without METADATA."""
        ...

    def promote(self, name: str, version: str, view: str) -> None:
        """Put a version into a view."""
        ...

    def delete(self, name: str, version: str) -> None:
        """Move a version to the recycle bin."""
        ...

    def show(self, name: str, version: str) -> None:
        """Show a hidden version."""
        ...

    def take(self, name: str, version: str, *feeds: str | None) -> None:
        """Let the feed take a wheel through these feeds, by their ids, the nearest first; None is a public index."""
        ...

    def install_public_package(self) -> None:
        """Let the feed take `PUBLIC_PACKAGE` from its upstream source."""
        ...


class OnePackageUpstream(PublicIndex):
    """A public index that has one wheel, and no network behind it."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._wheel = empty_wheel(PUBLIC_PACKAGE, PUBLIC_VERSION, folder)

    def files(self, name: str) -> list[UpstreamFile]:
        return [UpstreamFile(self._wheel.name, PUBLIC_VERSION, "", "", "")] if name == PUBLIC_PACKAGE else []

    def download(self, name: str, filename: str) -> bytes | None:
        return self._wheel.read_bytes() if (name, filename) == (PUBLIC_PACKAGE, self._wheel.name) else None


class StandFeed:
    """In the stand."""

    def __init__(
        self, organization: Organization, azure_devops: AzureDevOpsOrganizations, target: Target, folder: Path
    ) -> None:
        self.feed: Feed = azure_devops.feed(target, target.feeds[0])
        self._feed = organization.feed
        self._folder = folder

    def publish(
        self,
        name: str,
        version: str,
        *,
        hidden: bool = False,
        requires: Sequence[str] = (),
        requires_python: str | None = None,
    ) -> str:
        wheel = empty_wheel(name, version, self._folder, requires=requires, requires_python=requires_python or "")
        self._feed.visible_after = 3600 if hidden else 0
        self._feed.publish(wheel.name, wheel.read_bytes())
        self._feed.visible_after = 0
        return hashlib.sha256(wheel.read_bytes()).hexdigest()

    def publish_sdist(self, name: str, version: str) -> str:
        content = b"nobody unpacks this"
        self._feed.publish(f"{name.replace('-', '_')}-{version}.tar.gz", content)
        return hashlib.sha256(content).hexdigest()

    def publish_broken(self, name: str, version: str) -> None:
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as wheel:
            wheel.writestr("nothing.py", "")
        self._feed.publish(f"{name.replace('-', '_')}-{version}-py3-none-any.whl", content.getvalue())

    def promote(self, name: str, version: str, view: str) -> None:
        self._feed.promote(name, version, view)

    def delete(self, name: str, version: str) -> None:
        self._feed.delete(name, version)

    def show(self, name: str, version: str) -> None:
        self._feed.packages[canonicalize_name(name)][canonicalize_version(version)].visible = 0.0

    def take(self, name: str, version: str, *feeds: str | None) -> None:
        wheel = empty_wheel(name, version, self._folder)
        sources = (Source(f"feed {feed}", feed) if feed else PUBLIC for feed in feeds)
        self._feed.take(wheel.name, wheel.read_bytes(), *sources)

    def install_public_package(self) -> None:
        filename = f"{PUBLIC_PACKAGE.replace('-', '_')}-{PUBLIC_VERSION}-py3-none-any.whl"
        assert self._feed.file(PUBLIC_PACKAGE, PUBLIC_VERSION, filename)


class MemoryFeed:
    """In memory."""

    def __init__(self) -> None:
        self.fake = FakeFeed()
        self.feed: Feed = self.fake

    def publish(
        self,
        name: str,
        version: str,
        *,
        hidden: bool = False,
        requires: Sequence[str] = (),
        requires_python: str | None = None,
    ) -> str:
        return self.fake.publish(name, version, hidden=hidden, requires=requires, requires_python=requires_python)

    def publish_sdist(self, name: str, version: str) -> str:
        return self.fake.publish(name, version, file=f"{name.replace('-', '_')}-{version}.tar.gz")

    def publish_broken(self, name: str, version: str) -> None:
        self.fake.publish(name, version, broken=True)

    def promote(self, name: str, version: str, view: str) -> None:
        self.fake.promote(name, version, view)

    def delete(self, name: str, version: str) -> None:
        self.fake.delete(name, version)

    def show(self, name: str, version: str) -> None:
        self.fake.show(name, version)

    def take(self, name: str, version: str, *feeds: str | None) -> None:
        nearest = f"feed {feeds[0]}" if feeds[0] else PUBLIC.name
        known = frozenset(feed.casefold() for feed in feeds if feed)
        self.fake.publish(name, version, upstream=Upstream(nearest, known if all(feeds) else frozenset()))

    def install_public_package(self) -> None:
        self.take(PUBLIC_PACKAGE, PUBLIC_VERSION, None)


class PipelineWorld(Protocol):
    """A pipeline, the time, and a commit to build."""

    @property
    def pipeline(self) -> Pipeline: ...

    @property
    def commit(self) -> str: ...

    def now(self) -> datetime:
        """The service's time, later at each call."""
        ...

    def without_pipeline(self) -> Pipeline:
        """A pipeline that does not exist."""
        ...

    def lose_next_answer(self) -> None:
        """Let the next run be queued and the answer get lost."""
        ...

    def list_late(self, look_ups: int) -> None:
        """Let look-ups see no run for a while."""
        ...

    def hold(self, what: str) -> None:
        """Let the next runs wait for an `approval`, a `permission` or another check."""
        ...

    def release(self) -> None:
        """Let nothing wait any more."""
        ...

    def end(self, run: int, result: str, jobs: Mapping[str, JobOutcome], problem: str | None = None) -> None:
        """A run is over."""
        ...


def end_run(
    organization: Organization, run: int, result: str, jobs: Mapping[str, JobOutcome], problem: str | None = None
) -> None:
    """A run of the stand's pipeline ends as somebody says."""
    build = organization.pipelines.build(run)
    build.timeline = Timeline(organization.folder / "runs" / str(run), build.checks)
    stage = build.timeline.add("Stage", "__default", "__default", None)
    if problem:
        stage.issues.append(("error", problem))
    for number, (name, job) in enumerate(jobs.items(), start=1):
        phase = build.timeline.add("Phase", name, f"__default.rebuild_{number}", stage)
        record = build.timeline.add("Job", name, f"{phase.identifier}.__default", phase)
        record.begin()
        for step in job.steps:
            build.timeline.add("Task", step, step, record, log=True).end("succeeded")
        if job.problem:
            failed = build.timeline.add("Task", "the step that failed", "failed", record, log=True)
            failed.issues.extend([("warning", "mind this"), ("error", f"{job.problem}\nand more"), ("error", "2nd")])
            failed.end("failed")
            build.timeline.add("Task", "behind it", "behind", record, log=True).end("skipped")
        if job.result:
            record.end(job.result)
    build.status, build.result, build.finished = "completed", result, datetime.now(UTC)


class StandPipeline:
    """In the stand."""

    def __init__(self, organization: Organization, azure_devops: AzureDevOpsOrganizations, target: Target) -> None:
        self.pipeline: Pipeline = azure_devops.pipeline(target)
        self.commit = organization.repository.tip() or ""
        self._organization = organization
        self._azure_devops = azure_devops
        self._target = target

    def now(self) -> datetime:
        return datetime.now(UTC)

    def without_pipeline(self) -> Pipeline:
        return self._azure_devops.pipeline(replace(self._target, pipeline=404))

    def lose_next_answer(self) -> None:
        self._organization.faults.set("queue run", Fault.AFTER)

    def hold(self, what: str) -> None:
        self._organization.pipelines.hold({"approval": "Approval", "permission": "Authorization"}.get(what, what))

    def release(self) -> None:
        self._organization.pipelines.release()

    def end(self, run: int, result: str, jobs: Mapping[str, JobOutcome], problem: str | None = None) -> None:
        end_run(self._organization, run, result, jobs, problem)

    def list_late(self, look_ups: int) -> None:
        self._organization.pipelines.listed_after = look_ups


class MemoryPipeline:
    """In memory."""

    def __init__(self) -> None:
        repository = FakeRepository()
        self.clock = FakeClock()
        self.fake = FakePipeline(self.clock, repository)
        self.pipeline: Pipeline = self.fake
        self.commit = repository.head

    def now(self) -> datetime:
        self.clock.advance(timedelta(milliseconds=1))
        return self.clock.now()

    def without_pipeline(self) -> Pipeline:
        other = FakePipeline(self.clock)
        other.exists = False
        return other

    def lose_next_answer(self) -> None:
        self.fake.fail("queue", "after", ServiceUnavailable("the answer is lost"))

    def hold(self, what: str) -> None:
        self.fake.hold(what)

    def release(self) -> None:
        self.fake.release()

    def end(self, run: int, result: str, jobs: Mapping[str, JobOutcome], problem: str | None = None) -> None:
        ended = next(one for one in self.fake.runs if one.id == run)
        ended.jobs, ended.result, ended.problem, ended.finished = dict(jobs), result, problem, self.now()

    def list_late(self, look_ups: int) -> None:
        self.fake.unlisted = look_ups
