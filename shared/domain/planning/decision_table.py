"""The decision table: what one release means for one requirement. The first row that fits decides.

A row is a small function that returns a `Decision` or None. The order is part of the meaning. The rows in the middle
are the gates: they ask for no pin, so they hold what another package requires as they hold what a file names, and what
`bump` is told to write.
"""

from collections.abc import Callable
from dataclasses import dataclass

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from shared.domain.definitions import Requirement
from shared.domain.definitions.hashes import Replacement, has_hashes, lacks_a_file
from shared.domain.definitions.pins import Exact, Foreign, Pin, Range, is_held
from shared.domain.feed_facts import FeedFile, admits_python
from shared.domain.holds import Hold
from shared.domain.planning.decisions import Decision, Kind, held
from shared.domain.releases import Release
from shared.domain.rules.rules import PackageRule, Upto


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One release for one environment, and the requirement that it may fulfil there.

    Attributes:
        release: the release.
        rule: the rule about its package in this environment, if there is one.
        explicit: a person names this version and the file, which stands in for the rules.
        python: the environment's Python as `3.10`, if it is known.
        files: the release's files on the feed, or None if the feed was not asked.
        requires_python: what the release says about the Python it needs, if that is known.
        arriving: more files of the release may come than are there now.
        carried: the version that the environment carries because we rebuilt it, if we did.
        by_hand: a person asks for this release.
        requirement: the requirement, or None if only another package requires the release.
        pin: what the requirement says about the version.
        variable: the variable whose value is the version and serves something else too.
        hashes: what takes the place of the requirement's hashes, where that is known.
        recompile: for a file that pip-compile or uv wrote, why the release asks for it to be compiled again.
    """

    release: Release
    rule: PackageRule | None = None
    explicit: bool = False
    python: str | None = None
    files: tuple[FeedFile, ...] | None = None
    requires_python: str | None = None
    arriving: bool = False
    carried: Version | None = None
    by_hand: bool = False
    requirement: Requirement | None = None
    pin: Pin | None = None
    variable: str | None = None
    hashes: Replacement | None = None
    recompile: str | None = None


def decide(case: Case) -> Decision:
    """Return what the first row that fits says."""
    for row in ROWS:
        decision = row(case)
        if decision is not None:
            return decision
    raise AssertionError(f"no row fits {case}")


_MORE_FILES = "hashes unknown: files of it are still arriving, and it is planned again when they have stopped"


def _foreign(case: Case) -> Decision | None:
    if case.requirement and isinstance(case.pin, Foreign):
        return held(Hold.NOT_A_FEED_VERSION, f"not a feed version: {case.requirement.text}")
    return None


def _hashes_only(case: Case) -> Decision | None:
    if not isinstance(case.pin, Exact) or case.pin.version != case.release.version or not case.files:
        return None
    if case.rule is None or case.hashes is None or case.requirement is None:
        return None
    if is_held(case.requirement) or not lacks_a_file(case.requirement, case.files):
        return None
    if case.arriving:
        return held(Hold.HASHES_UNKNOWN, _MORE_FILES)
    return Decision(Kind.BUMP, f"hashes only: {case.pin.written} has files that they leave out")


def _current(case: Case) -> Decision | None:
    if isinstance(case.pin, Exact) and case.pin.version == case.release.version:
        return Decision(Kind.CURRENT, f"pins {case.pin.written} already")
    return None


def _older(case: Case) -> Decision | None:
    if isinstance(case.pin, Exact) and case.release.version < case.pin.version:
        return held(Hold.OLDER, f"older: pins {case.pin.written}")
    return None


def _not_listed(case: Case) -> Decision | None:
    if case.rule is None and not case.explicit:
        return held(Hold.RULE, f"rule: none names {case.release.id.package}")
    return None


def _allow(case: Case) -> Decision | None:
    if case.rule and case.rule.allow and not case.rule.allowed.contains(case.release.version, prereleases=True):
        return held(Hold.RULE, f"rule allow {case.rule.allow}")
    return None


def _hold(case: Case) -> Decision | None:
    if case.rule and case.release.version in case.rule.held_versions:
        return held(Hold.RULE, f"rule hold {case.release.spelling}")
    return None


def _hold_comment(case: Case) -> Decision | None:
    if case.requirement and is_held(case.requirement):
        return held(Hold.RULE, "rule hold: the line carries `# rebuilder: hold`")
    return None


def _upto(case: Case) -> Decision | None:
    if case.rule is None or not isinstance(case.pin, Exact):
        return None
    pinned, released = case.pin.version, case.release.version
    if released.epoch > pinned.epoch:
        return held(Hold.RULE, f"rule upto {case.rule.upto}: another epoch")
    kept = _kept(pinned.major, case.rule.upto)
    if _padded(released.release, kept) != _padded(pinned.release, kept):
        return held(Hold.RULE, f"rule upto {case.rule.upto}: {case.pin.written} to {case.release.spelling}")
    return None


def _kept(major: int, upto: Upto) -> int:
    """Return how many segments of a pin a bump may not change."""
    if upto is Upto.MAJOR:
        return 0
    if upto is Upto.PATCH:
        return 2
    return 1 if major else 2


def _padded(release: tuple[int, ...], length: int) -> tuple[int, ...]:
    return (*release, *(0,) * length)[:length]


def _lower_than_we_wrote(case: Case) -> Decision | None:
    # A person has set it back: the same release does not raise it again, a newer one does.
    if case.by_hand or case.carried is None or not isinstance(case.pin, Exact):
        return None
    if case.pin.version < case.carried and case.release.version <= case.carried:
        return held(
            Hold.LOWER_THAN_WE_WROTE, f"lower than we wrote: {case.carried}, and {case.pin.written} stands there now"
        )
    return None


def _view(case: Case) -> Decision | None:
    if case.rule and case.rule.view and case.rule.view.casefold() not in (v.casefold() for v in case.release.views):
        return held(Hold.NOT_IN_VIEW, f"not in view {case.rule.view}")
    return None


def _prerelease(case: Case) -> Decision | None:
    if not case.release.version.is_prerelease or case.explicit or (case.rule and case.rule.prereleases):
        return None
    if isinstance(case.pin, Exact) and case.pin.version.is_prerelease:
        return None
    return held(Hold.PRE_RELEASE, "pre-release")


def _local_version(case: Case) -> Decision | None:
    local = case.release.version.local
    if local and not case.explicit:
        return held(Hold.LOCAL_VERSION, "local version")
    if isinstance(case.pin, Exact) and case.pin.version.local not in (None, local):
        # `+cu121` says which build it is: one without it, or with another, is something else.
        return held(
            Hold.LOCAL_VERSION,
            f"local version: {case.release.spelling} would drop +{case.pin.version.local} of {case.pin.written}",
        )
    return None


def _no_file(case: Case) -> Decision | None:
    if case.files == ():
        return held(Hold.NO_FILE, f"no file: the feed offers none of {case.release} yet")
    if case.python is None:
        return None
    if not admits_python(case.requires_python, case.python):
        return held(
            Hold.NO_FILE, f"no file for Python {case.python}: {case.release} needs Python {case.requires_python}"
        )
    if not case.files or any(file.installs_on(case.python) for file in case.files):
        return None
    return held(
        Hold.NO_FILE,
        f"no file for Python {case.python} on Linux: the feed has {', '.join(f.name for f in case.files[:3])}",
    )


def _shared_variable(case: Case) -> Decision | None:
    return (
        held(Hold.SHARED_VARIABLE, f"shared variable {case.variable}")
        if case.variable and isinstance(case.pin, Exact)
        else None
    )


def _compiled(case: Case) -> Decision | None:
    # A resolver is never run here, so what the release asks for has to be there already.
    return (
        held(Hold.RECOMPILE, f"recompile needed: {case.recompile}")
        if case.recompile and isinstance(case.pin, Exact)
        else None
    )


def _hashed(case: Case) -> Decision | None:
    # Never a new version beside old hashes.
    if case.requirement is None or not has_hashes(case.requirement):
        return None
    if not case.files:
        return held(Hold.HASHES_UNKNOWN, "hashes unknown: the feed was not asked for the release's files")
    if case.arriving:
        return held(Hold.HASHES_UNKNOWN, _MORE_FILES)
    if case.hashes is None:
        return held(
            Hold.HASHES_UNKNOWN,
            "hashes unknown: the feed does not state them, or they stand where they cannot be replaced",
        )
    return None


def _bump(case: Case) -> Decision | None:
    if case.requirement is None or not isinstance(case.pin, Exact):
        return None
    if not case.requirement.line.pieces:
        return held(Hold.NOT_EDITABLE, "not editable: the value is folded or escaped in its YAML")
    return Decision(Kind.BUMP, f"{case.pin.written} → {case.release.spelling}")


def _range(case: Case) -> Decision | None:
    if not isinstance(case.pin, Range):
        return None
    allowed = SpecifierSet(case.pin.specifier)
    if not allowed.contains(case.release.version, prereleases=True):
        return held(Hold.OUTSIDE, f"outside {case.pin}")
    if case.carried is not None and case.carried >= case.release.version:
        return Decision(Kind.CURRENT, f"{case.pin} is fulfilled by {case.carried}, which a rebuild brought")
    return Decision(Kind.REBUILD, f"{case.pin} admits {case.release.spelling}")


def _required_elsewhere(case: Case) -> Decision | None:
    # Without a pin: another package requires the release, and admits it.
    if case.carried is not None and case.carried >= case.release.version:
        return Decision(Kind.CURRENT, f"a rebuild brought {case.carried}")
    return Decision(Kind.REBUILD, f"{case.release} is required")


# What a pin adds to a gate (an exact pin for `upto`, the comment of its line) counts where there is one.
GATES: tuple[Callable[[Case], Decision | None], ...] = (
    _not_listed,
    _allow,
    _hold,
    _hold_comment,
    _upto,
    _lower_than_we_wrote,
    _view,
    _prerelease,
    _local_version,
    _no_file,
)
ROWS: tuple[Callable[[Case], Decision | None], ...] = (
    _foreign,
    _hashes_only,
    _current,
    _older,
    *GATES,
    _shared_variable,
    _compiled,
    _hashed,
    _bump,
    _range,
    _required_elsewhere,
)
