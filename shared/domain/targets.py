"""Targets: what the product looks after. Configuration is a list of these."""

from dataclasses import dataclass, field

from shared.domain.releases import FeedName


@dataclass(frozen=True, slots=True)
class Workspace:
    """An Azure ML workspace that environments are registered in."""

    subscription: str
    resource_group: str
    name: str

    def __str__(self) -> str:
        return f"{self.resource_group}/{self.name}"


@dataclass(frozen=True, slots=True)
class Target:
    """One repository and branch, the pipeline that rebuilds its environments, and the feeds it watches.

    Attributes:
        name: its name, the first part of each of its ledger keys.
        organization: the address of the Azure DevOps organisation, without a slash at the end.
        project: the Azure DevOps project of repository and pipeline.
        repository: the repository's name or id.
        branch: the branch, without `refs/heads/`.
        pipeline: the id of the rebuild pipeline's definition.
        feeds: the feeds it watches.
        workspaces: the Azure ML workspaces, in order.
        author: who the commits say wrote them, name and e-mail; None for the identity that pushes.
    """

    name: str
    organization: str
    project: str
    repository: str
    branch: str
    pipeline: int
    feeds: tuple[FeedName, ...]
    workspaces: tuple[Workspace, ...] = field(default=())
    author: tuple[str, str] | None = None

    @property
    def ref(self) -> str:
        """The branch's full name."""
        return f"refs/heads/{self.branch}"

    def feed(self, text: str) -> FeedName | None:
        """Return the watched feed that `text` means."""
        return next((feed for feed in self.feeds if feed.answers_to(text)), None)
