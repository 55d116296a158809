"""The version that each environment gets of each package, while a plan is made."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from shared.domain.inventory.environments import Environment
from shared.domain.names import PackageName
from shared.domain.planning.decisions import Kind
from shared.domain.planning.evaluation import Candidate


@dataclass(slots=True)
class Choices:
    """The versions of every environment and package from high to low, and the one that is chosen."""

    _candidates: dict[tuple[str, PackageName], list[Candidate]] = field(default_factory=dict)
    _chosen: dict[tuple[str, PackageName], int] = field(default_factory=dict)
    _packages: dict[str, dict[PackageName, None]] = field(default_factory=dict)

    def add(self, environment: Environment, package: PackageName, candidates: list[Candidate]) -> None:
        """Add what an environment may get of a package; the best that is not held is chosen."""
        if any(_is_listed(candidate) for candidate in candidates):
            self._candidates[environment.path, package] = candidates
            self._packages.setdefault(environment.path, {})[package] = None
            self.choose_again(environment, package)

    def choose_again(self, environment: Environment, package: PackageName) -> None:
        """Choose the highest version that is not held, or the highest if all are."""
        key = environment.path, package
        open_to = (at for at, candidate in enumerate(self._candidates[key]) if candidate.decision.kind is not Kind.HELD)
        self._chosen[key] = next(open_to, 0)

    def get(self, path: str, package: PackageName) -> Candidate | None:
        """Return the candidate that is chosen for an environment and a package."""
        key = path, package
        return self._candidates[key][self._chosen[key]] if key in self._candidates else None

    def items(self) -> Iterator[tuple[tuple[str, PackageName], Candidate]]:
        """Yield the chosen candidates, by environment and package."""
        for key, candidates in self._candidates.items():
            yield key, candidates[self._chosen[key]]

    def taken(self) -> list[Candidate]:
        """List the chosen candidates."""
        return [candidate for _, candidate in self.items()]

    def paths(self) -> list[str]:
        """List the environments in the order of their paths."""
        return sorted(self._packages)

    def of(self, path: str) -> dict[PackageName, Candidate]:
        """Return the candidates that are chosen for one environment, by package."""
        found = {package: self.get(path, package) for package in self._packages.get(path, ())}
        return {package: candidate for package, candidate in found.items() if candidate}

    def all(self) -> Iterator[tuple[Candidate, list[Candidate], int]]:
        """Yield for each environment and package the chosen candidate, all candidates, and the chosen position."""
        for key, candidates in self._candidates.items():
            yield candidates[self._chosen[key]], candidates, self._chosen[key]


def _is_listed(candidate: Candidate) -> bool:
    # A package of the same name from a conda channel is listed; an environment that does not name it is not.
    return candidate.decision.kind is not Kind.UNAFFECTED or candidate.from_channels
