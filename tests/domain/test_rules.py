import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.names import package_name
from shared.domain.rules import NO_RULES, Deliver, PackageRule, Rules, Transitive, Upto, matches, read_rules
from shared.errors import InvalidConfiguration

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


def test_all_problems_are_named_at_once() -> None:
    text = """\
environments: {includes: ["**"]}
python: {"a/*": "3"}
packages:
  - {match: our-pkg, upto: everything, allow: "about 3", hold: ["1.0", "one"]}
  - {upto: minor, colour: red}
"""
    said = problems(text)

    assert [problem.split(":")[0] for problem in sorted(said)] == [
        "`deliver`",
        "`environments.includes`",
        "`packages.0.allow`",
        "`packages.0.hold`",
        "`packages.0.upto`",
        "`packages.1.colour`",
        "`packages.1.match`",
        "`python`",
    ]
    assert "`deliver`: is missing" in said
    assert "`environments.includes`: no such setting" in said
    assert "`packages.0.allow`: 'about 3' is not a version specifier (write for example '<3')" in said
    assert "`packages.0.hold`: 'one' is not a version" in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("deliver: push\npackages: [{match: a, hold: [2.4]}]\n", "`packages.0.hold.0`: write it in quotes"),
        ("deliver: push\npython: {a: 3.10}\n", "`python.a`: write it in quotes"),
        ("deliver: push\npython: {a: '3.x'}\n",
         "`python`: 'a': '3.x' is not a Python version (write for example \"3.10\")"),
        ('deliver: push\npackages: [{match: ""}]\n', "`packages.0.match`: String should have at least 1 character"),
        ("deliver: merge\n", "`deliver`: Input should be 'push', 'pull-request' or 'report'"),
        ("deliver: push\npackages: [{match: a, hold: ['" + "1" * 5000 + "']}]\n",
         "`packages.0.hold`: a version of 5000 characters (at most 100)"),
    ],
)  # fmt: skip
def test_a_problem_says_where_and_what_to_write(text: str, said: str) -> None:
    assert problems(text) == (said,)


@pytest.mark.parametrize("text", ["", "# nothing\n", "- deliver: push\n", "push\n", "null\n"])
def test_rules_that_are_no_map_are_refused(text: str) -> None:
    assert problems(text) == ("it is not a map; it needs at least `deliver: push` or `report`",)


@pytest.mark.parametrize(
    "text",
    ["deliver: [\n", "deliver: push\n---\ndeliver: report\n", "deliver: !!python/name:os.system x\n", "a: *b\n",
     "? [a]\n: b\n", "deliver: 2024-13-45\n", "deliver: " + "9" * 5000, "\x07", "deliver: !!binary a\n"],
)  # fmt: skip
def test_rules_that_are_not_yaml_are_refused_with_one_line(text: str) -> None:
    (problem,) = problems(text)

    assert "it is not YAML" in problem
    assert "\n" not in problem


def test_rules_in_another_encoding_are_refused() -> None:
    assert problems(b"deliver: push # \xff\n") == ("it is not utf-8 text",)


@given(st.text(max_size=40))
def test_any_text_is_rules_or_refused(text: str) -> None:
    try:
        rules = read(text)
    except InvalidConfiguration:
        return

    assert rules.deliver in Deliver


@pytest.mark.parametrize(
    ("path", "glob", "fits"),
    [
        ("environments/a/e.yml", "**", True),
        ("e.yml", "**", True),
        ("environments/a/e.yml", "environments/**", True),
        ("environments/a/e.yml", "environments", True),
        ("environments/a/e.yml", "environments/a", True),
        ("environments/a/e.yml", "environments/*", True),
        ("environments/a/e.yml", "*/a/e.yml", True),
        ("environments/a/e.yml", "**/e.yml", True),
        ("environments/old-1/e.yml", "environments/old-*", True),
        ("environments/a/e.yml", "environments/old-*", False),
        ("environments/a/e.yml", "environment", False),
        ("environments/a/e.yml", "a", False),
        ("environments/a/e.yml", "*.yml", False),
        ("environments/a/e.yml", "e.yml", False),
        ("environments/a/e.yml", "Environments/**", False),
        ("environments/a/e.yml", "", False),
        ("archive-new/e.yml", "archive/**", False),
        ("archive/x/y/e.yml", "archive/**", True),
        ("archive/x/y/e.yml", "archive/**/e.yml", True),
    ],
)
def test_a_glob_matches_a_path_or_a_folder_that_it_lies_in(path: str, glob: str, fits: bool) -> None:
    assert matches(path, glob) is fits


@given(st.lists(st.text("ab.*?[]!-/", max_size=6), max_size=3).map("/".join))
def test_any_glob_can_be_matched(glob: str) -> None:
    assert matches("a/b/a.b", glob) in (True, False)


def test_all_environments_take_part_unless_the_rules_say_otherwise() -> None:
    assert read("deliver: push\n").includes("any/where/e.yml")


def test_what_is_excluded_does_not_take_part_even_if_it_is_included() -> None:
    rules = read('deliver: push\nenvironments: {include: ["envs/**"], exclude: ["envs/old/**", "**/draft.yml"]}\n')

    assert rules.includes("envs/a/e.yml")
    assert not rules.includes("envs/old/e.yml")
    assert not rules.includes("envs/a/draft.yml")
    assert not rules.includes("other/e.yml")


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
