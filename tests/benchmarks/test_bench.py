"""The benchmark measures what it says: its parts run, and the product agrees with what its generator knows."""

import json
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

import pytest

from benchmarks import processes, turns
from benchmarks.picture import picture
from benchmarks.repositories import make_repository
from benchmarks.results import Row, table, write_json


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return [*processes.measure(100, seed=2), *turns.measure(100, affected=30, seed=2)]


def test_a_seed_makes_one_repository() -> None:
    assert make_repository(50, 20, seed=3) == make_repository(50, 20, seed=3)
    assert make_repository(50, 20, seed=3) != make_repository(50, 20, seed=4)


def test_a_repository_is_affected_as_far_as_it_was_asked_to_be() -> None:
    kinds = Counter(make_repository(500, 200).truth.values())
    assert kinds["bump"] + kinds["rebuild"] == 200
    assert kinds.total() == 500
    assert set(kinds) == {"bump", "rebuild", "current", "unaffected"}


def test_what_is_changed_and_should_not_be_is_counted(tmp_path: Path) -> None:
    repository = make_repository(50, 20, seed=3)
    repository.write(tmp_path)
    bumped = sum(kind == "bump" for kind in repository.truth.values())
    assert repository.judged(tmp_path) == (0, 0)
    for path, raw in repository.raised.items():
        (tmp_path / path).write_bytes(raw)
    assert repository.judged(tmp_path) == (bumped, 0)
    for path in repository.truth:
        (tmp_path / path).write_bytes(b"spoiled")
    assert repository.judged(tmp_path) == (0, 50 - bumped)


def test_the_product_agrees_with_the_truth_and_a_line_of_shell_does_not(rows: list[Row]) -> None:
    right = {row.what: (row.right, row.of) for row in rows if row.of}
    assert right["plan"] == (100, 100)
    made, of = right["plan --apply"]
    assert made == of
    found, of = right["grep and sed"]
    assert found is not None
    assert of is not None
    assert 0 < found < of
    harmed = {row.what: row.harmed for row in rows if row.harmed is not None}
    assert harmed["plan --apply"] == 0
    assert harmed["grep and sed"] is not None
    assert harmed["grep and sed"] > 0


def test_a_release_in_one_process_is_measured_with_what_it_asks(rows: list[Row]) -> None:
    asked = {row.what: row.requests for row in rows if row.requests}
    assert asked["follow its runs"]["Azure ML"] == 30
    assert asked["the next release"]["repository"] < asked["release, nothing read before"]["repository"]


def test_the_measures_are_written_for_people_and_for_programs(rows: list[Row], tmp_path: Path) -> None:
    write_json(rows, tmp_path / "measures.json")
    written = json.loads((tmp_path / "measures.json").read_text())
    assert [row["what"] for row in written["rows"]] == [row.what for row in rows]
    assert table(rows).count("\n") == len(rows) + 1
    drawn = ET.fromstring(picture(rows))
    assert len(drawn.findall(".//{http://www.w3.org/2000/svg}polyline")) == 6
