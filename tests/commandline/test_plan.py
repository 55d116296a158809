"""`python -m shared plan`: any folder, no Azure."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.commandline.conftest import Run, Tree, tree

CONTEXT: Tree = {
    "training/env.yml": 'name: training\nversion: "7"\nbuild: {path: context}\n',
    "training/context/Dockerfile": "FROM python:3.10\nCOPY requirements.txt .\nRUN pip install -r requirements.txt\n",
    "training/context/requirements.txt": b"# ours\r\nour-pkg[gpu]==1.0  # why\r\nother==2\r\n",
}
CONDA: Tree = {
    "scoring/spec.yaml": "name: scoring\nimage: mcr.test/base\nconda_file: conda.yml\n",
    "scoring/conda.yml": "dependencies:\n- python=3.9\n- pip:\n  - Our_Pkg == 2.0\n",
}
OTHERS: Tree = {
    "plain.yml": "name: plain\nimage: mcr.test/base\n",
    "jobs/job.yml": "name: job\ncommand: python train.py\n",
}
LOCKED: Tree = {path.replace("training", "locked"): text for path, text in CONTEXT.items()}
CONCERNED: Tree = CONTEXT | {
    "jobs/a.yml": "command: x\nenvironment: azureml:training:7\n",
    "jobs/b.yml": "environment:\n  image: i\n  build: {path: ../training/context}\n",
    "broken/env.yml": "name: x\nbuild: [\n",
}


def planned(run: Run, root: Path, *arguments: str) -> dict[str, Any]:
    done = run("plan", "--repository", root, "--json", *arguments)
    assert done.code == 0, done.err
    found: dict[str, Any] = json.loads(done.out)
    return found


def decisions(document: dict[str, Any]) -> dict[str, str]:
    return {environment["path"]: environment["decision"] for environment in document["environments"]}


class TestDocument:
    def test_every_environment_is_listed_once_with_its_decision(self, run: Run, grow: Callable[[Tree], Path]) -> None:
        document = planned(run, grow(CONTEXT | CONDA | OTHERS), "--release", "our-pkg==1.5")

        assert decisions(document) == {
            "plain.yml": "unaffected",
            "scoring/spec.yaml": "held",
            "training/env.yml": "bump",
        }
        assert document["releases"] == [{"package": "our-pkg", "version": "1.5"}]
        assert document["unreadable"] == []

    def test_an_environment_says_what_changes_where(self, run: Run, grow: Callable[[Tree], Path]) -> None:
        document = planned(run, grow(CONTEXT), "--release", "OUR.pkg==1.5")

        (environment,) = document["environments"]
        assert environment == {
            "name": "training",
            "path": "training/env.yml",
            "decision": "bump",
            "reason": "1.0 → 1.5",
            "releases": [{"package": "our-pkg", "version": "1.5", "decision": "bump", "reason": "1.0 → 1.5"}],
            "edits": [
                {"file": "training/context/requirements.txt", "line": 2, "old": "1.0", "new": "1.5",
                 "package": "our-pkg"},
                {"file": "training/env.yml", "line": 2, "old": "7", "new": "8", "package": None},
            ],
        }  # fmt: skip

    def test_the_heaviest_decision_of_several_releases_is_the_environments(
        self, run: Run, grow: Callable[[Tree], Path]
    ) -> None:
        document = planned(
            run, grow(CONTEXT), "--release", "our-pkg==0.9", "--release", "other==2", "--release", "x==1"
        )

        (environment,) = document["environments"]
        assert (environment["decision"], environment["reason"]) == ("held", "older: pins 1.0")
        assert [release["decision"] for release in environment["releases"]] == ["current", "held", "unaffected"]

    def test_lines_are_counted_by_line_feeds(self, run: Run, grow: Callable[[Tree], Path]) -> None:
        text = "a==1\x0cb==1\u2028c==1\rd==1\nour-pkg==1.0\n"
        document = planned(run, grow(CONTEXT | {"training/context/requirements.txt": text}), "--release", "our-pkg==2")

        assert document["environments"][0]["edits"][0]["line"] == 2

    def test_what_cannot_be_read_is_listed_with_the_reason(self, run: Run, grow: Callable[[Tree], Path]) -> None:
        files: Tree = {
            "a/broken.yml": "name: x\nbuild: [\n",
            "training/context/requirements.txt": "our-pkg==1.0\n-r gone.txt\n",
            "b/template.yml": "name: b\nimage: i\nconda_file: conda.yml\n",
            "b/conda.yml": "dependencies:\n{% if x %}\n- pip: [our-pkg==1.0]\n{% endif %}\n",
        }
        document = planned(run, grow(CONTEXT | files), "--release", "our-pkg==1.5")

        assert [entry["file"] for entry in document["unreadable"]] == [
            "a/broken.yml", "b/conda.yml", "training/context/requirements.txt",
        ]  # fmt: skip
        assert decisions(document) == {"b/template.yml": "held", "training/env.yml": "bump"}

    def test_a_release_counts_once_however_it_is_spelled(self, run: Run, grow: Callable[[Tree], Path]) -> None:
        document = planned(run, grow(CONTEXT), "--release", "our-pkg==1.5", "--release", "Our_Pkg==1.5.0")

        assert len(document["releases"]) == 1


class TestRules:
    def test_without_rules_majors_and_pre_releases_are_raised_and_it_is_said(
        self, run: Run, grow: Callable[[Tree], Path]
    ) -> None:
        done = run("plan", "--repository", grow(CONTEXT), "--release", "our-pkg==3.0rc1")

        assert "bump\ttraining/env.yml\t1.0 → 3.0rc1" in done.out
        assert "no rebuilder.yml here: every package may be raised" in done.err

    def test_with_rules_they_hold_and_may_be_ignored(self, run: Run, grow: Callable[[Tree], Path]) -> None:
        rules: Tree = {"rebuilder.yml": "deliver: push\npackages: [{match: our-pkg, upto: minor}]\n"}
        root = grow(CONTEXT | rules)

        assert decisions(planned(run, root, "--release", "our-pkg==2.0")) == {"training/env.yml": "held"}
        assert decisions(planned(run, root, "--release", "our-pkg==2.0", "--ignore-rules")) == {
            "training/env.yml": "bump"
        }

    def test_wrong_rules_are_an_outcome_for_every_environment_they_concern(
        self, run: Run, grow: Callable[[Tree], Path]
    ) -> None:
        root = grow(CONTEXT | CONDA | {"rebuilder.yml": "deliver: push\npackages:\n- match: our-pkg\n  upto: minr\n"})
        document = planned(run, root, "--release", "our-pkg==1.5")

        assert set(decisions(document).values()) == {"held"}
        assert all("rebuilder.yml line 4" in found["reason"] for found in document["environments"])

    def test_two_environments_of_one_name_are_held_where_rules_are(
        self, run: Run, grow: Callable[[Tree], Path]
    ) -> None:
        other: Tree = {path.replace("training/", "other/"): content for path, content in CONTEXT.items()}
        root = grow(CONTEXT | other)

        assert set(decisions(planned(run, root, "--release", "our-pkg==1.5")).values()) == {"bump"}

        (root / "rebuilder.yml").write_text("deliver: push\npackages: [{match: '*'}]\n")
        document = planned(run, root, "--release", "our-pkg==1.5")
        assert all(found["reason"].startswith("duplicate name") for found in document["environments"])


class TestApply:
    def test_the_edits_are_written_and_nothing_else(self, run: Run, grow: Callable[[Tree], Path]) -> None:
        root = grow(CONTEXT | CONDA)
        before = tree(root)

        assert run("plan", "--repository", root, "--release", "our-pkg==1.5", "--apply").code == 0
        assert tree(root) == {
            **before,
            "training/context/requirements.txt": b"# ours\r\nour-pkg[gpu]==1.5  # why\r\nother==2\r\n",
            "training/env.yml": b'name: training\nversion: "8"\nbuild: {path: context}\n',
        }

    def test_a_second_time_there_is_nothing_to_do(self, run: Run, grow: Callable[[Tree], Path]) -> None:
        root = grow(CONTEXT | CONDA)
        run("plan", "--repository", root, "--release", "our-pkg==1.5", "--apply")
        after = tree(root)

        assert "wrote 0 files" in run("plan", "--repository", root, "--release", "our-pkg==1.5", "--apply").err
        assert tree(root) == after

    def test_without_apply_nothing_is_written(self, run: Run, grow: Callable[[Tree], Path]) -> None:
        root = grow(CONTEXT)
        before = tree(root)
        run("plan", "--repository", root, "--release", "our-pkg==1.5")

        assert tree(root) == before


class TestBadInput:
    @pytest.mark.parametrize(
        ("arguments", "why"),
        [
            ([], "no release is named"),
            (["--release", "our-pkg"], "is not NAME==VERSION"),
            (["--release", "our-pkg==one"], "is not a version"),
            (["--release", "our pkg==1"], "is not NAME==VERSION"),
            (["--release", "our-pkg==1", "--repository", "gone"], "gone is not a folder"),
            (["--no-such"], "No such option"),
            (["--release", "https://me:secret@host/x==1"], "is not NAME==VERSION"),
        ],
    )
    def test_it_is_one_clear_line_and_two(self, run: Run, arguments: list[str], why: str) -> None:
        done = run("plan", *arguments)

        assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
        assert done.err.startswith("error: ")
        assert why in done.err
        assert "secret" not in done.err

    def test_an_empty_folder_has_an_empty_plan(self, run: Run, tmp_path: Path) -> None:
        document = planned(run, tmp_path, "--release", "our-pkg==1")

        assert document["releases"] == [{"package": "our-pkg", "version": "1"}]
        assert [document[key] for key in ("environments", "unreadable", "warnings")] == [[], [], []]
        assert document["elsewhere"]["summary"] is None


def test_credentials_in_addresses_are_reported_and_never_shown(run: Run, grow: Callable[[Tree], Path]) -> None:
    secret = "s3cr3t-t0ken"
    text = f"--extra-index-url https://me:{secret}@host.test/simple\nour-pkg @ https://me:{secret}@host.test/our.whl\n"
    root = grow(CONTEXT | {"training/context/requirements.txt": text})

    for arguments in ([], ["--json"]):
        done = run("plan", "--repository", root, "--release", "our-pkg==2", *arguments)

        assert secret not in done.out + done.err
        assert "training/context/requirements.txt line 1: an address holds a credential" in done.err


@pytest.fixture
def stranger() -> Iterator[None]:
    """The rights of somebody who may not read everything: root may."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    yield
    os.seteuid(0)


@pytest.fixture
def open_root() -> Iterator[Path]:
    """A folder that a stranger may enter; pytest's own are private."""
    with tempfile.TemporaryDirectory() as made:
        root = Path(made)
        root.chmod(0o777)
        yield root


def grown(root: Path, files: Tree) -> Path:
    for path, content in files.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


class TestWhatCannotBeRead:
    """One path that cannot be read is one warning; everything else is planned."""

    @pytest.mark.parametrize(
        ("path", "mode", "said"),
        [
            ("locked", 0o000, "locked/: it cannot be read (Permission denied), nor what lies in it"),
            ("locked", 0o444, "locked/: it cannot be read (Permission denied), nor what lies in it"),
            ("locked/env.yml", 0o000, "locked/env.yml: it cannot be read (Permission denied)"),
        ],
        ids=["a folder", "what a folder lists", "a file"],
    )
    @pytest.mark.usefixtures("stranger")
    def test_without_permission(self, run: Run, open_root: Path, path: str, mode: int, said: str) -> None:
        root = grown(open_root, CONTEXT | LOCKED | {"locked/more/x.yml": "a: 1\n"})
        (root / path).chmod(mode)
        try:
            document = planned(run, root, "--release", "our-pkg==1.5")
        finally:
            (root / path).chmod(0o755)

        assert decisions(document) == {"training/env.yml": "bump"}
        assert document["warnings"][-1] == said
        assert [": ".join(entry.values()) for entry in document["unreadable"]] == [said]

    @pytest.mark.usefixtures("stranger")
    def test_without_permission_for_a_file_of_an_environment(self, run: Run, open_root: Path) -> None:
        root = grown(open_root, CONTEXT)
        (root / "training/context/requirements.txt").chmod(0)
        document = planned(run, root, "--release", "our-pkg==1.5")

        (held,) = document["environments"]
        assert (held["decision"], held["reason"]) == (
            "held", "cannot read training/context/requirements.txt: it cannot be read (Permission denied)"
        )  # fmt: skip
        assert document["unreadable"] == [
            {"file": "training/context/requirements.txt", "reason": "it cannot be read (Permission denied)"}
        ]

    @pytest.mark.usefixtures("stranger")
    def test_without_permission_for_the_list_of_submodules(self, run: Run, open_root: Path) -> None:
        root = grown(open_root, CONTEXT | {".gitmodules": ""})
        (root / ".gitmodules").chmod(0)
        document = planned(run, root, "--release", "our-pkg==1.5")

        assert decisions(document) == {"training/env.yml": "bump"}
        assert document["warnings"][-1] == ".gitmodules: it cannot be read (Permission denied)"

    @pytest.mark.parametrize(
        ("path", "arguments"), [("", []), ("", ["--ignore-rules"]), ("rebuilder.yml", [])],
        ids=["the folder", "the folder alone", "the rules"],
    )  # fmt: skip
    @pytest.mark.usefixtures("stranger")
    def test_what_nothing_can_be_said_without_ends_it_in_one_line(
        self, run: Run, open_root: Path, path: str, arguments: list[str]
    ) -> None:
        root = grown(open_root / "here", CONTEXT | {"rebuilder.yml": "deliver: report\n"})
        (root / path).chmod(0)
        done = run("plan", "--repository", root, "--release", "our-pkg==1.5", *arguments)
        (root / path).chmod(0o755)

        assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
        assert done.err.endswith("cannot be read: Permission denied\n")

    def test_a_virtual_environment_is_passed_over(self, run: Run, grow: Callable[[Tree], Path]) -> None:
        root = grow(CONTEXT | {"venv/pyvenv.cfg": "", "venv/lib/env.yml": LOCKED["locked/env.yml"]})

        assert decisions(planned(run, root, "--release", "our-pkg==1.5")) == {"training/env.yml": "bump"}

    def test_links_in_a_circle_are_passed_over(self, run: Run, grow: Callable[[Tree], Path]) -> None:
        root = grow(CONTEXT)
        (root / "training/again").symlink_to(root)
        (root / "training/self.yml").symlink_to("self.yml")

        document = planned(run, root, "--release", "our-pkg==1.5")

        assert decisions(document) == {"training/env.yml": "bump"}


class TestWhatElseIsConcerned:
    def test_it_is_shown_after_the_edits_and_summed_up_at_the_end(self, run: Run, grow: Callable[[Tree], Path]) -> None:
        done = run("plan", "--repository", grow(CONCERNED), "--release", "our-pkg==1.5")

        unread, blank, *rest = done.out.splitlines()[5:]
        assert unread.startswith("unreadable  broken/env.yml: line 3: it is not YAML: ")
        assert [blank, *rest] == [
            "",
            (
                "inline      jobs/b.yml line 1: our-pkg[gpu]==1.0 "
                "(training/context/requirements.txt line 2, which changes)"
            ),
            "reference   jobs/a.yml line 2 names azureml:training:7; the new version is 8",
            "",
            "1 environment: 1 bump, 0 rebuild, 0 held, 0 current, 0 unaffected; 2 edits",
            "and 1 inline environment requires our-pkg and is built at its next run: it reads a file that changes here",
        ]
        assert "broken/env.yml" not in done.err, "it is said once"

    def test_the_document_holds_it_and_all_warnings_and_notes(self, run: Run, grow: Callable[[Tree], Path]) -> None:
        document = planned(run, grow(CONCERNED), "--release", "our-pkg==1.5")

        assert document["elsewhere"]["references"] == [
            {"path": "jobs/a.yml", "line": 2, "text": "azureml:training:7", "version": "7", "new": "8",
             "outcome": "the new version is 8"}
        ]  # fmt: skip
        assert document["elsewhere"]["inline"] == [
            {"path": "jobs/b.yml", "line": 1, "package": "our-pkg", "requirement": "our-pkg[gpu]==1.0",
             "file": "training/context/requirements.txt", "file_line": 2, "changes": True}
        ]  # fmt: skip
        assert [warning.split(":")[0] for warning in document["warnings"]] == [
            "training/context/Dockerfile", "broken/env.yml line 3",
        ]  # fmt: skip
        assert document["notes"][0].startswith("no rebuilder.yml here")

    def test_what_is_excluded_is_neither_listed_nor_warned_of(self, run: Run, grow: Callable[[Tree], Path]) -> None:
        rules = "deliver: push\nenvironments: {exclude: [broken, jobs]}\npackages: [{match: our-pkg}]\n"
        done = run("plan", "--repository", grow(CONCERNED | {"rebuilder.yml": rules}), "--release", "our-pkg==1.5")

        assert "broken" not in done.out + done.err
        assert "jobs" not in done.out + done.err

    def test_a_name_that_is_there_twice_is_said_once(self, run: Run, grow: Callable[[Tree], Path]) -> None:
        other: Tree = {path.replace("training/", "other/"): content for path, content in CONTEXT.items()}
        done = run("plan", "--repository", grow(CONTEXT | other), "--release", "our-pkg==1.5")

        assert done.err.count("'training'") == 1
        assert (
            "other/env.yml and training/env.yml are both named 'training': Azure ML would take them for versions of "
            "one environment, so the app would hold them until all but one are renamed or excluded\n"
        ) in done.err


def test_links_are_not_followed(run: Run, grow: Callable[[Tree], Path], tmp_path: Path) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text("our-pkg==1.0\n")
    root = grow(CONTEXT)
    (root / "training/context/requirements.txt").unlink()
    (root / "training/context/requirements.txt").symlink_to(outside)

    assert decisions(planned(run, root, "--release", "our-pkg==1.5", "--apply")) == {"training/env.yml": "held"}
    assert outside.read_text() == "our-pkg==1.0\n"


def test_all_files_are_written_or_none(run: Run, grow: Callable[[Tree], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """The second file cannot be replaced, as on a disk that fails: the first is as it was."""
    root = grow(CONTEXT)
    before = tree(root)
    replace = Path.replace

    def failing(self: Path, target: Path) -> Path:
        if target.name == "env.yml":
            raise OSError(30, "Read-only file system", str(target))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", failing)
    done = run("plan", "--repository", root, "--release", "our-pkg==1.5", "--apply")

    assert (done.code, tree(root)) == (2, before)
    assert done.err.endswith("env.yml cannot be written: Read-only file system; nothing was changed\n")


def test_who_stops_reading_stops_nothing(grow: Callable[[Tree], Path]) -> None:
    many: Tree = {path.replace("training", f"e{n}"): text for n in range(300) for path, text in CONTEXT.items()}
    root = grow(many)
    command = [
        sys.executable,
        "-m",
        "shared",
        "plan",
        "--repository",
        str(root),
        "--release",
        "our-pkg==1.5",
        "--apply",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read()

    assert process.returncode == 0, said
    assert b"our-pkg[gpu]==1.5" in (root / "e299/context/requirements.txt").read_bytes()


@pytest.mark.parametrize("command", ["plan", "init", "bump"])
def test_a_path_that_no_system_takes_is_one_line(run: Run, command: str) -> None:
    path = "x" * 5000
    arguments = {"plan": ["--release", "a==1", "--repository", path], "init": [path], "bump": ["a==1", path]}[command]
    done = run(command, *arguments)

    assert (done.code, done.err.count("\n")) == (2, 1)
