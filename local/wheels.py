"""Wheels for the stand's feed: the sample package, public ones, and empty ones."""

import base64
import hashlib
import io
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

from local.processes import StandError

SAMPLE_PACKAGE = Path(__file__).parent / "sample" / "our-cool-reusable-package"
SAMPLE_NAME = "our-cool-reusable-package"


def build_sample(version: str, folder: Path) -> Path:
    """Build the sample package, in another version than the one it has, and return the wheel."""
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / SAMPLE_NAME
        shutil.copytree(SAMPLE_PACKAGE, source, ignore=shutil.ignore_patterns("__pycache__"))
        module = source / "our_cool_reusable_package" / "__init__.py"
        text = module.read_text()
        module.write_text(re.sub(r'__version__ = "[^"]*"', f'__version__ = "{version}"', text))
        return _made_by_pip(["wheel", "--no-build-isolation", str(source)], folder, f"building {SAMPLE_NAME} {version}")


def public_wheels(name: str, version: str, folder: Path, pythons: Iterable[str]) -> list[Path]:
    """Download a version's wheels for some Pythons from the public index; none if it has none for any of them."""
    found: dict[str, Path] = {}
    for python in pythons:
        arguments = ["download", "--only-binary", ":all:", "--python-version", python, f"{name}=={version}"]
        try:
            wheel = _made_by_pip(arguments, folder, f"downloading {name}")
        except StandError:
            continue
        found[wheel.name] = wheel
    return list(found.values())


def _made_by_pip(arguments: list[str], folder: Path, what: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", arguments[0], "--quiet", "--no-deps", "--disable-pip-version-check"]
    where = "--wheel-dir" if arguments[0] == "wheel" else "--dest"
    with tempfile.TemporaryDirectory() as scratch:
        done = subprocess.run([*command, where, scratch, *arguments[1:]], capture_output=True, text=True, check=False)
        wheels = list(Path(scratch).glob("*.whl"))
        if done.returncode or not wheels:
            lines = [line for line in done.stderr.splitlines() if line.strip()]
            raise StandError(f"{what} failed: {lines[-1] if lines else 'pip made no wheel'}")
        return Path(shutil.move(wheels[0], folder / wheels[0].name))


def empty_wheel(
    name: str, version: str, folder: Path, *, requires: Iterable[str] = (), requires_python: str = ""
) -> Path:
    """Write a wheel that installs nothing but its name, version and requirements (binary distribution format)."""
    folder.mkdir(parents=True, exist_ok=True)
    distribution = re.sub(r"[-_.]+", "_", name).lower()
    info = f"{distribution}-{version}.dist-info"
    metadata = [
        "Metadata-Version: 2.1",
        f"Name: {name}",
        f"Version: {version}",
        *([f"Requires-Python: {requires_python}"] if requires_python else []),
        *(f"Requires-Dist: {requirement}" for requirement in requires),
    ]
    files = {
        f"{distribution}.py": f'__version__ = "{version}"\n',
        f"{info}/METADATA": "\n".join(metadata) + "\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: stand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},sha256={_digest(text)},{len(text.encode())}\n" for path, text in files.items())
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as wheel:
        for path, text in {**files, f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}.items():
            # A fixed time: the same wheel always has the same bytes.
            wheel.writestr(zipfile.ZipInfo(path, (2020, 1, 1, 0, 0, 0)), text)
    made = folder / f"{distribution}-{version}-py3-none-any.whl"
    made.write_bytes(buffer.getvalue())
    return made


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
