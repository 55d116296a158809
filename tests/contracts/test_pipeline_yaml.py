"""The pipeline's YAML, held against the schema of Azure Pipelines by Microsoft's own language service."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.contracts import official

SCHEMA = official.SPECS.parent / "azure-pipelines" / "service-schema.json"
SCRIPT = Path(__file__).parent / "check_pipeline.js"

pytestmark = pytest.mark.skipif(
    not SCHEMA.is_file(), reason="the schema of pipelines is not there; REBUILDER_SPECS names its folder"
)


def problems(*files: Path) -> list[list[str]]:
    done = subprocess.run(
        ["node", str(SCRIPT), str(SCHEMA), *map(str, files)],
        cwd=official.PROJECT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = json.loads(done.stdout)
    return [found[str(file)] for file in files]


def test_the_pipeline_and_its_template_fit_the_schema() -> None:
    root, template = problems(official.PROJECT / "azure-pipelines.yml", official.PROJECT / "pipelines" / "rebuild.yml")

    assert root == []
    # The schema knows no expression inside a job's name; the service checks the name that comes out.
    assert [problem.split(": ", 1)[1] for problem in template] == [
        'String does not match the pattern of "^[-_A-Za-z0-9]*$".'
    ]


@pytest.mark.parametrize(
    ("right", "wrong", "complaint"),
    [
        ("scriptType:", "scriptTyp:", "Unexpected property scriptTyp"),
        ("AzureCLI@2", "AzureCLI@99", "Value is not accepted"),
        ("displayName: Report", "displyName: Report", "Unexpected property displyName"),
    ],
)
def test_the_check_notices_what_is_wrong(tmp_path: Path, right: str, wrong: str, complaint: str) -> None:
    text = (official.PROJECT / "pipelines" / "rebuild.yml").read_text()
    assert right in text
    broken = tmp_path / "rebuild.yml"
    broken.write_text(text.replace(right, wrong))

    (found,) = problems(broken)

    assert any(complaint in problem for problem in found), found
