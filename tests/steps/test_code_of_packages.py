"""Wheels and source distributions whose code would run beside the steps, or whose files would land there."""

import io
import stat
import tarfile
import tempfile
import zipfile
from pathlib import Path

import pytest

from local.azure_devops.server import Organization
from local.wheels import empty_wheel
from shared.steps.job_state import StepFailed, context_folder, packages_folder
from shared.steps.package import package
from shared.steps.pip import run_pip
from shared.steps.prepare import prepare
from shared.steps.verify import verify
from tests.local.index import Index
from tests.steps.conftest import Checkout

HELPER = "our_helper-2.5"
# Each is a module that Python imports, or lines that it runs, when it starts with what was installed.
AT_START = ("helper.pth", "sitecustomize.py", "usercustomize.py", f"{HELPER}.data/purelib/other.pth",
            f"{HELPER}.data/data/lib/python3/site-packages/third.pth")  # fmt: skip


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the steps write lies below the test's own folder."""
    for name in ("home", "temp"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temp"))
    monkeypatch.setattr(tempfile, "tempdir", None)


@pytest.fixture
def dependency(packaged: Checkout) -> Path:
    """A wheel that was downloaded because a package of the feed requires it."""
    return packages_folder(packaged.job) / f"{HELPER}-py3-none-any.whl"


def add(wheel: Path, path: str, content: str, kind: int = stat.S_IFREG) -> None:
    """Add an entry that a build tool would not write."""
    entry = zipfile.ZipInfo(path, (2020, 1, 1, 0, 0, 0))
    entry.external_attr = (kind | 0o755) << 16
    entry.create_system = 3
    with zipfile.ZipFile(wheel, "a") as changed:
        changed.writestr(entry, content)


def marking(marker: Path) -> str:
    return f"import os; open({str(marker)!r}, 'a').close()\n"


def source_distribution(marker: Path) -> bytes:
    """One whose build needs nothing: its backend lies in itself."""
    buffer = io.BytesIO()
    files = {
        "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "own"\nbackend-path = ["."]\n',
        "own.py": marking(marker),
        "setup.py": marking(marker),
        "PKG-INFO": "Metadata-Version: 2.1\nName: our-built\nVersion: 1.0\n",
    }
    with tarfile.open(fileobj=buffer, mode="w:gz") as made:
        for name, text in files.items():
            entry = tarfile.TarInfo(f"our_built-1.0/{name}")
            entry.size = len(text)
            made.addfile(entry, io.BytesIO(text.encode()))
    return buffer.getvalue()


def everything(folder: Path) -> dict[str, bytes | None]:
    return {str(path): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def outcome(checkout: Checkout) -> str | None:
    """Why the proof fails; None if it does not."""
    try:
        verify(checkout.job)
    except StepFailed as refused:
        return str(refused)
    return None


def test_nothing_that_a_wheel_installs_runs_in_the_proof(
    checkout: Checkout, dependency: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in AT_START:
        add(dependency, path, marking(tmp_path / "ran"))

    verify(checkout.job)

    assert "offline install proven: 2 packages" in capsys.readouterr().out
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("path", "content", "kind"),
    [
        ("../../../../escaped", "x", stat.S_IFREG),
        ("{folder}/escaped", "x", stat.S_IFREG),
        (f"{HELPER}.data/data/../../../../escaped", "x", stat.S_IFREG),
        (f"{HELPER}.data/scripts/../../../escaped", "#!python\n", stat.S_IFREG),
        (f"{HELPER}.data/scripts/{{folder}}/escaped", "#!python\n", stat.S_IFREG),
        (f"{HELPER}.data/headers/../../../../../escaped.h", "x", stat.S_IFREG),
        ("link", "{folder}", stat.S_IFLNK),
        ("bin", "{folder}", stat.S_IFLNK),
        (f"{HELPER}.data/data/bin/python", "#!/bin/sh\n", stat.S_IFREG),
        (f"{HELPER}.data/data/pyvenv.cfg", "home = /nowhere\n", stat.S_IFREG),
        ("closed/", "", stat.S_IFDIR),
        ("pipe", "", stat.S_IFIFO),
    ],
)
def test_a_wheel_writes_nothing_that_is_there_after_the_proof(
    checkout: Checkout, dependency: Path, tmp_path: Path, path: str, content: str, kind: int
) -> None:
    add(dependency, path.format(folder=tmp_path), content.format(folder=tmp_path), kind)
    add(dependency, f"{path.format(folder=tmp_path)}/escaped", "behind the link")
    before = everything(tmp_path)

    why = outcome(checkout)

    assert everything(tmp_path) == before
    assert why is None or (why.startswith("the offline install fails: ") and "\n" not in why)


def test_an_entry_point_is_no_way_out(checkout: Checkout, dependency: Path, tmp_path: Path) -> None:
    add(dependency, f"{HELPER}.dist-info/entry_points.txt", "[console_scripts]\n../../../escaped = os:getcwd\n")
    before = everything(tmp_path)

    with pytest.raises(StepFailed, match=r"Script path must resolve to a file within the scripts directory"):
        verify(checkout.job)

    assert everything(tmp_path) == before


def test_a_source_distribution_that_a_wheel_requires_by_its_address_is_not_built(
    checkout: Checkout, organization: Organization, tmp_path: Path
) -> None:
    """pip's `--only-binary` does not hold for it."""
    with Index({"/our_built-1.0.tar.gz": source_distribution(tmp_path / "ran")}) as elsewhere:
        address = f"{elsewhere.url.removesuffix('simple/')}our_built-1.0.tar.gz"
        wheel = empty_wheel("our-url", "1.0", tmp_path / "wheels", requires=[f"our-built @ {address}"])
        organization.feed.publish(wheel.name, wheel.read_bytes(), silent=True)
        checkout.write({"training/context/requirements.txt": b"our-url==1.0\n"})
        prepare(checkout.job)

        with pytest.raises(StepFailed) as caught:
            package(checkout.job)

    assert str(caught.value).startswith("our-built")
    assert str(caught.value).endswith(
        "it has no wheel and would have to be built, which would run its code; publish a wheel of it (`pip wheel`) to "
        "the feed"
    )
    assert not (tmp_path / "ran").exists()


def test_a_source_distribution_on_the_feed_is_not_built_whatever_a_file_says(
    checkout: Checkout, organization: Organization, tmp_path: Path
) -> None:
    organization.feed.publish("our_built-1.0.tar.gz", source_distribution(tmp_path / "ran"), silent=True)
    text = b"--no-binary our-built\n--only-binary :none:\nour-built==1.0\n"
    checkout.write({"training/context/requirements.txt": text})
    prepare(checkout.job)

    with pytest.raises(StepFailed, match=r"^no file of our-built==1\.0 for Python"):
        package(checkout.job)

    assert not (tmp_path / "ran").exists()


def test_a_source_distribution_in_the_context_is_not_built_by_the_proof(
    checkout: Checkout, dependency: Path, tmp_path: Path
) -> None:
    libraries = context_folder(checkout.job) / "libs"
    libraries.mkdir()
    (libraries / "our_built-1.0.tar.gz").write_bytes(source_distribution(tmp_path / "ran"))
    text = "--no-binary our-built\n--find-links libs\nour-package==1.1\nour-built==1.0\n"
    (context_folder(checkout.job) / "requirements.txt").write_text(text)

    with pytest.raises(StepFailed) as caught:
        verify(checkout.job)

    assert "it has no wheel and would have to be built" in str(caught.value)
    assert not (tmp_path / "ran").exists()


def test_pip_starts_no_process(checkout: Checkout, tmp_path: Path) -> None:
    """Even where it is told to build, and has all that it needs for it."""
    (tmp_path / "our_built-1.0.tar.gz").write_bytes(source_distribution(tmp_path / "ran"))

    done = run_pip(["download", "--no-index", "--dest", "here", "./our_built-1.0.tar.gz"], tmp_path, index=False)

    assert done.returncode
    assert not (tmp_path / "ran").exists()
