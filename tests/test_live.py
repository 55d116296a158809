"""The live tests themselves: against a stand in the role of the live services, as it is and with one thing wrong."""

import ast
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from local.faults import Fault
from tests.live.__main__ import app
from tests.live.assumptions import ASSUMPTIONS, NOT_LIVE, NOT_LIVE_MODULES
from tests.live.comparison import lines, side_by_side
from tests.live.redaction import Redactor
from tests.live.running import LiveRun
from tests.live.settings import PREFIX, REQUIRED, Missing, read_settings
from tests.live.stand import LiveStand

ROOT = Path(__file__).resolve().parent.parent
LIVE = ROOT / "tests" / "live"
# A few tests of both services: enough to see green and red.
FEW = "test_a_push_to_another_tip or test_dots_are_allowed"


@dataclass(frozen=True)
class Place:
    """A stand that the variables name, and what another one says to the few tests."""

    stand: LiveStand
    variables: Mapping[str, str]
    beside: Path

    def run(self, *arguments: str) -> Result:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.variables.items():
                patch.setenv(name, value)
            return CliRunner().invoke(app, arguments)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("live")
    stand = LiveStand(folder / "stand")
    stand.start()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in stand.environment().items():
            patch.setenv(name, value)
        before = LiveRun("before", FEW, folder / "before")
        assert before.run() == 0
    (folder / "beside.json").write_text(json.dumps({"stand": before.seen()}))
    yield Place(stand, stand.environment(), folder / "beside.json")
    stand.stop()


def _left(place: Place) -> tuple[list[str], list[str]]:
    """Branches and environments that are still there."""
    refs = place.stand.organization.repository.path
    branches = [path.name for path in (refs / "refs" / "heads").rglob("*") if path.is_file()]
    environments = place.stand.azure_ml.environments["training"]
    present = [name for name, versions in environments.items() for v in versions if not v.properties.get("isArchived")]
    return branches, present


def test_a_service_that_is_as_the_stand_is_green(place: Place, tmp_path: Path) -> None:
    result = place.run("--yes", "--only", FEW, "--beside", str(place.beside), "--json", str(tmp_path / "r.json"))

    report = json.loads((tmp_path / "r.json").read_text())
    assert result.exit_code == 0, result.output
    assert {said["outcome"] for said in report["tests"].values()} == {"passed"}
    assert report["side by side"]
    assert report["differences"] == []
    branches, environments = _left(place)
    assert not [name for name in branches if report["run"] in name]
    assert not [name for name in environments if report["run"] in name]
    assert any(line.startswith("archived environment") for line in report["cleaned"])
    assert "recycle bin" in " ".join(report["stays"])


def test_a_service_that_is_not_as_the_stand_is_red_and_the_line_names_it(place: Place, tmp_path: Path) -> None:
    place.stand.organization.faults.set("push", Fault.FORBIDDEN)

    result = place.run("--yes", "--only", FEW, "--beside", str(place.beside), "--json", str(tmp_path / "r.json"))

    report = json.loads((tmp_path / "r.json").read_text())
    assert result.exit_code == 1
    (line,) = (line for line in report["differences"] if "status" in line)
    assert line == (
        "tests/live/test_pushes.py::test_a_push_to_another_tip_is_409_and_says_so: "
        "POST /<organization>/<project>/_apis/git/repositories/<repository>/pushes: "
        "status is 403, the stand's is 409"
    )
    assert f"DIFFERENT {line}" in result.output
    assert "FAILED tests/live/test_pushes.py::test_a_push_to_another_tip_is_409_and_says_so: " in result.output
    # A failed test cleans up like any other.
    assert not [name for name in _left(place)[0] if report["run"] in name]


def test_nothing_that_is_nobodys_business_is_written(place: Place) -> None:
    written = place.beside.read_text()

    for secret in ("eyJ", "contoso", "@stand.invalid", "@rebuilder.invalid"):
        assert secret not in written
    assert not re.search(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", written)


def test_leftovers_of_a_run_that_was_killed_are_found_by_their_names(place: Place) -> None:
    assert [name for name in _left(place)[0] if "before" in name], "the run before cleaned nothing up"

    result = place.run("--yes", "--clean-up")

    assert result.exit_code == 0
    assert "removed" in result.output
    assert _left(place) == (["main"], [])


def test_nothing_starts_before_somebody_agrees(place: Place) -> None:
    before = _left(place)

    result = place.run("--only", FEW)

    assert result.exit_code == 2
    assert "Rights that the identity" in result.output
    assert "not started" in result.output
    assert _left(place) == before


def test_all_missing_variables_are_named_at_once_one_a_line() -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name in REQUIRED:
            patch.delenv(PREFIX + name, raising=False)
        result = CliRunner().invoke(app, ["--yes"])

    assert result.exit_code == 2
    assert len(result.output.splitlines()) == len(REQUIRED)
    assert all(f"error: {PREFIX}{name} is not set: " in result.output for name in REQUIRED)


@pytest.mark.parametrize(
    ("name", "value"),
    [("PIPELINE", "rebuild"), ("ORGANIZATION", "contoso"), ("PUBLIC_PACKAGE", "x"), ("RUN_ID", "A/b")],
)
def test_what_cannot_be_right_is_said(name: str, value: str) -> None:
    variables = {PREFIX + one: "1" for one in REQUIRED} | {f"{PREFIX}ORGANIZATION": "https://dev.azure.com/x"}
    with pytest.raises(Missing) as problem:
        read_settings({**variables, PREFIX + name: value})
    assert [line.split(" ")[0] for line in problem.value.lines] == [PREFIX + name]


@pytest.mark.long
def test_all_live_tests_are_green_on_a_stand_and_on_another_one_beside_it(place: Place, tmp_path: Path) -> None:
    result = place.run("--yes", "--json", str(tmp_path / "r.json"))

    assert result.exit_code == 0, result.output


# Side by side


def _exchange(**more: Any) -> dict[str, Any]:
    usual: dict[str, Any] = {
        "test": "t", "request": "GET /x", "query": {}, "body": None, "status": 200, "kind": "application/json",
        "headers": [], "error": "", "answer": {},
    }  # fmt: skip
    return {**usual, **more}


@pytest.mark.parametrize(
    ("live", "stand", "said"),
    [
        ({"status": 400}, {"status": 409}, "status is 400, the stand's is 409"),
        ({"status": 400, "error": "A"}, {"status": 400, "error": "B"}, "error is A, the stand's is B"),
        ({"kind": "text/html"}, {}, "kind is text/html, the stand's is application/json"),
        ({}, {"headers": ["ActivityId"]}, "has no header ActivityId, the stand does"),
        ({"answer": {"value": [{}]}}, {"answer": {"value": [{"a": 1}]}}, "has no field value.a, the stand does"),
        ({"answer": {"a": "1"}}, {"answer": {"a": 1}}, "a is a text, the stand's is a number"),
        ({"answer": {"osType": "linux"}}, {"answer": {"osType": "Linux"}}, "osType is linux, the stand's is Linux"),
    ],
)
def test_each_kind_of_difference_is_named(live: dict[str, Any], stand: dict[str, Any], said: str) -> None:
    assert lines(side_by_side([_exchange(**live)], [_exchange(**stand)])) == [f"t: GET /x: {said}"]


@pytest.mark.parametrize(
    ("live", "stand"),
    [
        ({"answer": {"a": 1, "more": 2}}, {"answer": {"a": 3}}),
        ({"answer": {"a": None}}, {"answer": {"a": "x"}}),
        ({"request": "GET /builds/17/timeline"}, {"request": "GET /builds/3/timeline"}),
        ({"status": 404, "answer": {"message": "a"}}, {"status": 404, "answer": {"other": "b"}}),
    ],
    ids=["more", "null", "ids", "words of an error"],
)
def test_what_is_no_difference_is_none(live: dict[str, Any], stand: dict[str, Any]) -> None:
    assert lines(side_by_side([_exchange(**live)], [_exchange(**stand)])) == []


def test_who_had_to_ask_again_is_compared_by_the_last_answer() -> None:
    live = [_exchange(status=404), _exchange(status=404), _exchange()]

    assert lines(side_by_side(live, [_exchange()])) == []
    assert lines(side_by_side(live, [_exchange(status=201)])) == ["t: GET /x: status is 200, the stand's is 201"]


def test_what_both_read_again_and_again_is_compared_by_the_last_answer() -> None:
    live = [_exchange(answer={"running": 1}), _exchange(answer={"over": 1})]
    stand = [_exchange(answer={"over": 1}), _exchange(answer={"over": 1})]

    assert lines(side_by_side(live, stand)) == []


def test_what_was_written_again_and_again_is_compared_one_by_one() -> None:
    twice = [_exchange(request="POST /x", status=200), _exchange(request="POST /x", status=409)]
    other = [_exchange(request="POST /x", status=409), _exchange(request="POST /x", status=409)]

    assert lines(side_by_side(twice, other)) == ["t: POST /x: status is 200, the stand's is 409"]


def test_what_one_side_was_not_asked_is_said() -> None:
    assert lines(side_by_side([_exchange()], [])) == ["t: GET /x: only the live service was asked this"]
    assert lines(side_by_side([], [_exchange()])) == ["t: GET /x: only the stand was asked this"]


def test_the_same_thing_is_replaced_by_the_same_word() -> None:
    redact = Redactor({"contoso": "<organization>", "ml": "<project>"})
    guid, other = "6A5B9C1E-0d43-4b70-9f0e-000000000001", "6a5b9c1e-0d43-4b70-9f0e-000000000002"

    assert redact.value({"id": guid, "url": f"https://dev.azure.com/contoso/{guid.lower()}?sig=abc", "x": other}) == {
        "id": "<guid-1>",
        "url": "https://dev.azure.com/<organization>/<guid-1>?sig=<secret>",
        "x": "<guid-2>",
    }
    assert redact.value({"author": {"name": "A Person", "email": "a@b.example"}, "sasToken": "sv=1"}) == {
        "author": {"name": "<person>", "email": "<person>"},
        "sasToken": "<secret>",
    }
    assert redact.text("html by a.person@b.example with eyJhbGci.eyJhdWQ.x") == "html by <person> with <secret>"


def test_names_in_an_address_are_told_by_their_place() -> None:
    """The stand's feed is called `packages` and its repository `environments`, like parts of the API."""
    redact = Redactor({"contoso": "<organization>", "packages": "<feed>", "environments": "<repository>"})

    assert redact.path("/contoso/ml/_apis/packaging/Feeds/packages/packages") == (
        "/<organization>/<project>/_apis/packaging/Feeds/<feed>/packages"
    )
    assert redact.path("/contoso/ml/_packaging/packages@Release/pypi/simple/x/") == (
        "/<organization>/<project>/_packaging/<feed>@Release/pypi/simple/x/"
    )
    assert redact.path("/subscriptions/1/resourceGroups/ml/providers/X/workspaces/w/environments/e") == (
        "/subscriptions/<subscription>/resourceGroups/<resource-group>/providers/X/workspaces/<workspace>/environments/e"
    )


# The table


def _tests_of(module: Path) -> set[str]:
    """The tests that a module defines or takes over from the contract suite."""
    tree = ast.parse(module.read_text())
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    taken = {alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    return {name for name in defined | taken if name.startswith("test_")}


LIVE_TESTS = {f"{path.stem}::{name}" for path in LIVE.glob("test_*.py") for name in _tests_of(path)}


def test_every_assumption_has_a_test_that_is_there_or_a_reason() -> None:
    for one in ASSUMPTIONS:
        assert bool(one.tests) != bool(one.reason), one.text
        assert (ROOT / one.where).is_file(), one.where
        assert set(one.tests) <= LIVE_TESTS, one.text


def test_every_live_test_shows_an_assumption_or_a_contract() -> None:
    contracts = {f"{path.stem}::{name}" for path in (ROOT / "tests/contracts").glob("*.py") for name in _tests_of(path)}
    named = {test for one in ASSUMPTIONS for test in one.tests}

    assert LIVE_TESTS - contracts - named == set()


def test_every_contract_test_is_asked_live_or_says_why_not() -> None:
    modules = (ROOT / "tests" / "contracts").glob("test_*.py")
    contracts = [path for path in modules if 'params=["adapter", "fake"]' in path.read_text()]
    assert {path.stem for path in contracts} == NOT_LIVE.keys() | NOT_LIVE_MODULES.keys()
    for path in contracts:
        if path.stem in NOT_LIVE_MODULES:
            continue
        asked = {name for name in _tests_of(path) if f"{path.stem}::{name}" in LIVE_TESTS}
        left_out = NOT_LIVE.get(path.stem, {}).keys()
        said = f"{path.stem}: ask it live, or say why not in tests/live/assumptions.py"
        assert _tests_of(path) - asked - left_out == set(), said
        assert not asked & left_out


def test_every_unverified_thing_in_the_code_is_in_the_table() -> None:
    places = {one.where for one in ASSUMPTIONS}
    files = [*(ROOT / "shared").rglob("*.py"), *(ROOT / "pipelines").glob("*.yml"), ROOT / "function_app.py"]
    said = {path.relative_to(ROOT).as_posix() for path in files if "unverified" in path.read_text().casefold()}

    assert said
    assert said <= places
