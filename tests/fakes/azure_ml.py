"""Azure ML in memory."""

from collections.abc import Iterable, Sequence

from shared.errors import RebuilderError
from shared.ports import RegisteredVersion, Sought
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

    def registered(self, sought: Iterable[Sought]) -> Sequence[RegisteredVersion | RebuilderError | None]:
        return [self._look_up(one) for one in sought]

    def _look_up(self, sought: Sought) -> RegisteredVersion | RebuilderError | None:
        try:
            with self._call("registered"):
                versions = self._versions.get((str(sought.workspace), sought.name), [])
                for value in sought.values:
                    for version in versions:
                        if version.tags.get(sought.tag) == value:
                            return version
                return None
        except RebuilderError as problem:
            return problem
