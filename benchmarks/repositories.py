"""Repositories of environments, made by seed, and the truth about each: what a release has to do with it.

The kinds are those that people have; the files of an environment and what becomes of them are written here side by
side, so that the truth comes from the person who wrote the file and not from the product.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

PACKAGE, OLD, NEW = "our-package", "1.0", "1.1"
RULES = b'deliver: push\npackages:\n  - match: "our-*"\n'

type Files = dict[str, str]

_JOB = """$schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json
command: python train.py
code: src
environment: azureml:{name}@latest
compute: azureml:cpu
"""

_IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:20240709.v1"
_BASE = f"FROM {_IMAGE}\n"
_INSTALL = _BASE + "COPY requirements.txt .\nRUN pip install -r requirements.txt\n"
_PUBLIC = ("numpy==1.26.4", "pandas==2.2.2", "scikit-learn==1.5.1", "azureml-core==1.57.0", "joblib==1.4.2",
           "pyarrow==17.0.0", "requests==2.32.3", "lightgbm==4.5.0", "mlflow==2.15.1", "pyyaml==6.0.2")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Repository:
    """A generated repository.

    Attributes:
        files: its files, by path.
        truth: what has to become of each environment: `bump`, `rebuild`, `current` or `unaffected`.
        raised: the files that have to change, as they are afterwards.
    """

    files: Mapping[str, bytes]
    truth: Mapping[str, str]
    raised: Mapping[str, bytes]

    def write(self, folder: Path) -> None:
        """Write its files into a folder."""
        for path, raw in self.files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(raw)

    def judged(self, folder: Path) -> tuple[int, int]:
        """Compare a folder with what its files have to be.

        Returns:
            How many of the environments that have to be bumped are as they have to be, and how many others are not.
        """
        wrong = {
            path.split("/")[0]
            for path, raw in self.files.items()
            if (folder / path).read_bytes() != self.raised.get(path, raw)
        }
        bumped = {path.split("/")[0] for path, kind in self.truth.items() if kind == "bump"}
        return len(bumped - wrong), len(wrong - bumped)


def make_repository(environments: int, affected: int, seed: int = 1) -> Repository:
    """Make a repository.

    Args:
        environments: how many it holds.
        affected: how many of them the release has something to do with; a tenth as many have it already.
        seed: the same one makes the same repository.
    """
    drawn = random.Random(seed)
    files: dict[str, bytes] = {"rebuilder.yml": RULES}
    truth: dict[str, str] = {}
    raised: dict[str, bytes] = {}
    order = drawn.sample(range(environments), environments)
    chosen = dict.fromkeys(order[:affected], _AFFECTED)
    chosen |= dict.fromkeys(order[affected : affected + affected // 10], _CURRENT)
    for number in range(environments):
        kind, write = drawn.choice(chosen.get(number, _OTHERS))
        folder = f"env-{number:05}"
        lines = drawn.sample(_PUBLIC, drawn.randint(3, 8))
        before = write(folder, lines, OLD)
        files |= {f"{folder}/{path}": text.encode() for path, text in before.items()}
        if number % 5 == 0:
            files[f"{folder}/job.yml"] = _JOB.format(name=folder).encode()
            files[f"{folder}/src/train.py"] = b"import pandas\n\nprint(pandas.__version__)\n"
        truth[f"{folder}/environment.yml"] = kind
        if kind == "bump":
            after = write(folder, lines, NEW)
            changed = {path: text for path, text in after.items() if text != before[path]}
            raised |= {f"{folder}/{path}": text.encode() for path, text in changed.items()}
    return Repository(files, truth, raised)


def _context(name: str, dockerfile: str, files: Files) -> Files:
    yaml = f"$schema: https://azuremlschemas.azureedge.net/latest/environment.schema.json\nname: {name}\n"
    context = {f"context/{path}": text for path, text in files.items()}
    return {"environment.yml": f"{yaml}build:\n  path: context\n", "context/Dockerfile": dockerfile, **context}


def _listed(lines: list[str], *more: str) -> str:
    return "".join(f"{line}\n" for line in sorted([*lines, *more]))


def _requirements(name: str, lines: list[str], version: str) -> Files:
    return _context(name, _INSTALL, {"requirements.txt": _listed(lines, f"{PACKAGE}=={version}  # shared code")})


def _spelled_otherwise(name: str, lines: list[str], version: str) -> Files:
    return _context(
        name,
        _INSTALL,
        {"requirements.txt": _listed(lines, f"Our_Package[train] == {version} ; python_version >= '3.9'")},
    )


def _included(name: str, lines: list[str], version: str) -> Files:
    files = {"requirements.txt": "-r base.txt\n" + _listed(lines), "base.txt": f"{PACKAGE}=={version}\n"}
    return _context(name, _BASE + "COPY . .\nRUN pip install -r requirements.txt\n", files)


def _conda_file(name: str, lines: list[str], version: str) -> Files:
    pip = "".join(f"      - {line}\n" for line in (*lines, f"{PACKAGE}=={version}"))
    return {
        "environment.yml": f"name: {name}\nimage: {_IMAGE}\nconda_file: conda.yml\n",
        "conda.yml": f"name: {name}\nchannels: [conda-forge]\ndependencies:\n  - python=3.10\n  - pip:\n{pip}",
    }


def _conda_in_context(name: str, lines: list[str], version: str) -> Files:
    pip = "".join(f"  - {line}\n" for line in (*lines, f'"{PACKAGE}=={version}"'))
    conda = f"dependencies:\n- python=3.11\n- pip\n- pip:\n{pip}"
    return _context(name, _BASE + "COPY conda.yml .\nRUN conda env update -n base -f conda.yml\n", {"conda.yml": conda})


def _dockerfile(name: str, lines: list[str], version: str) -> Files:
    listed = " \\\n    ".join(f"'{line}'" for line in (*lines, f"{PACKAGE}=={version}"))
    return _context(name, f"{_BASE}RUN pip install --no-cache-dir \\\n    {listed}\n", {})


def _argument(name: str, lines: list[str], version: str) -> Files:
    docker = (
        f"{_BASE}ARG OURS={version}\nCOPY requirements.txt .\nRUN pip install -r requirements.txt {PACKAGE}==$OURS\n"
    )
    return _context(name, docker, {"requirements.txt": _listed(lines)})


def _project(name: str, lines: list[str], version: str) -> Files:
    listed = "".join(f'    "{line}",\n' for line in (*lines, f"{PACKAGE}=={version}"))
    project = f'[project]\nname = "{name}"\nversion = "0.1"\ndependencies = [\n{listed}]\n'
    return _context(name, _BASE + "COPY . /src\nRUN pip install /src\n", {"pyproject.toml": project})


def _range(name: str, lines: list[str], version: str) -> Files:
    del version
    return _context(name, _INSTALL, {"requirements.txt": _listed(lines, f"{PACKAGE}>=1.0,<2")})


def _current(name: str, lines: list[str], version: str) -> Files:
    del version
    return _requirements(name, lines, NEW)


def _others(name: str, lines: list[str], version: str) -> Files:
    del version
    return _context(name, _INSTALL, {"requirements.txt": _listed(lines)})


def _other_conda(name: str, lines: list[str], version: str) -> Files:
    del version
    files = _conda_file(name, lines, OLD)
    return {path: text.replace(f"      - {PACKAGE}=={OLD}\n", "") for path, text in files.items()}


def _looks_like_it(name: str, lines: list[str], version: str) -> Files:
    """What a search for the text finds: another package's name, and a comment."""
    del version
    text = f"# {PACKAGE}=={OLD} was here\n" + _listed(lines, f"{PACKAGE}-extras=={OLD}")
    return _context(name, _INSTALL, {"requirements.txt": text})


type _Kind = tuple[str, Callable[[str, list[str], str], Files]]
_AFFECTED: tuple[_Kind, ...] = (
    *((("bump", _requirements),) * 4),
    ("bump", _spelled_otherwise),
    ("bump", _included),
    ("bump", _conda_file),
    ("bump", _conda_in_context),
    ("bump", _dockerfile),
    ("bump", _argument),
    ("bump", _project),
    ("rebuild", _range),
)
_OTHERS: tuple[_Kind, ...] = (
    *((("unaffected", _others),) * 6),
    *((("unaffected", _other_conda),) * 2),
    ("unaffected", _looks_like_it),
)
_CURRENT: tuple[_Kind, ...] = (("current", _current),)
