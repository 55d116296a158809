"""Other users of packages and environments in a repository: inline environments and references.

It is found with the catalog, at one commit, and looked up by name for a plan: how many files there are makes no plan
slower. All of it is reported and none of it edited.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from shared.domain.definitions import Problem
from shared.domain.files.text import SourceText
from shared.domain.files.wording import listed
from shared.domain.inventory.inline import InlineEnvironment, InlinePin, InPlace, read_in_place
from shared.domain.inventory.inline_python import read_python
from shared.domain.inventory.references import Mention, Reference, read_mentions
from shared.domain.names import PackageName, words_of
from shared.errors import Unreadable
from shared.limits import ELSEWHERE_ROWS, PYTHON_FILES


@dataclass(frozen=True, slots=True)
class Around:
    """The inline environments and references of one file, independent of where it lies.

    Attributes:
        in_place: inline environments.
        mentions: references to environments.
        problem: why inline environments in it cannot be read, with the line.
        words: then, every word in it that may be a package's name.
    """

    in_place: tuple[InPlace, ...] = ()
    mentions: tuple[Mention, ...] = ()
    problem: tuple[int | None, str] | None = None
    words: frozenset[str] = frozenset()


# Of most files: one for all of them.
_NOTHING = Around()


def read_yaml_around(source: SourceText) -> Around:
    """Read a YAML file's inline environments and references."""
    return _around(source, read_in_place)


def read_python_around(source: SourceText) -> Around:
    """Read the environments that a Python file makes, and its references."""
    return _around(source, read_python)


def _around(source: SourceText, read: Callable[[SourceText], tuple[InPlace, ...]]) -> Around:
    mentions = read_mentions(source)
    try:
        found = read(source)
    except Unreadable as problem:
        return Around((), mentions, (problem.line, problem.why), words_of(source.text))
    return Around(found, mentions) if found or mentions else _NOTHING


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Inline environments and references that a plan concerns and does not edit.

    Attributes:
        inline: what inline environments require of the released packages; no more than ELSEWHERE_ROWS.
        pin_count: how many such requirements there are.
        inline_count: how many inline environments have one.
        changing_count: how many of these read a file that the plan changes for it.
        references: what names an environment that is rebuilt; no more than ELSEWHERE_ROWS.
        reference_count: how many references there are.
        gaps: what could not be looked at.
    """

    inline: tuple[InlinePin, ...] = ()
    pin_count: int = 0
    inline_count: int = 0
    changing_count: int = 0
    references: tuple[Reference, ...] = ()
    reference_count: int = 0
    gaps: tuple[str, ...] = ()

    @property
    def summary(self) -> str | None:
        """Say in one line what becomes of the inline environments; None if there are none."""
        count, changing = self.inline_count, self.changing_count
        if not count:
            return None
        packages = listed(sorted({pin.package for pin in self.inline}))
        if count == 1:
            rest = "it reads a file that changes here" if changing else "it stays as it is"
            return f"1 inline environment requires {packages} and is built at its next run: {rest}"
        numbers = [(changing, "read a file that changes here"), (count - changing, "stay as they are")]
        rest = ", ".join(f"{'all' if number == count else f'{number:,}'} {what}" for number, what in numbers if number)
        return f"{count:,} inline environments require {packages} and are built at their next run: {rest}"

    def lines(self, limit: int = ELSEWHERE_ROWS) -> Iterator[tuple[str, str]]:
        """Yield all of it as (kind, line), no more than that many lines of a kind and how many more there are."""
        kinds = (("inline", self.inline, self.pin_count), ("reference", self.references, self.reference_count))
        for kind, rows, count in kinds:
            shown = rows[:limit]
            yield from ((kind, str(row)) for row in shown)
            if count > len(shown):
                yield kind, f"and {count - len(shown):,} more"
        yield from (("not read", gap) for gap in self.gaps)

    def document(self) -> dict[str, Any]:
        """All of it as plain data for JSON."""
        return {
            **asdict(self),
            "inline": [asdict(pin) for pin in self.inline],
            "references": [{**asdict(one), "outcome": one.outcome} for one in self.references],
            "gaps": list(self.gaps),
            "summary": self.summary,
        }


@dataclass(frozen=True, slots=True)
class Surroundings:
    """All inline environments and references of a repository at one commit.

    Attributes:
        inline: the inline environments, in the order of their files.
        named: positions in `inline` of those that a word stands in: they may require a package of this name.
        mentions: references with the paths of their files, by the environment's name.
        unread: files that cannot be read and may define inline environments, by the words in them.
        doubtful: positions in `inline` of those that are not read in full.
        skipped: how many Python files were not looked at, since there are too many.
    """

    inline: tuple[InlineEnvironment, ...] = ()
    named: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    mentions: Mapping[str, tuple[tuple[str, Mention], ...]] = field(default_factory=dict)
    unread: Mapping[str, tuple[Problem, ...]] = field(default_factory=dict)
    doubtful: tuple[int, ...] = ()
    skipped: int = 0

    def concerned(
        self,
        packages: Iterable[PackageName],
        rebuilt: Mapping[str, str | None],
        changing: Iterable[tuple[str, str]],
        *,
        excludes: Callable[[str], bool],
    ) -> Elsewhere:
        """Look up what a plan concerns.

        Args:
            packages: the released packages.
            rebuilt: the environments that are rebuilt: name → the version that its YAML will state, if it states one.
            changing: what the plan raises, as (file, package).
            excludes: tells whether the rules exclude a file.
        """
        packages, changed = sorted(set(packages)), frozenset(changing)
        pins = sorted({pin for package in packages for pin in self._pins(package, changed) if not excludes(pin.path)})
        references = sorted(
            Reference(path, mention.line, mention.text, mention.version, new)
            for name, new in rebuilt.items()
            for path, mention in self.mentions.get(name, ())
            if not excludes(path)
        )
        requiring = {(pin.path, pin.line) for pin in pins}
        return Elsewhere(
            inline=tuple(pins[:ELSEWHERE_ROWS]),
            pin_count=len(pins),
            inline_count=len(requiring),
            changing_count=len({(pin.path, pin.line) for pin in pins if pin.changes}),
            references=tuple(references[:ELSEWHERE_ROWS]),
            reference_count=len(references),
            gaps=tuple(self._gaps(packages, requiring, excludes)),
        )

    def _pins(self, package: PackageName, changing: frozenset[tuple[str, str]]) -> Iterator[InlinePin]:
        for at in self.named.get(package, ()):
            yield from self.inline[at].pins(package, changing)

    def _gaps(
        self, packages: Iterable[PackageName], requiring: set[tuple[str, int]], excludes: Callable[[str], bool]
    ) -> Iterator[str]:
        for package in packages:
            for problem in self.unread.get(package, ())[:ELSEWHERE_ROWS]:
                if not excludes(problem.path):
                    yield f"{problem}; it names {package} and may define an environment"
        doubtful = [
            found
            for found in (self.inline[at] for at in self.doubtful)
            if (found.path, found.line) not in requiring and not excludes(found.path)
        ]
        if doubtful:
            first, more = doubtful[0], f", and {len(doubtful) - 1} more" if doubtful[1:] else ""
            what = "1 inline environment is" if not doubtful[1:] else f"{len(doubtful)} inline environments are"
            yield f"{what} not read in full ({first.path} line {first.line}{more}): {first.doubt}"
        if self.skipped:
            yield (
                f"{self.skipped:,} Python files are not looked through for environments: more than {PYTHON_FILES:,} "
                "take too long to fetch"
            )


@dataclass(slots=True)
class Gathered:
    """Surroundings while they are being found, file by file."""

    inline: list[InlineEnvironment] = field(default_factory=list)
    words: list[frozenset[str]] = field(default_factory=list)
    mentions: defaultdict[str, list[tuple[str, Mention]]] = field(default_factory=lambda: defaultdict(list))
    unread: list[tuple[Problem, frozenset[str]]] = field(default_factory=list)

    def add(self, inline: InlineEnvironment, words: frozenset[str]) -> None:
        """Note an inline environment, and every word in what it reads."""
        self.inline.append(inline)
        self.words.append(words)

    def surroundings(self, skipped: int) -> Surroundings:
        """Index all that was found."""
        named: defaultdict[str, list[int]] = defaultdict(list)
        for at, words in enumerate(self.words):
            for word in words:
                named[word].append(at)
        unread: defaultdict[str, list[Problem]] = defaultdict(list)
        for problem, words in self.unread:
            for word in words:
                unread[word].append(problem)
        return Surroundings(
            inline=tuple(self.inline),
            named={word: tuple(positions) for word, positions in named.items()},
            mentions={name: tuple(found) for name, found in self.mentions.items()},
            unread={word: tuple(found) for word, found in unread.items()},
            doubtful=tuple(at for at, found in enumerate(self.inline) if found.doubt),
            skipped=skipped,
        )
