"""Every call that the product makes to Azure DevOps, made once on the stand and recorded."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from local.agent.record import Timeline
from local.azure_devops.api import Recorded
from local.azure_devops.hooks import BUILD_COMPLETED
from local.azure_devops.server import Organization
from shared.adapters.azure_devops import AzureDevOpsOrganizations
from shared.domain.names import package_name
from shared.domain.releases import FeedName
from shared.domain.targets import Target
from shared.errors import NotThere
from tests.contracts import official
from tests.contracts.worlds import (
    PARAMETERS,
    PUBLIC_PACKAGE,
    PUBLIC_VERSION,
    StandFeed,
    StandPipeline,
    StandRepository,
)


class Stage:
    """Everything that a call needs, on one organisation."""

    def __init__(
        self, organization: Organization, azure_devops: AzureDevOpsOrganizations, target: Target, folder: Path
    ) -> None:
        self.organization = organization
        self.azure_devops = azure_devops
        self.target = target
        self.folder = folder
        self.repository = StandRepository(organization, azure_devops, target, folder / "clone")
        self.feed = StandFeed(organization, azure_devops, target, folder / "wheels")
        self.pipeline = StandPipeline(organization, azure_devops, target)

    def prepare(self) -> None:
        """Have one of everything that an answer can hold."""
        self.base = self.repository.commit_links()
        self.repository.commit({"README.md": b"a file\n"}, "Add a file\n\nThe message goes on below its first line.\n")
        self.feed.publish("our-package", "1.0.0")
        self.feed.publish_sdist("our-package", "1.0.0")
        self.feed.promote("our-package", "1.0.0", "Release")
        self.feed.publish("our-package", "0.9.0")
        self.feed.delete("our-package", "0.9.0")
        self.feed.install_public_package()
        self.organization.hooks.subscribe(BUILD_COMPLETED, "https://app.invalid/api/notifications", password="secret")
        self.organization.pipelines.hold()
        self.pipeline.pipeline.queue(self.base, PARAMETERS)
        self.organization.pipelines.release()
        build = self.organization.pipelines.builds[0]
        build.status, build.result = "completed", "succeeded"
        build.started = build.finished = datetime.now(UTC)
        build.timeline = Timeline(self.folder / "run", build.checks)
        stage = build.timeline.add("Stage", "__default", "__default", None)
        job = build.timeline.add("Job", "a/a.yml", "__default.rebuild_a.__default", stage)
        task = build.timeline.add("Task", "Download the packages", "rebuild_a.1", job, log=True)
        task.issues.append(("error", "no file of our-package==1.0"))
        for record in (stage, job, task):
            record.begin()
            record.end("failed")

    def push(self) -> object:
        tip = self.repository.repository.tip()
        return self.repository.repository.push(tip, "Change a file", {"README.md": b"another content\n"})

    def blobs(self) -> object:
        repository = self.repository.repository
        return repository.blobs(set(repository.listing(repository.tip()).files.values()))

    def versions(self) -> object:
        feed = self.feed.feed
        found = [feed.version(package_name("our-package"), version) for version in ("1.0", "0.9")]
        return [*found, feed.version(package_name(PUBLIC_PACKAGE), PUBLIC_VERSION)]


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the SDK that the adapters make.

    Attributes:
        method: of the SDK's client.
        operation: its id in the descriptions.
        drive: makes the product call it.
    """

    method: str
    operation: str
    drive: Callable[[Stage], object]


CALLS = (
    Call("get_refs", "Refs_List", lambda stage: stage.repository.repository.tip()),
    Call("get_items", "Items_List", lambda stage: stage.repository.repository.listing(stage.base)),
    Call("get_blobs_zip", "Blobs_Get Blobs Zip", Stage.blobs),
    Call("create_push", "Pushes_Create", Stage.push),
    Call("get_commits", "Commits_Get Commits", lambda stage: stage.repository.repository.commits_since(stage.base)),
    Call("get_commit", "Commits_Get", lambda stage: stage.repository.repository.commits_since(stage.base)),
    Call("run_pipeline", "Runs_Run Pipeline", lambda stage: stage.pipeline.pipeline.queue(stage.base, PARAMETERS)),
    Call(
        "get_builds",
        "Builds_List",
        lambda stage: stage.pipeline.pipeline.runs_since(datetime.now(UTC) - timedelta(hours=1)),
    ),
    Call("get_build", "Builds_Get", lambda stage: stage.pipeline.pipeline.outcome(1)),
    Call("get_build_timeline", "Timeline_Get", lambda stage: stage.pipeline.pipeline.outcome(1)),
    Call("get_feed", "Feed  Management_Get Feed", lambda stage: stage.feed.feed.id()),
    Call("get_packages", "Artifact  Details_Get Packages", Stage.versions),
    Call("get_packages", "Artifact  Details_Get Packages", lambda stage: stage.feed.feed.published()),
    Call("get_package_version", "Artifact  Details_Get Package Version", Stage.versions),
    Call("get_package_changes", "Change  Tracking_Get Package Changes", lambda stage: stage.feed.feed.changes(0)),
    Call("get_feed_change", "Change  Tracking_Get Feed Change", lambda stage: stage.feed.feed.latest_token()),
    Call(
        "list_subscriptions",
        "Subscriptions_List",
        lambda stage: stage.azure_devops.hooks(stage.target.organization).subscriptions(),
    ),
)


@dataclass(frozen=True, slots=True)
class Recording:
    """What went over the wire.

    Attributes:
        exchanges: of the calls in the table.
        beside: of the feed of the organisation.
    """

    exchanges: tuple[Recorded, ...]
    beside: tuple[Recorded, ...]

    def of(self, operation: str) -> list[Recorded]:
        """The exchanges of one operation."""
        return [one for one in self.exchanges if official.find(one.method, one.path, one.query).id == operation]


def record(
    organization: Organization, azure_devops: AzureDevOpsOrganizations, target: Target, folder: Path
) -> Recording:
    """Make every call of the table, and one to a feed of the organisation."""
    stage = Stage(organization, azure_devops, target, folder)
    stage.prepare()
    api = organization.api
    api.recorded = []
    for call in CALLS:
        call.drive(stage)
    # How the SDK finds addresses is its own business and in no description.
    exchanges = tuple(one for one in api.recorded if one.operation != "resource areas")
    api.recorded = []
    # The stand has no such feed: the request is what matters.
    with pytest.raises(NotThere):
        azure_devops.feed(target, FeedName("feed-of-the-organisation")).latest_token()
    return Recording(exchanges, tuple(api.recorded))
