"""The ledger: the blobs that remember releases, rebuilds and what each environment carries.

| key | holds |
| --- | --- |
| `{target}/releases/{feed}/{package}/{version}.json` | `ReleaseEntry` |
| `{target}/due/release/{since}/{feed}/{package}/{version}.json` | `DueRelease`: a release waits for its decision |
| `{target}/due/rerun/{digest}.json` | `DueRerun`: a person asks for a rerun |
| `{target}/due/environment/{rebuild}/{path}.json` | `DueEnvironment`: an environment is owed a rebuild |
| `{target}/due/look/{hour}/{commit}.json` | `DueLook`: what is held is to be looked at again |
| `{target}/held/{until}/{feed}/{package}/{version}.json` | a release is held for some environment |
| `{target}/look.json` | `DueLook`: the latest look at what is held |
| `{target}/plans/{plan}.json` | `Plan`, never changed |
| `{target}/rebuilds/{plan}.json` | `RebuildEntry` |
| `{target}/following/{plan}.json` | a mark: the rebuild's runs are not over |
| `{target}/lease.json` | `LeaseEntry`: the plan that is being carried out |
| `{target}/environments/{path}.json` | `CarriedEntry` |
| `{target}/metadata/{feed}/{package}/{version}.json` | `MetadataEntry`: what a version requires, never changed |
| `{target}/feeds/{feed}.json` | `FeedEntry`: how far its change log is read |
| `{target}/parked/{id}.json` | `ParkedEntry`: what was given up, until a person requeues or dismisses it |

In a container of its own, `quarantine`:

| key | holds |
| --- | --- |
| `{day}/{digest}.json` | `QuarantinedEntry`: what came from outside and could not be read |

Every key of the ledger begins with its target (`_` where there is none), and each part of every key is quoted, so no
name can leave its place.
A damaged entry is never overwritten and stops only what it concerns. Both it and stray blobs are reported once.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import quote

from shared.domain.due import Due, DueEnvironment, DueLook, DueRelease, DueRerun
from shared.domain.planning.plan import Plan
from shared.domain.records.environment_record import EnvironmentRecord
from shared.domain.records.held import HeldEntry
from shared.domain.records.rebuilds import RebuildEntry
from shared.domain.records.release_entry import ReleaseEntry
from shared.domain.releases import FeedName, ReleaseId

MOMENT = "%Y%m%dT%H%M%S.%fZ"


@dataclass(frozen=True, slots=True)
class LeaseEntry:
    """Which plan of a target is being carried out.

    Attributes:
        plan: the plan; None while none is.
        since: when the lease was taken the last time; later each time, whatever the workers' clocks say.
    """

    plan: str | None
    since: datetime


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """How far a feed's change log is read for a target."""

    token: int


@dataclass(frozen=True, slots=True)
class MetadataEntry:
    """What a version requires, read from its wheel once."""

    requires_python: str | None
    requires: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ParkedEntry:
    """Something that was given up, until a person requeues or dismisses it.

    Attributes:
        at: when it was parked, the last time.
        why: what went wrong.
        what: what it concerns, for a person.
        signals: messages of the queue `signals` that were given up.
        marks: what was due.
        releases: the releases that are `parked` because of it.
        rebuild: the rebuild that is.
    """

    at: datetime
    why: str
    what: str
    signals: tuple[str, ...] = ()
    marks: tuple[Due, ...] = ()
    releases: tuple[ReleaseId, ...] = ()
    rebuild: str | None = None


@dataclass(frozen=True, slots=True)
class QuarantinedEntry:
    r"""Something from outside that could not be read, for a person to look at.

    Attributes:
        at: when it arrived, the first time of its day.
        why: what is wrong with it.
        size: bytes of the whole.
        body: its beginning; bytes that are no UTF-8 are written as `\xff`.
    """

    at: datetime
    why: str
    size: int
    body: str


@dataclass(frozen=True, slots=True)
class FollowingEntry:
    """A rebuild whose runs are not over."""

    rebuild: str


@dataclass(frozen=True, slots=True)
class Key[E]:
    """The place of one entry, and what kind of entry it is."""

    path: str
    kind: type[E]


def release_key(target: str, release: ReleaseId) -> Key[ReleaseEntry]:
    """The entry of a release."""
    return Key(place(target, "releases", *_parts(release)), ReleaseEntry)


def due_key(target: str, mark: Due) -> Key[Any]:
    """The place of a mark; those of releases lie in the order of time."""
    match mark:
        case DueRelease(release, since):
            return Key(place(target, "due", "release", _moment(since), *_parts(release)), DueRelease)
        case DueRerun(release, number, environments):
            named = json.dumps([*_parts(release), number, *environments])
            return Key(place(target, "due", "rerun", hashlib.sha256(named.encode()).hexdigest()[:32]), DueRerun)
        case DueEnvironment(path, rebuild):
            return Key(place(target, "due", "environment", rebuild, path), DueEnvironment)
        case DueLook(hour, commit):
            return Key(place(target, "due", "look", _moment(hour), commit), DueLook)


def held_key(target: str, held: HeldEntry) -> Key[HeldEntry]:
    """The mark of a release that is planned again."""
    return Key(place(target, "held", held.until, *_parts(held.release)), HeldEntry)


def look_key(target: str) -> Key[DueLook]:
    """The latest look at what is held."""
    return Key(place(target, "look"), DueLook)


def plan_key(target: str, plan: str) -> Key[Plan]:
    """A plan."""
    return Key(place(target, "plans", plan), Plan)


def rebuild_key(target: str, rebuild: str) -> Key[RebuildEntry]:
    """A rebuild."""
    return Key(place(target, "rebuilds", rebuild), RebuildEntry)


def following_key(target: str, rebuild: str) -> Key[FollowingEntry]:
    """The mark of a rebuild whose runs are not over."""
    return Key(place(target, "following", rebuild), FollowingEntry)


def lease_key(target: str) -> Key[LeaseEntry]:
    """The target's lease."""
    return Key(place(target, "lease"), LeaseEntry)


def environment_key(target: str, path: str) -> Key[EnvironmentRecord]:
    """What an environment carries."""
    return Key(place(target, "environments", path), EnvironmentRecord)


def feed_key(target: str, feed: FeedName) -> Key[FeedEntry]:
    """How far a feed's change log is read."""
    return Key(place(target, "feeds", str(feed)), FeedEntry)


def metadata_key(target: str, release: ReleaseId) -> Key[MetadataEntry]:
    """What a version requires."""
    return Key(place(target, "metadata", *_parts(release)), MetadataEntry)


def parked_key(target: str, parked: str) -> Key[ParkedEntry]:
    """Something that was given up."""
    return Key(place(target, "parked", parked), ParkedEntry)


def quarantined_key(day: date, digest: str) -> Key[QuarantinedEntry]:
    """Something that could not be read."""
    return Key(place(day.isoformat(), digest), QuarantinedEntry)


def _parts(release: ReleaseId) -> tuple[str, str, str]:
    return release.feed, release.package, release.version


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime(MOMENT)


def place(*parts: str) -> str:
    """The key of an entry: its parts, each quoted."""
    return "/".join(quote(part, safe="") for part in parts) + ".json"
