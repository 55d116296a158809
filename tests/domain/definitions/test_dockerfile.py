"""What a Dockerfile says as a whole: requirements with their places, variables, stages, comments."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.definitions import Requirement
from shared.domain.definitions.dockerfile import Dockerfile, read_dockerfile
from shared.domain.definitions.pins import Exact, is_held, pin_of
from shared.domain.files.text import SourceText
from shared.domain.names import package_name
from tests.domain.strategies import normalised_names, spellings


def read(text: str) -> Dockerfile:
    return read_dockerfile(SourceText(text, "utf-8"))


def required(text: str) -> list[tuple[int, str]]:
    """The requirements with their lines."""
    return [(found.line.number, found.text) for found in read(text).definition.requirements]


def handed(text: str) -> list[tuple[str, bool, bool]]:
    """The files that are handed over: (path, constraint, conda)."""
    return [(found.path, found.constraint, found.conda) for found in read(text).files]


def spanned(text: str) -> list[str | None]:
    """What stands in the file's bytes where the versions of the exact pins are said to stand."""
    definition, raw = read(text).definition, text.encode()
    found: list[str | None] = []
    for requirement in definition.requirements:
        pin = pin_of(requirement)
        if isinstance(pin, Exact):
            span = requirement.span(definition.source, pin.start, pin.end)
            found.append(raw[span.start : span.end].decode() if span else None)
    return found


def only(text: str) -> Requirement:
    (requirement,) = read(text).definition.requirements
    return requirement


def shared(text: str) -> list[str]:
    """The variables that serve several ends."""
    return [name for _, _, name in read(text).definition.shared]


class TestRequirements:
    @pytest.mark.parametrize(
        ("text", "line"),
        [
            ("RUN pip install our-pkg==1.0", 2),
            ("run\tpip install our-pkg==1.0", 2),
            ("RUN pip install \\\n    our-pkg==1.0", 3),
            ("RUN pip install \\\r\n    our-pkg==1.0\r\n", 3),
            ("RUN pip install \\  \n# why\n\n  # more\n    our-pkg==1.0 \\\n  other", 6),
            ("RUN apt-get update && \\\n    pip install 'our-pkg==1.0'", 3),
            ('RUN ["pip", "install", "our-pkg==1.0"]', 2),
            ('RUN ["bash", "-c", "pip install our-pkg==1.0"]', 2),
            ("RUN <<EOF\nset -e\npip install our-pkg==1.0\nEOF", 4),
            ("RUN <<-'END' bash\n\tpip install \\\n\t  our-pkg==1.0\n\tEND", 4),
            ("RUN --mount=type=cache,target=/var/cache/pip pip install our-pkg==1.0", 2),
            ("ONBUILD RUN pip install our-pkg==1.0", 2),
            ("RUN cat <<EOF > r.txt\n# our-pkg==9\nour-pkg==1.0\nEOF", 4),
            ("COPY <<EOF /r.txt\nour-pkg==1.0\nEOF", 3),
        ],
    )
    def test_a_requirement_is_found_on_its_line_with_the_place_of_its_version(self, text: str, line: int) -> None:
        ours = [found for found in required(f"FROM x\n{text}") if found[1] != "other"]

        assert ours == [(line, "our-pkg==1.0")]
        assert spanned(f"FROM x\n{text}") == ["1.0"]

    @pytest.mark.parametrize(
        "line",
        ["# RUN pip install -r r.txt our-pkg==1", "  # RUN pip install -r r.txt our-pkg==1", "COPY our-pkg x",
         "LABEL x='pip install our-pkg==1'", "RUN true # pip install our-pkg==1", "CMD pip install our-pkg==1"],
    )  # fmt: skip
    def test_what_installs_nothing_says_nothing(self, line: str) -> None:
        dockerfile = read(f"FROM x\n{line}\n")

        assert (dockerfile.files, dockerfile.definition.words) == ((), frozenset())

    def test_a_here_document_ends_where_it_says(self) -> None:
        assert required("FROM x\nRUN <<ONE\npip install one\nONE\nRUN pip install two\nLABEL our-pkg==1") == [
            (3, "one"),
            (5, "two"),
        ]

    def test_a_here_document_that_nothing_ends_does_not_swallow_the_file(self) -> None:
        assert required("FROM x\nRUN cat <<EOF\nRUN pip install two") == [(3, "two")]

    def test_another_escape_character_joins_lines(self) -> None:
        assert required("# escape=`\nFROM x\nRUN pip install `\n  our-pkg==1.0 `\n  other\n") == [
            (4, "our-pkg==1.0"),
            (5, "other"),
        ]

    @given(st.data(), normalised_names())
    def test_every_spelling_of_a_name_is_a_word(self, data: st.DataObject, name: str) -> None:
        spelled = data.draw(spellings(name))
        behind = data.draw(st.sampled_from(("", "==1.0", "[a]", " other", "~=1", "; ls")))

        assert package_name(name) in read(f"FROM x\nRUN pip install {spelled}{behind}").definition.words


class TestFiles:
    @pytest.mark.parametrize(
        ("command", "files"),
        [
            ("pip install -r requirements.txt", [("requirements.txt", False, False)]),
            ("pip install --requirement=r.txt&&rm /x", [("r.txt", False, False)]),
            ("pip install \\\n  -r a.txt \\\n  # why\n  -c b.txt", [("a.txt", False, False), ("b.txt", True, False)]),
            ("pip install \\\r\n  -r a.txt\r\n", [("a.txt", False, False)]),
            ("conda env create -f conda.yml", [("conda.yml", False, True)]),
            ('["pip", "install", "-r", "r.txt"]', [("r.txt", False, False)]),
            ("bash -c 'pip install -r r.txt'", [("r.txt", False, False)]),
            ("<<EOF\npip install -r r.txt\nEOF", [("r.txt", False, False)]),
            ("ls", []),
        ],
    )
    def test_files_that_a_command_hands_to_pip_or_conda_are_found(
        self, command: str, files: list[tuple[str, bool, bool]]
    ) -> None:
        assert handed(f"FROM x\nRUN {command}\nCOPY a b\n") == files


class TestVariables:
    @pytest.mark.parametrize(
        "text",
        [
            "FROM x\nARG V=1.0\nRUN pip install our-pkg==$V\n",
            "FROM x\nARG V=1.0\nRUN pip install our-pkg==${V}\n",
            "FROM x\nARG V=1.0\nRUN pip install our-pkg==${V:-2.0}\n",
            "FROM x\nARG V\nRUN pip install our-pkg==${V:-1.0}\n",
            "FROM x\nARG V=1.0\nRUN pip install \"our-pkg==$V\"\n",
            "FROM x\nENV V=1.0\nRUN pip install our-pkg==$V\n",
            "FROM x\nENV V 1.0\nRUN pip install our-pkg==$V\n",
            "FROM x\nENV V='1.0' W=\"2\"\nRUN pip install our-pkg==$V\n",
            "FROM x\nENV A=b \\\n    V=\"1.0\"\nRUN pip install our-pkg==$V\n",
            "ARG V=1.0\nFROM x\nARG V\nRUN pip install our-pkg==$V\n",
            "FROM x\nARG P=our-pkg==1.0\nRUN pip install $P\n",
            "FROM x\nENV P='other our-pkg==1.0'\nRUN pip install $P\n",
            "FROM x\nARG A=1.0\nENV V=$A\nRUN pip install our-pkg==$V\n",
            "FROM x AS one\nARG V=1.0\nFROM one\nRUN pip install our-pkg==$V\n",
            "FROM x\nARG V=1.0\nRUN <<EOF\npip install our-pkg==$V\nEOF\n",
            "FROM x\nENV V=1.0\nARG V=2.0\nRUN pip install our-pkg==$V\n",
            "FROM x\nENV V=1.0\nARG V\nRUN pip install our-pkg==$V\n",
            "FROM x\nENV V=2.0\nENV V=1.0\nRUN pip install our-pkg==$V\n",
            "FROM x\nARG A=1.0\nENV V $A\nRUN pip install our-pkg==$V\n",
            "FROM x\nENV V \"1.0\"\nRUN pip install our-pkg==$V\n",
            'FROM x\nENV V=1.0\nRUN ["bash", "-c", "pip install our-pkg==$V"]\n',
            "FROM x\nARG V=1.0\nFROM x:$V\nARG V=1.0\nRUN pip install our-pkg==$V\n",
        ],
    )  # fmt: skip
    def test_a_version_in_a_variable_has_its_place_there(self, text: str) -> None:
        assert spanned(text) == ["1.0"]
        assert shared(text) == []

    @pytest.mark.parametrize(
        "text",
        [
            "FROM x\nRUN pip install our-pkg==$V\n",
            "FROM x\nARG V\nRUN pip install our-pkg==$V\n",
            "ARG V=1.0\nFROM x\nRUN pip install our-pkg==$V\n",
            "FROM x AS one\nARG V=1.0\nFROM y\nRUN pip install our-pkg==$V\n",
            "FROM x\nRUN pip install our-pkg==$V\nARG V=1.0\n",
            "FROM x\nARG V=1.0\nRUN pip install 'our-pkg==${V}'\n",
            "FROM x\nRUN pip install our-pkg==$(cat version)\n",
        ],
        ids=["never set", "set from outside", "not taken into the stage", "another stage", "set later", "in quotes",
             "a command"],
    )  # fmt: skip
    def test_a_value_that_is_not_in_force_is_no_version(self, text: str) -> None:
        assert spanned(text) == []

    @pytest.mark.parametrize(
        "use",
        ["RUN pip install other==$V", "LABEL version=$V",
         'RUN ["bash", "-c", "echo $V"]', "RUN echo ${V} > /version", "COPY app-$V.zip /", "ENV X=a-$V",
         "FROM y:$V", "ARG W=$V\nRUN echo $W", "RUN <<EOF\necho $V\nEOF", "WORKDIR /app/$V"],
    )  # fmt: skip
    def test_a_variable_that_serves_something_else_is_shared(self, use: str) -> None:
        stage = "" if use.startswith("FROM") else "FROM x\n"
        again = "ARG V\n" if use.startswith("FROM") else ""
        text = f"{stage}ARG V=1.0\n{use}\n{again}RUN pip install our-pkg==$V\n"

        assert shared(text) == ["V"]

    @pytest.mark.parametrize(
        "text",
        ["RUN pip install our-pkg==$V\nRUN pip install our-pkg==$V", "RUN pip install our-pkg==$V Our.Pkg[x]==$V"],
    )
    def test_a_variable_may_serve_one_package_several_times(self, text: str) -> None:
        assert shared(f"FROM x\nARG V=1.0\n{text}\n") == []


class TestHold:
    @pytest.mark.parametrize(
        "text",
        [
            "# rebuilder: hold\nRUN pip install our-pkg==1.0\n",
            "RUN pip install our-pkg==1.0 # rebuilder: hold\n",
            "RUN pip install \\\n  # rebuilder: hold\n  our-pkg==1.0\n",
            "RUN <<EOF\npip install our-pkg==1.0 # rebuilder: hold\nEOF\n",
            "#Rebuilder:hold\nRUN <<EOF\npip install our-pkg==1.0\nEOF\n",
            "# rebuilder: hold\n# because of 1.1\n\nRUN pip install our-pkg==1.0\n",
        ],
    )
    def test_a_comment_holds_its_line_or_what_follows_it(self, text: str) -> None:
        assert is_held(only(f"FROM x\n{text}"))

    def test_a_comment_holds_one_line_of_a_command_and_no_other(self) -> None:
        text = "FROM x\nRUN pip install a==1 \\\n  # rebuilder: hold\n  b==1 \\\n  c==1\nRUN pip install d==1\n"
        held = {found.name: is_held(found) for found in read(text).definition.requirements}

        assert held == {"a": False, "b": True, "c": False, "d": False}


@pytest.mark.parametrize(
    ("text", "image"),
    [
        ("FROM python:3.10\n", "python:3.10"),
        ("from python:3.10 AS base\nRUN x\n", "python:3.10"),
        ("FROM a\nFROM --platform=linux/amd64 b:1 AS c\n", "b:1"),
        ("# FROM no\nARG X=1\nFROM \\\n  a\n", "a"),
        ("ARG PY=3.10\nFROM python:${PY}-slim\n", "python:3.10-slim"),
        ("ARG PY=3.10\nFROM python:$PY-slim AS base\nFROM base\n", "python:3.10-slim"),
        ("ARG PY\nFROM python:${PY:-3.10}-slim\n", "python:3.10-slim"),
        ("FROM a\nENV PY=3.10\nFROM python:$PY\n", "python:$PY"),
        ("FROM a AS base\nFROM base AS more\nFROM more\n", "a"),
        ("RUN echo FROM x\n", None),
        ("", None),
    ],
)
def test_the_last_stages_image_is_the_image(text: str, image: str | None) -> None:
    assert read(text).image == image


@given(st.text(max_size=60))
def test_any_text_is_a_dockerfile(text: str) -> None:
    assert isinstance(read(text), Dockerfile)


@pytest.mark.parametrize("filler", [" ", "-r", "\\\n", "<<", "a.", "'", "RUN ", "\t\t\n"])
def test_a_long_line_is_read_without_delay(filler: str) -> None:
    """What makes a pattern backtrack takes hours at this length."""
    read(f"FROM {filler * 50_000}\nRUN {filler * 50_000}\n")
