"""Environments that take a release only through another private package."""

from collections.abc import Iterable
from typing import Any

import pytest

from shared.domain.due import Forced
from shared.domain.feed_facts import FeedFile, Metadata
from shared.domain.names import package_name
from shared.domain.planning.planning_facts import PlanningFacts
from shared.domain.releases import ReleaseId, version_of
from tests.domain.repositories import DOCKERFILE, FEED, decisions, edited, environment, metadata, plan_of, verdicts

type Tree = dict[str, str | bytes]


def one(requirements: str = "our-a==2.1\n", *, head: str = "", folder: str = "e") -> Tree:
    return {
        f"{folder}/env.yml": head + environment(folder),
        f"{folder}/Dockerfile": DOCKERFILE,
        f"{folder}/requirements.txt": requirements,
    }


def rules(text: str) -> Tree:
    return {"rebuilder.yml": f"deliver: push\npackages:\n{text}"}


REBUILD = rules("- {match: '*', upto: major, transitive: rebuild}\n")


def knows(*spelled: str, carried: dict[str, dict[str, str]] | None = None, **requires: Iterable[str]) -> PlanningFacts:
    return PlanningFacts(metadata=metadata(*spelled, **requires), carried=carried or {})


A_NEEDS_B = knows("our-a 2.1", our_a=["our-b>=1,<2"])


def test_a_release_that_a_named_package_requires_and_admits_is_reported() -> None:
    plan = plan_of(one(), "our-b 1.5", facts=A_NEEDS_B)

    assert decisions(plan) == {"e/env.yml": "held(via our-a 2.1: rule transitive: report)"}
    assert (plan.edits, plan.environments) == ((), ())


def test_it_is_rebuilt_where_the_rule_says_so() -> None:
    plan = plan_of(one() | REBUILD, "our-b 1.5", facts=A_NEEDS_B)

    assert decisions(plan) == {"e/env.yml": "rebuild"}
    assert plan.verdicts[0].decision.reason == "via our-a 2.1"
    assert plan.edits == ()


def test_an_explicit_version_rises_with_it() -> None:
    files = one(head="version: 3\n") | REBUILD

    assert edited(files, plan_of(files, "our-b 1.5", facts=A_NEEDS_B))["e/env.yml"].startswith(b"version: 4\n")


@pytest.mark.parametrize(
    "facts",
    [PlanningFacts(), knows("our-a 2.1"), knows("our-a 2.1", our_a=["our-b<1.5"]), knows("our-a 2.0", our_a=["our-b"]),
     knows("our-a 2.1", our_a=["our-bc"]), knows("our-a 2.1", our_a=["not a requirement"])],
    ids=["nothing known", "requires nothing", "does not admit it", "another version", "another package", "nonsense"],
)  # fmt: skip
def test_what_is_not_known_to_require_the_release_is_unaffected(facts: PlanningFacts) -> None:
    plan = plan_of(one() | REBUILD, "our-b 1.5", facts=facts)

    assert (plan.verdicts, plan.unaffected) == ((), 1)


def test_it_is_followed_down_through_several_packages() -> None:
    facts = knows("our-a 2.1", "our-m 1.0", our_a=["our-m"], our_m=["our-b>=1"])

    assert decisions(plan_of(one() | REBUILD, "our-b 1.5", facts=facts)) == {"e/env.yml": "rebuild"}


def test_packages_that_require_each_other_are_followed_once() -> None:
    facts = knows("our-a 2.1", "our-m 1.0", our_a=["our-m", "our-b"], our_m=["our-a", "our-b"])

    assert decisions(plan_of(one() | REBUILD, "our-b 1.5", facts=facts)) == {"e/env.yml": "rebuild"}


def test_what_names_the_package_itself_is_decided_by_that() -> None:
    files = one("our-a==2.1\nour-b==1.6\n") | REBUILD

    assert decisions(plan_of(files, "our-b 1.5", facts=A_NEEDS_B)) == {"e/env.yml": "held(older: pins 1.6)"}


def test_the_version_that_the_same_plan_writes_counts() -> None:
    facts = knows("our-a 2.1", "our-a 2.2", our_a=["our-b>=1.5"])
    files = one("our-a==2.1\n") | REBUILD
    only_new = PlanningFacts(metadata={key: value for key, value in facts.metadata.items() if str(key[1]) == "2.2"})

    assert verdicts(plan_of(files, "our-a 2.2", "our-b 1.5", facts=only_new)) == {
        ("e/env.yml", "our-a 2.2"): "bump",
        ("e/env.yml", "our-b 1.5"): "rebuild",
    }


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ("- {match: our-a}", "via our-a 2.1: rule: none names our-b"),
        ("- {match: '*', transitive: rebuild, hold: ['1.5']}", "via our-a 2.1: rule hold 1.5"),
        ("- {match: '*', transitive: rebuild, allow: '<1.5'}", "via our-a 2.1: rule allow <1.5"),
        ("- {match: '*', transitive: rebuild, view: Release}", "via our-a 2.1: not in view Release"),
    ],
)
def test_the_rules_hold_it_as_they_hold_a_pin(rule: str, reason: str) -> None:
    plan = plan_of(one() | rules(f"{rule}\n"), "our-b 1.5", facts=A_NEEDS_B)

    assert decisions(plan) == {"e/env.yml": f"held({reason})"}


def test_a_pre_release_is_held() -> None:
    facts = knows("our-a 2.1", our_a=["our-b"])

    assert decisions(plan_of(one() | REBUILD, "our-b 1.5rc1", facts=facts)) == {
        "e/env.yml": "held(via our-a 2.1: pre-release)"
    }


OUR_B = ReleaseId.of(FEED, "our-b", "1.5")
NEEDS_NEWER = {(package_name("our-b"), version_of("1.5")): Metadata(requires_python=">=3.12")}


@pytest.mark.parametrize(
    ("files", "metadata", "reason"),
    [
        ((), {}, "no file: the feed offers none of our-b 1.5 yet"),
        (("our_b-1.5-cp39-cp39-win32.whl",), {},
         "no file for Python 3.10 on Linux: the feed has our_b-1.5-cp39-cp39-win32.whl"),
        (None, NEEDS_NEWER, "no file for Python 3.10: our-b 1.5 needs Python >=3.12"),
    ],
    ids=["no file at all", "no file for Linux", "Requires-Python"],
)  # fmt: skip
def test_what_does_not_install_there_is_held_as_it_is_for_a_pin(
    files: tuple[str, ...] | None, metadata: dict[Any, Metadata], reason: str
) -> None:
    facts = PlanningFacts(
        files={} if files is None else {OUR_B: tuple(map(FeedFile, files))},
        metadata={**A_NEEDS_B.metadata, **metadata},
    )

    assert decisions(plan_of(one() | REBUILD, "our-b 1.5", facts=facts)) == {
        "e/env.yml": f"held(via our-a 2.1: {reason})"
    }


@pytest.mark.parametrize(("carried", "decision"), [("1.5", "current"), ("1.6", "current"), ("1.4", "rebuild")])
def test_what_a_rebuild_carried_already_is_current(carried: str, decision: str) -> None:
    facts = knows("our-a 2.1", our_a=["our-b"], carried={"e/env.yml": {"our-b": carried}})

    assert decisions(plan_of(one() | REBUILD, "our-b 1.5", facts=facts)) == {"e/env.yml": decision}


def test_what_is_current_is_rebuilt_by_hand_without_a_new_version() -> None:
    facts = knows("our-a 2.1", our_a=["our-b"], carried={"e/env.yml": {"our-b": "1.5"}})
    files = one(head="version: 3\n") | REBUILD
    plan = plan_of(files, "our-b 1.5", facts=facts, forced=Forced(only=True))

    assert (decisions(plan), plan.edits) == ({"e/env.yml": "rebuild"}, ())


def test_of_several_releases_the_highest_that_is_admitted_counts() -> None:
    plan = plan_of(one() | REBUILD, "our-b 1.4", "our-b 1.5", "our-b 2.0", facts=A_NEEDS_B)

    assert verdicts(plan) == {
        ("e/env.yml", "our-b 1.4"): "held(older than 1.5)",
        ("e/env.yml", "our-b 1.5"): "rebuild",
    }


def test_an_excluded_environment_is_held() -> None:
    files = one() | {"rebuilder.yml": "deliver: push\nenvironments: {exclude: [e]}\npackages: [{match: '*'}]\n"}

    assert decisions(plan_of(files, "our-b 1.5", facts=A_NEEDS_B))["e/env.yml"].startswith("held(excluded")


def test_a_constraint_alone_installs_no_package_that_could_require_it() -> None:
    files = one("-c limits.txt\n") | REBUILD | {"e/limits.txt": "our-a==2.1\n"}

    assert plan_of(files, "our-b 1.5", facts=A_NEEDS_B).verdicts == ()


@pytest.mark.parametrize(
    ("marker", "affected"),
    [("sys_platform == 'win32'", False), ("python_version < '3'", False), ("python_version >= '3.8'", True)],
)
def test_a_marker_that_never_holds_requires_nothing(marker: str, affected: bool) -> None:
    facts = knows("our-a 2.1", our_a=[f"our-b; {marker}"])

    assert bool(plan_of(one() | REBUILD, "our-b 1.5", facts=facts).verdicts) is affected


@pytest.mark.parametrize(
    ("line", "affected"), [("our-a==2.1", False), ("our-a[x]==2.1", True), ("our-a[y]==2.1", False)]
)
def test_what_an_extra_requires_counts_where_it_is_asked_for(line: str, affected: bool) -> None:
    facts = knows("our-a 2.1", our_a=["our-b; extra == 'x'"])

    assert bool(plan_of(one(f"{line}\n") | REBUILD, "our-b 1.5", facts=facts).verdicts) is affected
