import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.names import package_name
from shared.domain.rules.rules import NO_RULES, Deliver, PackageRule, Rules, Transitive, Upto, read_rules
from shared.errors import InvalidConfiguration
from shared.limits import RULES_PROBLEMS

OURS = package_name("our-pkg")


def read(text: str) -> Rules:
    return read_rules(text.encode())


def problems(text: str | bytes) -> tuple[str, ...]:
    with pytest.raises(InvalidConfiguration) as caught:
        read_rules(text.encode() if isinstance(text, str) else text)
    assert caught.value.where == "rebuilder.yml"
    return caught.value.problems


COMPLETE = """\
deliver: pull-request
environments: {include: ["environments/**"], exclude: ["archive/**"]}
python: {"environments/old-*": "3.9"}
packages:
  - match: "our-*"
    upto: patch
    allow: "<3"
    prereleases: true
    transitive: rebuild
    view: Release
    hold: ["2.4.1"]
    environments: ["training-*"]
"""


def test_everything_that_rules_can_say_is_read() -> None:
    rules = read(COMPLETE)

    assert rules.deliver is Deliver.PULL_REQUEST
    assert (rules.environments.include, rules.environments.exclude) == (("environments/**",), ("archive/**",))
    assert rules.packages == (
        PackageRule(
            match="our-*",
            upto=Upto.PATCH,
            allow="<3",
            prereleases=True,
            transitive=Transitive.REBUILD,
            view="Release",
            hold=("2.4.1",),
            environments=("training-*",),
        ),
    )


def test_what_a_person_changed_is_rebuilt_only_where_the_rules_say_so() -> None:
    assert read("deliver: push\nrebuild_on_push: true\n").rebuild_on_push
    assert not read("deliver: push\n").rebuild_on_push
    assert not NO_RULES.rebuild_on_push


def test_a_package_rule_keeps_to_the_minor_version_and_to_final_releases_by_default() -> None:
    (rule,) = read("deliver: push\npackages:\n  - match: our-pkg\n").packages

    assert (rule.upto, rule.prereleases, rule.transitive) == (Upto.MINOR, False, Transitive.REPORT)
    assert (rule.allow, rule.view, rule.hold, rule.environments) == ("", None, (), ("*",))


@pytest.mark.parametrize("deliver", ["push", "pull-request", "report"])
def test_every_way_to_deliver_is_accepted(deliver: str) -> None:
    assert read(f"deliver: {deliver}\n").deliver == deliver


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", b""], ids=["marked", "plain"])
def test_a_byte_order_mark_does_no_harm(mark: bytes) -> None:
    assert read_rules(mark + b"deliver: push\r\n").deliver is Deliver.PUSH


def test_all_problems_are_named_at_once_with_their_lines() -> None:
    text = """\
environments: {includes: ["**"]}
python: {"a/*": "3"}
packages:
  - {match: our-pkg, upto: everything, allow: "about 3", hold: ["1.0", "one"]}
  - {upto: minor, colour: red}
"""
    assert problems(text) == (
        "line 1: deliver: is missing",
        "line 1: environments.includes: no such setting",
        'line 2: python."a/*": "3" is not a Python version (write for example "3.10")',
        "line 4: packages.0.upto: write major, minor or patch",
        "line 4: packages.0.allow: 'about 3' is not a version specifier (write for example '<3')",
        "line 4: packages.0.hold.1: 'one' is not a version",
        "line 5: packages.1.match: is missing",
        "line 5: packages.1.colour: no such setting",
    )


def test_the_error_reads_as_one_line() -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        read("deliver: psh\npackages:\n  - match: our-pkg\n    upto: all\n")

    assert caught.value.messages == (
        "rebuilder.yml line 1: deliver: write push, pull-request or report",
        "rebuilder.yml line 4: packages.0.upto: write major, minor or patch",
    )
    assert str(caught.value) == (
        "rebuilder.yml line 1: deliver: write push, pull-request or report; "
        "line 4: packages.0.upto: write major, minor or patch"
    )


def test_the_first_problems_are_named_and_the_rest_is_counted() -> None:
    said = problems("deliver: push\n" + "".join(f"setting{number}: 1\n" for number in range(50)))

    assert len(said) == RULES_PROBLEMS + 1
    assert said[0] == "line 2: setting0: no such setting"
    assert said[-1] == f"and {50 - RULES_PROBLEMS} more problems"


# The only problem in each; the line is that of the key, the map or the value it is about.
PUSH = "# The rules.\n\ndeliver: push\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("packages:\n  - match: a\n    hold:\n      - 2.4\n", 'line 7: packages.0.hold.0: write it in quotes: "2.4"'),
        ("packages:\n  - match: a\n    hold: 2.4\n", 'line 6: packages.0.hold: is not a list: write ["2.4"]'),
        ("packages:\n  - match: a\n    hold: one\n", 'line 6: packages.0.hold: is not a list: write ["one"]'),
        ("packages: [{match: a, hold: {}}]\n", "line 4: packages.0.hold: is not a list: begin each entry with `-`"),
        ("packages:\n  match: a\n", "line 5: packages: is not a list: begin each entry with `-`"),
        ("packages: our-*\n", "line 4: packages: is not a list: begin each entry with `-`"),
        ("packages:\n  - our-*\n", 'line 5: packages.0: is not a map: write `match: "our-*"`'),
        ("packages:\n  - [a]\n", "line 5: packages.0: is not a map"),
        ("packages:\n\n\n", "line 4: packages: is empty: give it a value, or leave it out"),
        ("packages:\n  - upto: minor\n\n    view: Release\n", "line 5: packages.0.match: is missing"),
        ("packages:\n  - match: a\n    color: red\n", "line 6: packages.0.color: no such setting"),
        ("packages:\n  - match: a\n    view:\n      - Release\n", "line 7: packages.0.view: is a list: write one text"),
        ("packages: [{match: {a: b}}]\n", "line 4: packages.0.match: is a map: write one text"),
        ("packages: [{match: on}]\n", "line 4: packages.0.match: write it in quotes"),
        ("packages: [{match: a, prereleases: 'yes'}]\n", "line 4: packages.0.prereleases: write true or false"),
        ("packages: [{match: a, prereleases: 1}]\n", "line 4: packages.0.prereleases: write true or false"),
        ("rebuild_on_push: sometimes\n", "line 4: rebuild_on_push: write true or false"),
        ("opaque: envs/**\n", 'line 4: opaque: is not a list: write ["envs/**"]'),
        ("opaque: [1]\n", 'line 4: opaque.0: write it in quotes: "1"'),
        ('packages: [{match: ""}]\n', "line 4: packages.0.match: is empty"),
        ("packages: [{match: a, upto: 1.0}]\n", "line 4: packages.0.upto: write major, minor or patch"),
        ("packages: [{match: a, transitive: yes}]\n", "line 4: packages.0.transitive: write report or rebuild"),
        ("packages: [{match: a, hold: ['" + "1" * 5000 + "']}]\n",
         "line 4: packages.0.hold.0: is too long (5000 characters; at most 100)"),
        ("packages: [{match: a, allow: '" + "=" * 101 + "'}]\n",
         "line 4: packages.0.allow: is too long (101 characters; at most 100)"),
        ("python: {a: 3.10}\n", 'line 4: python.a: write it in quotes: "3.10"'),
        ("python:\n  a/**: '3.x'\n", 'line 5: python."a/**": "3.x" is not a Python version (write for example "3.10")'),
        ("python: {a: '\u0663.\u0661'}\n",
         'line 4: python.a: "\u0663.\u0661" is not a Python version (write for example "3.10")'),
        ("python: {a: '" + "3" * 5000 + "'}\n",
         f'line 4: python.a: "{"3" * 60}…" is not a Python version (write for example "3.10")'),
        ("environments: training\n", "line 4: environments: is not a map"),
        ("environments:\n  include: training\n", 'line 5: environments.include: is not a list: write ["training"]'),
        ("colours:\n  - red\n", "line 4: colours: no such setting"),
        ('"two\\nlines": 1\n', 'line 4: "two\\nlines": no such setting'),
        ("1: a\n", "line 4: 1: no such setting"),
        ("packages: []\npackages: []\n", "line 5: packages: stands on line 4 already: keep one of them"),
        ("packages:\n  - match: a\n    upto: minor\n    upto: major\n",
         "line 7: packages.0.upto: stands on line 6 already: keep one of them"),
        ("? [a]\n: b\n", "line 4: a key is a list or a map: write a text"),
        ("environments: &e {include: *e}\n",
         "line 4: environments.include: an alias (`*name`) stands inside of what it names"),
        ("packages: [{match: !ours a}]\n", "line 4: packages.0.match: tags such as !ours are not taken"),
        ("packages: !!set {a}\n", "line 4: packages: tags such as !!set are not taken"),
        ("packages: [{match: a, <<: b}]\n", 'line 4: packages.0."<<": `<<` takes a map, or a list of maps'),
    ],
)  # fmt: skip
def test_a_problem_says_where_and_what_to_write(text: str, said: str) -> None:
    assert problems(PUSH + text) == (said,)


@pytest.mark.parametrize("value", ["3.10", "2024-13-45", "9" * 5000, "psh", "Push", "!!int ''", "!!bool x", "{}"])
def test_a_way_to_deliver_that_there_is_not_is_refused_whatever_it_is(value: str) -> None:
    assert problems(f"deliver: {value}\n") == ("line 1: deliver: write push, pull-request or report",)


def test_aliases_and_merged_maps_are_read_as_yaml_has_them() -> None:
    rules = read(
        "deliver: push\n"
        "packages:\n"
        "  - &ours {match: 'our-*', upto: patch, hold: &bad ['2.4.1']}\n"
        "  - {<<: *ours, match: our-pkg}\n"
        "  - {match: other, hold: *bad, <<: [{upto: major}, *ours]}\n"
    )

    assert [(rule.match, rule.upto, rule.hold) for rule in rules.packages] == [
        ("our-*", Upto.PATCH, ("2.4.1",)),
        ("our-pkg", Upto.PATCH, ("2.4.1",)),
        ("other", Upto.MAJOR, ("2.4.1",)),
    ]


def test_a_problem_that_is_merged_in_stands_where_it_is_written() -> None:
    text = "deliver: push\npackages:\n  - &ours\n    match: a\n    upto: all\n  - {<<: *ours, match: b, upto: minor}\n"

    assert problems(text) == ("line 5: packages.0.upto: write major, minor or patch",)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("", ""),
        ("# nothing\n", ""),
        ("- deliver: push\n", "line 1: "),
        ("\npush\n", "line 2: "),
        ("null\n", "line 1: "),
    ],
)
def test_rules_that_are_no_map_are_refused(text: str, where: str) -> None:
    assert problems(text) == (f"{where}it is not a map; it needs at least `deliver: push` or `report`",)


@pytest.mark.parametrize(
    "text",
    ["deliver: [\n", "deliver: push\n---\ndeliver: report\n", "deliver: push\na: *b\n", "\x07", "a: b: c\n"],
)
def test_rules_that_are_not_yaml_are_refused_with_one_line(text: str) -> None:
    (problem,) = problems(text)

    assert "it is not YAML" in problem or "2 YAML documents" in problem
    assert problem.isprintable()


def test_rules_in_another_encoding_are_refused() -> None:
    assert problems(b"deliver: push # \xff\n") == ("it is not utf-8 text",)


_PIECES = st.sampled_from(
    ("deliver", "packages", "match", "hold", "python", ": ", ":\n", ":\n  - ", "- ", "push", "our-*", "[", "]", "{",
     "}", ", ", "\n", "\n  ", "&a ", "*a", "<<: ", "*a\n", "? ", "!!set ", "!!binary ", "!x ", "'", '"', "# ", "---\n",
     "3.10", "2024-13-45", "~", "=", "yes", "|\n", "\t", "\r", "\x85", "\ufeff", "%", "@")
)  # fmt: skip


def _answer(raw: bytes) -> Rules | InvalidConfiguration:
    """Any bytes are rules, or refused with lines that a log and a page can show."""
    try:
        return read_rules(raw)
    except InvalidConfiguration as problem:
        refused = problem
    assert refused.problems
    assert all(message.isprintable() for message in refused.messages)
    assert str(refused).startswith("rebuilder.yml")
    return refused


@given(st.one_of(st.binary(max_size=60), st.text(max_size=40).map(str.encode)))
def test_any_bytes_are_rules_or_refused(raw: bytes) -> None:
    _answer(raw)


@given(
    st.lists(_PIECES, max_size=25).map("".join), st.sampled_from(("", "deliver: push\n", "deliver: push\npackages: "))
)
def test_any_yaml_is_rules_or_refused(text: str, before: str) -> None:
    _answer((before + text).encode())


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig"])
def test_the_line_is_right_in_any_encoding(encoding: str) -> None:
    assert problems("# é\r\ndeliver: 🚢\r\n".encode(encoding)) == (
        "line 2: deliver: write push, pull-request or report",
    )


def _nested(width: int, depth: int, entry: str) -> str:
    """Aliases of aliases: `depth` lines that stand for width ** depth values."""
    lines = [f"a0: &a0 {entry}"]
    lines += [f"a{at}: &a{at} [{', '.join([f'*a{at - 1}'] * width)}]" for at in range(1, depth)]
    return "deliver: push\n" + "\n".join(lines) + "\n"


def _stacked(depth: int) -> str:
    """Nested lists of which each holds the one before it: few values, very deep."""
    before = [f"*a{at - 1}" if at else "x" for at in range(depth)]
    lines = [f"a{at}: &a{at} {'[' * 150}{before[at]}{']' * 150}" for at in range(depth)]
    return "deliver: push\n" + "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    "text",
    [
        _stacked(12),
        _nested(10, 30, "[x]"),
        _nested(1, 3000, "[x]"),
        "deliver: push\na0: &a0 {x: 1}\n"
        + "".join(f"a{at}: &a{at} {{<<: [{', '.join([f'*a{at - 1}'] * 10)}]}}\n" for at in range(1, 30)),
        "deliver: &a {<<: *a}\n",
        "&a [*a, *a]\n",
        "&a {<<: [*a, *a], deliver: *a}\n",
        "deliver: push\npackages: " + "[" * 5000,
        "deliver: push\npackages:" + "\n - " * 5000,
        "".join(" " * at + "a:\n" for at in range(500)),
        "deliver: push\npackages: [" + "a, " * 100_000 + "]\n",
    ],
    ids=["stacked", "wide", "deep", "merged", "a map in itself", "a list in itself", "a merge in itself", "brackets",
         "dashes", "indented", "long"],
)  # fmt: skip
def test_rules_that_are_made_to_break_their_reader_are_refused(text: str) -> None:
    assert isinstance(_answer(text.encode()), InvalidConfiguration)


def test_all_environments_take_part_unless_the_rules_say_otherwise() -> None:
    assert read("deliver: push\n").includes("any/where/e.yml")


def test_what_is_excluded_does_not_take_part_even_if_it_is_included() -> None:
    rules = read('deliver: push\nenvironments: {include: ["envs/**"], exclude: ["envs/old/**", "**/draft.yml"]}\n')

    assert rules.includes("envs/a/e.yml")
    assert not rules.includes("envs/old/e.yml")
    assert not rules.includes("envs/a/draft.yml")
    assert not rules.includes("other/e.yml")


def test_an_environment_is_known_to_install_something_unseen_by_its_path() -> None:
    rules = read('deliver: push\nopaque: ["envs/legacy/**", "one.yml"]\n')

    assert [path for path in ("envs/legacy/a/e.yml", "one.yml", "envs/a/e.yml") if rules.silences(path)] == [
        "envs/legacy/a/e.yml",
        "one.yml",
    ]
    assert not read("deliver: push\n").silences("one.yml")


def test_the_last_rule_that_matches_a_package_decides() -> None:
    rules = read(
        "deliver: push\npackages:\n"
        "  - {match: '*', upto: patch}\n  - {match: 'our-*', upto: minor}\n  - {match: our-pkg, upto: major}\n"
        "  - {match: 'their-*', upto: patch}\n"
    )

    assert [getattr(rules.rule_for(package_name(name), "e"), "upto", None) for name in ("our-pkg", "our-x", "x")] == [
        Upto.MAJOR,
        Upto.MINOR,
        Upto.PATCH,
    ]


def test_a_rule_for_other_environments_does_not_decide() -> None:
    rules = read(
        "deliver: push\npackages:\n"
        "  - {match: our-pkg, upto: major}\n  - {match: our-pkg, upto: patch, environments: ['training-*', scoring]}\n"
    )

    assert [getattr(rules.rule_for(OURS, name), "upto", None) for name in ("training-a", "scoring", "other")] == [
        Upto.PATCH,
        Upto.PATCH,
        Upto.MAJOR,
    ]


def test_a_package_that_no_rule_names_has_no_rule() -> None:
    rules = read("deliver: push\npackages: [{match: other}, {match: 'our-?'}, {match: our-pkg, environments: [b]}]\n")

    assert rules.rule_for(OURS, "a") is None
    assert read("deliver: push\n").rule_for(OURS, "a") is None


def test_a_rule_names_packages_in_any_case() -> None:
    assert read("deliver: push\npackages: [{match: Our-PKG}]\n").rule_for(OURS, "a")


def test_the_last_glob_that_matches_tells_the_python() -> None:
    rules = read('deliver: push\npython: {"**": "3.10", "envs/old-*": "3.9", "other/**": "3.8"}\n')

    assert rules.python_for("envs/old-a/e.yml") == "3.9"
    assert rules.python_for("envs/new/e.yml") == "3.10"
    assert read("deliver: push\n").python_for("envs/new/e.yml") is None


def test_without_rules_everything_is_shown_and_nothing_is_written() -> None:
    rule = NO_RULES.rule_for(OURS, "any")

    assert NO_RULES.deliver is Deliver.REPORT
    assert NO_RULES.includes("any/e.yml")
    assert rule is not None
    assert rule.upto is Upto.MAJOR
