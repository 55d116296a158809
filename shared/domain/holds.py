"""The codes of holds: a closed list, which alone says whether a hold may pass, and by what."""

from enum import Enum, StrEnum


class Passes(Enum):
    """The change that may lift a hold."""

    NEVER = "never"
    COMMIT = "commit"  # other files, alone
    REPOSITORY = "repository"  # other files or rules, or time
    RELEASES = "releases"  # another release or file of one, or any of these


class Hold(StrEnum):
    """The code of a hold; the sentence beside it is for a person, and no code reads it."""

    CANNOT_READ = "cannot read"
    CONFLICT = "conflict"
    DAMAGED_RECORD = "damaged record"
    DUPLICATE_NAME = "duplicate name"
    EXCLUDED = "excluded"
    HASHES_UNKNOWN = "hashes unknown"
    LOCAL_VERSION = "local version"
    LOWER_THAN_WE_WROTE = "lower than we wrote"
    NO_FILE = "no file"
    NOT_A_FEED_VERSION = "not a feed version"
    NOT_ASKED_FOR = "not asked for"
    NOT_BUILDABLE = "cannot be rebuilt"
    NOT_EDITABLE = "not editable"
    NOT_IN_VIEW = "not in view"
    OLDER = "older"
    OPAQUE = "opaque"
    OUTSIDE = "outside"
    PRE_RELEASE = "pre-release"
    RECOMPILE = "recompile needed"
    RULE = "rule"
    RULES = "rules"
    SHARED_VARIABLE = "shared variable"
    SHARES = "shares"
    TAKEN = "taken from"
    VERSION_NOT_A_NUMBER = "version not a number"

    @property
    def passes(self) -> Passes:
        """Return what may lift the hold."""
        return _PASSES.get(self, Passes.REPOSITORY)


_PASSES = {
    # An older version never becomes newer.
    Hold.OLDER: Passes.NEVER,
    Hold.TAKEN: Passes.NEVER,
    Hold.CANNOT_READ: Passes.COMMIT,
    Hold.OPAQUE: Passes.COMMIT,
    Hold.CONFLICT: Passes.RELEASES,
    Hold.HASHES_UNKNOWN: Passes.RELEASES,
    Hold.NO_FILE: Passes.RELEASES,
    Hold.RECOMPILE: Passes.RELEASES,
    Hold.SHARES: Passes.RELEASES,
}
