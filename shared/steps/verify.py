"""Proves that the environment installs offline, from its build context alone.

pip of the environment's own Python reads the context's files, as the image build does, and chooses the wheels without
installing any; uv installs them into an empty environment and checks that they fit together. Neither has an index, a
configuration file or any variable that could bring a package from elsewhere. It proves the installation, not the
Dockerfile.

Nothing of a package runs: its code could rewrite the steps, and so run where Azure is signed in to. So nothing is
built, and no interpreter sees what was installed: the environment's own would run every `.pth` file in it.
"""

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pathspec
from packaging.utils import parse_wheel_filename

from shared.steps.commands import log_warning, say
from shared.steps.job_state import Job, StepFailed, Work, context_folder, packages_folder, target_python
from shared.steps.package import counted, wheels_in
from shared.steps.pip import explain_pip, run_pip
from shared.steps.uv import Uv, explain_uv

# Nobody listens there.
_NO_WAY_OUT = "http://127.0.0.1:9"


def verify(job: Job) -> Work:
    """Install offline and check the result.

    Raises:
        StepFailed: with the cause in its first line.
    """
    work = Work.load(job)
    python = target_python()
    wheels = wheels_in(packages_folder(job))
    if not wheels:
        raise StepFailed("the build context has no packages in pip_packages")
    check_upload(job, work)
    with tempfile.TemporaryDirectory() as scratch:
        uv = Uv(python, packages_folder(job), Path(scratch), context_folder(job))
        if files := _installed(work, Path(scratch)):
            _install(uv, ["--no-deps", *_chosen(job, work, files, Path(scratch))])
        for requirement in work.own:  # each a command of its own, on top of what is there
            _install(uv, [requirement])
        if conflicts := uv.conflicts():
            raise StepFailed(f"what was installed does not fit together: {'; '.join(conflicts[:3])}")
    say(f"offline install proven: {counted(len(wheels))} on Python {work.python}")
    return work


def _installed(work: Work, scratch: Path) -> list[str]:
    """What pip is told to install: the context's own files, since the image build reads those."""
    requirements = [part for name in work.requirements for part in ("--requirement", name)]
    constraints = [part for name in work.constraints for part in ("--constraint", name)]
    # pip cannot read a conda file, so what that one adds comes from the lists that were written for the download.
    return [*requirements, *constraints, *(work.written(scratch) if work.listed else [])]


def _chosen(job: Job, work: Work, files: list[str], scratch: Path) -> list[str]:
    """The wheels that pip would install."""
    report = scratch / "report.json"
    # The proxy answers nothing: whatever a file says, the way out is blocked.
    done = run_pip(
        ["install", "--isolated", "--dry-run", "--ignore-installed", "--report", str(report), "--no-index",
         "--find-links", str(packages_folder(job)), "--only-binary", ":all:", "--proxy", _NO_WAY_OUT, "--retries", "0",
         *files],
        context_folder(job), index=False,
    )  # fmt: skip
    if done.returncode:
        raise StepFailed(f"the offline install fails: {explain_pip(done.stdout + done.stderr, work.python)}")
    chosen = []
    for item in json.loads(report.read_bytes())["install"]:
        wheel = Path(unquote(urlsplit(item["download_info"]["url"]).path))
        name, version, *_ = parse_wheel_filename(wheel.name)
        chosen.append(str(wheel) if item["is_direct"] else f"{name}=={version}")
    return chosen


def _install(uv: Uv, what: list[str]) -> None:
    done = uv.install(*what)
    if done.returncode:
        raise StepFailed(f"the offline install fails: {explain_uv(done.stderr)}")


def check_upload(job: Job, work: Work) -> None:
    """Nothing that the image build needs may be kept out of the upload, or out of Docker's sight."""
    context = context_folder(job)
    needed = [work.dockerfile, *work.files, *(f"pip_packages/{file.name}" for file in packages_folder(job).iterdir())]
    try:
        ignored = uploaded_without(context)
        lost = [path for path in needed if ignored(path)]
    except (OSError, ValueError) as problem:
        raise StepFailed(f".amlignore cannot be followed: {problem}") from None
    if lost:
        raise StepFailed(f".amlignore keeps {lost[0]} out of the upload, which the image build needs")
    for path in _unseen_by_docker(context, needed):
        log_warning(f".dockerignore keeps {path} from the image build, which needs it")
        break


def uploaded_without(context: Path) -> Callable[[str], bool]:
    """What azure-ai-ml keeps out of the upload, by path: its own reading of `.amlignore`, without its import.

    Every line is a pattern of its own, with the last match counting, and a byte order mark is none (azure-ai-ml 1.35,
    `_asset_utils.IgnoreFile`). A test holds this against the SDK.
    """
    lines = (context / ".amlignore").read_text(encoding="utf-8-sig").splitlines()
    return pathspec.PathSpec.from_lines("gitwildmatch", (line.rstrip() for line in lines)).match_file


def _unseen_by_docker(context: Path, needed: list[str]) -> Iterator[str]:
    """Patterns of .dockerignore begin at the context's root (docs.docker.com, "Build context")."""
    file = context / ".dockerignore"
    if not file.is_file():
        return
    rules = []
    for line in map(str.strip, file.read_text(encoding="utf-8-sig", errors="replace").splitlines()):
        if line and not line.startswith("#"):
            sign, path = ("!", line[1:]) if line.startswith("!") else ("", line)
            rooted = f"{sign}/{path.strip('/')}"
            rules += [rooted, f"{rooted}/**"]  # a folder stands for all that is in it
    with suppress(ValueError):
        spec = pathspec.PathSpec.from_lines("gitignore", rules)
        yield from (path for path in needed if path.startswith("pip_packages/") and spec.match_file(path))
