"""Signals: anything from outside that hints at a release or a finished run. A hint only: the feed is the truth."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


class Source(StrEnum):
    """Who gave the hint."""

    PACKAGE_HOOK = "package published hook"
    PUBLISHER = "publishing pipeline"
    BUILD_HOOK = "build completed hook"
    RUN_HOOK = "run state changed hook"
    TIMER = "timer"
    PERSON = "person"


@dataclass(frozen=True, slots=True)
class ReleaseSignal:
    """A version may have been published.

    Attributes:
        feed: the feed as the sender wrote it: name, project/name or GUID.
        name: the package as the sender wrote it.
        version: likewise.
        source: who says so.
        target: the only target that is meant, or None for all that watch the feed.
        rerun: number of a person's rerun; 0 for everything automatic.
        environments: for a rerun the paths of the only environments that are meant.
        tries: how often the feed has been asked in vain.
        published: the sender says that it was published; otherwise it may have been promoted to a view, too.
    """

    feed: str
    name: str
    version: str
    source: Source
    target: str | None = None
    rerun: int = 0
    environments: tuple[str, ...] = ()
    tries: int = 0
    published: bool = False
    kind: Literal["release"] = "release"


@dataclass(frozen=True, slots=True)
class FeedSignal:
    """Something may have been published: look at the change log of every watched feed."""

    source: Source
    tries: int = 0
    kind: Literal["feeds"] = "feeds"


@dataclass(frozen=True, slots=True)
class RunSignal:
    """A run of a pipeline has finished.

    Attributes:
        run: the run's id, which is its build's id too.
        pipeline: the pipeline's (definition's) id, where the sender told it.
        source: who says so.
        tries: how often it has been looked at in vain.
    """

    run: int
    pipeline: int | None
    source: Source
    tries: int = 0
    kind: Literal["run"] = "run"


@dataclass(frozen=True, slots=True)
class ParkedSignal:
    """A person requeues something that is parked.

    Attributes:
        target: the target that it is parked for.
        parked: its id.
        tries: how often that was tried in vain.
    """

    target: str
    parked: str
    tries: int = 0
    kind: Literal["parked"] = "parked"


type Signal = ReleaseSignal | FeedSignal | RunSignal | ParkedSignal
