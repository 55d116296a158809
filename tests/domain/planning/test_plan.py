"""What a plan decides about each environment by itself."""

from dataclasses import replace

import pytest

from shared.domain.due import Forced
from shared.domain.planning.decisions import Kind
from shared.domain.planning.plan import OwedEnvironment, PlannedEnvironment
from shared.domain.planning.planner import hold_everything, make_plan, unaffected_environments
from shared.domain.releases import ReleaseId
from shared.domain.rules.rules import NO_RULES, Deliver
from tests.domain.repositories import (
    DOCKERFILE,
    catalog_of,
    decisions,
    edited,
    environment,
    plan_of,
    raw,
    release,
    releases,
    rules_of,
    verdicts,
)


def one(requirements: str | bytes = "our-pkg==1.0\n", *, head: str = "", folder: str = "e") -> dict[str, str | bytes]:
    """A repository with one environment."""
    return {
        f"{folder}/env.yml": f"{head}{environment(folder)}",
        f"{folder}/Dockerfile": DOCKERFILE,
        f"{folder}/requirements.txt": requirements,
    }


def rules(text: str) -> dict[str, str | bytes]:
    return {"rebuilder.yml": f"deliver: push\n{text}"}


def shown(files: dict[str, str | bytes], *spelled: str, forced: Forced | None = None) -> str:
    """What a plan decides about the only environment and release."""
    (decision,) = decisions(plan_of(files, *(spelled or ("our-pkg 1.1",)), forced=forced)).values()
    return decision


class TestWhoIsConcerned:
    def test_environments_that_name_the_package_are_listed_and_the_others_counted(self) -> None:
        files = {**one(), **one("other==1\n", folder="f"), **one("our-pkg==1.1\n", folder="g")}
        plan = plan_of(files, "our-pkg 1.1")

        assert decisions(plan) == {"e/env.yml": "bump", "g/env.yml": "current"}
        assert plan.unaffected == 1
        assert [found.path for found in unaffected_environments(plan, catalog_of(files), plan.releases[0].id)] == [
            "f/env.yml"
        ]

    @pytest.mark.parametrize("line", ["our-pkg==1.0; sys_platform == 'win32'", "our-pkg-extra==1.0", "x[our-pkg]==1.0"])
    def test_a_line_that_does_not_count_leaves_an_environment_unaffected(self, line: str) -> None:
        plan = plan_of(one(f"{line}\n"), "our-pkg 1.1")

        assert (plan.verdicts, plan.edits, plan.unaffected) == ((), (), 1)

    def test_a_constraint_alone_requires_nothing(self) -> None:
        plan = plan_of({**one("-c limits.txt\n"), "e/limits.txt": "our-pkg==1.0\n"}, "our-pkg 1.1")

        assert (plan.verdicts, plan.edits, plan.unaffected) == ((), (), 1)

    def test_a_constraint_is_edited_along_where_something_requires_the_package(self) -> None:
        files = {**one("-c limits.txt\nour-pkg==1.0\n"), "e/limits.txt": "# all\nour-pkg==1.0\n"}
        after = edited(files, plan_of(files, "our-pkg 1.1"))

        assert after["e/requirements.txt"] == b"-c limits.txt\nour-pkg==1.1\n"
        assert after["e/limits.txt"] == b"# all\nour-pkg==1.1\n"

    def test_a_constraint_that_is_held_holds(self) -> None:
        files = {**one("-c limits.txt\nour-pkg==1.0\n"), "e/limits.txt": "our-pkg==1.0  # rebuilder: hold\n"}

        assert shown(files).startswith("held(rule hold")
        assert plan_of(files, "our-pkg 1.1").edits == ()

    def test_the_python_decides_which_lines_count(self) -> None:
        lines = "our-pkg==1.0; python_version < '3.10'\nour-pkg==2.0; python_version >= '3.10'\n"
        old = plan_of({**one(lines), **rules('python: {"e/*": "3.9"}\npackages: [{match: our-pkg}]\n')}, "our-pkg 1.1")
        new = plan_of({**one(lines), **rules('python: {"e/*": "3.10"}\npackages: [{match: our-pkg}]\n')}, "our-pkg 2.1")

        assert [(edit.old, edit.new) for edit in old.edits] == [("1.0", "1.1")]
        assert [(edit.old, edit.new) for edit in new.edits] == [("2.0", "2.1")]

    def test_the_rules_know_the_python_better_than_the_image(self) -> None:
        files = one("our-pkg==1.0; python_version < '3.10'\n") | {"e/Dockerfile": DOCKERFILE.replace("3.10", "3.9")}
        ruled = {**files, **rules('python: {"**": "3.10"}\npackages: [{match: our-pkg}]\n')}

        assert plan_of(files, "our-pkg 1.1").unaffected == 0
        assert plan_of(ruled, "our-pkg 1.1").unaffected == 1

    def test_a_package_that_no_rule_names_is_never_touched(self) -> None:
        files = {**one(), **rules("packages: [{match: other}]\n")}
        plan = plan_of(files, "our-pkg 1.1")

        assert decisions(plan) == {"e/env.yml": "held(rule: none names our-pkg)"}
        assert not plan.writes

    def test_rules_may_speak_of_some_environments_only(self) -> None:
        files = {**one(), **one(folder="f"), **rules("packages: [{match: our-pkg, environments: [f]}]\n")}

        assert decisions(plan_of(files, "our-pkg 1.1")) == {
            "e/env.yml": "held(rule: none names our-pkg)",
            "f/env.yml": "bump",
        }

    def test_excluded_environments_are_held(self) -> None:
        files = {**one(), **rules("environments: {exclude: [e]}\npackages: [{match: our-pkg}]\n")}

        assert shown(files) == "held(excluded: rebuilder.yml leaves this environment out)"
        assert plan_of(files, "our-pkg 1.1").edits == ()


class TestSeveralRequirements:
    def test_all_lines_that_name_the_package_are_raised(self) -> None:
        files = {**one("our-pkg==1.0\n-r more.txt\nOur.Pkg[x]==0.9\n"), "e/more.txt": "our_pkg==1.0"}
        plan = plan_of(files, "our-pkg 1.1")

        assert edited(files, plan)["e/requirements.txt"] == b"our-pkg==1.1\n-r more.txt\nOur.Pkg[x]==1.1\n"
        assert edited(files, plan)["e/more.txt"] == b"our_pkg==1.1"

    @pytest.mark.parametrize(
        "other", ["our-pkg==1.2", "our-pkg>=1.2", "our-pkg @ https://host.test/x.zip", "our-pkg=={{v}}"]
    )
    def test_one_line_that_is_held_holds_them_all(self, other: str) -> None:
        plan = plan_of(one(f"our-pkg==1.0\n{other}\n"), "our-pkg 1.1")

        assert decisions(plan)["e/env.yml"].startswith("held(")
        assert plan.edits == ()

    def test_one_line_may_be_current_already(self) -> None:
        plan = plan_of(one("our-pkg==1.1\nour-pkg==1.0\n"), "our-pkg 1.1")

        assert decisions(plan) == {"e/env.yml": "bump"}
        assert len(plan.edits) == 1


class TestWhatCannotBeRead:
    @pytest.mark.parametrize(
        ("files", "why"),
        [
            ({"e/requirements.txt": b"our-pkg==1.0\xff\n"}, "cannot read e/requirements.txt: it is not utf-8 text"),
            ({"e/requirements.txt": "our-pkg==1.0\n!\n"},
             "cannot read e/requirements.txt line 2: '!' is not a requirement"),
            ({"e/requirements.txt": "our-pkg==1.0\n-r x.txt\n"},
             "cannot read e/requirements.txt line 2: it includes 'x.txt', which is not there"),
            ({"e/Dockerfile": f"{DOCKERFILE}RUN pip install our_pkg=1.0\n"},
             "cannot read e/Dockerfile line 4: 'our_pkg=1.0' is not a requirement"),
        ],
    )  # fmt: skip
    def test_an_environment_that_names_the_package_is_held(self, files: dict[str, str | bytes], why: str) -> None:
        assert shown({**one(), **files}) == f"held({why})"

    def test_a_marker_that_cannot_be_read_is_seen(self) -> None:
        assert shown(one("our-pkg==1.0; nonsense\n")).startswith("held(cannot read e/requirements.txt ")

    def test_an_environment_with_an_odd_line_that_does_not_name_the_package_is_unaffected(self) -> None:
        plan = plan_of({**one(), **one("!\n", folder="f")}, "our-pkg 1.1")

        assert decisions(plan) == {"e/env.yml": "bump"}
        assert plan.unaffected == 1

    def test_one_bad_environment_among_many_does_not_hold_the_others(self) -> None:
        files = {**one(), **one(b"our-pkg==1.0 \xff", folder="f"), **one(folder="g"), "h.yml": "name: [\nimage: x\n"}
        plan = plan_of(files, "our-pkg 1.1")

        assert [found.path for found in plan.environments] == ["e/env.yml", "g/env.yml"]
        assert decisions(plan)["f/env.yml"].startswith("held(cannot read")
        assert [warning.split(": ")[:2] for warning in plan.warnings] == [["h.yml line 3", "it is not YAML"]]


class TestTheEnvironmentAsAWhole:
    @pytest.mark.parametrize("folder", ["a b", "a,b", "é", "a\nb", "$(x)", "a;b", "a'b", "a\\b"])
    def test_a_path_that_cannot_travel_is_held(self, folder: str) -> None:
        plan = plan_of({**one(folder=folder), f"{folder}/env.yml": environment()}, "our-pkg 1.1")

        assert decisions(plan)[f"{folder}/env.yml"].startswith("held(path not safe: ")
        assert (plan.edits, plan.environments) == ((), ())

    def test_environments_of_one_name_are_all_held(self) -> None:
        files = {**one(), "e/twin.yml": environment("e")}

        assert decisions(plan_of(files, "our-pkg 1.1")) == {
            "e/env.yml": "held(duplicate name: e/twin.yml is 'e' too)",
            "e/twin.yml": "held(duplicate name: e/env.yml is 'e' too)",
        }

    def test_a_namesake_counts_though_it_does_not_name_the_package(self) -> None:
        files = {**one(), "f.yml": "name: e\nimage: x\n"}

        assert shown(files) == "held(duplicate name: f.yml is 'e' too)"

    def test_a_namesake_that_is_excluded_does_not_hold(self) -> None:
        files = {**one(), "old/f.yml": "name: e\nimage: x\n",
                 **rules("environments: {exclude: [old]}\npackages: [{match: our-pkg}]\n")}  # fmt: skip

        assert shown(files) == "bump"

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ("3", "4"),
            ("'3'", "'4'"),
            ('"9"', '"10"'),
            ("1.0.9", "1.0.10"),
            ("'1.9'", "'1.10'"),
            ("2024.12.1  # by month", "2024.12.2  # by month"),
            ("0", "1"),
            ("${{ inputs.version }}", "${{ inputs.version }}"),
            ("'{{ version }}'", "'{{ version }}'"),
            ("'{% v %}'", "'{% v %}'"),
        ],
    )
    def test_an_explicit_version_rises_by_one_with_the_content(self, before: str, after: str) -> None:
        files = one(head=f"version: {before}\n")
        changed = edited(files, plan_of(files, "our-pkg 1.1"))

        assert changed["e/env.yml"] == raw(one(head=f"version: {after}\n"))["e/env.yml"]
        assert changed["e/requirements.txt"] == b"our-pkg==1.1\n"

    @pytest.mark.parametrize("version", ["stable", "1.0rc1", "v3", "1.", "-1", "1-2", ">-\n  3"])
    def test_an_explicit_version_that_is_no_number_to_edit_holds(self, version: str) -> None:
        files = one(head=f"version: {version}\n")

        assert shown(files).startswith("held(version not a number: ")
        assert plan_of(files, "our-pkg 1.1").edits == ()

    def test_a_version_that_is_no_number_does_not_matter_while_nothing_changes(self) -> None:
        assert shown(one("our-pkg==1.1\n", head="version: stable\n")) == "current"

    def test_a_version_rises_once_however_many_packages_do(self) -> None:
        files = one("our-pkg==1.0\nour-other==1.0\n", head="version: 3\n")
        plan = plan_of(files, "our-pkg 1.1", "our-other 1.1")

        assert b"version: 4\n" in edited(files, plan)["e/env.yml"]


class TestByHand:
    def test_a_current_environment_is_rebuilt_by_hand(self) -> None:
        plan = plan_of(one("our-pkg==1.1\n", head="version: 3\n"), "our-pkg 1.1", forced=Forced(only=True))

        assert decisions(plan) == {"e/env.yml": "rebuild"}
        assert (plan.edits, plan.environments) == ((), (PlannedEnvironment("e/env.yml", "e", "3"),))
        assert plan.writes

    def test_a_rerun_raises_what_is_not_raised_yet(self) -> None:
        assert shown(one(), forced=Forced(only=True)) == "bump"

    @pytest.mark.parametrize("line", ["our-pkg==1.2", "our-pkg==1.0 # rebuilder: hold", "our-pkg==0.1"])
    def test_what_is_held_stays_held_by_hand(self, line: str) -> None:
        files = {**one(f"{line}\n"), **rules("packages: [{match: our-pkg}]\n")}

        assert shown(files, forced=Forced(only=True)).startswith("held(")

    def test_only_the_environments_that_were_asked_for_are_rebuilt(self) -> None:
        files = {**one("our-pkg==1.1\n"), **one("our-pkg==1.1\n", folder="f"), **one(folder="g")}
        plan = plan_of(files, "our-pkg 1.1", forced=Forced(("f/env.yml",), only=True))

        assert decisions(plan) == {
            "e/env.yml": "held(not asked for: the rerun names other environments)",
            "f/env.yml": "rebuild",
            "g/env.yml": "held(not asked for: the rerun names other environments)",
        }

    def test_what_is_due_of_a_release_besides_is_decided_for_the_others(self) -> None:
        files = {**one("our-pkg==1.1\n"), **one(folder="g")}
        plan = plan_of(files, "our-pkg 1.1", forced=Forced(("e/env.yml",)))

        assert decisions(plan) == {"e/env.yml": "rebuild", "g/env.yml": "bump"}
        assert plan.partial == ()

    def test_a_release_that_is_decided_for_some_alone_is_named(self) -> None:
        named, unnamed = Forced(("e/env.yml",), only=True), Forced(only=True)

        assert plan_of(one(), "our-pkg 1.1", forced=named).partial == (release("our-pkg", "1.1").id,)
        assert plan_of(one(), "our-pkg 1.1", forced=unnamed).partial == ()


class TestOwed:
    OWED = OwedEnvironment("e/env.yml", "e", 2, ("0a1b",))

    def test_what_is_owed_is_rebuilt_for_no_release(self) -> None:
        plan = plan_of(one(), owed=[self.OWED])

        assert (plan.owed, plan.environments, plan.edits, plan.verdicts) == ((self.OWED,), (), (), ())
        assert plan.writes

    def test_a_release_that_is_held_does_not_stop_it(self) -> None:
        plan = plan_of({**one("our-pkg==1.0 # rebuilder: hold\n")}, "our-pkg 1.1", owed=[self.OWED])

        assert decisions(plan)["e/env.yml"].startswith("held(")
        assert plan.owed == (self.OWED,)

    def test_with_a_release_that_is_written_it_is_rebuilt_once_and_begins_anew(self) -> None:
        plan = plan_of(one(), "our-pkg 1.1", owed=[self.OWED])

        assert [environment.path for environment in plan.environments] == ["e/env.yml"]
        assert plan.owed == ()

    @pytest.mark.parametrize(
        ("files", "why"),
        [
            (rules("packages: []\n"), "gone: no such environment at"),
            ({**one(), **rules("environments: {exclude: ['e/*']}\n")}, "excluded: "),
            ({"e/env.yml": "name: e\nbuild:\n  path: nowhere\n"}, "cannot be rebuilt: "),
            ({**one(), "rebuilder.yml": "deliver: report\n"}, "rebuilder.yml only reports"),
        ],
        ids=["gone", "excluded", "unbuildable", "report"],
    )
    def test_what_cannot_be_rebuilt_says_why(self, files: dict[str, str | bytes], why: str) -> None:
        (owed,) = plan_of(files, owed=[self.OWED]).owed

        assert owed.blocker
        assert owed.blocker.startswith(why)


class TestDelivery:
    @pytest.mark.parametrize(("deliver", "writes"), [("push", True), ("pull-request", True), ("report", False)])
    def test_a_report_never_writes(self, deliver: str, writes: bool) -> None:
        plan = plan_of(
            {**one(), "rebuilder.yml": f"deliver: {deliver}\npackages: [{{match: our-pkg}}]\n"}, "our-pkg 1.1"
        )

        assert plan.deliver == deliver
        assert decisions(plan) == {"e/env.yml": "bump"}
        assert plan.writes is writes

    def test_without_rules_the_plan_is_shown_and_nothing_is_written(self) -> None:
        plan = make_plan(target="ours", catalog=catalog_of(one()), rules=NO_RULES, releases=releases("our-pkg 2.0"))

        assert decisions(plan) == {"e/env.yml": "bump"}
        assert not plan.writes

    def test_a_plan_that_rebuilds_nothing_does_not_write(self) -> None:
        assert not plan_of(one("our-pkg==1.1\n"), "our-pkg 1.1").writes

    def test_while_the_rules_cannot_be_followed_everything_is_held(self) -> None:
        catalog = catalog_of({**one(), **one("other==1\n", folder="f")})
        plan = hold_everything(target="ours", catalog=catalog, releases=releases("our-pkg 1.1"), reason="rules: broken")

        assert decisions(plan) == {"e/env.yml": "held(rules: broken)"}
        assert (plan.deliver, plan.writes, plan.unaffected, plan.edits) == (Deliver.REPORT, False, 1, ())
        assert plan.warnings == ("rules: broken",)

    def test_a_plan_knows_for_which_release_it_acts(self) -> None:
        plan = plan_of(one("our-pkg==1.0\nour-other==2.0\n"), "our-pkg 1.1", "our-other 1.0")
        ours, other = (ReleaseId.of("our-feed", *text.split()) for text in ("our-pkg 1.1", "our-other 1.0"))

        assert plan.acts_on(ours)
        assert not plan.acts_on(other)
        assert [verdict.decision.kind for verdict in plan.about(other)] == [Kind.HELD]


class TestIdentity:
    def test_the_same_inputs_give_the_same_plan_in_whatever_order(self) -> None:
        files = {**one("our-pkg==1.0\nour-other==1\n"), **one(folder="f")}
        backwards = {path: files[path] for path in sorted(files, reverse=True)}

        assert plan_of(files, "our-pkg 1.1", "our-other 2") == plan_of(backwards, "our-other 2", "our-pkg 1.1")

    def test_the_identity_tells_apart_what_is_carried_out_differently(self) -> None:
        catalog, rules_ = catalog_of(one()), rules_of(one())
        made = [
            make_plan(target=target, catalog=seen, rules=obeyed, releases=given)
            for target, seen, obeyed, given in (
                ("ours", catalog, rules_, releases("our-pkg 1.1")),
                ("theirs", catalog, rules_, releases("our-pkg 1.1")),
                ("ours", replace(catalog, commit="0" * 40), rules_, releases("our-pkg 1.1")),
                ("ours", catalog, NO_RULES, releases("our-pkg 1.1")),
                ("ours", catalog, rules_, releases("our-pkg 1.2")),
                ("ours", catalog, rules_, releases("our-pkg 1.1", "our-pkg 1.0")),
                ("ours", catalog, rules_, [release("our-pkg", "1.1", feed="their-feed")]),
            )
        ]

        assert len({plan.id for plan in made}) == len(made)

    def test_an_identity_is_short_and_plain(self) -> None:
        assert plan_of(one(), "our-pkg 1.1").id.isalnum()

    def test_a_plan_names_target_and_commit(self) -> None:
        plan = plan_of(one(), "our-pkg 1.1")

        assert (plan.target, plan.commit) == ("ours", catalog_of(one()).commit)

    def test_a_plan_without_releases_is_empty(self) -> None:
        plan = plan_of(one())

        assert (plan.verdicts, plan.edits, plan.unaffected, plan.writes) == ((), (), 1, False)


def test_verdicts_are_sorted_by_release_and_path() -> None:
    files = {**one("our-pkg==1.0\nour-other==1\n", folder="z"), **one("our-pkg==1.0\nour-other==1\n", folder="a")}

    assert list(verdicts(plan_of(files, "our-pkg 1.1", "our-other 2"))) == [
        ("a/env.yml", "our-other 2"),
        ("z/env.yml", "our-other 2"),
        ("a/env.yml", "our-pkg 1.1"),
        ("z/env.yml", "our-pkg 1.1"),
    ]


def test_where_else_packages_may_come_from_is_left_as_it_is_and_holds_nothing() -> None:
    """The pipeline asks none of these places; what they say is for whoever installs by hand."""
    options = "-i https://a.test/s\n--extra-index-url https://b.test/s\n--trusted-host b.test\n-f https://c.test\n"
    files = one(f"{options}our-pkg==1.0\n".encode())
    plan = plan_of(files, "our-pkg 1.1")

    assert decisions(plan) == {"e/env.yml": "bump"}
    assert edited(files, plan)["e/requirements.txt"] == f"{options}our-pkg==1.1\n".encode()


def test_a_second_index_is_a_risk_that_is_named_once_for_its_file() -> None:
    shared = b"--index-url https://one.invalid/simple\n--extra-index-url https://two.invalid/simple\nour-pkg==1.0\n"
    files = {"shared.txt": shared}
    for name in ("a", "b"):
        files |= {
            f"{name}/environment.yml": (
                f"name: {name}\nbuild:\n  path: ..\n  dockerfile_path: {name}/Dockerfile\n".encode()
            ),
            f"{name}/Dockerfile": b"FROM x\nCOPY shared.txt .\nRUN pip install -r shared.txt\n",
        }
    plan = make_plan(target="ours", catalog=catalog_of(files), rules=NO_RULES, releases=releases("our-pkg 1.1"))
    (warning,) = [warning for warning in plan.warnings if "index" in warning]
    assert warning.startswith("shared.txt line 2: --extra-index-url is not followed: a higher version of one of your")
    assert "two.invalid" not in warning
