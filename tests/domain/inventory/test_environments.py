import codecs

import pytest

from shared.domain.files.text import SourceText, Span
from shared.domain.inventory.environments import EnvironmentFile, ExplicitVersion, python_of_image, read_environment
from shared.errors import Unreadable

SCHEMA = "https://azuremlschemas.azureedge.net/latest/environment.schema.json"


def read(text: str | bytes) -> EnvironmentFile | None:
    return read_environment(SourceText.decode(text.encode() if isinstance(text, str) else text))


def found(text: str | bytes) -> EnvironmentFile:
    environment = read(text)
    assert environment is not None
    return environment


@pytest.mark.parametrize(
    "text",
    [
        f"$schema: {SCHEMA}\nname: training\nimage: x\n",
        f"name: training\nimage: x\n$schema: '{SCHEMA}'\n",
        "$schema: ../schemas/environment.schema.json\nname: training\n",
        "name: training\nimage: x\n",
        "name: training\nbuild:\n  path: .\n",
        "name: training\nconda_file: conda.yml\n",
        "# note\n---\nname: training\nimage: x\n",
        "image: x\nname: training\n",
        '"name": training\n"image": x\n',
        "'name' : training\nimage : x\n",
        "name: training\r\nimage: x\r\n",
        f"{{$schema: {SCHEMA}, name: training, image: x}}",
    ],
)
def test_an_environment_is_known_by_its_schema_or_its_keys(text: str) -> None:
    assert found(text).name == "training"


@pytest.mark.parametrize("mark", [codecs.BOM_UTF8, codecs.BOM_UTF16_LE], ids=["UTF-8", "UTF-16"])
def test_an_environment_is_known_behind_a_byte_order_mark(mark: bytes) -> None:
    text = "name: training\nimage: x\n".encode("utf-8" if mark == codecs.BOM_UTF8 else "utf-16-le")

    assert found(mark + text).name == "training"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing\n",
        "- name: a\n- image: b\n",
        "name: a\n",
        "image: x\n",
        "name: conda-env\ndependencies:\n  - python=3.10\n",
        "$schema: https://host.test/commandJob.schema.json\nname: a\nenvironment: {image: x}\nimage: x\n",
        "$schema: https://host.test/job.schema.json\nname: a\nimage: environment.schema.json\n",
        "trigger: none\nsteps:\n  - script: x\n    name: y\n    image: z\n",
        "jobs:\n  name: a\n  image: x\n",
        "just text about environment.schema.json\n",
        "# like environment.schema.json\nname: a\n",
        "# like environment.schema.json\nimage: x\n",
        "job: {\nname: a,\nimage: x}\n",
    ],
    ids=["empty", "comment", "list", "name alone", "image alone", "conda file", "another schema",
         "another schema and the word", "pipeline", "deeper keys", "text", "name and the word", "image and the word",
         "deeper keys without indentation"],
)  # fmt: skip
def test_anything_else_is_no_environment(text: str) -> None:
    assert read(text) is None


def test_a_file_that_may_be_an_environment_and_is_not_yaml_is_unreadable() -> None:
    with pytest.raises(Unreadable):
        read("name: [\nimage: x\n")
    with pytest.raises(Unreadable):
        read(f"$schema: {SCHEMA}\nname: a\n---\nname: b\n")


@pytest.mark.parametrize("text", ["name: [\n", "{{ template }}\n", "key: [", "a: 1\n---\nb: 2\n"])
def test_other_files_are_not_parsed_and_cannot_be_unreadable(text: str) -> None:
    assert read(text) is None


def test_a_build_context_and_its_dockerfile_are_read() -> None:
    plain = found("name: a\nbuild:\n  path: ctx\n")
    other = found("name: a\nbuild:\n  path: ctx\n  dockerfile_path: docker/Prod\n")

    assert (plain.build_path, plain.dockerfile) == ("ctx", "Dockerfile")
    assert (other.build_path, other.dockerfile) == ("ctx", "docker/Prod")


def test_an_image_and_a_conda_file_are_read() -> None:
    environment = found("name: a\nimage: host.test/base:1\nconda_file: ../conda.yml\n")

    assert (environment.image, environment.conda_file, environment.conda) == ("host.test/base:1", "../conda.yml", None)


def test_a_conda_map_inside_the_file_is_read_and_knows_its_place() -> None:
    text = "name: a\nimage: x\nconda_file:\n  dependencies:\n    - python=3.9\n    - pip:\n        - our-pkg==1.0\n"
    environment = found(text)

    assert environment.conda_file is None
    assert environment.conda is not None
    assert environment.conda.python == "3.9"
    (requirement,) = environment.conda.requirements
    span = requirement.span(environment.source, 9, 12)
    assert span is not None
    assert text[span.start : span.end] == "1.0"


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("3", "3"),
        ("'3'", "3"),
        ('"3"', "3"),
        ("  7  # note", "7"),
        ("'1.9'", "1.9"),
        ("${{ v }}", "${{ v }}"),
        ("x1", "x1"),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8], ids=["plain", "marked"])
def test_the_span_of_an_explicit_version_holds_its_text_without_quotes(
    written: str, text: str, end: str, mark: bytes
) -> None:
    raw = mark + f"# é{end}name: a{end}version: {written}{end}image: x{end}".encode()
    version = found(raw).version

    assert version is not None
    assert version.text == text
    assert version.span is not None
    assert raw[version.span.start : version.span.end] == text.encode()


def test_an_explicit_version_may_stand_at_the_very_end() -> None:
    text = "name: a\nimage: x\nversion: 12"

    assert found(text).version == ExplicitVersion("12", Span(len(text) - 2, len(text)))


@pytest.mark.parametrize("written", ["", "null", "~"])
def test_a_version_of_null_is_none(written: str) -> None:
    assert found(f"name: a\nimage: x\nversion: {written}\n").version is None


@pytest.mark.parametrize("written", [">-\n  3", '"\\u0033"'], ids=["folded", "escaped"])
def test_a_version_that_is_written_in_another_way_has_no_span(written: str) -> None:
    version = found(f"name: a\nimage: x\nversion: {written}\n").version

    assert version is not None
    assert (version.text, version.span) == ("3", None)


def test_a_version_inside_of_something_else_is_not_the_environments() -> None:
    assert found("name: a\nimage: x\ntags:\n  version: 3\n").version is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f"$schema: {SCHEMA}\nimage: x\n", "the environment has no name"),
        ("name:\nimage: x\n", "the environment has no name"),
        ("name: ''\nimage: x\n", "the environment has no name"),
        ("name: a\nbuild: ./ctx\n", "`build` is not a map with a `path`"),
        ("name: a\nbuild:\n  path: [x]\n", "`path` is not text"),
        ("name: a\nimage: {x: y}\n", "`image` is not text"),
    ],
)
def test_what_is_wrong_with_an_environment_is_said(text: str, why: str) -> None:
    assert why in [problem for _, problem in found(text).unreadable]


def test_everything_that_is_wrong_is_said_at_once() -> None:
    environment = found(f"$schema: {SCHEMA}\nbuild: x\nimage: [y]\n")

    assert sorted(line or 0 for line, _ in environment.unreadable) == [0, 2, 3]


@pytest.mark.parametrize(
    ("image", "python"),
    [
        ("mcr.microsoft.com/azureml/minimal-ubuntu22.04-py310-cpu-inference:latest", "3.10"),
        ("mcr.microsoft.com/azureml/minimal-py39-inference", "3.9"),
        ("host.test/base:py3.11", "3.11"),
        ("host.test/base:py3_9", "3.9"),
        ("host.test/base-PY38", "3.8"),
        ("python:3.12", "3.12"),
        ("python:3.12-slim", "3.12"),
        ("docker.io/library/python:3.9.18-bookworm", "3.9"),
        ("host.test/base:py27", "2.7"),
        ("mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04", None),
        ("host.test/pytorch:2.1", None),
        ("host.test/happy39", None),
        ("host.test/spy310", None),
        ("python:3", None),
        ("python", None),
        ("host.test/ipython:3.10", None),
        ("", None),
    ],
)
def test_the_python_of_an_image_is_known_only_if_its_name_says_so(image: str, python: str | None) -> None:
    assert python_of_image(image) == python


@pytest.mark.parametrize(
    "text",
    [
        "name: training\rimage: x\r",
        "  name: training\n  image: x\n",
        "{name: training, image: x}\n",
        "---\n{'name': training, \"image\": x}\n",
    ],
    ids=["CR", "indented", "flow", "quoted keys"],
)
def test_an_environment_is_known_in_every_form_of_yaml(text: str) -> None:
    assert found(text).name == "training"


def test_a_version_in_quotes_is_known_as_such() -> None:
    assert [getattr(found(f"name: a\nimage: x\nversion: {written}\n").version, "quoted", None)
            for written in ("'1.9'", '"1.9"', "1.9")] == [True, True, False]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("build: {}\n", "`build` is not a map with a `path`"),
        ("build: {dockerfile_path: D}\n", "`build` has no `path`"),
        ("build: {path: ''}\n", "`build` has no `path`"),
        ("conda_file: [a]\n", "`conda_file` is neither a path nor a map"),
    ],
)
def test_content_that_azure_ml_refuses_is_a_problem(text: str, why: str) -> None:
    reasons = [reason for _, reason in found(f"$schema: {SCHEMA}\nname: a\n{text}").unreadable]

    assert len(reasons) == 1
    assert reasons[0] in (why, "`build` has no `path`")
