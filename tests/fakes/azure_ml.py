"""Azure ML in memory."""

from shared.domain.targets import Workspace
from shared.ports import RegisteredVersion
from tests.fakes.faults import Faulty


class FakeAzureML(Faulty):
    """Environment versions by workspace and name, oldest first."""

    def __init__(self) -> None:
        super().__init__()
        self._versions: dict[tuple[str, str], list[RegisteredVersion]] = {}

    def register(self, workspace: str, name: str, tags: dict[str, str]) -> str:
        """The pipeline registers an environment; returns its version."""
        versions = self._versions.setdefault((workspace, name), [])
        versions.append(RegisteredVersion(str(len(versions) + 1), tags, f"https://storage/{name}/"))
        return versions[-1].version

    def registered(self, workspace: Workspace, name: str, tag: tuple[str, str]) -> RegisteredVersion | None:
        with self._call("registered"):
            for version in self._versions.get((str(workspace), name), []):
                if version.tags.get(tag[0]) == tag[1]:
                    return version
            return None
