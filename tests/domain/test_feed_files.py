"""What a feed tells of a version's files; what their metadata say is tested with the readers of wheels."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.tags import compatible_tags, cpython_tags
from packaging.utils import parse_wheel_filename
from packaging.version import Version

from shared.domain.feed_facts import FeedFile, admits
from tests.domain.strategies import version_texts


@pytest.mark.parametrize(
    ("tags", "python", "installs"),
    [
        ("py3-none-any", "3.10", True),
        ("py2.py3-none-any", "3.10", True),
        ("py2-none-any", "3.10", False),
        ("py310-none-any", "3.10", True),
        ("py39-none-any", "3.10", True),
        ("py311-none-any", "3.10", False),
        ("cp310-cp310-manylinux_2_17_x86_64", "3.10", True),
        ("cp310-cp310-manylinux_2_17_x86_64.manylinux2014_x86_64", "3.10", True),
        ("cp310-cp310-linux_x86_64", "3.10", True),
        ("cp310-cp310-manylinux_2_17_aarch64", "3.10", False),
        ("cp310-cp310-win_amd64", "3.10", False),
        ("cp310-cp310-macosx_11_0_x86_64", "3.10", False),
        ("cp39-cp39-manylinux_2_17_x86_64", "3.10", False),
        ("cp311-cp311-manylinux_2_17_x86_64", "3.10", False),
        ("cp38-abi3-manylinux_2_17_x86_64", "3.10", True),
        ("cp311-abi3-manylinux_2_17_x86_64", "3.10", False),
        ("cp3-none-any", "3.10", False),
        ("pp310-pypy310_pp73-manylinux_2_17_x86_64", "3.10", False),
        ("py3-none-manylinux1_x86_64", "3.13", True),
    ],
)
def test_a_wheel_installs_where_one_of_its_tags_fits(tags: str, python: str, installs: bool) -> None:
    assert FeedFile(f"our_pkg-1.0-{tags}.whl").installs_on(python) is installs


@pytest.mark.parametrize(
    ("requires", "installs"),
    [
        (None, True), ("", True), (">=3.8", True), (">=3.10", True), (">3.10", True), (">=3.10.4", True),
        ("<3.10.5", True),
        ("<3.10", False), (">=3.11", False), ("==3.10.*", True), ("!=3.10.*", False), (">=2.7,!=3.0.*", True),
        ("three", True),
    ],
)  # fmt: skip
def test_a_wheel_installs_where_some_patch_release_of_the_python_is_admitted(
    requires: str | None, installs: bool
) -> None:
    assert FeedFile("our_pkg-1.0-py3-none-any.whl", requires_python=requires).installs_on("3.10") is installs


@pytest.mark.parametrize(
    "name", ["our_pkg-1.0.tar.gz", "our_pkg-1.0.whl", "x.whl", ".whl", "", "our_pkg-1.0-py3-none-any.WHL"]
)
def test_what_is_no_wheel_installs_nowhere(name: str) -> None:
    assert not FeedFile(name).installs_on("3.10")


_PYTHON = st.sampled_from(("3.8", "3.9", "3.10", "3.12", "3.13"))
_INTERPRETERS = st.sampled_from(("py3", "py2", "py2.py3", "py38", "py310", "py312", "cp38", "cp310", "cp312"))
_PLATFORMS = st.sampled_from(("any", "linux_x86_64", "manylinux_2_17_x86_64", "win_amd64", "manylinux_2_17_aarch64"))


@given(_PYTHON, _INTERPRETERS, st.sampled_from(("none", "abi3", "same")), _PLATFORMS)
def test_a_wheel_that_packaging_takes_installs(python: str, interpreter: str, abi: str, platform: str) -> None:
    """Held against the tags that pip itself works with; it may take more than pip where no compiler would write it."""
    abi = interpreter if abi == "same" else abi
    name = f"our_pkg-1.0-{interpreter}-{abi}-{platform}.whl"
    version = tuple(int(part) for part in python.split("."))
    linux = ["linux_x86_64", "manylinux_2_17_x86_64"]
    theirs = {
        *cpython_tags(version, platforms=linux),
        *compatible_tags(version, interpreter=f"cp{version[0]}{version[1]}", platforms=linux),
    }

    if parse_wheel_filename(name)[3] & theirs:
        assert FeedFile(name).installs_on(python)


@given(st.text(max_size=40), st.text(max_size=20))
def test_any_name_and_any_text_is_answered(name: str, requires: str) -> None:
    assert FeedFile(f"{name}.whl", requires_python=requires).installs_on("3.10") in (True, False)


@given(version_texts(), st.one_of(st.none(), st.text("<>=!~1.2rc, *", max_size=10)))
def test_a_specifier_admits_what_packaging_admits_and_anything_if_it_is_none(version: str, text: str | None) -> None:
    try:
        expected = text is None or SpecifierSet(text).contains(version, prereleases=True)
    except InvalidSpecifier:
        expected = True

    assert admits(text, Version(version)) is expected
