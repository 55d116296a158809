"""The content of one environment, while its files are read."""

from dataclasses import dataclass, field

from shared.domain.definitions import Problem
from shared.domain.inventory.environments import Use


@dataclass(slots=True)
class Gathering:
    """The content of one environment found so far."""

    uses: list[Use] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    unseen: list[Problem] = field(default_factory=list)
    opaque: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    steps: dict[object, set[str]] = field(default_factory=dict)
    scripts: set[str] = field(default_factory=set)
    context: str | None = None
    dockerfile: str | None = None

    def warn(self, path: str, why: str, line: int | None = None) -> None:
        """Note what a person should know."""
        self.warnings.append(Problem(path, why, line))
