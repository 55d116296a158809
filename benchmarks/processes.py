"""`plan` and `plan --apply` as a person runs them, beside what a person would write in a line of shell."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measure import Cost, program
from benchmarks.repositories import NEW, OLD, PACKAGE, Repository, make_repository
from benchmarks.results import Row

_PROJECT = Path(__file__).parents[1]
_SED = f"grep -rlZ '{PACKAGE}=={OLD}' . | xargs -0 sed -i 's/{PACKAGE}=={OLD}/{PACKAGE}=={NEW}/'"
_LIST = f"git grep -l '{PACKAGE}=='"
_RENOVATE = {
    "platform": "local",
    "customManagers": [
        {
            "customType": "regex",
            "managerFilePatterns": ["/requirements.*\\.txt$/", "/conda.*\\.ya?ml$/", "/Dockerfile$/"],
            "matchStrings": [f"(?<depName>{PACKAGE})==(?<currentValue>[0-9.]+)"],
            "datasourceTemplate": "pypi",
        }
    ],
}


def measure(environments: int, seed: int) -> Iterator[Row]:
    """Measure a repository of which a tenth of the environments is affected."""
    repository = make_repository(environments, affected=environments // 10, seed=seed)
    for what, command in (
        ("plan", _plan()),
        ("plan --apply", _plan("--apply")),
        ("grep and sed", ["sh", "-c", _SED]),
        ("git grep -l", ["sh", "-c", _LIST]),
    ):
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary) / "repository"
            repository.write(folder)
            if what == "git grep -l":
                subprocess.run(["sh", "-c", "git init -q . && git add -A"], cwd=folder, check=True)
            cost = program(command, folder)
            yield _row(what, repository, folder, cost)
    if renovate := shutil.which("renovate"):
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary) / "repository"
            repository.write(folder)
            (folder / "renovate.json").write_text(json.dumps(_RENOVATE))
            yield _row(
                "Renovate", repository, folder, program([renovate, "--platform=local", "--dry-run=lookup"], folder)
            )


def _plan(*options: str) -> list[str]:
    os.environ["PYTHONPATH"] = str(_PROJECT)
    release = f"{PACKAGE}=={NEW}"
    return [sys.executable, "-m", "shared", "plan", "--repository", ".", "--release", release, "--json", *options]


def _row(what: str, repository: Repository, folder: Path, cost: Cost) -> Row:
    bumped = sum(kind == "bump" for kind in repository.truth.values())
    right = harmed = None
    if what == "plan":
        decided = {row["path"]: row["decision"] for row in json.loads(cost.output)["environments"]}
        right = sum(decided.get(path) == kind for path, kind in repository.truth.items())
    elif what in ("plan --apply", "grep and sed"):
        right, harmed = repository.judged(folder)
    return Row(
        what=what,
        environments=len(repository.truth),
        affected=sum(kind in ("bump", "rebuild") for kind in repository.truth.values()),
        cost=cost,
        right=right,
        harmed=harmed,
        of=len(repository.truth) if what == "plan" else bumped,
    )
