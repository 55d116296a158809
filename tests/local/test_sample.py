"""`make run` as the README has it: the sample, to the end."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from local.azure_devops.repository import git
from tests.local.running import run

pytestmark = pytest.mark.stand


@pytest.mark.package_index
@pytest.mark.timeout(900)  # it shares two processors with other stands, and some fifty packages are downloaded
def test_the_whole_story_of_the_sample_with_the_packages_that_it_really_asks_for(tmp_path: Path) -> None:
    """Some fifty public packages come through the feed's upstream source: the one test that downloads anything."""
    report = tmp_path / "seen.json"

    done = run(tmp_path, "--once", "--json", str(report))

    assert done.returncode == 0, done.stdout + done.stderr
    seen = json.loads(report.read_text())
    assert seen["release"] == {
        "feed": "ml/packages",
        "package": "our-cool-reusable-package",
        "version": "1.1",
        "state": "settled",
    }
    assert seen["rebuild"]["state"] == "finished"
    rows = {row["name"]: row for row in seen["environments"]}
    assert {name: (row["decision"], row["state"], row["registered_version"]) for name, row in rows.items()} == {
        "exploration_environment": ("bump", "registered", "1"),
        "reporting_environment": ("unaffected", None, None),
        "scoring_environment": ("bump", "registered", "1"),
        "training_environment": ("bump", "registered", "1"),
    }
    training = rows["training_environment"]
    assert training["tags"]["package-our-cool-reusable-package"] == "1.1"
    wheels = {path.name for path in (Path(training["context"]) / "pip_packages").iterdir()}
    assert "our_cool_reusable_package-1.1-py3-none-any.whl" in wheels
    assert any(name.startswith("azure_ai_ml-1.13.0-") for name in wheels)
    check_commit(tmp_path, seen)
    topics = (
        "upload",
        "signal",
        "feed",
        "plan",
        "commit",
        "run",
        "package",
        "verify",
        "register",
        "ledger",
        "azure ml",
    )
    told = re.findall(r"^\d\d:\d\d:\d\d  (\w+(?: ml)?) ", done.stdout, re.MULTILINE)
    assert set(topics) <= set(told)
    assert [topic for topic in told if topic in topics[:6]] == list(topics[:6])


def check_commit(folder: Path, seen: dict[str, Any]) -> None:
    """There is exactly one new commit, and it changes version texts only."""
    clone = folder / "clone"
    git("clone", "--quiet", seen["repository"], str(clone), at=folder)
    log = git("log", "--format=%H %an %s", at=clone).decode().splitlines()
    assert [line for line in log if "(by the stand)" not in line and "Import" not in line] == [
        f"{seen['rebuild']['commit']} Environment Rebuilder Bump our-cool-reusable-package 1.1"
    ]
    changed = git("show", "--format=", "--unified=0", "--word-diff=porcelain", "HEAD", at=clone).decode().splitlines()
    words = [line[1:] for line in changed if re.match(r"[-+](?![-+])", line)]
    assert len(words) == 6
    for before, after in zip(words[::2], words[1::2], strict=True):
        assert before.replace("1.0", "1.1") == after
