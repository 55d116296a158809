"""Marks of what a target has to do.

The identity and the time of a mark come from what caused it, so a cause that is told of twice is one mark.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from shared.domain.releases import ReleaseId


@dataclass(frozen=True, slots=True)
class DueRelease:
    """A release that waits for its decision.

    Attributes:
        release: the release.
        since: the moment from which it waits; the settle time runs from here.
    """

    release: ReleaseId
    since: datetime
    kind: Literal["release"] = "release"


@dataclass(frozen=True, slots=True)
class DueRerun:
    """A person's rerun of a release.

    Attributes:
        release: the release.
        number: which rerun of the release it is, from 1. Two that were asked for at the same time have the same number;
            their environments tell them apart.
        environments: paths or names of the only environments that are meant; empty for all.
    """

    release: ReleaseId
    number: int
    environments: tuple[str, ...] = ()
    kind: Literal["rerun"] = "rerun"


@dataclass(frozen=True, slots=True)
class DueEnvironment:
    """An environment that is owed a rebuild, because an earlier one failed for it or was parked.

    Attributes:
        path: its YAML file.
        rebuild: the earlier rebuild.
        attempt: which attempt the new rebuild is for it, from 1.
        at: not before then.
    """

    path: str
    rebuild: str
    attempt: int
    at: datetime
    kind: Literal["environment"] = "environment"


@dataclass(frozen=True, slots=True)
class DueLook:
    """A look at what is held: the branch has moved, or an hour is over.

    Attributes:
        hour: the hour that has begun.
        commit: the branch's tip.
    """

    hour: datetime
    commit: str
    kind: Literal["look"] = "look"


type Due = DueRelease | DueRerun | DueEnvironment | DueLook


@dataclass(frozen=True, slots=True)
class Forced:
    """What a person's reruns mean for one release.

    Attributes:
        environments: paths or names of the environments that are rebuilt even if they are current; empty for all.
        only: nothing else is due of the release, so no other environment is decided.
    """

    environments: tuple[str, ...] = ()
    only: bool = False

    def means(self, path: str, name: str) -> bool:
        """Tell whether an environment was asked for."""
        return not self.environments or path in self.environments or name in self.environments

    def leaves_out(self, path: str, name: str) -> bool:
        """Tell whether an environment is not decided, since a person asked for others alone."""
        return self.only and not self.means(path, name)


def forced_by(marks: Iterable[Due], looked_at: Iterable[ReleaseId] = ()) -> Mapping[ReleaseId, Forced]:
    """What a person forces, by release.

    Args:
        marks: all that is due.
        looked_at: releases that are decided for every environment in any case.
    """
    marks = list(marks)
    whole = {mark.release for mark in marks if isinstance(mark, DueRelease)}.union(looked_at)
    asked: dict[ReleaseId, list[DueRerun]] = {}
    for mark in marks:
        if isinstance(mark, DueRerun):
            asked.setdefault(mark.release, []).append(mark)
    return {
        release: Forced(only=release not in whole)
        if any(not rerun.environments for rerun in reruns)
        else Forced(tuple(dict.fromkeys(e for rerun in reruns for e in rerun.environments)), release not in whole)
        for release, reruns in asked.items()
    }
