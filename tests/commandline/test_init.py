"""`python -m shared init`: a first rebuilder.yml."""

from collections.abc import Callable
from pathlib import Path

from shared.domain.rules.rules import Deliver, read_rules
from shared.domain.rules.schema import schema_text
from tests.commandline.conftest import Run, Tree

FILES: Tree = {
    "training/env.yml": "name: training\nimage: i\nconda_file: conda.yml\n",
    "training/conda.yml": "dependencies:\n- python=3.9\n- pip: [our-pkg==1.0, numpy==1.0]\n",
}


def test_it_writes_what_the_reader_of_rules_takes(run: Run, grow: Callable[[Tree], Path]) -> None:
    root = grow(FILES)
    done = run("init", root, "--private", "our-*")
    rules = read_rules((root / "rebuilder.yml").read_bytes())

    assert done.code == 0
    assert done.out == (root / "rebuilder.yml").read_text()
    assert (rules.deliver, [rule.match for rule in rules.packages]) == (Deliver.REPORT, ["our-*"])


def test_rules_that_are_there_stay(run: Run, grow: Callable[[Tree], Path]) -> None:
    root = grow(FILES | {"rebuilder.yml": "deliver: push\n"})
    done = run("init", root)

    assert (done.code, (root / "rebuilder.yml").read_text()) == (0, "deliver: push\n")
    assert "is there already and stays as it is" in done.err


def test_the_schema_that_the_first_line_names_lies_beside_the_rules(run: Run, grow: Callable[[Tree], Path]) -> None:
    root = grow(FILES)
    done = run("init", root)
    first = (root / "rebuilder.yml").read_text().splitlines()[0]

    assert (root / first.partition("$schema=")[2]).read_text() == schema_text()
    assert "commit it with rebuilder.schema.json" in done.err


def test_rules_that_are_there_get_their_schema_and_one_that_is_there_stays(
    run: Run, grow: Callable[[Tree], Path]
) -> None:
    root = grow(FILES | {"rebuilder.yml": "deliver: push\n"})

    assert "wrote rebuilder.schema.json beside it" in run("init", root).err
    assert (root / "rebuilder.schema.json").read_text() == schema_text()

    (root / "rebuilder.schema.json").write_text("{}")

    assert "rebuilder.schema.json" not in run("init", root).err
    assert (root / "rebuilder.schema.json").read_text() == "{}"


def test_a_folder_without_environments_is_named(run: Run, grow: Callable[[Tree], Path]) -> None:
    root = grow({"README.md": "nothing\n"})
    done = run("init", root)

    assert done.code == 0
    assert f"{root}: no environment was found: is it the right folder?" in done.err
    assert "no environment was found" not in run("init", grow(FILES)).err


def test_what_is_no_folder_is_refused_in_one_line(run: Run, tmp_path: Path) -> None:
    assert run("init", tmp_path / "gone").err == f"error: {tmp_path}/gone is not a folder\n"
