import pytest
from hypothesis import given
from packaging.version import Version

from shared.domain.definitions import Requirement
from shared.domain.definitions.pins import Exact, Foreign, Pin, Range, can_apply, is_held, pin_of
from shared.domain.definitions.requirements import read_requirements
from shared.domain.files.text import SourceText
from shared.errors import Unreadable
from tests.domain.strategies import version_texts


def requirement(line: str) -> Requirement:
    (found,) = read_requirements(SourceText(line, "utf-8")).requirements
    return found


def pin(line: str) -> Pin:
    return pin_of(requirement(line))


@pytest.mark.parametrize(
    ("line", "version"),
    [
        ("our-pkg==1.4.0", "1.4.0"),
        ("our-pkg===1.4.0", "1.4.0"),
        ("our-pkg  ==  1.4.0", "1.4.0"),
        ("our-pkg[extra]==1.4.0", "1.4.0"),
        ("our-pkg (==1.4.0)", "1.4.0"),
        ("our-pkg==1.4.0,", "1.4.0"),
        ("our-pkg==v1.4", "v1.4"),
        ("our-pkg==1.4RC1", "1.4RC1"),
        ("our-pkg==1.4-1", "1.4-1"),
        ("our-pkg==1!1.4+CPU", "1!1.4+CPU"),
        ("our-pkg==1.4;python_version=='3.10'", "1.4"),
        ("our-pkg==1.4 # ==9.9", "1.4"),
        ("our-pkg==1.4 --hash=sha256:aa", "1.4"),
        ("our-pkg==1.4 \\\n  --hash=sha256:aa", "1.4"),
    ],
)
def test_one_equal_sign_clause_is_an_exact_pin(line: str, version: str) -> None:
    exact = pin(line)

    assert isinstance(exact, Exact)
    assert exact.written == version
    assert exact.version == Version(version)
    assert requirement(line).text[exact.start : exact.end] == version


@given(version_texts())
def test_any_version_can_be_pinned(version: str) -> None:
    assert pin(f"our-pkg=={version}") == Exact(Version(version), version, 9, 9 + len(version))
    assert pin(f"our-pkg==={version}") == Exact(Version(version), version, 10, 10 + len(version))


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("our-pkg", "any version"),
        ("our-pkg[extra]", "any version"),
        ("our-pkg; python_version=='3.10'", "any version"),
        ("our-pkg>=1.0", ">=1.0"),
        ("our-pkg>=1.0,<2", "<2,>=1.0"),
        ("our-pkg~=1.4", "~=1.4"),
        ("our-pkg==1.*", "==1.*"),
        ("our-pkg!=1.4", "!=1.4"),
        ("our-pkg==1.4,!=1.5", "!=1.5,==1.4"),
        ("our-pkg (>=1,<2)", "<2,>=1"),
    ],
)
def test_anything_that_leaves_a_choice_is_a_range(line: str, shown: str) -> None:
    found = pin(line)

    assert isinstance(found, Range)
    assert str(found) == shown


@pytest.mark.parametrize(
    "line",
    ["our-pkg @ https://host.test/x.zip", "-e .", "git+https://host.test/x.git#egg=our-pkg", "./our-pkg",
     "our-pkg=={{ version }}", "our-pkg==${VERSION}", "our-pkg===of-our-own"],
)  # fmt: skip
def test_what_is_no_version_of_a_feed_is_foreign(line: str) -> None:
    assert pin(line) == Foreign()


@pytest.mark.parametrize(
    "line", ["our-pkg==1.0;nonsense", "our-pkg==1.0;python_version", "our-pkg>=one", "our-pkg==1.0#fragment"]
)
def test_what_pip_would_not_accept_either_is_unreadable(line: str) -> None:
    with pytest.raises(Unreadable, match="our-pkg"):
        pin(line)


@pytest.mark.parametrize("comment", ["# rebuilder: hold", "#rebuilder:hold", "# why; # Rebuilder: HOLD until May"])
def test_a_comment_holds_its_line(comment: str) -> None:
    assert is_held(requirement(f"our-pkg==1.0 {comment}"))


@pytest.mark.parametrize("comment", ["", "# hold", "# rebuilder: holding", "# rebuilder", "; python_version<'4'"])
def test_any_other_comment_does_not_hold(comment: str) -> None:
    assert not is_held(requirement(f"our-pkg==1.0 {comment}"))


def test_a_comment_holds_no_other_line() -> None:
    held, free = read_requirements(SourceText("a==1 # rebuilder: hold\nb==2\n", "utf-8")).requirements

    assert is_held(held)
    assert not is_held(free)


@pytest.mark.parametrize(
    ("marker", "python", "counts"),
    [
        ("sys_platform == 'win32'", None, False),
        ("sys_platform == 'linux'", None, True),
        ("sys_platform != 'linux'", None, False),
        ("platform_system == 'Darwin'", None, False),
        ("os_name == 'nt'", None, False),
        ("platform_machine == 'x86_64'", None, True),
        ("platform_machine == 'aarch64'", None, True),
        ("implementation_name == 'pypy'", None, False),
        ("extra == 'test'", None, False),
        ("python_version < '3.9'", None, True),
        ("python_version < '3.9'", "3.8", True),
        ("python_version < '3.9'", "3.9", False),
        ("python_version < '3.9'", "3.10", False),
        ("python_version >= '3.10'", "3.9", False),
        ("python_version >= '3.10'", "3.10", True),
        ("python_version < '3' and python_version > '3'", None, False),
        ("python_version < '2.0'", None, False),
        ("python_version < '3.9' or sys_platform == 'linux'", "3.12", True),
        ("sys_platform == 'linux' and python_version < '3.9'", "3.12", False),
    ],
)
def test_a_requirement_counts_if_its_marker_can_hold_on_linux_and_the_python(
    marker: str, python: str | None, counts: bool
) -> None:
    assert can_apply(requirement(f"our-pkg==1.0; {marker}"), python) is counts


@pytest.mark.parametrize("line", ["our-pkg==1.0", "our-pkg", "-e .", "./x ; sys_platform == 'win32'"])
def test_a_requirement_without_a_marker_counts_always(line: str) -> None:
    assert can_apply(requirement(line), "3.10")
    assert can_apply(requirement(line), None)


def test_a_marker_that_cannot_be_read_is_said_to_be() -> None:
    with pytest.raises(Unreadable):
        can_apply(requirement("our-pkg==1.0; nonsense"), None)


def test_a_number_that_no_version_of_a_feed_has_is_foreign() -> None:
    assert pin(f"our-pkg=={'9' * 800}") == Foreign()


@pytest.mark.parametrize(
    "marker",
    ["python_full_version >= '3.10.4'", "implementation_version == '3.10.12'", "platform_release < '6'",
     "platform_version != ''", f"python_version < '{'9' * 800}'"],
)  # fmt: skip
def test_a_marker_that_some_machine_may_fulfil_counts(marker: str) -> None:
    assert can_apply(requirement(f"our-pkg==1.0; {marker}"), "3.10")


def test_a_marker_that_no_patch_of_the_python_fulfils_does_not_count() -> None:
    assert not can_apply(requirement("our-pkg==1.0; python_full_version >= '3.11.0'"), "3.10")
