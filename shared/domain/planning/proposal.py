"""A first `rebuilder.yml` for a repository: what it holds, as rules to choose from.

Nothing in a repository tells a private package from a public one. So only what the caller says is private becomes a
rule; everything else is a comment, and the text as it stands writes nothing.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase

from shared.domain.definitions.pins import Exact, pin_of
from shared.domain.inventory.catalog import Catalog
from shared.domain.inventory.environments import Environment
from shared.domain.names import PackageName
from shared.domain.rules.schema import SCHEMA_FILE
from shared.errors import Unreadable

# Nobody reads more than this; the rest is counted.
LONGEST_LIST = 40

_LEFT_BEHIND = {"archive", "archived", "deprecated", "old"}
_COMMON_PYTHON = "3.10"
# What YAML takes only escaped, and JSON leaves as it is.
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_SEPARATORS = re.compile(r"[-_.]+")


def propose_rules(catalog: Catalog, private: Sequence[str] = (), *, schema: str = SCHEMA_FILE) -> str:
    """Write the rules that a repository may begin with; `read_rules` reads them, whatever the repository holds.

    Args:
        catalog: what the repository holds.
        private: globs on the names of the packages that are private; each becomes a rule.
        schema: where the schema file lies, as a path from `rebuilder.yml` or an address, for editors.
    """
    sections = (
        _head(schema),
        _environments(catalog.environments),
        _pythons(catalog.environments),
        _packages(_pinned(catalog), _globs(private)),
    )
    return "\n".join("".join(f"{line}\n" for line in section) for section in sections)


def _head(schema: str) -> Iterator[str]:
    yield f"# yaml-language-server: $schema={_quoted(schema)[1:-1]}"
    yield "# What Environment Rebuilder may do in this repository; proposed from what it holds."
    yield ""
    yield "# How edits reach the branch:"
    yield "#   report: plans are recorded and shown, nothing is written. Begin with it."
    yield "#   push: the edits are pushed to the branch in one commit, and the environments rebuilt."
    yield "# (pull-request is not available yet.)"
    yield "deliver: report"


def _environments(environments: Sequence[Environment]) -> Iterator[str]:
    left_behind = Counter(filter(None, (_left_behind(environment.path) for environment in environments)))
    yield f"# {_counted(len(environments), 'environment')} found. All take part, except those that are excluded by"
    yield "# globs on the path of their YAML file."
    yield "environments:"
    yield '  include: ["**"]'
    if not left_behind:
        yield "  exclude: []"
        return
    shown, more = _some(sorted(left_behind))
    yield "  # These folders look as if nobody uses them any more: take the # away to exclude them."
    yield f"  # exclude: [{', '.join(_quoted(f'{_literal(folder)}/**') for folder in shown)}]"
    yield f"  # {_counted(sum(left_behind.values()), 'environment')} in them{more}."


def _left_behind(path: str) -> str | None:
    """The outermost folder around a file whose name says that its content is no longer used."""
    parts = path.split("/")[:-1]
    for at, part in enumerate(parts):
        if part.lower() in _LEFT_BEHIND:
            return "/".join(parts[: at + 1])
    return None


def _pythons(environments: Sequence[Environment]) -> Iterator[str]:
    unknown = sorted(environment.path for environment in environments if environment.python is None)
    if not unknown:
        yield "# The Python of environments whose files do not say it: a glob on the YAML file's path, and the version."
        yield "python: {}"
        return
    known = Counter(environment.python for environment in environments if environment.python)
    python = known.most_common(1)[0][0] if known else _COMMON_PYTHON
    shown, more = _some(unknown)
    yield f"# The Python of {_counted(len(unknown), 'environment')} is not known from the files, and the pipeline asks"
    yield f"# for it. State it here: take the # and the {{}} away, and write the right version; {python} is a guess."
    yield "python: {}"
    for path in shown:
        yield f"#   {_quoted(_literal(path))}: {_quoted(python)}"
    if more:
        yield f"# ({more.removeprefix(', ')})"


def _packages(pinned: Counter[PackageName], globs: Sequence[str]) -> Iterator[str]:
    others = Counter(
        {name: count for name, count in pinned.items() if not any(fnmatchcase(name, glob.lower()) for glob in globs)}
    )
    yield "# Which packages may be touched. What no entry names never is; of several that match the last counts."
    yield "packages:" if globs else "packages: []"
    for glob in globs:
        names = [name for name in pinned if fnmatchcase(name, glob.lower())]
        yield f"  # {_counted(len(names), 'pinned package')} of that name:" if names else "  # Nothing pins it yet:"
        yield f"  - match: {_quoted(glob)}"
        yield "    upto: minor"
    if not others:
        return
    shown, more = _some(sorted(others, key=lambda name: (-others[name], name)))
    yield "# Pinned exactly, and by how many environments. Which of them are private only you know: take the # away"
    yield f'# from those{"" if globs else ", and the [] above"}. A glob such as "our-*" names several at once.'
    for name in shown:
        yield f"#   - match: {_quoted(name)} # {_counted(others[name], 'environment')}"
        yield "#     upto: minor"
    if more:
        yield f"# ({more.removeprefix(', ')})"


def _pinned(catalog: Catalog) -> Counter[PackageName]:
    """Count the environments that pin each package exactly; constraints install nothing and do not count."""
    files = {path: list(_names(catalog, path)) for path in catalog.definitions}
    count: Counter[PackageName] = Counter()
    for environment in catalog.environments:
        pinned = {name for use in environment.uses for name, exact in files.get(use.path, ()) if exact}
        required = {name for use in environment.uses if not use.constraint for name, _ in files.get(use.path, ())}
        count.update(pinned & required)
    return count


def _names(catalog: Catalog, path: str) -> Iterator[tuple[PackageName, bool]]:
    """The packages that a file names, and whether with an exact version."""
    for requirement in catalog.definitions[path].requirements:
        if requirement.name is None:
            continue
        try:
            yield requirement.name, isinstance(pin_of(requirement), Exact)
        except Unreadable:
            continue


def _globs(private: Iterable[str]) -> list[str]:
    """The globs, each once and in the spelling of normalised names, which are what they are compared with."""
    stripped = [glob.strip() for glob in private]
    return list(dict.fromkeys(glob if "[" in glob else _SEPARATORS.sub("-", glob) for glob in stripped if glob))


def _literal(path: str) -> str:
    """A glob that matches one path and no other."""
    return re.sub(r"[*?\[]", r"[\g<0>]", path)


def _some[T](found: Sequence[T]) -> tuple[Sequence[T], str]:
    """As many as are shown, and what to say of the rest."""
    rest = len(found) - LONGEST_LIST
    return found[:LONGEST_LIST], f", and {rest:,} more" if rest > 0 else ""


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _quoted(text: str) -> str:
    """A text in double quotes, on one line, as YAML and JSON both read it."""
    quoted = json.dumps(_SURROGATE.sub("\ufffd", text), ensure_ascii=False)
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", quoted)
