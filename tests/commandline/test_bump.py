"""`python -m shared bump`: an explicit bump of named files."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commandline.conftest import Run, Tree, tree

FILES: Tree = {
    "requirements.txt": "our-pkg==1.0\n# our-pkg==1.0\nour-pkg-extra==1.0\nour-pkg==1.0 ; python_version < '3.9'\n",
    "conda.yml": "dependencies:\n- our-pkg==1.0\n- pip:\n  - 'our-pkg == 1.0'  # why\n",
    "Dockerfile": "FROM x\n# our-pkg==1.0\nRUN pip install our-pkg==1.0 \\\n    other==1.0\n",
    "env.yaml": "name: e\nimage: i\nconda_file:\n  dependencies:\n  - pip: [our-pkg==1.0]\n",
    "job.yml": "jobs:\n  a:\n    environment:\n      conda_file:\n        dependencies: [{pip: [our-pkg==1.0]}]\n",
}


def test_every_kind_of_file_is_edited_in_place(run: Run, grow: Callable[[Tree], Path]) -> None:
    root = grow(FILES)
    done = run("bump", "Our_Pkg==2.0", *(root / name for name in FILES))

    assert done.code == 0
    assert tree(root) == {
        "requirements.txt": b"our-pkg==2.0\n# our-pkg==1.0\nour-pkg-extra==1.0\n"
        b"our-pkg==2.0 ; python_version < '3.9'\n",
        "conda.yml": b"dependencies:\n- our-pkg==1.0\n- pip:\n  - 'our-pkg == 2.0'  # why\n",
        "Dockerfile": b"FROM x\n# our-pkg==1.0\nRUN pip install our-pkg==2.0 \\\n    other==1.0\n",
        "env.yaml": b"name: e\nimage: i\nconda_file:\n  dependencies:\n  - pip: [our-pkg==2.0]\n",
        "job.yml": str(FILES["job.yml"]).replace("our-pkg==1.0", "our-pkg==2.0").encode(),
    }
    assert f"{root}/requirements.txt:4  1.0 → 2.0" in done.out
    assert f"{root}/conda.yml:2  left: conda takes it from its channels" in done.err


def test_check_only_says_it(run: Run, grow: Callable[[Tree], Path]) -> None:
    root = grow(FILES)
    before = tree(root)
    done = run("bump", "our-pkg==2.0", root / "requirements.txt", "--check")

    assert (done.code, tree(root)) == (0, before)
    assert done.err.endswith("our-pkg 2.0: 2 to raise in 1 file\n")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("our-pkg==3.0", "older: pins 3.0"),
        ("our-pkg==1.0 --hash=sha256:00", "hashes unknown: the feed was not asked"),
        ("our-pkg>=1.0", "no exact pin: >=1.0"),
        ("our-pkg", "no exact pin: any version"),
        ("our-pkg==1.*", "outside ==1.*"),
        ("our-pkg==2.*", "no exact pin: ==2.*"),
        ("our-pkg==${VERSION}", "not a feed version"),
        ("our-pkg @ https://me:pw@host.test/x.zip", "not a feed version: our-pkg @ https://***@host.test/x.zip"),
        ("our-pkg==1.0  # rebuilder: hold", "the line carries `# rebuilder: hold`"),
        ("our-pkg=1.0", "is not a requirement"),
    ],
)
def test_what_is_left_is_named(run: Run, grow: Callable[[Tree], Path], line: str, why: str) -> None:
    root = grow({"requirements.txt": f"{line}\n"})
    done = run("bump", "our-pkg==2.0", root / "requirements.txt")

    assert done.code == 0
    assert why in done.err
    assert (root / "requirements.txt").read_text() == f"{line}\n"


@pytest.mark.parametrize(
    ("name", "content", "left"),
    [
        ("Dockerfile", 'FROM x\nENV OUR_PKG=1.0\n', {2: "'ENV OUR_PKG=1.0'"}),
        ("Dockerfile", 'FROM x\nLABEL a=b \\\n  our-pkg="1.0"\n', {3: "'our-pkg=\"1.0\"'"}),
        ("Dockerfile", "FROM x\nCMD pip install our_pkg==1.0\n", {2: "'CMD pip install our_pkg==1.0'"}),
        ("job.yml", "command: pip install our-pkg==1.0 && ./run\n",
         {1: "'command: pip install our-pkg==1.0 && ./run'"}),
        ("job.yml", "command: >-\n  pip install\n  our-pkg~=1.0\n", {3: "'our-pkg~=1.0'"}),
        ("job.yml", "command: pip install our-pkg[all]==${{inputs.v}}\n",
         {1: "'command: pip install our-pkg[all]==${{inputs.v}}'"}),
        ("env.yml", "name: e\nimage: i\ntags:\n  our-pkg: 1.0\n", {4: "'our-pkg: 1.0'"}),
        ("Dockerfile", "FROM x\nENV OUR_PKG 1.0\n", {2: "'ENV OUR_PKG 1.0'"}),
        ("env.yml", "name: e\nimage: https://me:pw@host.test/our-pkg:1.0\n",
         {2: "'image: https://***@host.test/our-pkg:1.0'"}),
        ("requirements.txt", "our-pkg==1.0+cu121\n", {1: "local version: 2.0 would drop +cu121 of 1.0+cu121"}),
        ("conda.yml.j2", "- pip:\n  - our-pkg=={{ v }}\n", {2: "'-' is not an option of requirements files"}),
    ],
)  # fmt: skip
def test_a_place_that_is_no_requirement_is_named_with_its_line(
    run: Run, grow: Callable[[Tree], Path], name: str, content: str, left: dict[int, str]
) -> None:
    root = grow({name: content})
    done = run("bump", "our-pkg==2.0", root / name)

    said = [line for line in done.err.splitlines() if "  left: " in line]
    assert len(said) == len(left)
    for line, (number, why) in zip(said, left.items(), strict=True):
        assert line.startswith(f"{root / name}:{number}  left: ")
        assert line.endswith(why)
    assert (root / name).read_text() == content


def test_a_second_place_on_a_line_that_is_edited_is_named(run: Run, grow: Callable[[Tree], Path]) -> None:
    root = grow({"Dockerfile": "FROM x\nENV OUR_PKG=1.0 ALL=our-pkg==1.0\nRUN pip install $ALL\n"})
    done = run("bump", "our-pkg==2.0", root / "Dockerfile")

    assert f"{root}/Dockerfile:2  1.0 → 2.0" in done.out
    assert f"{root}/Dockerfile:2  left: not a requirement that pip reads" in done.err


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("Dockerfile", "FROM x\nLABEL our-pkg=2.0\nRUN pip install our-pkg==2.0  # was our-pkg==1.0\n"),
        ("Dockerfile", "FROM x\nCOPY our-pkg/ /src\nRUN python -m our_pkg 1\nENV NOT_OUR_PKG=1.0\n"),
        ("requirements.txt", "our-pkg==2.0\nother==1.0  # for our-pkg==1.0\nmy-our-pkg==1.0\nour-pkg-extra==1.0\n"),
        ("env.yml", "name: our-pkg\ndescription: our-pkg is ours\nimage: i\n"),
    ],
)
def test_a_name_without_another_version_is_not_said_to_be_left(
    run: Run, grow: Callable[[Tree], Path], name: str, content: str
) -> None:
    root = grow({name: content})

    assert run("bump", "our-pkg==2.0", root / name).err == "our-pkg 2.0: nothing raised\n"


@pytest.mark.parametrize(
    ("wanted", "after"), [("2.0+cu121", "2.0+cu121"), ("2.0", "1.0+cu121"), ("2.0+cpu", "1.0+cu121")]
)
def test_a_local_label_is_never_dropped_or_changed(
    run: Run, grow: Callable[[Tree], Path], wanted: str, after: str
) -> None:
    root = grow({"requirements.txt": "our-pkg==1.0+cu121\n"})
    run("bump", f"our-pkg=={wanted}", root / "requirements.txt")

    assert (root / "requirements.txt").read_text() == f"our-pkg=={after}\n"


@pytest.mark.parametrize(
    ("spelled", "written"), [("2023.07.22", "2023.07.22"), ("v2.0", "2.0"), ("2.0-RC1", "2.0rc1"), ("1!1.0", "1!1.0")]
)
def test_plain_numbers_are_written_as_they_were_typed(
    run: Run, grow: Callable[[Tree], Path], spelled: str, written: str
) -> None:
    root = grow({"requirements.txt": "our-pkg==1.0\n"})
    run("bump", f"our-pkg=={spelled}", root / "requirements.txt")

    assert (root / "requirements.txt").read_text() == f"our-pkg=={written}\n"


@pytest.mark.parametrize(
    ("content", "name"),
    [(b"\xff\xfe\x00", "requirements.txt"), (b"{% if x %}\n- a\n", "conda.yml"), (b"\x00", "Dockerfile"),
     (b"", "x.yml"), (b"import x", "setup.py"), (b"- [", "e.yaml")],
)  # fmt: skip
def test_what_cannot_be_read_is_left_alone(run: Run, grow: Callable[[Tree], Path], content: bytes, name: str) -> None:
    root = grow({name: content})
    done = run("bump", "our-pkg==2.0", root / name)

    assert (done.code, (root / name).read_bytes()) == (0, content)
    assert "our-pkg 2.0: nothing raised" in done.err


def test_nothing_is_written_if_a_file_is_missing(run: Run, grow: Callable[[Tree], Path]) -> None:
    root = grow({"requirements.txt": "our-pkg==1.0\n"})
    done = run("bump", "our-pkg==2.0", root / "requirements.txt", root / "gone.txt")

    assert (done.code, done.err) == (2, f"error: {root}/gone.txt is not a file\n")
    assert (root / "requirements.txt").read_text() == "our-pkg==1.0\n"


def test_a_link_stays_a_link(run: Run, grow: Callable[[Tree], Path]) -> None:
    root = grow({"real.txt": "our-pkg==1.0\n"})
    (root / "link.txt").symlink_to("real.txt")
    run("bump", "our-pkg==2.0", root / "link.txt")

    assert (root / "link.txt").is_symlink()
    assert (root / "real.txt").read_text() == "our-pkg==2.0\n"


def test_a_file_keeps_its_rights(run: Run, grow: Callable[[Tree], Path]) -> None:
    root = grow({"requirements.txt": "our-pkg==1.0\n"})
    (root / "requirements.txt").chmod(0o640)
    run("bump", "our-pkg==2.0", root / "requirements.txt")

    assert (root / "requirements.txt").stat().st_mode & 0o777 == 0o640


def test_a_file_counts_once_however_it_is_spelled(run: Run, grow: Callable[[Tree], Path]) -> None:
    root = grow({"a/requirements.txt": "our-pkg==1.0\n"})
    (root / "link.txt").symlink_to("a/requirements.txt")
    done = run("bump", "our-pkg==2.0", root / "a/requirements.txt", root / "a/../a/requirements.txt", root / "link.txt")

    assert done.err == "our-pkg 2.0: 1 raised in 1 file\n"
