"""What a plan decides where environments share files, and where several versions of a package are in hand."""

import pytest

from tests.domain.repositories import DOCKERFILE, decisions, edited, environment, plan_of, verdicts

Tree = dict[str, str | bytes]


def reader(name: str, *, requirements: str = "-r ../shared.txt\n") -> Tree:
    """An environment that reads the shared file."""
    return {
        f"{name}/env.yml": environment(name),
        f"{name}/Dockerfile": DOCKERFILE,
        f"{name}/requirements.txt": requirements,
    }


def rules(text: str) -> Tree:
    return {"rebuilder.yml": f"deliver: push\n{text}"}


SHARED: Tree = {"shared.txt": "our-pkg==1.0\n"}


class TestSharedFiles:
    def test_a_shared_file_is_edited_once_and_all_its_readers_are_rebuilt(self) -> None:
        files = SHARED | reader("a") | reader("b") | reader("c")
        plan = plan_of(files, "our-pkg 1.1")

        assert decisions(plan) == {"a/env.yml": "bump", "b/env.yml": "bump", "c/env.yml": "bump"}
        assert [edit.path for edit in plan.edits] == ["shared.txt"]
        assert edited(files, plan)["shared.txt"] == b"our-pkg==1.1\n"

    @pytest.mark.parametrize(
        ("other", "reason"),
        [
            (reader("b", requirements="-r ../shared.txt\nour-pkg==1.2\n"), "older: pins 1.2"),
            (reader("b", requirements="-r ../shared.txt\n-r gone.txt\n"),
             "cannot read b/requirements.txt line 2: it includes 'gone.txt', which is not there"),
            (reader("b") | {"c.yml": "name: b\nimage: x\n"}, "duplicate name: c.yml is 'b' too"),
            (reader("b") | {"b/env.yml": f"{environment('b')}version: x\n"}, "version not a number: x"),
            (reader("b") | rules("packages: [{match: our-pkg, environments: [a]}]\n"),
             "rule: none names our-pkg"),
        ],
        ids=["older", "unreadable", "namesake", "version", "rules"],
    )  # fmt: skip
    def test_a_shared_file_stays_if_one_of_its_readers_is_held(self, other: Tree, reason: str) -> None:
        plan = plan_of(SHARED | reader("a") | other, "our-pkg 1.1")

        assert decisions(plan) == {
            "a/env.yml": f"held(shares shared.txt with b/env.yml: {reason})",
            "b/env.yml": f"held({reason})",
        }
        assert plan.edits == ()

    def test_holding_goes_on_from_file_to_file_until_nothing_changes(self) -> None:
        files = {
            **reader("a", requirements="-r ../ab.txt\n"),
            **reader("b", requirements="-r ../ab.txt\n-r ../bc.txt\n"),
            **reader("c", requirements="-r ../bc.txt\n-r ../cd.txt\n"),
            **reader("d", requirements="-r ../cd.txt\nour-pkg==1.2\n"),
            **reader("e", requirements="our-pkg==1.0\n"),
            **{f"{pair}.txt": "our-pkg==1.0\n" for pair in ("ab", "bc", "cd")},
        }
        plan = plan_of(files, "our-pkg 1.1")

        assert [path for path, decision in decisions(plan).items() if decision == "bump"] == ["e/env.yml"]
        assert decisions(plan)["a/env.yml"].startswith("held(shares ab.txt with b/env.yml: shares ")
        assert [edit.path for edit in plan.edits] == ["e/requirements.txt"]

    def test_a_reader_for_which_the_line_does_not_count_does_not_hold(self) -> None:
        shared = {"shared.txt": "our-pkg==1.0; python_version < '3.10'\n"}
        files = (
            shared
            | reader("a")
            | reader("b")
            | rules('python: {"a/*": "3.9", "b/*": "3.11"}\npackages: [{match: our-pkg}]\n')
        )
        plan = plan_of(files, "our-pkg 1.1")

        assert decisions(plan) == {"a/env.yml": "bump"}
        assert edited(files, plan)["shared.txt"] == b"our-pkg==1.1; python_version < '3.10'\n"

    def test_a_reader_that_is_only_constrained_by_the_file_does_not_hold(self) -> None:
        files = SHARED | reader("a") | reader("b", requirements="-c ../shared.txt\nother==1\n")

        assert decisions(plan_of(files, "our-pkg 1.1")) == {"a/env.yml": "bump"}

    def test_excluded_readers_do_not_hold_and_are_named(self) -> None:
        files = SHARED | reader("a") | reader("old", requirements="-r ../shared.txt\nour-pkg==1.2\n")
        plan = plan_of(files | rules("environments: {exclude: [old]}\npackages: [{match: our-pkg}]\n"), "our-pkg 1.1")

        assert decisions(plan)["a/env.yml"] == "bump"
        assert plan.warnings == (
            "a/env.yml: shared.txt lies outside the build context a: the image build cannot read it",
            "old/env.yml is excluded and reads shared.txt, which changes",
        )

    def test_excluded_readers_of_files_that_stay_are_not_named(self) -> None:
        files = SHARED | reader("a", requirements="our-pkg==1.0\n") | reader("old")
        plan = plan_of(files | rules("environments: {exclude: [old]}\npackages: [{match: our-pkg}]\n"), "our-pkg 1.1")

        assert plan.warnings == ()

    def test_a_package_that_is_held_does_not_hold_another_one(self) -> None:
        files = {"shared.txt": "our-pkg==1.0\nour-other==1.0\n"} | reader("a")
        both = files | reader("b", requirements="-r ../shared.txt\nour-other==3.0\n")
        plan = plan_of(both, "our-pkg 1.1", "our-other 2.0")

        assert edited(both, plan)["shared.txt"] == b"our-pkg==1.1\nour-other==1.0\n"
        assert [found.path for found in plan.environments] == ["a/env.yml", "b/env.yml"]

    def test_two_environments_of_one_context_share_its_files(self) -> None:
        files: Tree = {"x.yml": environment("x"), "y.yml": environment("y"), "requirements.txt": "our-pkg==1.0\n",
                       "Dockerfile": DOCKERFILE}  # fmt: skip

        assert decisions(plan_of(files, "our-pkg 1.1")) == {"x.yml": "bump", "y.yml": "bump"}

    def test_warnings_of_environments_that_are_rebuilt_are_said_once(self) -> None:
        files: Tree = {
            "e.yml": environment("e"),
            "Dockerfile": "FROM python:3.10\nRUN pip install -r requirements.txt\n",
            "requirements.txt": "-r https://host.test/x.txt\nour-pkg==1.0\nb==1\n",
        }

        assert plan_of(files, "our-pkg 1.1", "b 2").warnings == (
            "Dockerfile: it never uses pip_packages: the image build would ask the feed, and be refused",
            "e.yml: it may install more than is seen: opaque: requirements.txt line 1: -r https://host.test/x.txt",
        )

    def test_warnings_of_environments_that_are_left_alone_are_not_said(self) -> None:
        files: Tree = {"e.yml": environment("e"), "requirements.txt": "our-pkg==2.0\n"}

        assert plan_of(files, "our-pkg 1.1").warnings == ()


class TestSeveralVersions:
    def test_the_highest_is_taken_and_lower_ones_are_listed(self) -> None:
        plan = plan_of(reader("a", requirements="our-pkg==1.0\n"), "our-pkg 1.2", "our-pkg 1.10", "our-pkg 1.3")

        assert verdicts(plan) == {
            ("a/env.yml", "our-pkg 1.10"): "bump",
            ("a/env.yml", "our-pkg 1.3"): "held(older than 1.10)",
            ("a/env.yml", "our-pkg 1.2"): "held(older than 1.10)",
        }
        assert [edit.new for edit in plan.edits] == ["1.10"]

    def test_the_highest_that_is_not_held_is_taken(self) -> None:
        files = reader("a", requirements="our-pkg==1.0\n") | rules("packages: [{match: our-pkg, hold: ['1.3']}]\n")
        plan = plan_of(files, "our-pkg 2.0", "our-pkg 1.3", "our-pkg 1.2", "our-pkg 1.1")

        assert verdicts(plan) == {
            ("a/env.yml", "our-pkg 2.0"): "held(rule upto minor: 1.0 to 2.0)",
            ("a/env.yml", "our-pkg 1.3"): "held(rule hold 1.3)",
            ("a/env.yml", "our-pkg 1.2"): "bump",
            ("a/env.yml", "our-pkg 1.1"): "held(older than 1.2)",
        }

    def test_every_environment_gets_its_own_highest(self) -> None:
        files = reader("a", requirements="our-pkg==1.0\n") | reader("b", requirements="our-pkg==2.0\n")
        plan = plan_of(files | rules("packages: [{match: our-pkg}]\n"), "our-pkg 1.1", "our-pkg 2.1")

        assert verdicts(plan) == {
            ("a/env.yml", "our-pkg 1.1"): "bump",
            ("a/env.yml", "our-pkg 2.1"): "held(rule upto minor: 1.0 to 2.1)",
            ("b/env.yml", "our-pkg 1.1"): "held(older than 2.1)",
            ("b/env.yml", "our-pkg 2.1"): "bump",
        }

    def test_if_the_highest_is_current_the_others_are_older(self) -> None:
        plan = plan_of(reader("a", requirements="our-pkg==1.3\n"), "our-pkg 1.2", "our-pkg 1.3")

        assert verdicts(plan) == {
            ("a/env.yml", "our-pkg 1.3"): "current",
            ("a/env.yml", "our-pkg 1.2"): "held(older than 1.3)",
        }
        assert plan.edits == ()

    def test_if_all_are_held_each_says_why(self) -> None:
        plan = plan_of(reader("a", requirements="our-pkg==1.5\n"), "our-pkg 1.2", "our-pkg 1.6rc1")

        assert verdicts(plan) == {
            ("a/env.yml", "our-pkg 1.6rc1"): "held(pre-release)",
            ("a/env.yml", "our-pkg 1.2"): "held(older: pins 1.5)",
        }

    def test_readers_of_a_shared_file_agree_on_the_highest_that_suits_all(self) -> None:
        """The one that is bound by a rule comes last in the order of paths."""
        files = SHARED | reader("a") | reader("b")
        bound = rules("packages: [{match: our-pkg}, {match: our-pkg, environments: [b], hold: ['1.3']}]\n")
        plan = plan_of(files | bound, "our-pkg 1.1", "our-pkg 1.2", "our-pkg 1.3")

        assert edited(files, plan)["shared.txt"] == b"our-pkg==1.2\n"
        assert {path for (path, _), decision in verdicts(plan).items() if decision == "bump"} == {
            "a/env.yml",
            "b/env.yml",
        }

    def test_a_version_that_one_reader_may_not_take_is_said_to_be_held_by_it(self) -> None:
        files = SHARED | reader("a") | reader("b")
        bound = rules("packages: [{match: our-pkg}, {match: our-pkg, environments: [b], hold: ['1.3']}]\n")
        plan = plan_of(files | bound, "our-pkg 1.3")

        assert verdicts(plan) == {
            ("a/env.yml", "our-pkg 1.3"): "held(shares shared.txt with b/env.yml: rule hold 1.3)",
            ("b/env.yml", "our-pkg 1.3"): "held(rule hold 1.3)",
        }

    def test_readers_meet_at_a_lower_version_if_none_may_take_the_highest(self) -> None:
        """One is bound above by a rule, and the other's second file by a reader that is bound the same way."""
        files = (
            {"shared.txt": "our-pkg==1.0\n", "more.txt": "our-pkg==1.0\n"}
            | reader("a", requirements="-r ../shared.txt\n")
            | reader("b", requirements="-r ../shared.txt\n-r ../more.txt\n")
            | reader("c", requirements="-r ../more.txt\n")
        )
        bound = rules("packages: [{match: our-pkg}, {match: our-pkg, environments: [c], hold: ['1.3']}]\n")
        plan = plan_of(files | bound, "our-pkg 1.1", "our-pkg 1.2", "our-pkg 1.3")

        assert {path for (path, _), decision in verdicts(plan).items() if decision == "bump"} == {
            "a/env.yml", "b/env.yml", "c/env.yml",
        }  # fmt: skip
        assert edited(files | bound, plan)["more.txt"] == edited(files | bound, plan)["shared.txt"] == b"our-pkg==1.2\n"

    def test_a_reader_whose_own_line_of_the_package_counts_is_not_asked_about_another(self) -> None:
        shared: Tree = {"shared.txt": "our-pkg==1.0; python_version < '3.10'\n"}
        files = shared | reader("a") | reader("b", requirements="-r ../shared.txt\nour-pkg==1.2\n")
        plan = plan_of(
            files | rules('python: {"a/*": "3.9", "b/*": "3.11"}\npackages: [{match: our-pkg}]\n'), "our-pkg 1.1"
        )

        assert decisions(plan) == {"a/env.yml": "bump", "b/env.yml": "held(older: pins 1.2)"}
