import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.definitions.dockerfile import Dockerfile, HandedOver, read_dockerfile, words_of
from shared.domain.names import package_name
from shared.domain.text import SourceText
from tests.domain.strategies import normalised_names, spellings


def read(text: str) -> Dockerfile:
    return read_dockerfile(SourceText(text, "utf-8"))


@pytest.mark.parametrize(
    ("command", "files"),
    [
        ("pip install -r requirements.txt", [HandedOver("requirements.txt")]),
        ("pip install -rrequirements.txt", [HandedOver("requirements.txt")]),
        ("pip install --requirement /tmp/r.txt", [HandedOver("/tmp/r.txt")]),
        ("pip install --requirement=r.txt&&rm /x", [HandedOver("r.txt")]),
        (
            "pip install \\\n  -r a.txt \\\n  # why\n  -c b.txt",
            [HandedOver("a.txt"), HandedOver("b.txt", constraint=True)],
        ),
        ("pip install \\\r\n  -r a.txt\r\n", [HandedOver("a.txt")]),
        ("pip install --constraint b.txt x", [HandedOver("b.txt", constraint=True)]),
        ("conda env create -f conda.yml", [HandedOver("conda.yml", conda=True)]),
        ("conda env update --file=env/conda.yaml --prune", [HandedOver("env/conda.yaml", conda=True)]),
        ("apt-get install -y gcc", []),
        ("ls", []),
    ],
)
def test_files_that_a_command_hands_to_pip_or_conda_are_found(command: str, files: list[HandedOver]) -> None:
    assert list(read(f"FROM x\nRUN {command}\n").files) == files


@pytest.mark.parametrize(
    "line", ["# RUN pip install -r r.txt our-pkg", "  # RUN pip install -r r.txt our-pkg", "COPY our-pkg x"]
)
def test_what_is_no_command_says_nothing(line: str) -> None:
    dockerfile = read(f"FROM x\n{line}\n")

    assert (dockerfile.files, dockerfile.words) == ((), frozenset())


@pytest.mark.parametrize("instruction", ["RUN", "run", "  RUN", "ARG", "ENV"])
def test_words_of_commands_are_noted_in_normalised_form(instruction: str) -> None:
    assert "our-pkg" in read(f"FROM x\n{instruction} X=1 Our_Pkg==1.0\n").words


@given(st.data(), normalised_names())
def test_every_spelling_of_a_name_is_a_word(data: st.DataObject, name: str) -> None:
    spelled = data.draw(spellings(name))
    before = data.draw(st.sampled_from(("", " ", "'", '"', "\n", "(", "x @ ")))
    behind = data.draw(st.sampled_from(("", " ", "'", '"', "==1.0", "[a]", ">1", "\n", ",", ";", "$X")))

    assert package_name(name) in words_of(f"{before}{spelled}{behind}")


@pytest.mark.parametrize(
    ("text", "image"),
    [
        ("FROM python:3.10\n", "python:3.10"),
        ("from python:3.10 AS base\nRUN x\n", "python:3.10"),
        ("FROM a\nFROM --platform=linux/amd64 b:1 AS c\n", "b:1"),
        ("# FROM no\nARG X=1\nFROM \\\n  a\n", "a"),
        ("RUN echo FROM x\n", None),
        ("", None),
    ],
)
def test_the_last_stages_image_is_the_image(text: str, image: str | None) -> None:
    assert read(text).image == image


@given(st.text(max_size=60))
def test_any_text_is_a_dockerfile(text: str) -> None:
    assert isinstance(read(text), Dockerfile)


@pytest.mark.parametrize(
    ("command", "files"),
    [
        ('["pip", "install", "-r", "r.txt"]', [HandedOver("r.txt")]),
        ('pip install -r "r.txt"', [HandedOver("r.txt")]),
        ("bash -c 'pip install -r r.txt'", [HandedOver("r.txt")]),
        ("<<EOF\npip install -r r.txt\nEOF", [HandedOver("r.txt")]),
        ("<<-'END' bash\n  pip install \\\n    -c c.txt\n  END", [HandedOver("c.txt", constraint=True)]),
    ],
    ids=["JSON", "quotes", "shell in quotes", "here-document", "indented here-document"],
)
def test_files_are_found_in_every_form_of_a_command(command: str, files: list[HandedOver]) -> None:
    assert set(files) <= set(read(f"FROM x\nRUN {command}\nCOPY a b\n").files)


def test_a_here_document_ends_where_it_says() -> None:
    found = read("FROM x\nRUN <<ONE\none\nONE\nCOPY our-pkg x\n")

    assert "one" in found.words
    assert "our-pkg" not in found.words


def test_another_escape_character_joins_lines() -> None:
    found = read("# escape=`\nFROM x\nRUN pip install `\n  -r r.txt\n")

    assert list(found.files) == [HandedOver("r.txt")]


@pytest.mark.parametrize("filler", [" ", "-r", "\\\n", "<<", "a.", "'", "RUN ", "\t\t\n"])
def test_a_long_line_is_read_without_delay(filler: str) -> None:
    """What makes a pattern backtrack takes hours at this length."""
    read(f"FROM {filler * 50_000}\nRUN {filler * 50_000}\n")
