"""What a person should know of a plan and what does not keep it from being carried out."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from shared.domain.files.text import Edit
from shared.domain.files.wording import listed
from shared.domain.inventory.build_blockers import outside
from shared.domain.inventory.environments import Environment
from shared.domain.planning.choices import Choices
from shared.domain.planning.conflicts import clashes
from shared.domain.planning.decisions import Kind
from shared.domain.planning.evaluation import Evaluator
from shared.domain.releases import Release


def warnings_of(
    evaluator: Evaluator,
    releases: Sequence[Release],
    choices: Choices,
    rebuilt: Mapping[str, Environment],
    edits: Collection[Edit],
) -> Iterator[str]:
    """Yield the warnings of a plan.

    Args:
        evaluator: what decided.
        releases: those in hand.
        choices: what was decided.
        rebuilt: the environments that are rebuilt, by path.
        edits: what changes.
    """
    yield from evaluator.facts.gaps
    for environment in rebuilt.values():
        yield from _of_environment(evaluator, environment, choices)
    yield from _of_second_indexes(evaluator, rebuilt.values())
    yield from _of_compiled_alone(evaluator, rebuilt, edits)
    yield from _of_excluded_readers(evaluator, edits)
    yield from _of_namesakes(evaluator, choices)
    yield from _of_unknown_wishes(evaluator)
    yield from _of_what_nobody_looks_for(evaluator, releases, choices)


def _of_environment(evaluator: Evaluator, environment: Environment, choices: Choices) -> Iterator[str]:
    yield from (str(warning) for warning in environment.warnings)
    if not evaluator.pipeline and (pipeline_blocker := evaluator.pipeline_blocker(environment)):
        yield f"{environment.path}: the app would hold it: {pipeline_blocker[1]}"
    else:
        yield from _of_what_is_not_seen(evaluator, environment)
    if evaluator.pipeline and (why := outside(environment, *(use.path for use in environment.uses if not use.source))):
        yield f"{environment.path}: {why}"
    if not evaluator.python(environment):
        yield (
            f"{environment.path}: its Python is not known, so nothing that depends on it was checked, and the "
            f'pipeline will ask for it; state it in rebuilder.yml, python: {{"{environment.path}": "3.10"}}'
        )
    acting = {p: c for p, c in choices.of(environment.path).items() if c.decision.acts}
    yield from (f"{environment.path}: {clash}" for clash in clashes(evaluator, acting))


def _of_what_is_not_seen(evaluator: Evaluator, environment: Environment) -> Iterator[str]:
    opaque = () if evaluator.rules.silences(environment.path) else environment.opaque
    said = [*(f"cannot read {problem}" for problem in environment.unseen), *(f"opaque: {what}" for what in opaque)]
    if said:
        more = f" (and {len(said) - 1} more)" if said[1:] else ""
        yield f"{environment.path}: it may install more than is seen: {said[0]}{more}"


def _of_second_indexes(evaluator: Evaluator, environments: Collection[Environment]) -> Iterator[str]:
    """Say that a file names a second index: of all that it is given, pip takes the highest version (pip's own docs)."""
    for path in sorted({use.path for environment in environments for use in environment.uses}):
        definition = evaluator.catalog.definitions.get(path)
        for option in definition.options if definition else ():
            if option.name == "--extra-index-url":
                yield (
                    f"{path} line {option.line}: --extra-index-url is not followed: a higher version of one of your "
                    "packages there, by whomever, would be taken (dependency confusion); remove it, and make that "
                    "index an upstream source of the feed"
                )


def _of_compiled_alone(
    evaluator: Evaluator, environments: Mapping[str, Environment], edits: Collection[Edit]
) -> Iterator[str]:
    changed = {edit.path for edit in edits}
    for environment in environments.values():
        if any(use.source for use in environment.uses):
            continue
        for path in sorted(changed & {use.path for use in environment.uses}):
            definition = evaluator.catalog.definitions.get(path)
            if definition and definition.compiled:
                yield f"{path} is compiled, and its source is not found: raise the pin there too"


def _of_excluded_readers(evaluator: Evaluator, edits: Collection[Edit]) -> Iterator[str]:
    for path in sorted({edit.path for edit in edits}):
        for reader in evaluator.catalog.reading(path):
            if not evaluator.includes(reader.path):
                yield f"{reader.path} is excluded and reads {path}, which changes"


def _of_namesakes(evaluator: Evaluator, choices: Choices) -> Iterator[str]:
    """Say once for all environments of a name what that means."""
    for candidate in choices.taken():
        kind, paths = candidate.decision.kind, evaluator.namesakes(candidate.environment)
        if candidate.environment.path in paths and paths[1:] and (candidate.decision.acts or kind is Kind.HELD):
            yield (
                f"{listed(paths)} are {'both' if len(paths) == 2 else 'all'} named {candidate.environment.name!r}: "
                "Azure ML would take them for versions of one environment, so the app "
                f"{'holds' if evaluator.unique_names else 'would hold'} them until all but one are renamed or "
                "excluded"
            )


def _of_unknown_wishes(evaluator: Evaluator) -> Iterator[str]:
    known = {text for environment in evaluator.catalog.environments for text in (environment.path, environment.name)}
    wanted = dict.fromkeys(asked for forced in evaluator.forced.values() for asked in forced.environments)
    for asked in wanted:
        if asked not in known:
            yield f"the rerun asks for {asked!r}, which is neither an environment's path nor a name"


def _of_what_nobody_looks_for(evaluator: Evaluator, releases: Sequence[Release], choices: Choices) -> Iterator[str]:
    """Say that `unaffected` is not said of what was read alone, for packages that no rule names."""
    for package in sorted({release.id.package for release in releases}):
        count = sum(
            1
            for environment in evaluator.catalog.doubtful
            if evaluator.includes(environment.path)
            and not evaluator.rules.rule_for(package, environment.name)
            and choices.get(environment.path, package) is None
        )
        if count:
            some = "1 environment" if count == 1 else f"{count} environments"
            yield (
                f"no rule names {package}: {some} not read in full, or installing what is not seen, counted as "
                "unaffected"
            )
