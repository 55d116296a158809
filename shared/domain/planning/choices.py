"""Which version each environment gets of each package, while a plan is made."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from shared.domain.inventory.environments import Environment
from shared.domain.names import PackageName
from shared.domain.planning.decisions import Kind
from shared.domain.planning.evaluation import Candidate


@dataclass(slots=True)
class Choices:
    """For every environment and package the versions from high to low, and how far down it had to go."""

    _candidates: dict[tuple[str, PackageName], list[Candidate]] = field(default_factory=dict)
    _chosen: dict[tuple[str, PackageName], int] = field(default_factory=dict)
    _packages: dict[str, dict[PackageName, None]] = field(default_factory=dict)

    def add(self, environment: Environment, package: PackageName, candidates: list[Candidate]) -> None:
        """Add what an environment may get of a package; the best that is not held is chosen."""
        if any(_is_worth_a_word(candidate) for candidate in candidates):
            self._candidates[environment.path, package] = candidates
            self._packages.setdefault(environment.path, {})[package] = None
            self.choose_again(environment, package)

    def choose_again(self, environment: Environment, package: PackageName) -> None:
        """Choose the highest version that is not held, or the highest if all are."""
        key = environment.path, package
        open_to = (at for at, candidate in enumerate(self._candidates[key]) if candidate.decision.kind is not Kind.HELD)
        self._chosen[key] = next(open_to, 0)

    def get(self, path: str, package: PackageName) -> Candidate | None:
        """What is chosen for an environment and a package."""
        key = path, package
        return self._candidates[key][self._chosen[key]] if key in self._candidates else None

    def items(self) -> Iterator[tuple[tuple[str, PackageName], Candidate]]:
        """What is chosen, by environment and package."""
        for key, candidates in self._candidates.items():
            yield key, candidates[self._chosen[key]]

    def taken(self) -> list[Candidate]:
        """All that is chosen."""
        return [candidate for _, candidate in self.items()]

    def paths(self) -> list[str]:
        """The environments, in the order of their paths."""
        return sorted(self._packages)

    def of(self, path: str) -> dict[PackageName, Candidate]:
        """What is chosen for one environment."""
        found = {package: self.get(path, package) for package in self._packages.get(path, ())}
        return {package: candidate for package, candidate in found.items() if candidate}

    def all(self) -> Iterator[tuple[Candidate, list[Candidate], int]]:
        """For every environment and package what is chosen, all there is, and which of them it is."""
        for key, candidates in self._candidates.items():
            yield candidates[self._chosen[key]], candidates, self._chosen[key]


def _is_worth_a_word(candidate: Candidate) -> bool:
    # That conda has a package of the same name is said; that nothing names the package is not.
    return candidate.decision.kind is not Kind.UNAFFECTED or candidate.from_channels
