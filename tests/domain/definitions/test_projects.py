"""What a project requires, by its own files, and what locks hold."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.definitions import Definition
from shared.domain.definitions.locks import read_pipfile_lock, read_toml_lock
from shared.domain.definitions.poetry import poetry_requirement
from shared.domain.definitions.projects import Project, read_pyproject, read_setup_cfg
from shared.domain.definitions.setup_py import read_setup_py
from shared.domain.definitions.toml_texts import Text
from shared.domain.definitions.traced import Traced
from shared.domain.files.text import SourceText
from shared.errors import Unreadable


def pyproject(text: str) -> Project:
    return read_pyproject(SourceText(text, "utf-8"))


def setup_cfg(text: str) -> Project:
    return read_setup_cfg(SourceText(text, "utf-8"))


def setup_py(text: str) -> Project:
    return read_setup_py(SourceText(text, "utf-8"))


def required(found: Definition) -> list[tuple[int, str, list[str]]]:
    """The requirements with their lines and extras."""
    return [(one.line.number, one.text, sorted(one.extras)) for one in found.requirements]


class TestPyproject:
    def test_dependencies_and_extras_are_read(self) -> None:
        found = pyproject('[project]\nname = "a"\ndependencies = [\n"b==1",\n"c",]\noptional-dependencies.D_e = ["f"]')

        assert required(found.definition) == [(4, "b==1", []), (5, "c", []), (6, "f", ["d-e"])]
        assert found.complete

    def test_an_extra_brings_what_the_extras_of_the_project_that_it_names_bring(self) -> None:
        extras = 'a = ["x"]\nb = ["app[a]"]\nc = ["App[b]"]\nd = ["other[a]"]\n'
        found = pyproject(f'[project]\nname = "app"\n[project.optional-dependencies]\n{extras}')

        assert [extras for _, text, extras in required(found.definition) if text == "x"] == [["a", "b", "c"]]

    def test_a_project_that_says_nothing_of_them_has_none(self) -> None:
        assert pyproject('[project]\nname = "a"\n').complete

    def test_what_another_file_or_a_hook_says_is_not_complete(self) -> None:
        assert not pyproject('[project]\nname = "a"\ndynamic = ["dependencies"]\n').complete
        assert not pyproject('[build-system]\nrequires = ["setuptools"]\n').complete

    def test_files_that_setuptools_reads_are_included(self) -> None:
        found = pyproject(
            '[project]\nname = "a"\ndynamic = ["dependencies", "optional-dependencies"]\n[tool.setuptools.dynamic]\n'
            'dependencies = {file = ["a.txt"]}\noptional-dependencies.x = {file = "b.txt"}\n'
        )

        assert [(one.path, sorted(one.extras)) for one in found.definition.includes] == [
            ("a.txt", []),
            ("b.txt", ["x"]),
        ]
        assert found.complete

    def test_poetrys_table_counts_where_the_project_leaves_it_to_that(self) -> None:
        poetry = '[tool.poetry.dependencies]\npython = "^3.9"\na = "1.0"\nb = {version = "^1", optional = true}\n'
        extras = '[tool.poetry.extras]\nx = ["b"]\n'

        assert required(pyproject(poetry + extras).definition) == [(3, "a==1.0", []), (4, "b>=1,<2", ["x"])]
        assert required(pyproject(f'[project]\nname = "a"\n{poetry}').definition) == []

    def test_groups_for_development_are_not_installed(self) -> None:
        assert required(pyproject('[tool.poetry.group.dev.dependencies]\na = "1"\n').definition) == []


@pytest.mark.parametrize(
    ("written", "requirement"),
    [
        ("1.2", "a==1.2"), ("==1.2", "a==1.2"), ("1.2.*", "a==1.2.*"), ("*", "a"), (">=1,<2", "a>=1,<2"),
        ("^1.2.3", "a>=1.2.3,<2"), ("^0.2.3", "a>=0.2.3,<0.3"), ("^0.0.3", "a>=0.0.3,<0.0.4"),
        ("^0.0", "a>=0.0,<0.1"),
        ("^0", "a>=0,<1"), ("~1.2.3", "a>=1.2.3,<1.3"), ("~1.2", "a>=1.2,<1.3"), ("~1", "a>=1,<2"),
        ("1.0rc1", "a==1.0rc1"),
        ("^1 || ^2", "a ^1 || ^2"), ("^1.0rc1", "a ^1.0rc1"), (">=1 <2", "a >=1 <2"),
    ],
)  # fmt: skip
def test_poetrys_signs_are_worked_out_or_left_as_they_are(written: str, requirement: str) -> None:
    (line,) = poetry_requirement("a", Text(Traced.at(written, 0), 1))

    assert line.text == requirement


class TestSetupCfg:
    def test_requirements_stand_in_lines_or_behind_semicolons(self) -> None:
        found = setup_cfg(
            "[options]\ninstall_requires =\n    a==1\n    # no\n    b; python_version > '3'\n\n"
            "[options.extras_require]\nX = c==2; d\n"
        )

        assert required(found.definition) == [
            (3, "a==1", []),
            (5, "b; python_version > '3'", []),
            (8, "c==2", ["x"]),
            (8, "d", ["x"]),
        ]

    def test_files_are_included(self) -> None:
        found = setup_cfg("[options]\ninstall_requires = file: a.txt, b.txt\n").definition

        assert [one.path for one in found.includes] == ["a.txt", "b.txt"]

    def test_other_sections_say_nothing(self) -> None:
        assert required(setup_cfg("[metadata]\ninstall_requires = a\n").definition) == []


class TestSetupPy:
    def test_literal_lists_are_read_also_through_variables(self) -> None:
        found = setup_py("R = ['a==1']\nsetuptools.setup(install_requires=R + ['b'], extras_require={'x': ('c',)})\n")

        assert required(found.definition) == [(1, "a==1", []), (2, "b", []), (2, "c", ["x"])]
        assert (found.definition.opaque, found.computed_extras) == ((), False)

    @pytest.mark.parametrize(
        "text",
        [
            "setup(install_requires=needed())", "setup(**all)", "R = []\nR.append('a')\nsetup(install_requires=R)",
            "R = ['a']\nR += ['b']\nsetup(install_requires=R)", "R = ['a']\nR = ['b']\nsetup(install_requires=R)",
            "setup(install_requires=[f'a=={V}'])", "pass", "setup()\nsetup()",
        ],
    )  # fmt: skip
    def test_what_is_computed_is_opaque(self, text: str) -> None:
        assert len(setup_py(text).definition.opaque) == 1

    def test_requirements_files_that_it_names_stand_for_what_is_computed(self) -> None:
        found = setup_py("setup(install_requires=open('requirements.txt').read().split())").definition

        assert ([one.path for one in found.includes], found.opaque) == (["requirements.txt"], ())

    @pytest.mark.parametrize(
        "text", ["print 'no'", "A = B + []\nB = A + []\nsetup(install_requires=A)", f"setup({'(' * 9999}"]
    )
    def test_what_cannot_be_read_is_refused(self, text: str) -> None:
        with pytest.raises(Unreadable):
            setup_py(text)

    @pytest.mark.parametrize("literal", ['"a==1"', "'a==1'", '"""a==1"""', '"a=" "=1"', '"\\x61==1"'])
    def test_a_place_is_told_only_where_the_text_stands(self, literal: str) -> None:
        source = SourceText(f"ü = 1; setup(install_requires=[{literal}])", "utf-8")
        (one,) = read_setup_py(source).definition.requirements
        span = one.span(source, 3, 4)

        assert one.text == "a==1"
        assert span is None or source.text.encode()[span.start : span.end] == b"1"
        assert (span is None) == (len(literal) != 6)


def test_a_file_that_is_too_deep_is_refused() -> None:
    with pytest.raises(Unreadable):
        pyproject(f"a = {'[' * 9999}")


class TestLocks:
    def test_every_package_is_pinned_on_its_line(self) -> None:
        text = '[[package]]\nname = "a_b"\nversion = "1.0"\n\n[[package]]\nname = "c"\nsource = { editable = "." }\n'
        found = read_toml_lock(SourceText(text, "utf-8"))

        assert [(one.name, one.text, one.direct) for one in found.requirements] == [
            ("a-b", "a_b==1.0", False),
            ("c", "c @ elsewhere", True),
        ]
        assert found.locked

    def test_pipenvs_lock_is_json(self) -> None:
        default = '    "default": {\n        "a": {\n            "version": "==1"\n        }\n    },\n'
        text = f'{{\n{default}    "develop": {{"b": {{"git": "x"}}}}\n}}'
        found = read_pipfile_lock(SourceText(text, "utf-8"))

        assert [(one.line.number, one.text) for one in found.requirements] == [(3, "a==1"), (1, "b @ elsewhere")]

    @pytest.mark.parametrize("read", [read_toml_lock, read_pipfile_lock])
    def test_anything_else_is_refused(self, read: Callable[[SourceText], Definition]) -> None:
        with pytest.raises(Unreadable):
            read(SourceText("[", "utf-8"))


@pytest.mark.parametrize("read", [pyproject, setup_cfg, setup_py])
@given(text=st.text(alphabet="[]={}\"'\n :;#abcsetup()install_requires,.-"))
def test_any_text_is_read_or_refused(read: Callable[[str], Project], text: str) -> None:
    try:
        assert isinstance(read(text).definition.requirements, tuple)
    except Unreadable:
        return
