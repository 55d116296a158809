"""What environments carry by our doing."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

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

    def with_rebuild(self, rebuild: RebuildEntry, versions: dict[str, str]) -> "EnvironmentRecord":
        """The entry after a rebuild's commit, unless a later rebuild was here already.

        Args:
            rebuild: the rebuild.
            versions: what its plan gives this environment (`versions_of`).
        """
        if self.rebuild != rebuild.id and self.since >= rebuild.created:
            return self
        return replace(
            self,
            versions={**self.versions, **versions},
            rebuild=rebuild.id,
            since=rebuild.created,
            commit=rebuild.commit or rebuild.base,
        )


def versions_of(plan: Plan) -> dict[str, dict[str, str]]:
    """The versions that environments get by a plan: by path, then by package."""
    spellings = {release.id: release.spelling for release in plan.releases}
    versions: dict[str, dict[str, str]] = {}
    for verdict in plan.verdicts:
        if verdict.decision.acts:
            versions.setdefault(verdict.path, {})[verdict.release.package] = spellings[verdict.release]
    return versions


def carrying(plan: Plan, rebuild: RebuildEntry) -> dict[str, Callable[[EnvironmentRecord | None], EnvironmentRecord]]:
    """What the records of a rebuild's environments become once it has committed, by path."""
    versions = versions_of(plan)

    def carry(entry: EnvironmentRecord | None, environment: RebuiltEnvironment) -> EnvironmentRecord:
        known = entry or EnvironmentRecord.of(rebuild, environment)
        return known.with_rebuild(rebuild, versions.get(environment.path, {}))

    return {environment.path: partial(carry, environment=environment) for environment in rebuild.environments}
