"""`unaffected` is said only of what was read: what may require a package unseen is held where it would be said."""

from collections.abc import Mapping

import pytest

from shared.domain.due import Forced
from shared.domain.planning.plan import Plan
from shared.domain.planning.planner import hold_everything
from shared.domain.planning.planning_facts import PlanningFacts
from tests.domain.repositories import (
    ANYTHING_GOES,
    DOCKERFILE,
    catalog_of,
    decisions,
    environment,
    metadata,
    plan_of,
    releases,
    verdicts,
)

UNSEEN = "-r https://example.com/more.txt\n"
UNREAD = "-r gone.txt\n"
OPAQUE_AT = "opaque: e/requirements.txt line {}: -r https://example.com/more.txt"
UNREAD_AT = "cannot read e/requirements.txt line {}: it includes 'gone.txt', which is not there"


def files(requirements: str, rules: str = ANYTHING_GOES) -> Mapping[str, str]:
    """One environment and the rules."""
    return {
        "rebuilder.yml": rules,
        "e/env.yml": environment("e"),
        "e/Dockerfile": DOCKERFILE,
        "e/requirements.txt": requirements,
    }


def warned(plan: Plan) -> list[str]:
    return [warning for warning in plan.warnings if warning.startswith("e/env.yml: it may install more")]


@pytest.mark.parametrize(("lines", "reason"), [(UNSEEN, OPAQUE_AT), (UNREAD, UNREAD_AT), (UNSEEN + UNREAD, UNREAD_AT)])
class TestWhatNamesNothingOfARelease:
    def test_is_held_for_what_it_may_hide(self, lines: str, reason: str) -> None:
        plan = plan_of(files(f"other==1.0\n{lines}"), "our-pkg 1.1")

        assert decisions(plan) == {"e/env.yml": f"held({reason.format(lines.count('\n') + 1)})"}
        assert plan.unaffected == 0
        assert not plan.environments

    def test_is_held_once_for_each_release(self, lines: str, reason: str) -> None:
        plan = plan_of(files(f"other==1.0\n{lines}"), "our-pkg 1.1", "our-pkg 1.2", "our-other 1.0")

        assert len(verdicts(plan)) == 3
        assert {str(verdict.decision.kind) for verdict in plan.verdicts} == {"held"}

    def test_is_none_of_a_release_while_it_is_excluded(self, lines: str, reason: str) -> None:
        plan = plan_of(files(lines, f"environments: {{exclude: [e]}}\n{ANYTHING_GOES}"), "our-pkg 1.1")

        assert decisions(plan) == {}

    def test_is_none_of_a_release_that_no_rule_names_and_the_plan_says_so_once(self, lines: str, reason: str) -> None:
        rules = 'deliver: push\npackages: [{match: "ours-*"}]\n'
        plan = plan_of(files(lines, rules), "our-pkg 1.1", "our-pkg 1.2")

        assert decisions(plan_of(files(lines, rules), "our-pkg 1.1")) == {}
        (warning,) = plan.warnings
        assert warning == (
            "no rule names our-pkg: 1 environment not read in full, or installing what is not seen, counted as "
            "unaffected"
        )

    def test_is_held_where_conda_has_a_package_of_that_name(self, lines: str, reason: str) -> None:
        conda = f"dependencies:\n- our-pkg=1.0\n- pip:\n  - {lines.splitlines()[0]}\n"
        plan = plan_of({"e/env.yml": "name: e\nimage: i\nconda_file: conda.yml\n", "e/conda.yml": conda}, "our-pkg 1.1")

        assert [verdict.decision.kind for verdict in plan.verdicts] == ["held"]
        assert "e/conda.yml line 4" in plan.verdicts[0].decision.reason

    def test_is_held_as_not_asked_for_when_a_person_asks_for_others(self, lines: str, reason: str) -> None:
        plan = plan_of(files(lines), "our-pkg 1.1", forced=Forced(("another",), only=True))

        assert decisions(plan)["e/env.yml"].startswith("held(not asked for")

    def test_is_held_with_all_others_while_the_rules_cannot_be_followed(self, lines: str, reason: str) -> None:
        catalog = catalog_of(files(lines))
        plan = hold_everything(target="ours", catalog=catalog, releases=releases("our-pkg 1.1"), reason="rules: wrong")

        assert decisions(plan) == {"e/env.yml": "held(rules: wrong)"}


class TestARuleForWhatIsKnown:
    RULES = f"opaque: ['e/**']\n{ANYTHING_GOES}"

    def test_silences_what_is_installed_unseen(self) -> None:
        assert decisions(plan_of(files(UNSEEN, self.RULES), "our-pkg 1.1")) == {}

    def test_does_not_silence_what_cannot_be_read(self) -> None:
        assert "e/env.yml" in decisions(plan_of(files(UNREAD, self.RULES), "our-pkg 1.1"))

    def test_says_nothing_of_other_environments(self) -> None:
        elsewhere = f"opaque: ['f/**']\n{ANYTHING_GOES}"

        assert "e/env.yml" in decisions(plan_of(files(UNSEEN, elsewhere), "our-pkg 1.1"))

    def test_takes_the_warning_away_too(self) -> None:
        assert warned(plan_of(files(f"our-pkg==1.0\n{UNSEEN}", self.RULES), "our-pkg 1.1")) == []


class TestWhereThePackageIsSeen:
    def test_the_pin_decides_with_one_warning(self) -> None:
        plan = plan_of(files(f"our-pkg==1.0\n{UNSEEN}{UNSEEN.replace('more', 'most')}"), "our-pkg 1.1")

        assert decisions(plan) == {"e/env.yml": "bump"}
        assert warned(plan) == [f"e/env.yml: it may install more than is seen: {OPAQUE_AT.format(2)} (and 1 more)"]

    @pytest.mark.parametrize(("pin", "decision"), [("==1.1", "current"), ("==2.0", "held(older: pins 2.0)")])
    def test_what_is_not_rebuilt_is_decided_as_ever(self, pin: str, decision: str) -> None:
        plan = plan_of(files(f"our-pkg{pin}\n{UNSEEN}"), "our-pkg 1.1")

        assert (decisions(plan), warned(plan)) == ({"e/env.yml": decision}, [])

    def test_what_takes_it_through_another_package_is_decided_as_ever(self) -> None:
        rules = 'deliver: push\npackages: [{match: "*", upto: major, transitive: rebuild}]\n'
        facts = PlanningFacts(metadata=metadata("our-app 1.0", "our-pkg 1.1", our_app=["our-pkg>=1.0"]))
        plan = plan_of(files(f"our-app==1.0\n{UNSEEN}", rules), "our-pkg 1.1", facts=facts)

        assert [str(verdict.decision) for verdict in plan.verdicts] == ["rebuild"]


def test_a_constraint_from_elsewhere_installs_nothing() -> None:
    assert decisions(plan_of(files("-c https://example.com/limits.txt\n"), "our-pkg 1.1")) == {}
