"""What environments carry by our doing."""

from dataclasses import dataclass, field, replace

from shared.domain.planning.plan import Plan
from shared.domain.records.rebuilds import RebuildEntry


@dataclass(frozen=True, slots=True)
class EnvironmentRecord:
    """What an environment carries by our doing.

    Attributes:
        path: the environment's YAML file.
        name: its name.
        versions: the version that we wrote last, by package.
        rebuild: the rebuild that did so last.
        commit: its commit.
        registered: the version that Azure ML held last by our doing, by workspace.
    """

    path: str
    name: str
    versions: dict[str, str]
    rebuild: str
    commit: str
    registered: dict[str, str] = field(default_factory=dict)

    def with_rebuild(self, plan: Plan, rebuild: RebuildEntry) -> "EnvironmentRecord":
        """The entry after a rebuild's commit."""
        return replace(
            self,
            versions={**self.versions, **versions_of(plan, self.path)},
            rebuild=rebuild.id,
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
