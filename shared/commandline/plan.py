"""`python -m shared plan`: what a release would change in a folder of environments, and the change itself."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from shared.adapters.folder import Folder
from shared.commandline.console import Console
from shared.domain.files.credentials import masked
from shared.domain.files.text import Edit, apply, line_numbers
from shared.domain.files.wording import one_line
from shared.domain.inventory.catalog import Catalog
from shared.domain.inventory.environments import Environment
from shared.domain.planning.decisions import Decision, Kind
from shared.domain.planning.explicit_bump import parse_release
from shared.domain.planning.plan import Plan
from shared.domain.planning.planner import hold_everything, make_plan, unaffected_environments
from shared.domain.releases import Release, ReleaseId
from shared.domain.rules.rules import RULES_FILE, Deliver, PackageRule, Rules, Upto, read_rules
from shared.errors import InvalidConfiguration, InvalidInput

# A person who asks for a release means it, whatever its number.
_A_PERSON_ASKS = Rules(deliver=Deliver.PUSH, packages=(PackageRule(match="*", upto=Upto.MAJOR, prereleases=True),))
_ORDER = (Kind.BUMP, Kind.REBUILD, Kind.HELD, Kind.CURRENT, Kind.UNAFFECTED)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is planned for one environment.

    Attributes:
        environment: the environment.
        decisions: for every release what happens, and why.
        edits: what changes in its files, with the line in the file before.
    """

    environment: Environment
    decisions: tuple[tuple[Release, Decision], ...]
    edits: tuple[tuple[int, Edit], ...]

    @property
    def decision(self) -> Decision:
        """What happens to the environment: the first by weight that any release has."""
        return min((decision for _, decision in self.decisions), key=lambda decision: _ORDER.index(decision.kind))


def parse_releases(texts: Sequence[str]) -> list[Release]:
    """Read releases such as `our-package==1.4.0`; each counts once, however often and however it is spelled.

    Raises:
        InvalidInput: one is something else, or there is none.
    """
    if not texts:
        raise InvalidInput("no release is named: add --release NAME==VERSION")
    found: dict[ReleaseId, Release] = {}
    for text in texts:
        release = parse_release(text)
        found.setdefault(release.id, release)
    return list(found.values())


def plan(root: Path, releases: list[Release], *, ignore_rules: bool, write: bool, as_json: bool) -> None:
    """Plan releases for a folder, show the plan, and write its edits if that is wanted.

    Raises:
        InvalidInput: the folder is none, or a file in it cannot be written.
    """
    console = Console()
    folder = opened(root)
    catalog = folder.catalog()
    raw = None if ignore_rules else folder.read(RULES_FILE)
    made, rules = _made(catalog, releases, raw)
    outcomes = _outcomes(folder, catalog, made)
    changes = _written(folder, made) if write else {}
    folder.write(changes)
    unread = _unreadable(catalog, rules)
    notes = list(_notes(ruled=raw is not None, ignored=ignore_rules and folder.read(RULES_FILE) is not None))
    if as_json:
        console.line(json.dumps(_document(made, outcomes, unread, notes), indent=2))
    else:
        _show(console, made, outcomes, unread)
    shown = set() if as_json else {masked(str(problem)) for problem in catalog.warnings}
    for warning in made.warnings:
        if warning not in shown:
            console.note(f"warning: {warning}")
    for note in notes:
        console.note(note)
    if write:
        console.note(f"wrote {len(changes)} file{'' if len(changes) == 1 else 's'} in {root}")


def opened(root: Path) -> Folder:
    """A folder that a person names.

    Raises:
        InvalidInput: there is none.
    """
    if not root.is_dir():
        raise InvalidInput(f"{root} is not a folder")
    return Folder(root)


def _made(catalog: Catalog, releases: list[Release], raw: bytes | None) -> tuple[Plan, Rules]:
    try:
        rules = _A_PERSON_ASKS if raw is None else read_rules(raw)
    except InvalidConfiguration as problem:
        held = hold_everything(target="", catalog=catalog, releases=releases, reason=f"rules: {problem}")
        return held, _A_PERSON_ASKS
    made = make_plan(
        target="",
        catalog=catalog,
        rules=rules,
        releases=releases,
        pipeline=False,
        unique_names=raw is not None,
    )
    return made, rules


def _outcomes(folder: Folder, catalog: Catalog, made: Plan) -> list[Outcome]:
    decided = {(verdict.path, verdict.release): verdict.decision for verdict in made.verdicts}
    unaffected = {
        release.id: {environment.path for environment in unaffected_environments(made, catalog, release.id)}
        for release in made.releases
    }
    acting = {environment.path for environment in made.environments}
    edits_of = {
        path: tuple(line_numbers(folder.read(path) or b"", edits)) for path, edits in _by_file(made.edits).items()
    }
    outcomes = []
    for environment in catalog.environments:
        decisions = []
        for release in made.releases:
            if environment.path in unaffected[release.id]:
                decision = Decision(Kind.UNAFFECTED, _why_unaffected(environment, release))
            else:
                decision = decided[environment.path, release.id]
            decisions.append((release, decision))
        own = {environment.path, environment.version_path or environment.path, *(use.path for use in environment.uses)}
        files = own if environment.path in acting else set()
        edits = tuple(edit for path in sorted(files) for edit in edits_of.get(path, ()))
        outcomes.append(Outcome(environment, tuple(decisions), edits))
    return outcomes


def _why_unaffected(environment: Environment, release: Release) -> str:
    why, doubt = f"does not require {release.id.package}", environment.doubt()
    return f"{why}, as far as it can be read ({masked(doubt[1])})" if doubt else why


def _by_file(edits: Iterable[Edit]) -> dict[str, list[Edit]]:
    found: dict[str, list[Edit]] = {}
    for edit in edits:
        found.setdefault(edit.path, []).append(edit)
    return found


def _written(folder: Folder, made: Plan) -> dict[str, bytes]:
    return {path: apply(folder.read(path) or b"", edits) for path, edits in _by_file(made.edits).items()}


def _document(
    made: Plan, outcomes: Iterable[Outcome], unread: Iterable[tuple[str, str]], notes: Sequence[str]
) -> dict[str, object]:
    return {
        "releases": [{"package": release.id.package, "version": release.spelling} for release in made.releases],
        "environments": [
            {
                "name": outcome.environment.name,
                "path": outcome.environment.path,
                "decision": str(outcome.decision.kind),
                "reason": outcome.decision.reason,
                "releases": [
                    {
                        "package": release.id.package,
                        "version": release.spelling,
                        "decision": str(decision.kind),
                        "reason": decision.reason,
                    }
                    for release, decision in outcome.decisions
                ],
                "edits": [
                    {
                        "file": edit.path,
                        "line": line,
                        "old": edit.old,
                        "new": edit.new,
                        "package": edit.package or None,
                    }
                    for line, edit in outcome.edits
                ],
            }
            for outcome in outcomes
        ],
        "elsewhere": made.elsewhere.document(),
        "unreadable": [{"file": file, "reason": reason} for file, reason in unread],
        "warnings": list(made.warnings),
        "notes": list(notes),
    }


def _unreadable(catalog: Catalog, rules: Rules) -> list[tuple[str, str]]:
    """What cannot be read of the environments that take part, as (file, why)."""
    found: dict[tuple[str, str], None] = {}
    taking_part = [environment for environment in catalog.environments if rules.includes(environment.path)]
    unread = (problem for problem in catalog.warnings if rules.includes(problem.path))
    for problem in (*unread, *(problem for environment in taking_part for problem in environment.problems)):
        found[problem.path, _reason(problem.line, problem.why)] = None
    for path in sorted({use.path for environment in taking_part for use in environment.uses}):
        definition = catalog.definitions.get(path)
        for line, why in definition.unreadable if definition else ():
            found[path, _reason(line, why)] = None
    return sorted(found)


def _reason(line: int | None, why: str) -> str:
    return masked(f"line {line}: {why}" if line else why)


def _show(console: Console, made: Plan, outcomes: Sequence[Outcome], unread: Sequence[tuple[str, str]]) -> None:
    several = len(made.releases) > 1
    rows = []
    for kind in _ORDER:
        for outcome in outcomes:
            if outcome.decision.kind is not kind:
                continue
            for release, decision in outcome.decisions:
                name = [str(release)] if several else []
                rows.append((decision.kind, [str(decision.kind), outcome.environment.path, *name, decision.reason]))
    console.table(["decision", "environment", *(["release"] if several else []), "reason"], rows)
    shown: dict[tuple[str, int, str, str], None] = {}
    for outcome in outcomes:
        for line, edit in outcome.edits:
            shown[edit.path, line, edit.old, edit.new] = None
    if shown:
        console.line("")
        for path, line, old, new in sorted(shown):
            console.edit(path, line, old, new)
    unreadable = [("unreadable", f"{file}: {why}") for file, why in unread]
    for block in (unreadable, list(made.elsewhere.lines())):
        for label, said in [("", ""), *block] if block else ():
            console.line(f"{label:<10}  {one_line(said)}".rstrip())
    counts = [f"{sum(o.decision.kind is kind for o in outcomes)} {kind}" for kind in _ORDER]
    total = f"{len(outcomes)} environment{'' if len(outcomes) == 1 else 's'}"
    console.line("")
    console.line(f"{total}: {', '.join(counts)}; {len(shown)} edit{'' if len(shown) == 1 else 's'}")
    if summary := made.elsewhere.summary:
        console.line(f"and {summary}")


def _notes(*, ruled: bool, ignored: bool) -> Iterable[str]:
    if ignored:
        yield f"{RULES_FILE} is ignored: every package may be raised, to any version"
    elif not ruled:
        yield f"no {RULES_FILE} here: every package may be raised, to any version; the app itself would write nothing"
    yield (
        "skipped, as no feed is asked: whether the release is there, its files for each Python, its hashes, what it "
        "requires, and what earlier rebuilds brought"
    )
