"""One requirement and one release, as the decision table sees them."""

from typing import Any

from shared.domain.definitions import Requirement
from shared.domain.definitions.hashes import renewed
from shared.domain.definitions.pins import pin_of
from shared.domain.definitions.requirements import read_requirements
from shared.domain.feed_facts import FeedFile
from shared.domain.files.text import SourceText
from shared.domain.planning.decision_table import Case, decide
from shared.domain.planning.decisions import Decision
from shared.domain.rules.rules import PackageRule, Upto
from tests.domain.repositories import release

ANY = PackageRule(match="*", upto=Upto.MAJOR)


def requirement(line: str) -> Requirement:
    (found,) = read_requirements(SourceText(line, "utf-8")).requirements
    return found


def decision(
    line: str | Requirement,
    version: str,
    rule: PackageRule | None = ANY,
    *,
    views: tuple[str, ...] = (),
    **known: Any,
) -> Decision:
    found = requirement(line) if isinstance(line, str) else line
    offered = release("our-pkg", version, views=views)
    return decide(Case(release=offered, rule=rule, requirement=found, pin=pin_of(found), **known))


def shown(line: str, version: str, rule: PackageRule | None = ANY, **known: Any) -> str:
    return str(decision(line, version, rule, **known))


def hashed(line: str, *digests: str | None) -> dict[str, Any]:
    """What the feed tells of a version's files, and what takes the place of the line's hashes."""
    files = tuple(FeedFile(f"our_pkg-1.1-py3-none-any.whl{at}", digest) for at, digest in enumerate(digests))
    return {"files": files, "hashes": renewed(requirement(line), files, line)}
