"""Inline environments: found where they are defined, with what they require; never edited."""

import re
import warnings

import pytest

from shared.domain.definitions import Definition
from shared.domain.files.text import SourceText
from shared.domain.inventory.catalog import Shelf
from shared.domain.inventory.inline import InlineEnvironment, read_in_place
from shared.domain.inventory.inline_python import read_python
from shared.domain.inventory.surroundings import Surroundings
from shared.domain.names import package_name
from shared.errors import Unreadable
from shared.limits import ELSEWHERE_ROWS, PYTHON_CHARACTERS, PYTHON_FILES
from tests.domain.repositories import (
    DOCKERFILE,
    Files,
    blob_id,
    catalog_of,
    environment,
    listing_of,
    plan_of,
    scanned,
)

INLINE = "command: x\nenvironment:\n  image: i\n  conda_file: {dependencies: [pip: [our-pkg==1.0]]}\n"
IMPORT = "from azure.ai.ml.entities import BuildContext, Environment\n"
V1 = "from azureml.core import Environment\n"


def inline(files: Files, release: str = "our-pkg 2") -> list[str]:
    return [str(pin) for pin in plan_of(files, release).elsewhere.inline]


def gaps(files: Files) -> list[str]:
    return list(plan_of(files, "our-pkg 2").elsewhere.gaps)


class TestYaml:
    @pytest.mark.parametrize(
        ("text", "line"),
        [
            (INLINE, 2),
            (INLINE.replace("\n", "\r\n"), 2),
            ("environment: {image: i, conda_file: {dependencies: [pip: [our-pkg==1.0]]}}\n", 1),
            ("environment: # here\n  conda_file: {dependencies: [pip: [our-pkg==1.0]]}\n", 1),
            ("jobs:\n  a:\n    trial:\n      'environment':\n        conda_file: c.yml\n", 4),
            ("a: 1\n---\nenvironment:\n  conda_file: c.yml\n", 3),
            ("e: &e {conda_file: c.yml}\nenvironment: *e\n", 2),
            ("environment:\n  build: {path: ctx}\n", 1),
            ("environment:\n  $schema: x/environment.schema.json\n  name: n\n  conda_file: c.yml\n", 1),
        ],
    )
    def test_it_is_found_with_its_line(self, text: str, line: int) -> None:
        files = {
            "job.yml": text,
            "c.yml": "dependencies: [pip: [our-pkg==1.0]]\n",
            "ctx/Dockerfile": DOCKERFILE,
            "ctx/requirements.txt": "our-pkg==1.0\n",
        }
        (found,) = inline(files)

        assert found.startswith(f"job.yml line {line}: our-pkg==1.0")

    @pytest.mark.parametrize(
        "text",
        [
            "environment: azureml:training@latest\nimage: x\n",
            "environment: {name: prod, resourceType: VirtualMachine}\nimage: our-pkg==1.0\n",
            "services:\n  web:\n    image: x\n    environment:\n      image: our-pkg==1.0\n",
            "apiVersion: v1\nkind: Pod\nenvironment: {conda_file: {dependencies: [pip: [our-pkg==1.0]]}}\n",
            "environment:\n  image: {{ if .x }}\n  conda_file: our-pkg\n",
            "# environment:\n#   conda_file: our-pkg==1.0\n",
            "environment_variables:\n  image: our-pkg==1.0\n",
        ],
    )
    def test_what_is_none_is_not_found_and_no_gap(self, text: str) -> None:
        assert (inline({"job.yml": text}), gaps({"job.yml": text})) == ([], [])

    def test_a_file_that_cannot_matter_is_not_parsed(self) -> None:
        assert read_in_place(SourceText("environment: [\n", "utf-8")) == ()
        with pytest.raises(Unreadable):
            read_in_place(SourceText("environment: {image: [\n", "utf-8"))

    def test_a_file_that_is_not_yaml_is_a_gap_for_the_packages_that_it_names(self) -> None:
        files = {"job.yml": "environment: {image: i, conda_file: [our-pkg\n"}

        (gap,) = gaps(files)

        assert gap.startswith("job.yml line 2: it is not YAML: ")
        assert gap.endswith("; it names our-pkg and may define an environment")
        assert plan_of(files, "other 1").elsewhere.gaps == ()

    def test_it_is_no_environment_of_the_catalog(self) -> None:
        catalog = catalog_of({"job.yml": INLINE, "c.yml": ""})

        assert (catalog.environments, dict(catalog.definitions), dict(catalog.named)) == ((), {}, {})
        assert plan_of({"job.yml": INLINE}, "our-pkg 2").edits == ()

    def test_what_a_command_only_names_is_not_required(self) -> None:
        files = {"job.yml": "environment: {build: {path: ctx}}\n", "ctx/Dockerfile": "FROM x\nRUN echo our-pkg==1.0\n"}

        assert inline(files) == []

    @pytest.mark.parametrize(
        ("dockerfile", "why"),
        [
            (None, "cannot read job.yml: its build context has no ctx/Dockerfile"),
            ("FROM x\nRUN pip install -r https://host.example/list.txt\n", "opaque: ctx/Dockerfile line 2: "),
        ],
        ids=["no Dockerfile", "installs what is not seen"],
    )
    def test_what_may_require_more_than_is_seen_is_a_gap(self, dockerfile: str | None, why: str) -> None:
        files = {"job.yml": "environment: {build: {path: ctx}}\n", "ctx/a.txt": ""}
        (gap,) = gaps(files | ({} if dockerfile is None else {"ctx/Dockerfile": dockerfile}))

        assert gap.startswith(f"1 inline environment is not read in full (job.yml line 1): {why}")

    def test_what_lies_in_a_chart_is_not_looked_at(self) -> None:
        files = {"c/Chart.yaml": "name: c\n", "c/templates/job.yml": INLINE, "c/job.yml": INLINE}

        assert inline(files) == ["c/job.yml line 2: our-pkg==1.0 (line 4)"]

    def test_what_only_constrains_is_not_required(self) -> None:
        files = {"job.yml": INLINE.replace("our-pkg==1.0", "-c limits.txt"), "limits.txt": "our-pkg==1.0\n"}

        assert inline(files) == []


class TestPython:
    @pytest.mark.parametrize(
        "text",
        [
            f"{IMPORT}e = Environment(image='i', conda_file='c.yml')\n",
            f"{IMPORT}\n\ndef f():\n    return dict(e=Environment(conda_file='./c.yml', name='n'))\n",
            f"{IMPORT}e = Environment(build=BuildContext(path='ctx', dockerfile_path='Dockerfile'))\n",
            f"{IMPORT}e = Environment(conda_file={{'dependencies': ['x', {{'pip': ['our-pkg==1.0', X]}}]}})\n",
            "import azure.ai.ml.entities as e\ne.Environment(image='i', conda_file='c.yml')\n",
            "from azure.ai.ml.entities import Environment as E\nE(image='i', conda_file='c.yml')\nx = Environment()\n",
            f"{V1}Environment.from_conda_specification('n', 'c.yml')\n",
            f"{V1}Environment.from_pip_requirements(name='n', file_path='ctx/requirements.txt')\n",
            "import azureml.core\nazureml.core.Environment.from_conda_specification(file_path='c.yml', name='n')\n",
        ],
    )
    @pytest.mark.parametrize("folder", ["", "src/", "a/src/"], ids=["root", "beside", "around"])
    def test_an_environment_is_found_wherever_its_paths_begin(self, text: str, folder: str) -> None:
        files = {
            f"{folder}run.py": text,
            f"{folder.removesuffix('src/')}c.yml": "dependencies: [pip: [our-pkg==1.0]]\n",
            f"{folder.removesuffix('src/')}ctx/Dockerfile": DOCKERFILE,
            f"{folder.removesuffix('src/')}ctx/requirements.txt": "our-pkg==1.0\n",
        }
        (found,) = inline(files)

        assert found.startswith(f"{folder}run.py line ")
        assert "our-pkg==1.0" in found

    @pytest.mark.parametrize(
        "text",
        [
            "from jinja2 import Environment\n# azureml\nEnvironment(image='i', conda_file='c.yml')\n",
            f"{IMPORT}# Environment(image='i', conda_file='c.yml')\n",
            f"{IMPORT}text = \"Environment(conda_file='c.yml')\"\n",
            f"{IMPORT}Environment(image='i')\n",
            f"{IMPORT}Environment(name='x', version='3')\n",
            f"{V1}Environment.get(workspace, 'n')\nEnvironment('n')\n",
        ],
    )
    def test_what_is_none_is_not_found_and_no_gap(self, text: str) -> None:
        files = {"run.py": text, "c.yml": "dependencies: [pip: [our-pkg==1.0]]\n"}

        assert (inline(files), gaps(files)) == ([], [])

    @pytest.mark.parametrize(
        ("call", "why"),
        [
            ("Environment(conda_file=PATH)", "its `conda_file` is not written out"),
            ("Environment(conda_file=f'{x}.yml')", "its `conda_file` is not written out"),
            ("Environment(build=build)", "its `build` is not written out"),
            ("Environment(build=BuildContext(path=here))", "its `build` is not written out"),
            ("Environment(conda_file='gone.yml')", "its conda file 'gone.yml' is not in the repository"),
            ("Environment.from_pip_requirements('n', f())", "its `file_path` is not written out"),
        ],
    )
    def test_what_the_code_works_out_is_a_gap(self, call: str, why: str) -> None:
        files = {"a.py": f"{IMPORT}{call}\n", "b.py": f"{IMPORT}\n{call}\n"}

        one, two = gaps({"a.py": files["a.py"]}), gaps(files)

        assert [said.partition(": ")[0] for said in (*one, *two)] == [
            "1 inline environment is not read in full (a.py line 2)",
            "2 inline environments are not read in full (a.py line 2, and 1 more)",
        ]
        assert all(
            re.fullmatch(rf"[^:]*: cannot read a\.py( line 2)?: {re.escape(why)}", said) for said in (*one, *two)
        )

    def test_it_is_read_and_never_executed_nor_complained_about(self) -> None:
        text = f"{IMPORT}'\\d'\nraise SystemExit\nEnvironment(image='i', conda_file='c.yml')\n"
        with warnings.catch_warnings():
            warnings.simplefilter("error")

            assert [found.line for found in read_python(SourceText(text, "utf-8"))] == [4]

    @pytest.mark.parametrize(
        "rest", ["Environment(", "(" * 5000, "-" * 200_000 + "1", "x = 1\n" * (PYTHON_CHARACTERS // 6 + 1)],
        ids=["not Python", "nested", "deep", "long"],
    )  # fmt: skip
    def test_what_python_cannot_read_is_a_gap_for_the_packages_that_it_names(self, rest: str) -> None:
        files = {"run.py": f"{IMPORT}# our-pkg\nEnvironment(image='i')\n{rest}"}
        (gap,) = gaps(files)

        assert gap.startswith("run.py")
        assert gap.endswith("it names our-pkg and may define an environment")
        assert plan_of(files, "other 1").elsewhere.gaps == ()

    def test_of_too_many_files_none_is_asked_for_and_that_is_said(self) -> None:
        some = {f"{at}.py": f"{IMPORT}Environment(conda_file=x)  # {at}\n" for at in range(PYTHON_FILES)}

        assert scanned(some)[1] == [set(some)]
        more = {**some, "more.py": ""}
        assert scanned(more)[1] == []
        assert gaps(more) == [
            "2,001 Python files are not looked through for environments: more than 2,000 take too long to fetch"
        ]


class TestPlans:
    def test_a_shared_file_is_edited_for_the_registered_environment_and_that_is_said(self) -> None:
        files = {
            "env.yml": environment(),
            "Dockerfile": DOCKERFILE,
            "requirements.txt": "our-pkg==1.0\nother==1\n",
            "job.yml": "environment:\n  build: {path: .}\n",
        }
        plan = plan_of(files, "our-pkg 2")

        assert [str(pin) for pin in plan.elsewhere.inline] == [
            "job.yml line 1: our-pkg==1.0 (requirements.txt line 1, which changes)"
        ]
        assert plan.elsewhere.summary == (
            "1 inline environment requires our-pkg and is built at its next run: it reads a file that changes here"
        )
        assert [edit.path for edit in plan.edits] == ["requirements.txt"]

    def test_a_file_that_changes_for_another_package_does_not_change_for_this_one(self) -> None:
        files = {
            "env.yml": environment(),
            "Dockerfile": DOCKERFILE,
            "requirements.txt": "our-pkg==3.0\nother==1\n",
            "job.yml": "environment:\n  build: {path: .}\n",
        }
        plan = plan_of(files, "our-pkg 2", "other 2")

        assert [(pin.package, pin.changes) for pin in plan.elsewhere.inline] == [("other", True), ("our-pkg", False)]

    def test_without_any_registered_environment_they_are_listed_too(self) -> None:
        plan = plan_of({"job.yml": INLINE}, "our-pkg 2")

        assert plan.elsewhere.inline_count == 1
        assert not plan.writes

    def test_what_is_excluded_is_not_listed(self) -> None:
        rules = "deliver: push\nenvironments: {include: [envs], exclude: [archive]}\npackages: [{match: '*'}]\n"
        files = {"archive/job.yml": INLINE, "jobs/job.yml": INLINE, "rebuilder.yml": rules}

        assert inline(files) == ["jobs/job.yml line 2: our-pkg==1.0 (line 4)"]

    def test_what_is_excluded_is_no_gap(self) -> None:
        rules = "deliver: push\nenvironments: {exclude: [archive]}\npackages: [{match: '*'}]\n"
        files = {
            "archive/broken.yml": "environment: {image: i, conda_file: [our-pkg\n",
            "archive/run.py": f"{IMPORT}Environment(conda_file=X)\n",
        }

        assert len(gaps(files)) == 2
        assert gaps({**files, "rebuilder.yml": rules}) == []

    def test_of_many_the_first_are_listed_and_all_are_counted(self) -> None:
        files = {f"{at:04}.yml": f"{INLINE}# {at}\n" for at in range(ELSEWHERE_ROWS + 7)}
        found = plan_of(files, "our-pkg 2").elsewhere

        assert (len(found.inline), found.pin_count, found.inline_count) == (ELSEWHERE_ROWS, 107, 107)
        assert list(found.lines(3))[-1] == ("inline", f"and {ELSEWHERE_ROWS + 4} more")
        assert (
            found.summary
            == "107 inline environments require our-pkg and are built at their next run: all stay as they are"
        )

    def test_a_long_requirement_is_shortened_and_its_credential_masked(self) -> None:
        text = INLINE.replace("our-pkg==1.0", f"'our-pkg @ https://me:s3cr3t@host.test/{'x' * 300}.whl'")
        (found,) = inline({"job.yml": text})

        assert "s3cr3t" not in found
        assert len(found) < 200

    def test_a_plan_looks_only_at_those_that_name_the_package(self) -> None:
        class Untouchable(Definition):
            def naming(self, package: str) -> None:  # type: ignore[override]
                raise AssertionError("it does not name the package")

        other = InlineEnvironment("a.yml", 1, definitions={"a.yml": Untouchable(SourceText("", "utf-8"))})
        around = Surroundings(inline=(other,) * 100, named={"other": tuple(range(100))})

        found = around.concerned([package_name("our-pkg")], {}, (), excludes=lambda _: False)

        assert found.inline == ()


def test_a_second_commit_reads_only_what_it_brings() -> None:
    files = {"job.yml": INLINE, "run.py": f"{IMPORT}Environment(conda_file='c.yml')\n", "c.yml": "a: 1\n"}
    shelf = Shelf()
    scanned(files, shelf)
    shelf.trim(listing_of(files), [])

    assert scanned({**files, "new.py": "x = 1\n"}, shelf)[1] == [{"new.py"}]
    assert blob_id(b"x = 1\n") in shelf.raw
