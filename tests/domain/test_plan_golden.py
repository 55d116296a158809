"""Whole plans: each folder of `golden` holds a repository before and what changes in it.

`before` is the repository, `after` the files that change, `releases.txt` what is in hand, and `plan.txt` what the
plan says, line by line. Compared byte for byte.
"""

from pathlib import Path

import pytest

from shared.domain.plan import Plan
from tests.domain.repositories import edited, plan_of

GOLDEN = Path(__file__).parent / "golden"
CASES = sorted(folder.name for folder in GOLDEN.iterdir() if folder.is_dir())


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def lines(plan: Plan) -> list[str]:
    spelled = {release.id: str(release) for release in plan.releases}
    said = [f"{spelled[v.release]} | {v.path} | {v.decision}" for v in plan.verdicts]
    return [*said, *(f"warning: {warning}" for warning in plan.warnings)]


@pytest.mark.parametrize("case", CASES)
def test_a_plan_changes_the_repository_as_expected_and_says_why(case: str) -> None:
    before, after = tree(GOLDEN / case / "before"), tree(GOLDEN / case / "after")
    plan = plan_of(before, *(GOLDEN / case / "releases.txt").read_text().splitlines())

    assert lines(plan) == (GOLDEN / case / "plan.txt").read_text().splitlines()
    assert edited(before, plan) == {**before, **after}
    assert {edit.path for edit in plan.edits} == set(after)


@pytest.mark.parametrize("case", CASES)
def test_a_plan_of_its_own_outcome_changes_nothing(case: str) -> None:
    before, after = tree(GOLDEN / case / "before"), tree(GOLDEN / case / "after")

    assert plan_of({**before, **after}, *(GOLDEN / case / "releases.txt").read_text().splitlines()).edits == ()


@pytest.mark.parametrize("case", CASES)
def test_files_that_are_said_to_change_do(case: str) -> None:
    before, after = tree(GOLDEN / case / "before"), tree(GOLDEN / case / "after")

    assert all(before[path] != content for path, content in after.items())
