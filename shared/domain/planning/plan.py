"""The plan: a decision for every environment about every release in hand, against one commit, and the edits."""

import hashlib
from dataclasses import dataclass, field, replace
from functools import cached_property

from shared.domain.due import Due
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
class OwedEnvironment:
    """An environment that is rebuilt for an earlier rebuild that did not register it, as the branch's tip has it.

    Attributes:
        path: its YAML file.
        name: its name.
        attempt: which attempt it is, from 1.
        earlier: rebuilds before it of the same files, byte for byte: what they have registered counts.
        blocker: why it cannot be rebuilt, if it cannot: then it fails with this reason.
    """

    path: str
    name: str
    attempt: int = 1
    earlier: tuple[str, ...] = ()
    blocker: str | None = None


@dataclass(frozen=True)
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
        owed: those that are rebuilt for an earlier rebuild, and for no release of this plan.
        partial: releases that are decided for the environments that a person named, and for no other.
        marks: what it is made for; each is removed when it is done.
        arriving: releases whose files may not all be there yet: they are due again a settle time after the newest.
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
    owed: tuple[OwedEnvironment, ...] = ()
    partial: tuple[ReleaseId, ...] = ()
    marks: tuple[Due, ...] = ()
    arriving: tuple[ReleaseId, ...] = ()
    unread: bool = False
    elsewhere: Elsewhere = field(default_factory=Elsewhere)

    def again(self) -> "Plan":
        """The same plan under the identity that comes after this one: its rebuild is over, and it is due anew."""
        return replace(self, id=hashlib.sha256(f"{self.id} again".encode()).hexdigest()[: len(self.id)])

    @property
    def delivers(self) -> bool:
        """Tell whether what it decides is carried out: a report never is."""
        return self.deliver is not Deliver.REPORT

    @property
    def writes(self) -> bool:
        """Tell whether it leads to a rebuild."""
        return bool(self.owed) or (self.delivers and bool(self.environments))

    def names(self, release: ReleaseId) -> bool:
        """Tell whether one of its marks is about a release."""
        return any(getattr(mark, "release", None) == release for mark in self.marks)

    def acts_on(self, release: ReleaseId) -> bool:
        """Tell whether some environment is rebuilt for a release."""
        return any(verdict.decision.acts for verdict in self.about(release))

    def holds(self, release: ReleaseId) -> frozenset[Passes]:
        """What may let go on what is held of a release."""
        found = (verdict.decision for verdict in self.about(release) if verdict.decision.kind is Kind.HELD)
        # Without a code it is a plan that was recorded before there were codes.
        return frozenset(decision.hold.passes if decision.hold else Passes.REPOSITORY for decision in found)

    def about(self, release: ReleaseId) -> tuple[Verdict, ...]:
        """The verdicts about one release."""
        return self._about.get(release, ())

    @cached_property
    def _about(self) -> dict[ReleaseId, tuple[Verdict, ...]]:
        found: dict[ReleaseId, list[Verdict]] = {}
        for verdict in self.verdicts:
            found.setdefault(verdict.release, []).append(verdict)
        return {release: tuple(verdicts) for release, verdicts in found.items()}
