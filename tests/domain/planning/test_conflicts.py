"""Whether what a plan would write fits together."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.names import package_name
from shared.domain.planning.choices import Choices
from shared.domain.planning.decisions import Decision, Kind
from shared.domain.planning.evaluation import Candidate
from shared.domain.planning.planning_facts import PlanningFacts
from tests.domain.repositories import (
    DOCKERFILE,
    decisions,
    edited,
    environment,
    metadata,
    plan_of,
    release,
    sole,
    verdicts,
)

type Tree = dict[str, str | bytes]

RULES = {"rebuilder.yml": "deliver: push\npackages: [{match: 'our-*', upto: major}]\n"}


def one(requirements: str, **more: str) -> Tree:
    return {
        "e/env.yml": environment("e"),
        "e/Dockerfile": DOCKERFILE,
        "e/requirements.txt": requirements,
        **{f"e/{name.replace('_', '.')}": text for name, text in more.items()},
        **RULES,
    }


def knows(*spelled: str, **requires: Iterable[str]) -> PlanningFacts:
    return PlanningFacts(metadata=metadata(*spelled, **requires))


NEEDS = knows("our-pkg 1.1", our_pkg=["azure-identity>=1.16"])


@pytest.mark.parametrize("from_channels", [True, False])
@pytest.mark.parametrize("sentence", ["conda takes it", "does not require it"])
def test_what_conda_takes_is_said_whatever_the_sentence(sentence: str, from_channels: bool) -> None:
    environment, choices = sole(one("")), Choices()
    found = Candidate(environment, release("x", "1"), Decision(Kind.UNAFFECTED, sentence), from_channels=from_channels)
    choices.add(environment, package_name("x"), [found])

    assert choices.taken() == ([found] if from_channels else [])


def test_a_pin_beside_it_that_does_not_satisfy_the_version_holds_it() -> None:
    plan = plan_of(one("our-pkg==1.0\nazure-identity==1.15.0\n"), "our-pkg 1.1", facts=NEEDS)

    assert decisions(plan) == {"e/env.yml": "held(conflict: needs azure-identity>=1.16, pinned 1.15.0)"}
    assert plan.edits == ()


@pytest.mark.parametrize(
    "beside", ["azure-identity==1.16", "azure-identity==1.17.0", "azure-identity>=1.0", "azure-identity", "other==1"]
)
def test_what_satisfies_it_or_leaves_a_choice_does_not(beside: str) -> None:
    plan = plan_of(one(f"our-pkg==1.0\n{beside}\n"), "our-pkg 1.1", facts=NEEDS)

    assert (decisions(plan), plan.warnings) == ({"e/env.yml": "bump"}, ())


@pytest.mark.parametrize(
    ("requirements", "requires"),
    [
        ("our-pkg==1.0\nx==1 ; python_version >= '3.8'\n", "x>=2"),
        ("our-pkg==1.0 ; python_version >= '3.8'\nx==1\n", "x>=2"),
        ("our-pkg==1.0\nx==1\n", "x>=2 ; python_version >= '3.8'"),
    ],
    ids=["the pin is conditional", "the package is conditional", "the requirement is conditional"],
)
def test_anything_less_certain_is_a_warning(requirements: str, requires: str) -> None:
    plan = plan_of(one(requirements), "our-pkg 1.1", facts=knows("our-pkg 1.1", our_pkg=[requires]))

    assert decisions(plan) == {"e/env.yml": "bump"}
    assert plan.warnings == ("e/env.yml: our-pkg 1.1 needs x>=2, pinned 1",)


def test_what_is_installed_in_another_step_is_a_warning() -> None:
    files = one("our-pkg==1.0\n", other_txt="x==1\n")
    files["e/Dockerfile"] = f"{DOCKERFILE}RUN pip install -r other.txt\n"
    plan = plan_of(files, "our-pkg 1.1", facts=knows("our-pkg 1.1", our_pkg=["x>=2"]))

    assert decisions(plan) == {"e/env.yml": "bump"}
    assert plan.warnings == ("e/env.yml: our-pkg 1.1 needs x>=2, pinned 1",)


def test_files_that_one_command_takes_are_one_step() -> None:
    files = one("our-pkg==1.0\n", other_txt="x==1\n")
    files["e/Dockerfile"] = DOCKERFILE.replace("-r requirements.txt", "-r requirements.txt -r other.txt")
    plan = plan_of(files, "our-pkg 1.1", facts=knows("our-pkg 1.1", our_pkg=["x>=2"]))

    assert decisions(plan)["e/env.yml"].startswith("held(conflict: ")


def test_a_file_and_what_it_includes_are_one_step() -> None:
    files = one("our-pkg==1.0\n-r other.txt\n", other_txt="x==1\n")
    plan = plan_of(files, "our-pkg 1.1", facts=knows("our-pkg 1.1", our_pkg=["x>=2"]))

    assert decisions(plan)["e/env.yml"].startswith("held(conflict: ")


@pytest.mark.parametrize(
    "requires", ["x>=2; sys_platform == 'win32'", "x>=2; extra == 'e'", "x>=2; python_version < '3.9'", "?"]
)
def test_what_never_applies_is_no_clash(requires: str) -> None:
    plan = plan_of(one("our-pkg==1.0\nx==1\n"), "our-pkg 1.1", facts=knows("our-pkg 1.1", our_pkg=[requires]))

    assert (decisions(plan), plan.warnings) == ({"e/env.yml": "bump"}, ())


def test_a_pin_that_another_package_does_not_admit_any_more_holds_it() -> None:
    facts = knows("our-a 2.0", "our-pkg 1.1", our_a=["our-pkg<1.1"])
    plan = plan_of(one("our-pkg==1.0\nour-a==2.0\n"), "our-pkg 1.1", facts=facts)

    assert decisions(plan)["e/env.yml"] == "held(conflict: our-a 2.0 needs our-pkg<1.1, pinned 1.1)"


def test_a_clash_that_was_there_before_holds_nothing() -> None:
    facts = knows("our-a 2.0", "our-pkg 1.1", our_a=["x>=2"])
    plan = plan_of(one("our-pkg==1.0\nour-a==2.0\nx==1\n"), "our-pkg 1.1", facts=facts)

    assert decisions(plan) == {"e/env.yml": "bump"}


class TestSeveralReleases:
    def test_two_that_need_each_other_pass_together(self) -> None:
        facts = knows("our-a 2.0", "our-b 2.0", our_a=["our-b>=2"], our_b=["our-a>=2"])
        files = one("our-a==1.0\nour-b==1.0\n")
        plan = plan_of(files, "our-a 2.0", "our-b 2.0", facts=facts)

        assert set(verdicts(plan).values()) == {"bump"}
        assert edited(files, plan)["e/requirements.txt"] == b"our-a==2.0\nour-b==2.0\n"

    def test_one_that_needs_the_other_waits_for_it(self) -> None:
        facts = knows("our-a 2.0", our_a=["our-b>=2"])
        plan = plan_of(one("our-a==1.0\nour-b==1.0\n"), "our-a 2.0", facts=facts)

        assert decisions(plan)["e/env.yml"] == "held(conflict: needs our-b>=2, pinned 1.0)"

    def test_the_largest_set_that_fits_is_taken(self) -> None:
        facts = knows("our-a 2.0", "our-b 2.0", "our-c 2.0", our_a=["our-b<2", "our-c<2"])
        plan = plan_of(one("our-a==1\nour-b==1\nour-c==1\n"), "our-a 2.0", "our-b 2.0", "our-c 2.0", facts=facts)

        assert verdicts(plan) == {
            ("e/env.yml", "our-a 2.0"): "held(conflict: needs our-b<2, pinned 2.0)",
            ("e/env.yml", "our-b 2.0"): "bump",
            ("e/env.yml", "our-c 2.0"): "bump",
        }

    def test_of_sets_as_large_the_first_by_name_is_taken(self) -> None:
        facts = knows("our-a 2.0", "our-b 2.0", our_a=["our-b<2"])
        plan = plan_of(one("our-a==1\nour-b==1\n"), "our-b 2.0", "our-a 2.0", facts=facts)

        assert verdicts(plan)["e/env.yml", "our-a 2.0"] == "bump"
        assert verdicts(plan)["e/env.yml", "our-b 2.0"].startswith("held(conflict: ")

    def test_a_lower_version_that_fits_is_taken_instead(self) -> None:
        facts = knows("our-pkg 1.1", "our-pkg 1.2")
        known = {**facts.metadata, **metadata("our-pkg 1.2", our_pkg=["x>=2"])}
        plan = plan_of(one("our-pkg==1.0\nx==1\n"), "our-pkg 1.1", "our-pkg 1.2", facts=PlanningFacts(metadata=known))

        assert verdicts(plan) == {
            ("e/env.yml", "our-pkg 1.2"): "held(conflict: needs x>=2, pinned 1)",
            ("e/env.yml", "our-pkg 1.1"): "bump",
        }

    def test_a_reader_of_a_shared_file_that_clashes_holds_the_others(self) -> None:
        files = one("-r ../shared.txt\nx==1\n") | {
            "shared.txt": "our-pkg==1.0\n",
            "f/env.yml": environment("f"),
            "f/Dockerfile": DOCKERFILE,
            "f/requirements.txt": "-r ../shared.txt\n",
        }
        plan = plan_of(files, "our-pkg 1.1", facts=knows("our-pkg 1.1", our_pkg=["x>=2"]))

        assert decisions(plan) == {
            "e/env.yml": "held(conflict: needs x>=2, pinned 1)",
            "f/env.yml": "held(shares shared.txt with e/env.yml: conflict: needs x>=2, pinned 1)",
        }

    @pytest.mark.parametrize("count", [11, 14])
    def test_of_more_releases_than_can_be_combined_those_that_clash_are_given_up(self, count: int) -> None:
        names = [f"our-p{at:02}" for at in range(count)]
        facts = knows(*(f"{name} 2.0" for name in names), our_p00=["our-p01<2"], our_p03=["our-p04>=2"],
                          our_p04=["our-p03>=2"], our_p05=["x>=2"])  # fmt: skip
        files = one("".join(f"{name}==1\n" for name in [*names, "x"]))
        plan = plan_of(files, *(f"{name} 2.0" for name in names), facts=facts)
        held = {text.split()[0]: decision for (_, text), decision in verdicts(plan).items() if decision != "bump"}

        assert held == {
            "our-p01": "held(conflict: our-p00 2.0 needs our-p01<2, pinned 2.0)",
            "our-p05": "held(conflict: needs x>=2, pinned 1)",
        }


_NAMES = [f"our-{letter}" for letter in "abcdefghijklm"]
_REQUIRES = st.dictionaries(
    st.sampled_from(_NAMES),
    st.lists(st.tuples(st.sampled_from(_NAMES), st.sampled_from(("<2", ">=2", "==1", ""))).map("".join), max_size=2),
)


@given(_REQUIRES, st.integers(1, len(_NAMES)))
def test_whatever_versions_require_what_is_written_fits_together(requires: dict[str, list[str]], count: int) -> None:
    names = _NAMES[:count]
    known = {
        key: value
        for name in names
        for key, value in metadata(f"{name} 2.0", **{name.replace("-", "_"): requires.get(name, [])}).items()
    }
    files = one("".join(f"{name}==1\n" for name in _NAMES))
    plan = plan_of(files, *(f"{name} 2.0" for name in names), facts=PlanningFacts(metadata=known))
    after = {
        name: 2 if verdict == "bump" else 1
        for (_, text), verdict in verdicts(plan).items()
        for name in [text.split()[0]]
    }

    for name, version in after.items():
        for wanted in requires.get(name, []) if version == 2 else []:
            other, operator = wanted[:5], wanted[5:]
            holds = {
                "<2": after.get(other, 1) < 2,
                ">=2": after.get(other, 1) >= 2,
                "==1": after.get(other, 1) == 1,
                "": True,
            }
            assert holds[operator], (name, wanted, after)
