"""What environments carry by our doing."""

from dataclasses import dataclass, field, replace
from datetime import datetime

from shared.domain.planning.plan import Plan
from shared.domain.records.rebuilds import RebuildEntry, RebuiltEnvironment


@dataclass(frozen=True, slots=True)
class EnvironmentRecord:
    """What an environment carries by our doing.

    Attributes:
        path: the environment's YAML file.
        name: its name.
        versions: the version that we wrote last, by package.
        rebuild: the latest rebuild that has committed with it. What an earlier one owes it is owed no more.
        since: when that one was created.
        commit: its commit.
        registered: the version that Azure ML held last by our doing, by workspace.
    """

    path: str
    name: str
    versions: dict[str, str]
    rebuild: str
    since: datetime
    commit: str
    registered: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, rebuild: RebuildEntry, environment: RebuiltEnvironment) -> "EnvironmentRecord":
        """The first entry of an environment, before it carries anything."""
        commit = rebuild.commit or rebuild.base
        return cls(environment.path, environment.name, {}, rebuild.id, rebuild.created, commit)

    def with_rebuild(self, plan: Plan, rebuild: RebuildEntry) -> "EnvironmentRecord":
        """The entry after a rebuild's commit, unless a later rebuild was here already."""
        if self.rebuild != rebuild.id and self.since >= rebuild.created:
            return self
        return replace(
            self,
            versions={**self.versions, **versions_of(plan, self.path)},
            rebuild=rebuild.id,
            since=rebuild.created,
            commit=rebuild.commit or rebuild.base,
        )


def versions_of(plan: Plan, path: str) -> dict[str, str]:
    """The versions, by package, that an environment gets by a plan."""
    spellings = {release.id: release.spelling for release in plan.releases}
    return {
        verdict.release.package: spellings[verdict.release]
        for verdict in plan.verdicts
        if verdict.path == path and verdict.decision.acts
    }
