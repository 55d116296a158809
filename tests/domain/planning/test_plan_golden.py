"""Whole plans: each folder of `golden` holds a repository before and what changes in it.

`before` is the repository, `after` the files that change, `releases.txt` what is in hand, `feed.json` what the feed
tells of versions, where it was asked, and `plan.txt` what the plan says, line by line. Compared byte for byte. With a
file `without-pipeline` the repository has another way to build its environments.
"""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from packaging.version import Version

from shared.domain.feed_facts import FeedFile, Metadata
from shared.domain.names import PackageName, package_name
from shared.domain.planning.plan import Plan
from shared.domain.planning.planning_facts import PlanningFacts
from shared.domain.releases import ReleaseId, version_of
from tests.domain.repositories import FEED, Files, carried_after, edited, plan_of

GOLDEN = Path(__file__).parent / "golden"
CASES = sorted(folder.name for folder in GOLDEN.iterdir() if folder.is_dir())


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def lines(plan: Plan) -> list[str]:
    spelled = {release.id: str(release) for release in plan.releases}
    said = [f"{spelled[v.release]} | {v.path} | {v.decision}" for v in plan.verdicts]
    warned = [f"warning: {warning}" for warning in plan.warnings]
    summary = [f"and {plan.elsewhere.summary}"] if plan.elsewhere.summary else []
    return [*said, *warned, *(f"{kind}: {line}" for kind, line in plan.elsewhere.lines()), *summary]


def known(folder: Path) -> PlanningFacts | None:
    file = folder / "feed.json"
    if not file.exists():
        return None
    files: dict[ReleaseId, tuple[FeedFile, ...]] = {}
    described: dict[tuple[PackageName, Version], Metadata] = {}
    for spelled, told in json.loads(file.read_text()).items():
        name, version = spelled.split()
        files[ReleaseId.of(FEED, name, version)] = tuple(FeedFile(*item) for item in told["files"].items())
        described[package_name(name), version_of(version)] = Metadata(requires=tuple(told["requires"]))
    return PlanningFacts(files=files, metadata=described)


def planned(case: str, files: Files, ledger: PlanningFacts | None = None) -> Plan:
    facts = known(GOLDEN / case)
    if ledger:
        facts = replace(facts or PlanningFacts(), carried=ledger.carried)
    spelled = (GOLDEN / case / "releases.txt").read_text().splitlines()
    return plan_of(files, *spelled, facts=facts, pipeline=not (GOLDEN / case / "without-pipeline").exists())


@pytest.mark.parametrize("case", CASES)
def test_a_plan_changes_the_repository_as_expected_and_says_why(case: str) -> None:
    before, after = tree(GOLDEN / case / "before"), tree(GOLDEN / case / "after")
    plan = planned(case, before)

    assert lines(plan) == (GOLDEN / case / "plan.txt").read_text().splitlines()
    assert edited(before, plan) == {**before, **after}
    assert {edit.path for edit in plan.edits} == set(after)


@pytest.mark.parametrize("case", CASES)
def test_a_plan_of_its_own_outcome_changes_nothing(case: str) -> None:
    before, after = tree(GOLDEN / case / "before"), tree(GOLDEN / case / "after")

    ledger = carried_after(planned(case, before))

    assert planned(case, {**before, **after}, ledger).edits == ()


@pytest.mark.parametrize("case", CASES)
def test_no_plan_shows_a_credential(case: str) -> None:
    assert "s3cr3t" not in repr(planned(case, tree(GOLDEN / case / "before")))


@pytest.mark.parametrize("case", CASES)
def test_files_that_are_said_to_change_do(case: str) -> None:
    before, after = tree(GOLDEN / case / "before"), tree(GOLDEN / case / "after")

    assert all(before[path] != content for path, content in after.items())
