"""What lets a hold pass follows from its code, and from nothing that is written for a person."""

from dataclasses import replace

import pytest

from shared.domain.holds import Hold, Passes
from shared.domain.planning.decisions import held
from shared.domain.planning.plan import Plan
from tests.domain.repositories import plan_of

NEVER = {Hold.OLDER, Hold.TAKEN}
COMMIT = {Hold.CANNOT_READ, Hold.OPAQUE}
RELEASES = {Hold.CONFLICT, Hold.HASHES_UNKNOWN, Hold.NO_FILE, Hold.RECOMPILE, Hold.SHARES}


@pytest.mark.parametrize("hold", Hold)
def test_each_code_says_what_lets_it_pass(hold: Hold) -> None:
    expected = {**dict.fromkeys(NEVER, Passes.NEVER), **dict.fromkeys(COMMIT, Passes.COMMIT)}
    expected |= dict.fromkeys(RELEASES, Passes.RELEASES)

    assert hold.passes is expected.get(hold, Passes.REPOSITORY)


def reworded(plan: Plan) -> Plan:
    verdicts = (replace(one, decision=replace(one.decision, reason="in other words")) for one in plan.verdicts)
    return replace(plan, verdicts=tuple(verdicts))


@pytest.mark.parametrize("hold", Hold)
def test_another_sentence_changes_nothing(hold: Hold) -> None:
    files: dict[str, str | bytes] = {
        "e/env.yml": "name: e\nimage: x\nconda_file: conda.yml\n",
        "e/conda.yml": "dependencies: [{pip: [our-pkg==1.0]}]\n",
    }
    plan = plan_of(files, "our-pkg 1.1")
    verdicts = (replace(verdict, decision=held(hold, "older: no file: opaque")) for verdict in plan.verdicts)
    plan = replace(plan, verdicts=tuple(verdicts))

    assert plan.verdicts
    (one,) = {verdict.release for verdict in plan.verdicts}
    assert plan.holds(one) == reworded(plan).holds(one) == {hold.passes}


def test_a_plan_from_before_there_were_codes_is_looked_at_again() -> None:
    plan = plan_of(
        {"e/env.yml": "name: e\nimage: x\nconda_file: {dependencies: [{pip: [our-pkg==2.0]}]}\n"}, "our-pkg 1.1"
    )
    verdicts = (replace(verdict, decision=replace(verdict.decision, hold=None)) for verdict in plan.verdicts)

    assert replace(plan, verdicts=tuple(verdicts)).holds(plan.releases[0].id) == {Passes.REPOSITORY}
    assert plan.holds(plan.releases[0].id) == {Passes.NEVER}
