"""Which files decide an environment's content: its build context, its Dockerfile and its conda file."""

import pytest

from shared.domain.inventory.environments import Use
from tests.domain.repositories import catalog_of, environment, naming, problems, sole, used

ALL = ["requirements-dev.txt", "requirements.txt", "sub/requirements.txt"]


class TestBuildContexts:
    @pytest.mark.parametrize(
        ("dockerfile", "uses"),
        [
            ("FROM x\nRUN pip install -r prod.txt\n", ["prod.txt"]),
            ("FROM x\nRUN pip install --requirement=prod.txt\n", ["prod.txt"]),
            ("FROM x\nRUN pip install --no-cache-dir \\\n    -r prod.txt && rm -rf /tmp/x\n", ["prod.txt"]),
            ("FROM x\nCOPY prod.txt /tmp/\nRUN pip install -r /tmp/prod.txt\n", ["prod.txt"]),
            ("FROM x\nRUN pip install -r sub/requirements.txt\n", ["sub/requirements.txt"]),
            ("FROM x\nCOPY . /app\nRUN pip install -r /app/sub/requirements.txt\n", ["sub/requirements.txt"]),
            ("FROM x\nRUN pip install -r prod.txt -r requirements-dev.txt\n", ["prod.txt", "requirements-dev.txt"]),
            ("FROM x\n# RUN pip install -r prod.txt\nRUN pip install -r notes.txt\n", ["notes.txt"]),
            ("FROM x\nARG FILE=notes.txt\nRUN pip install -r $FILE\n", ["notes.txt"]),
            ("FROM x\n", []),
            ("FROM x\nCOPY src /src\n", []),
            ("FROM x\nCOPY . /app\n", []),
            ("FROM x\nCOPY sub /app\n", []),
            ("FROM x\nCOPY require*.txt prod.txt /app/\n", ["requirements-dev.txt", "requirements.txt"]),
            ("FROM x\nCOPY . .\nRUN pip install -r $FILE\n", ALL),
            ("FROM x\nCOPY . .\nRUN pip install -r gone.txt\n", []),
            ("FROM x\nRUN pip install -r gone.txt\n", []),
        ],
    )  # fmt: skip
    def test_the_requirements_files_are_those_that_the_dockerfile_hands_to_pip_or_else_copies(
        self, dockerfile: str, uses: list[str]
    ) -> None:
        names = ("prod.txt", "requirements-dev.txt", "requirements.txt", "sub/requirements.txt", "notes.txt",
                 ".venv/requirements.txt")  # fmt: skip
        files = {f"ctx/{name}": "our-pkg==1.0\n" for name in names}
        found = sole({"e.yml": environment(build="ctx"), "ctx/Dockerfile": dockerfile, **files})

        assert used(found) == ["ctx/Dockerfile", *(f"ctx/{name}" for name in uses)]

    def test_without_a_dockerfile_every_requirements_file_of_the_context_counts(self) -> None:
        names = ("prod.txt", "requirements-dev.txt", "requirements.txt", "sub/requirements.txt",
                 ".venv/requirements.txt")  # fmt: skip
        found = sole({"e.yml": environment(build="ctx"), **{f"ctx/{name}": "" for name in names}})

        assert used(found) == [f"ctx/{name}" for name in ALL]

    def test_constraints_and_conda_files_of_a_dockerfile_are_told_apart(self) -> None:
        files = {
            "e.yml": environment(build="ctx"),
            "ctx/Dockerfile": "FROM x\nRUN pip install -r r.txt -c limits.txt\nRUN conda env create -f conda.yaml\n",
            "ctx/r.txt": "a==1\n",
            "ctx/limits.txt": "b==1\n",
            "ctx/conda.yaml": "dependencies:\n  - pip:\n      - our-pkg==1.0\n",
        }
        catalog = catalog_of(files)

        assert catalog.environments[0].uses == (
            Use("ctx/Dockerfile"),
            Use("ctx/r.txt"),
            Use("ctx/limits.txt", constraint=True),
            Use("ctx/conda.yaml"),
        )
        assert naming(catalog, "our-pkg") == ["e.yml"]
        assert problems(catalog.environments[0]) == []

    def test_a_path_in_the_context_itself_is_meant_before_others_of_its_name(self) -> None:
        requirements = {f"ctx/{folder}requirements.txt": "" for folder in ("", "a/", "b/")}
        deeper = {f"ctx/{folder}/prod.txt": "" for folder in ("a", "b")}
        dockerfile = "FROM x\nRUN pip install -r /tmp/requirements.txt\nRUN pip install -r prod.txt\n"
        found = sole({"e.yml": environment(build="ctx"), "ctx/Dockerfile": dockerfile, **requirements, **deeper})

        assert used(found) == ["ctx/Dockerfile", "ctx/requirements.txt", "ctx/a/prod.txt", "ctx/b/prod.txt"]

    def test_a_dockerfile_may_have_another_name_and_place(self) -> None:
        files = {
            "e.yml": "name: a\nbuild:\n  path: ctx\n  dockerfile_path: docker/Prod\n",
            "ctx/docker/Prod": "FROM python:3.11\nRUN pip install -r prod.txt\n",
            "ctx/prod.txt": "",
            "ctx/requirements.txt": "",
        }
        found = sole(files)

        assert (found.dockerfile, found.context) == ("ctx/docker/Prod", "ctx")
        assert used(found) == ["ctx/docker/Prod", "ctx/prod.txt"]

    def test_the_last_base_image_tells_the_python(self) -> None:
        dockerfile = "FROM python:3.9 AS build\nFROM --platform=linux/amd64 host.test/base-py310:1\n"

        assert sole({"e.yml": environment(), "Dockerfile": dockerfile}).python == "3.10"

    def test_a_package_that_the_dockerfile_itself_installs_is_noted(self) -> None:
        dockerfile = "FROM our-base:1\n# our-note\nARG OUR_PKG=1.0\nRUN pip install \\\n  # odd\n  Our.Other==1.0\n"
        catalog = catalog_of({"e.yml": environment(), "Dockerfile": dockerfile})

        assert naming(catalog, "our-other") == ["e.yml"]
        assert [naming(catalog, name) for name in ("our-pkg", "our-note", "our-base", "odd")] == [[]] * 4

    def test_a_context_without_a_dockerfile_is_not_seen_in_full(self) -> None:
        found = sole({"envs/e.yml": environment(build="ctx"), "envs/ctx/requirements.txt": "our-pkg==1.0\n"})

        assert [str(w) for w in found.unseen] == ["envs/e.yml: its build context has no envs/ctx/Dockerfile"]
        assert found.dockerfile is None
        assert used(found) == ["envs/ctx/requirements.txt"]

    @pytest.mark.parametrize("path", ["../..", "../../x", "/abs", "https://github.test/x.git#main:ctx"])
    def test_a_context_outside_the_repository_is_not_read_and_said(self, path: str) -> None:
        found = sole({"envs/e.yml": environment(build=f"'{path}'"), "requirements.txt": "our-pkg==1.0\n"})

        assert found.context is None
        assert used(found) == []
        assert [str(w) for w in found.unseen] == [f"envs/e.yml: its build context {path!r} lies outside the repository"]

    def test_the_repositorys_root_may_be_a_context(self) -> None:
        files = {"envs/e.yml": environment(build=".."), "Dockerfile": "FROM x\nRUN pip install -r r.txt\n", "r.txt": ""}

        assert used(sole(files)) == ["Dockerfile", "r.txt"]

    def test_a_folder_whose_name_begins_alike_is_no_part_of_the_context(self) -> None:
        folders = ("ctx-old", "ctx", "ctx2", "z", "ctx.d", "")
        files = {"e.yml": environment(build="ctx"), **{f"{f}/requirements.txt".lstrip("/"): "" for f in folders}}

        assert used(sole(files)) == ["ctx/requirements.txt"]


class TestCondaFiles:
    def test_a_conda_map_inside_the_environment_may_include_files(self) -> None:
        inline = "name: a\nimage: x:py38\nconda_file:\n  dependencies:\n    - python=3.9\n    - pip: [-r base.txt]\n"
        found = sole({"envs/e.yml": inline, "envs/base.txt": "our-pkg==1.0\n"})

        assert found.uses == (Use("envs/e.yml"), Use("envs/base.txt"))
        assert found.python == "3.9"

    def test_a_conda_file_may_include_files(self) -> None:
        conda = "dependencies:\n  - pip:\n      - -r ../base.txt\n"
        found = sole(
            {"e.yml": "name: a\nimage: x\nconda_file: c/c.yml\n", "c/c.yml": conda, "base.txt": "our-pkg==1.0\n"}
        )

        assert found.uses == (Use("c/c.yml"), Use("base.txt"))

    @pytest.mark.parametrize("path", ["gone.yml", "../out.yml", "/abs.yml", "https://host.test/c.yml"])
    def test_a_conda_file_that_is_not_there_is_a_problem(self, path: str) -> None:
        found = sole({"e.yml": f"name: a\nimage: x\nconda_file: {path}\n", "abs.yml": ""})

        assert problems(found) == [f"e.yml: its conda file {path!r} is not in the repository"]

    def test_the_python_of_a_conda_file_counts_before_the_images(self) -> None:
        files = {"e.yml": "name: a\nimage: x-py310\nconda_file: c.yml\n", "c.yml": "dependencies: [python=3.9]\n"}

        assert sole(files).python == "3.9"

    def test_an_image_tells_the_python_where_conda_does_not(self) -> None:
        conda = {"c.yml": "dependencies:\n  - pip\n"}

        assert sole({"e.yml": "name: a\nimage: x-py310\nconda_file: c.yml\n", **conda}).python == "3.10"
        assert sole({"e.yml": "name: a\nimage: x\nconda_file: c.yml\n", **conda}).python is None


@pytest.mark.parametrize(
    "text",
    [
        "FROM x\nCOPY *.txt /app/\nENV PIP_CONSTRAINT=/app/limits.txt\nWORKDIR /app\nRUN pip install -r r.txt\n",
        "FROM x\nCOPY *.txt ./\nRUN PIP_CONSTRAINT=limits.txt pip install -r r.txt\n",
        "FROM x\nARG UV_CONSTRAINT=limits.txt\nCOPY *.txt ./\nRUN uv pip install -r r.txt\n",
    ],
)
def test_constraints_that_the_environment_names_are_constraints(text: str) -> None:
    found = sole({"e.yml": environment(), "Dockerfile": text, "r.txt": "a==1\n", "limits.txt": "a==1\n"})

    assert {(use.path, use.constraint) for use in found.uses} == {
        ("Dockerfile", False), ("r.txt", False), ("limits.txt", True),
    }  # fmt: skip
