"""What a requirements file names, what it names by files, and what is shown of a line that cannot be read."""

import pytest
from hypothesis import given

from shared.domain.definitions import Definition, Requirement
from shared.domain.definitions.requirements import read_requirements
from shared.domain.files.text import SourceText
from shared.domain.names import package_name
from tests.domain.strategies import requirements_texts


def read(text: str) -> Definition:
    return read_requirements(SourceText(text, "utf-8"))


def only(text: str) -> Requirement:
    (requirement,) = read(text).requirements
    return requirement


class TestLaziness:
    @given(requirements_texts())
    def test_every_name_that_is_required_is_among_the_words(self, text: str) -> None:
        """Whoever looks for a package asks for no file whose words do not hold it."""
        definition = read(text)

        assert {requirement.name for requirement in definition.requirements if requirement.name} <= definition.words

    @given(requirements_texts())
    def test_what_names_a_package_is_what_all_requirements_say_of_it(self, text: str) -> None:
        definition = read(text)

        for name in {requirement.name for requirement in definition.requirements if requirement.name}:
            found = definition.naming(name)
            assert found.requirements == tuple(r for r in definition.requirements if r.name == name)
            assert set(found.unreadable) <= set(definition.unreadable)

    @pytest.mark.parametrize("line", ["*.whl", "our_pkg*.whl", "wheels/*.whl", "./x", "*.tar.gz --no-deps"])
    def test_a_pattern_of_files_is_a_direct_reference(self, line: str) -> None:
        """`RUN cd wheels && pip install *.whl` is no mistake, and installs nothing of a feed."""
        assert only(line).direct

    @pytest.mark.parametrize(
        "line", ["our_pkg-1.0-py3-none-any.whl", "our_pkg-1.0.tar.gz  --hash=sha256:aa", "x/our_pkg-1.0.zip # why"]
    )
    def test_a_file_names_its_package(self, line: str) -> None:
        assert only(line).name == "our-pkg"
        assert "our-pkg" in read(line).words

    @pytest.mark.parametrize("text", ["our-\\\npkg==1.0", "o\\\nur\\\n-pkg\\\n==1.0\n"])
    def test_a_name_may_be_broken_over_lines(self, text: str) -> None:
        definition = read(text)

        assert "our-pkg" in definition.words
        assert [found.text for found in definition.naming(package_name("our-pkg")).requirements] == ["our-pkg==1.0"]


class TestWhatIsShown:
    @pytest.mark.parametrize(
        "line",
        [
            "--index-url 'https://user:{}@host.test/simple",
            "--no-such=https://user:{}@host.test/simple",
            "our pkg=https://user:{}@host.test",
            "a @ https://user:{}@host.test/" + "x" * 1000,
            "=https://user:{}@host.test",
        ],
    )
    def test_a_line_that_cannot_be_read_shows_no_credential(self, line: str) -> None:
        secret = "s3cr3t" * 20

        assert "s3cr3t" not in str(read(line.format(secret)).unreadable)
