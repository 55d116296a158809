"""What one release means for one requirement: a table whose first fitting row decides.

A row is a small function that returns a `Decision` or None. The order is part of the meaning; new rows have a
place by what they are about.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from packaging.specifiers import SpecifierSet

from shared.domain.definitions import Requirement
from shared.domain.definitions.pins import Exact, Foreign, Pin, Range, is_held
from shared.domain.releases import Release
from shared.domain.rules import PackageRule, Upto


class Kind(StrEnum):
    """What shall happen to a requirement, or to an environment as a whole."""

    BUMP = "bump"
    REBUILD = "rebuild"
    CURRENT = "current"
    HELD = "held"
    UNAFFECTED = "unaffected"


@dataclass(frozen=True, slots=True)
class Decision:
    """What shall happen, and why in a few words for a person.

    Attributes:
        kind: what.
        reason: why. For `held` it begins with the word of the decision table (`older`, `not listed`, …).
    """

    kind: Kind
    reason: str

    @property
    def acts(self) -> bool:
        """Whether it leads to a rebuild."""
        return self.kind in (Kind.BUMP, Kind.REBUILD)

    def __str__(self) -> str:
        return f"{self.kind}({self.reason})" if self.kind is Kind.HELD else str(self.kind)


def held(reason: str) -> Decision:
    """A decision to leave the requirement alone, with the reason."""
    return Decision(Kind.HELD, reason)


@dataclass(frozen=True, slots=True)
class Case:
    """One requirement and one release of its package.

    Attributes:
        requirement: the requirement.
        pin: what it says about the version.
        release: the release.
        rule: the rule that is about this package in this environment, if there is one.
        compiled: the requirement stands in a file that pip-compile or uv wrote.
    """

    requirement: Requirement
    pin: Pin
    release: Release
    rule: PackageRule | None
    compiled: bool = False


def decide(case: Case) -> Decision:
    """Return what the first row that fits says."""
    for row in ROWS:
        decision = row(case)
        if decision is not None:
            return decision
    raise AssertionError(f"no row fits {case}")


def _foreign(case: Case) -> Decision | None:
    if isinstance(case.pin, Foreign):
        return held(f"not a feed version: {case.requirement.text}")
    return None


def _current(case: Case) -> Decision | None:
    if isinstance(case.pin, Exact) and case.pin.version == case.release.version:
        return Decision(Kind.CURRENT, f"pins {case.pin.written} already")
    return None


def _older(case: Case) -> Decision | None:
    if isinstance(case.pin, Exact) and case.release.version < case.pin.version:
        return held(f"older: pins {case.pin.written}")
    return None


def _not_listed(case: Case) -> Decision | None:
    if case.rule is None:
        return held(f"not listed: no rule names {case.release.id.package}")
    return None


def _allow(case: Case) -> Decision | None:
    if case.rule and case.rule.allow and not case.rule.allowed.contains(case.release.version, prereleases=True):
        return held(f"rule allow {case.rule.allow}")
    return None


def _hold(case: Case) -> Decision | None:
    if case.rule and case.release.version in case.rule.held_versions:
        return held(f"rule hold {case.release.spelling}")
    return None


def _hold_comment(case: Case) -> Decision | None:
    if is_held(case.requirement):
        return held("rule hold: the line carries `# rebuilder: hold`")
    return None


def _upto(case: Case) -> Decision | None:
    if case.rule is None or not isinstance(case.pin, Exact):
        return None
    pinned, released = case.pin.version, case.release.version
    if released.epoch > pinned.epoch:
        return held(f"rule upto {case.rule.upto}: another epoch")
    kept = _kept(pinned.major, case.rule.upto)
    if _padded(released.release, kept) != _padded(pinned.release, kept):
        return held(f"rule upto {case.rule.upto}: {case.pin.written} to {case.release.spelling}")
    return None


def _kept(major: int, upto: Upto) -> int:
    """How many segments of a pin a bump may not change."""
    if upto is Upto.MAJOR:
        return 0
    if upto is Upto.PATCH:
        return 2
    return 1 if major else 2


def _padded(release: tuple[int, ...], length: int) -> tuple[int, ...]:
    return (*release, *(0,) * length)[:length]


def _view(case: Case) -> Decision | None:
    if case.rule and case.rule.view and case.rule.view.casefold() not in (v.casefold() for v in case.release.views):
        return held(f"not in view {case.rule.view}")
    return None


def _prerelease(case: Case) -> Decision | None:
    if not case.release.version.is_prerelease or (case.rule and case.rule.prereleases):
        return None
    if isinstance(case.pin, Exact) and case.pin.version.is_prerelease:
        return None
    return held("pre-release")


def _local_version(case: Case) -> Decision | None:
    return held("local version") if case.release.version.local else None


def _compiled(case: Case) -> Decision | None:
    # Whether the other pins of the file still fit is not judged: the compiler has to run again.
    return held("recompile needed: the file is written by pip-compile or uv") if case.compiled else None


def _hashed(case: Case) -> Decision | None:
    # Never a new version beside old hashes.
    return held("hashes unknown: the line carries hashes of another version") if _has_hashes(case) else None


def _has_hashes(case: Case) -> bool:
    return "--hash" in case.requirement.options


def _bump(case: Case) -> Decision | None:
    if not isinstance(case.pin, Exact):
        return None
    if not case.requirement.line.pieces:
        return held("not editable: the value is folded or escaped in its YAML")
    return Decision(Kind.BUMP, f"{case.pin.written} → {case.release.spelling}")


def _range(case: Case) -> Decision | None:
    if not isinstance(case.pin, Range):
        return None
    allowed = SpecifierSet(case.pin.specifier)
    if not allowed.contains(case.release.version, prereleases=True):
        return held(f"outside {case.pin}")
    return held(f"range {case.pin}: only exact pins are raised")


ROWS: tuple[Callable[[Case], Decision | None], ...] = (
    _foreign,
    _current,
    _older,
    _not_listed,
    _allow,
    _hold,
    _hold_comment,
    _upto,
    _view,
    _prerelease,
    _local_version,
    _compiled,
    _hashed,
    _bump,
    _range,
)
