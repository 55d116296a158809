"""Gathers what is known beyond the repository before a plan is made: from the feeds, and from earlier rebuilds.

What a version requires never changes, so it is read once and kept in the ledger. A feed whose index cannot be read does
not stop a plan: the checks that need it are skipped, and the plan says so.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import batched

from packaging.utils import canonicalize_version
from packaging.version import Version

from shared.domain.feed_facts import FeedFile, Metadata, is_file_of
from shared.domain.inventory.catalog import Catalog
from shared.domain.names import PackageName
from shared.domain.planning.planning_facts import PlanningFacts
from shared.domain.releases import FeedName, Release, ReleaseId
from shared.domain.targets import Target
from shared.errors import DamagedEntry, Permanent, RebuilderError, Transient
from shared.ledger import Ledger
from shared.ledger_entries import Key, MetadataEntry, environment_key, metadata_key
from shared.limits import METADATA_PER_CALL, PACKAGES_LIFETIME
from shared.log import event
from shared.ports import AzureDevOps, Clock


@dataclass(slots=True)
class _Gaps:
    """What could not be asked, each kind of question once for a feed."""

    found: dict[tuple[str, str], str] = field(default_factory=dict)

    def add(self, feed: str, what: str, problem: RebuilderError) -> None:
        self.found.setdefault((feed, what), f"feed {feed}, {what}: {problem}; what needs it was not checked")


class FactsLoader:
    """Asks feeds and ledger, and remembers what never changes as long as the process lives."""

    def __init__(self, *, ledger: Ledger, azure_devops: AzureDevOps, clock: Clock, settle_time: timedelta) -> None:
        self._ledger = ledger
        self._azure_devops = azure_devops
        self._clock = clock
        self._settle_time = settle_time
        self._own: dict[tuple[str, str], tuple[datetime, frozenset[PackageName]]] = {}
        self._metadata: dict[tuple[str, ReleaseId], Metadata] = {}
        # Versions that are pinned and that their feed does not have: not asked for at every plan.
        self._unknown: set[tuple[str, ReleaseId]] = set()

    def load(
        self,
        target: Target,
        catalog: Catalog,
        releases: Iterable[Release],
        known: PlanningFacts | None = None,
        owed: Iterable[str] = (),
    ) -> PlanningFacts:
        """Collect the facts for a plan.

        Args:
            target: the target.
            catalog: the environments.
            releases: those whose facts matter.
            known: what was gathered for the same plan a moment ago: not asked again.
            owed: paths of environments that are owed a rebuild.

        Raises:
            Transient: the index does not say which files a release has whose hashes are needed, or the ledger does
                not answer.
        """
        relevant = [release for release in releases if catalog.naming(release.id.package)]
        gaps = _Gaps()
        known = known or PlanningFacts()
        files, arriving, metadata = dict(known.files), dict(known.arriving), dict(known.metadata)
        for release in relevant:
            if release.id in files:
                continue
            hashed = catalog.is_hashed(release.id.package)
            found = self._files(target, release.id, gaps, patient=hashed)
            if found is None:
                continue
            files[release.id] = found
            if (hashed or not found) and self._may_grow(release, found):
                arriving[release.id] = tuple(file.name for file in found)
        released = [(release.id, release.version) for release in relevant]
        for feed in dict.fromkeys(identity.feed for identity, _ in released):
            of_feed = [(identity, version) for identity, version in released if identity.feed == feed]
            metadata |= self._required(target, feed, of_feed, metadata, gaps)
        for feed in map(str, target.feeds):
            pinned = self._pinned(target, FeedName.parse(feed), catalog, gaps)
            missing = [place for place in pinned if (target.name, place[0]) not in self._unknown]
            metadata |= self._required(target, feed, missing, metadata, gaps)
        paths = {environment.path for release in relevant for environment in catalog.naming(release.id.package)}
        carried = self._carried(target, paths.union(owed))
        return PlanningFacts(files, metadata, arriving, *carried, tuple(gaps.found.values()))

    def _may_grow(self, release: Release, found: tuple[FeedFile, ...]) -> bool:
        """Tell whether the files of a release have not stood still for the settle time."""
        known = {name for name in release.files if is_file_of(name, release.id.package, str(release.version))}
        if known != {file.name for file in found}:
            return True
        since = release.files_since
        return since is not None and self._clock.now() - since < self._settle_time

    def _files(self, target: Target, release: ReleaseId, gaps: _Gaps, *, patient: bool) -> tuple[FeedFile, ...] | None:
        """The files of a release; `patient` where the plan can do nothing without them: then it comes again later."""
        feed = self._azure_devops.feed(target, FeedName.parse(release.feed))
        try:
            return feed.files(release.package, release.version)
        except (Permanent, Transient) as problem:
            if patient and isinstance(problem, Transient):
                raise
            gaps.add(release.feed, "files of versions", problem)
            return None

    def _required(
        self,
        target: Target,
        feed: str,
        versions: Iterable[tuple[ReleaseId, Version]],
        known: Mapping[tuple[PackageName, Version], Metadata],
        gaps: _Gaps,
    ) -> dict[tuple[PackageName, Version], Metadata]:
        """What versions of a feed require and what is not known yet; what nobody can tell is asked again next time."""
        wanted = {identity: version for identity, version in versions if (identity.package, version) not in known}
        missing = {metadata_key(target.name, one): one for one in wanted if (target.name, one) not in self._metadata}
        entries = self._ledger.readable_many(missing)
        entries |= self._fetched(target, feed, {key: one for key, one in missing.items() if key not in entries}, gaps)
        for key, entry in entries.items():
            self._metadata[target.name, missing[key]] = Metadata(entry.requires_python, entry.requires)
        return {
            (identity.package, version): required
            for identity, version in wanted.items()
            if (required := self._metadata.get((target.name, identity)))
        }

    def _fetched(
        self, target: Target, feed: str, missing: Mapping[Key[MetadataEntry], ReleaseId], gaps: _Gaps
    ) -> dict[Key[MetadataEntry], MetadataEntry]:
        """Ask a feed what versions require; what it tells is kept in the ledger before more is asked."""
        found: dict[Key[MetadataEntry], MetadataEntry] = {}
        for some in batched(missing.items(), METADATA_PER_CALL, strict=False):
            told: dict[Key[MetadataEntry], MetadataEntry] = {}
            answers = self._azure_devops.feed(target, FeedName.parse(feed)).metadata_many(
                (release.package, release.version) for _, release in some
            )
            for (key, release), answer in zip(some, answers, strict=True):
                if isinstance(answer, Metadata):
                    told[key] = MetadataEntry(answer.requires_python, answer.requires)
                elif answer is None:
                    self._unknown.add((target.name, release))
                    event("metadata_not_known", target=target.name, release=release)
                else:
                    # A wheel that cannot be fetched now stops no plan: pins can be raised without knowing it.
                    gaps.add(feed, "what versions require", answer)
            self._ledger.create_many(told)
            found |= told
            if all(isinstance(answer, Transient) for answer in answers):
                break  # the feed is away, and each question would wait for it
        return found

    def _pinned(
        self, target: Target, feed: FeedName, catalog: Catalog, gaps: _Gaps
    ) -> Iterator[tuple[ReleaseId, Version]]:
        """The versions that environments pin of the packages that a feed holds as its own."""
        for package in sorted(self._published(target, feed, gaps) & catalog.named.keys()):
            for version in sorted(catalog.pinned(package)):
                yield ReleaseId(str(feed), package, canonicalize_version(version)), version

    def _published(self, target: Target, feed: FeedName, gaps: _Gaps) -> frozenset[PackageName]:
        """The packages that a feed holds as its own; a list that is some minutes old will do."""
        place = target.name, str(feed)
        known = self._own.get(place)
        if known and self._clock.now() - known[0] < PACKAGES_LIFETIME:
            return known[1]
        try:
            found = self._azure_devops.feed(target, feed).published()
        except (Permanent, Transient) as problem:
            gaps.add(str(feed), "its packages", problem)
            return known[1] if known else frozenset()
        self._own[place] = self._clock.now(), found
        return found

    def _carried(self, target: Target, paths: Iterable[str]) -> tuple[dict[str, dict[str, str]], dict[str, str]]:
        """Return what environments carry, and why that of some cannot be read."""
        carried, damaged = {}, {}
        by_key = {environment_key(target.name, path): path for path in sorted(paths)}
        for key, entry in self._ledger.read_many(by_key).items():
            if isinstance(entry, DamagedEntry):
                damaged[by_key[key]] = str(entry)
            else:
                carried[by_key[key]] = entry.versions
        return carried, damaged
