"""The environment repository that the stand serves: the sample, or a copy of any checkout or folder."""

import json
import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from local.azure_devops.repository import GitError, git
from local.processes import StandError
from shared.adapters.folder import Folder
from shared.domain.rules.rules import RULES_FILE, read_rules
from shared.errors import InvalidConfiguration

SAMPLE = Path(__file__).parent / "sample" / "environments"
PROJECT = Path(__file__).resolve().parent.parent

PERMISSIVE_RULES = """\
# Written by the stand: this repository had no rules.
deliver: push
packages:
  - match: "*"
    upto: major
    prereleases: true
"""
# For environments that say nothing else, in a repository without rules.
ASSUMED_PYTHON = "3.10"
# Where the stand's copy of a repository holds the pipeline and this project's code, out of the way of everything else.
PIPELINE_FOLDER = ".rebuilder"
_PIPELINE_PARTS = ("azure-pipelines.yml", "pipelines", "shared")
_AUTHOR = {
    "GIT_AUTHOR_NAME": "Stand", "GIT_AUTHOR_EMAIL": "stand@stand.invalid",
    "GIT_COMMITTER_NAME": "Stand", "GIT_COMMITTER_EMAIL": "stand@stand.invalid",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Served:
    """What the stand did to the copy.

    Attributes:
        wrote_rules: it had no rules file, and got a permissive one.
        assumed: environments that do not say their Python; the rules state one for them.
        uncommitted: how many files of a checkout are changed and not committed: they are not served.
        pythons: the Pythons of its environments.
    """

    wrote_rules: bool
    assumed: tuple[str, ...] = ()
    uncommitted: int = 0
    pythons: tuple[str, ...] = ()


def serve_repository(source: Path, bare: Path) -> Served:
    """Make the bare repository of the stand out of a git checkout or a folder. The source is not touched.

    Raises:
        StandError: the source is not there, or git cannot read it.
    """
    if not source.is_dir():
        raise StandError(f"--repository {source}: there is no such folder")
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch) / "work"
        try:
            uncommitted = _copy(source, work)
            wrote_rules = not (work / RULES_FILE).is_file()
            assumed: tuple[str, ...] = ()
            if wrote_rules:
                assumed = _without_python(work)
                stated = "".join(f"  {json.dumps(path)}: {json.dumps(ASSUMED_PYTHON)}\n" for path in assumed)
                (work / RULES_FILE).write_text(PERMISSIVE_RULES + (f"python:\n{stated}" if stated else ""))
                _commit(work, "Add permissive rules (by the stand)")
            pythons = _pythons(work)
            _add_pipeline(work)
            _commit(work, "Add the rebuild pipeline (by the stand)")
            # Not linked object by object but packed: a few files, which are soon copied.
            git("clone", "--quiet", "--bare", "--no-local", str(work), str(bare), at=Path(scratch))
            git("config", "http.receivepack", "true", at=bare)
            git("symbolic-ref", "HEAD", "refs/heads/main", at=bare)
        except (GitError, OSError) as problem:
            raise StandError(f"--repository {source}: {problem}") from None
    return Served(wrote_rules, assumed, uncommitted, pythons)


def _pythons(work: Path) -> tuple[str, ...]:
    catalog = Folder(work).catalog("checkout")
    try:
        rules = read_rules((work / RULES_FILE).read_bytes())
    except InvalidConfiguration:
        return ()
    found = {rules.python_for(e.path) or e.python for e in catalog.environments if e.uses}
    return tuple(sorted(python for python in found if python))


def _without_python(work: Path) -> tuple[str, ...]:
    """The environments whose files do not say which Python they have."""
    catalog = Folder(work).catalog("checkout")
    return tuple(e.path for e in catalog.environments if e.uses and e.python is None)


def _copy(source: Path, work: Path) -> int:
    """A checkout is cloned with its history at what it has checked out; a folder becomes one commit.

    Returns:
        how many files of a checkout are changed and not committed, and so not copied.
    """
    if (source / ".git").exists():
        changed = git("--no-optional-locks", "status", "--porcelain", "--untracked-files=no", at=source)
        git("clone", "--quiet", "--no-hardlinks", str(source.resolve()), str(work), at=source)
        git("checkout", "--quiet", "-B", "main", at=work)
        return len(changed.splitlines())
    shutil.copytree(source, work, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    for folder, _, names in os.walk(work):
        for path in (Path(folder), *(Path(folder) / name for name in names)):
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | 0o200)  # the source may be read-only
    git("init", "--quiet", "--initial-branch=main", at=work)
    _commit(work, "Import the environments")
    return 0


def _add_pipeline(work: Path) -> None:
    """What a user does once: take the pipeline over, and set its defaults to what is there."""
    folder = work / PIPELINE_FOLDER
    folder.mkdir()
    for part in _PIPELINE_PARTS:
        source = PROJECT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / part)
    pipeline = folder / "azure-pipelines.yml"
    pipeline.write_text(_with_default(pipeline.read_text(), "tools", PIPELINE_FOLDER))


def _with_default(text: str, parameter: str, value: str) -> str:
    changed, count = re.subn(
        rf"(- name: {parameter}\b[^\n]*\n\s+type: \w+\n\s+default: )[^\n]*", rf"\g<1>{value}", text
    )
    if count != 1:
        raise StandError(f"azure-pipelines.yml has no parameter {parameter} with a default")
    return changed


def _commit(work: Path, message: str) -> None:
    # Every byte as it is: no line ends are translated and nothing is ignored.
    raw = ("-c", "core.autocrlf=false", "-c", "core.safecrlf=false")
    git(*raw, "add", "--all", "--force", at=work)
    git(*raw, "commit", "--quiet", "--allow-empty", "--message", message, at=work, environment=_AUTHOR)
