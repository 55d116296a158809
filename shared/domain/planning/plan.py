"""The plan: a decision for every environment about every release in hand, against one commit, and the edits."""

import hashlib
from dataclasses import dataclass, field, replace

from shared.domain.files.text import Edit
from shared.domain.holds import Passes
from shared.domain.inventory.surroundings import Elsewhere
from shared.domain.planning.decisions import Decision, Kind
from shared.domain.releases import Release, ReleaseId
from shared.domain.rules.rules import Deliver


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a plan says about one environment and one release.

    Attributes:
        path: the environment's YAML file.
        name: the environment's name.
        release: the release.
        decision: what shall happen, and why.
    """

    path: str
    name: str
    release: ReleaseId
    decision: Decision


@dataclass(frozen=True, slots=True)
class PlannedEnvironment:
    """An environment that the plan rebuilds.

    Attributes:
        path: its YAML file.
        name: its name.
        version: the version that its YAML states then, if it states one.
    """

    path: str
    name: str
    version: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan, complete and ready to be carried out or shown.

    Attributes:
        id: its identity, and that of the rebuild it leads to: the same inputs give the same id.
        target: the target it is for.
        commit: the commit it was made against: the old tip of its push.
        deliver: how its edits reach the branch.
        releases: the releases in hand.
        verdicts: one for every environment that names a released package, and every release.
        unaffected: how many environments have nothing to do with any of the releases.
        edits: what changes in which file.
        environments: those that are rebuilt.
        warnings: what a person should know.
        attempt: 0 for automatic plans; a person's reruns of the same releases count up.
        asked_for: the only environments that a person's rerun means, as they were asked for; empty for all.
        unread: files of the repository could not be read: environments may be missing.
        elsewhere: what it leaves as it is: inline environments, and references to what is rebuilt.
    """

    id: str
    target: str
    commit: str
    deliver: Deliver
    releases: tuple[Release, ...]
    verdicts: tuple[Verdict, ...]
    unaffected: int
    edits: tuple[Edit, ...] = ()
    environments: tuple[PlannedEnvironment, ...] = ()
    warnings: tuple[str, ...] = ()
    attempt: int = 0
    asked_for: tuple[str, ...] = ()
    unread: bool = False
    elsewhere: Elsewhere = field(default_factory=Elsewhere)

    def again(self) -> "Plan":
        """The same plan under the identity that comes after this one: its rebuild is over, and it is due anew."""
        return replace(self, id=hashlib.sha256(f"{self.id} again".encode()).hexdigest()[: len(self.id)])

    @property
    def writes(self) -> bool:
        """Whether carrying it out does anything: a report never does."""
        return self.deliver is not Deliver.REPORT and bool(self.environments)

    def acts_on(self, release: ReleaseId) -> bool:
        """Whether some environment is rebuilt for a release."""
        return any(verdict.decision.acts for verdict in self.about(release))

    def holds(self, release: ReleaseId) -> frozenset[Passes]:
        """What may let go on what is held of a release."""
        found = (verdict.decision for verdict in self.about(release) if verdict.decision.kind is Kind.HELD)
        # Without a code it is a plan that was recorded before there were codes.
        return frozenset(decision.hold.passes if decision.hold else Passes.REPOSITORY for decision in found)

    def about(self, release: ReleaseId) -> tuple[Verdict, ...]:
        """The verdicts about one release."""
        return tuple(verdict for verdict in self.verdicts if verdict.release == release)


@dataclass(frozen=True, slots=True)
class ByHand:
    """What a person asked for beyond what an automatic plan does.

    Attributes:
        attempt: number of the rerun, from 1.
        environments: the only environments that are meant, by path or name; empty for all.
    """

    attempt: int
    environments: tuple[str, ...] = ()

    def means(self, path: str, name: str) -> bool:
        """Whether an environment was asked for."""
        return not self.environments or path in self.environments or name in self.environments
