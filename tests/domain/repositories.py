"""Repositories held in memory: a few files at one commit, scanned until no blob is missing."""

import hashlib
from collections.abc import Iterable, Mapping
from itertools import groupby

from packaging.version import Version

from shared.domain.due import Forced
from shared.domain.feed_facts import FeedFile, Metadata
from shared.domain.files.text import apply
from shared.domain.inventory.catalog import Catalog, Link, Listing, Missing, Shelf
from shared.domain.inventory.environments import Environment
from shared.domain.inventory.scan import scan
from shared.domain.names import PackageName, package_name
from shared.domain.planning.plan import OwedEnvironment, Plan
from shared.domain.planning.planner import make_plan
from shared.domain.planning.planning_facts import PlanningFacts
from shared.domain.releases import Release, ReleaseId, version_of
from shared.domain.rules.rules import RULES_FILE, Rules, read_rules

FEED = "our-feed"

# Names the symbolic links and submodules of a repository that is given as files.
LINKS = ".links"

# What a test gives for a file that is plain text.
type Files = Mapping[str, str | bytes]

ANYTHING_GOES = """\
deliver: push
packages:
  - {match: "*", upto: major}
"""

# A build context that can be rebuilt.
DOCKERFILE = "FROM python:3.10\nCOPY pip_packages /pip_packages\nRUN pip install -r requirements.txt\n"


def raw(files: Files) -> dict[str, bytes]:
    """The files as bytes."""
    return {path: content.encode() if isinstance(content, str) else content for path, content in files.items()}


def blob_id(content: bytes) -> str:
    """The id that git gives to a blob."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def listing_of(files: Files) -> Listing:
    """The listing of a commit that holds these files; a `LINKS` file among them names links, `PATH: what` each."""
    found = raw(files)
    links = dict(line.split(": ") for line in found.pop(LINKS, b"").decode().splitlines())
    blobs = {path: blob_id(content) for path, content in found.items()}
    commit = hashlib.sha1(repr(sorted([*blobs.items(), *links.items()])).encode()).hexdigest()
    return Listing(commit, blobs, {path: Link(what) for path, what in links.items()})


def scanned(files: Files, shelf: Shelf | None = None) -> tuple[Catalog, list[set[str]]]:
    """Scan the files until no blob is missing; also returns the paths that were asked for, turn by turn."""
    listing = listing_of(files)
    shelf = Shelf() if shelf is None else shelf
    contents = {blob_id(content): content for content in raw(files).values()}
    asked: list[set[str]] = []
    while isinstance(found := scan(listing, shelf), Missing):
        asked.append({path for path, blob in listing.files.items() if blob in found.blobs})
        assert found.blobs.isdisjoint(shelf.raw), "a scan asks for what it has"
        shelf.raw.update({blob: contents[blob] for blob in found.blobs})
    return found, asked


def catalog_of(files: Files) -> Catalog:
    """The catalog of a commit that holds these files."""
    return scanned(files)[0]


def sole(files: Files) -> Environment:
    """The only environment of a repository."""
    (found,) = catalog_of(files).environments
    return found


def used(found: Environment) -> list[str]:
    """The paths of the files that an environment reads, in reading order."""
    return [use.path for use in found.uses]


def problems(found: Environment) -> list[str]:
    """What keeps an environment from being read in full."""
    return [str(problem) for problem in found.problems]


def naming(catalog: Catalog, package: str) -> list[str]:
    """The paths of the environments that name a package."""
    return [found.path for found in catalog.naming(package_name(package))]


def release(name: str, version: str, *, views: Iterable[str] = (), feed: str = FEED) -> Release:
    """A release as the feed would describe it."""
    return Release(ReleaseId.of(feed, name, version), str(version_of(version)), views=tuple(views))


def releases(*spelled: str) -> list[Release]:
    """Releases from texts such as `our-pkg 1.4.0`."""
    return [release(*text.split()) for text in spelled]


def rules_of(files: Files) -> Rules:
    """The rules that the files hold; where they hold none, every package may be raised to any version."""
    return read_rules(raw(files).get(RULES_FILE, ANYTHING_GOES.encode()))


def plan_of(
    files: Files,
    *spelled: str,
    forced: Forced | None = None,
    owed: Iterable[OwedEnvironment] = (),
    facts: PlanningFacts | None = None,
    pipeline: bool = True,
) -> Plan:
    """The plan for releases such as `our-pkg 1.4.0`, all of which a person may have asked for."""
    given = releases(*spelled)
    return make_plan(
        target="ours",
        catalog=catalog_of(files),
        rules=rules_of(files),
        releases=given,
        forced={one.id: forced for one in given} if forced else {},
        owed=owed,
        facts=facts,
        pipeline=pipeline,
    )


def metadata(*spelled: str, **requires: Iterable[str]) -> dict[tuple[PackageName, Version], Metadata]:
    """What versions such as `our-pkg 1.4.0` require: nothing, or what is given for their name (`our_pkg=[…]`)."""
    found = {}
    for text in spelled:
        name, version = text.split()
        wanted = tuple(requires.get(name.replace("-", "_"), ()))
        found[package_name(name), version_of(version)] = Metadata(requires=wanted)
    return found


def feed_files(name: str, version: str, *digests: str | None) -> dict[ReleaseId, tuple[FeedFile, ...]]:
    """The files of a version on the feed, one for each digest: a wheel, a source distribution, wheels for Linux."""
    stem = f"{package_name(name).replace('-', '_')}-{version}"
    names = [f"{stem}-py3-none-any.whl", f"{stem}.tar.gz", *(f"{stem}-cp3{at}-cp3{at}-manylinux_2_17_x86_64.whl"
                                                             for at in range(9, 9 + len(digests)))]  # fmt: skip
    found = (FeedFile(file, digest) for file, digest in zip(names, digests, strict=False))
    return {ReleaseId.of(FEED, name, version): tuple(found)}


def carried_after(plan: Plan) -> PlanningFacts:
    """What the ledger knows once a plan is carried out."""
    carried: dict[str, dict[str, str]] = {}
    for verdict in plan.verdicts:
        if verdict.decision.acts:
            carried.setdefault(verdict.path, {})[verdict.release.package] = verdict.release.version
    return PlanningFacts(carried=carried)


def edited(files: Files, plan: Plan) -> dict[str, bytes]:
    """The files after a plan's edits."""
    after = raw(files)
    for path, edits in groupby(plan.edits, key=lambda edit: edit.path):
        after[path] = apply(after[path], edits)
    return after


def decisions(plan: Plan) -> dict[str, str]:
    """What a plan of one release decides, by the path of the environment."""
    assert len({verdict.release for verdict in plan.verdicts}) <= 1, "one release, or ask for `verdicts`"
    return {verdict.path: str(verdict.decision) for verdict in plan.verdicts}


def verdicts(plan: Plan) -> dict[tuple[str, str], str]:
    """What a plan decides, by path and release such as `our-pkg 1.4.0`."""
    spelled = {known.id: str(known) for known in plan.releases}
    return {(verdict.path, spelled[verdict.release]): str(verdict.decision) for verdict in plan.verdicts}


def environment(name: str = "training", *, build: str = ".") -> str:
    """The YAML of an environment with a build context."""
    return f"name: {name}\nbuild:\n  path: {build}\n"
