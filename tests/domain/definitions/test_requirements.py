from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import InvalidRequirement
from packaging.requirements import Requirement as PackagingRequirement
from pip._internal.req.req_file import OptionParsingError, break_args_options, get_line_parser, preprocess

from shared.domain.definitions import Definition, Include, Requirement
from shared.domain.definitions.pins import Exact, Foreign, pin_of
from shared.domain.definitions.requirements import read_requirements
from shared.domain.files.text import Edit, SourceText, apply
from shared.domain.names import package_name
from shared.errors import Unreadable
from tests.domain.strategies import Written, requirement_lines, requirements_texts, written


def read(text: str) -> Definition:
    return read_requirements(SourceText(text, "utf-8"))


def only(text: str) -> Requirement:
    (requirement,) = read(text).requirements
    return requirement


def pips_lines(text: str) -> list[tuple[int, str, str]]:
    """The lines as pip has them: (number, requirement, options)."""
    return [(number, *break_args_options(line)) for number, line in preprocess(text)]


def as_packaging_has_it(text: str) -> PackagingRequirement | None:
    try:
        return PackagingRequirement(text)
    except InvalidRequirement:
        return None


def problem_lines(definition: Definition) -> set[int | None]:
    return {number for number, _ in definition.unreadable}


class TestAgainstPip:
    """Held against pip's own reader of requirements files, the reference for the format."""

    @given(requirements_texts())
    def test_every_requirement_that_pip_reads_is_read_the_same(self, text: str) -> None:
        mine = {requirement.line.number: requirement for requirement in read(text).requirements}

        for number, args, _ in pips_lines(text):
            theirs = as_packaging_has_it(args)
            if theirs is None:
                continue
            assert mine[number].text == args.rstrip()
            assert mine[number].name == package_name(theirs.name)
            assert theirs.url is None or mine[number].direct

    @given(requirements_texts())
    def test_what_pip_refuses_is_a_problem_or_a_direct_reference(self, text: str) -> None:
        definition = read(text)
        mine = {requirement.line.number: requirement for requirement in definition.requirements}

        for number, args, _ in pips_lines(text):
            # pip splits at plain blanks only; other white space in front of an option does no harm here.
            odd = any(character.isspace() and character != " " for character in args)
            if not args or odd or as_packaging_has_it(args) or number in problem_lines(definition):
                continue
            with suppress(Unreadable):  # said when the version is asked for
                assert isinstance(pin_of(mine[number]), Foreign)

    @given(requirements_texts())
    def test_no_line_of_pips_is_passed_over_in_silence(self, text: str) -> None:
        definition = read(text)
        seen = {
            *(requirement.line.number for requirement in definition.requirements),
            *(include.line for include in definition.includes),
            *problem_lines(definition),
        }

        assert seen <= {number for number, _, _ in pips_lines(text)}
        assert seen >= {number for number, args, _ in pips_lines(text) if args}

    @given(
        st.sampled_from(
            (
                "-r",
                "-r ",
                "-r   ",
                "-r \\\n  ",
                "-c",
                "-c ",
                "--requirement ",
                "--requirement=",
                "--requirement",
                "--constraint ",
                "--constraint=",
                "  --constraint  ",
            )
        ),
        st.sampled_from(("base.txt", "../dir/base-1.txt", "'with blank.txt'", '"q.txt"', "https://host.test/x.txt")),
        st.sampled_from(("", " ", "  # -r other.txt", "\t#")),
    )
    def test_every_include_is_read_the_same(self, option: str, path: str, tail: str) -> None:
        text = f"our-pkg==1.0\n{option}{path}{tail}\n"
        ((number, args, options),) = pips_lines(text)[1:]
        assert args == ""
        try:
            _, parsed = get_line_parser(None)(options)
        except OptionParsingError:
            assert problem_lines(read(text)) == {number}
            return

        (theirs,) = parsed.requirements or parsed.constraints
        assert read(text).includes == (Include(theirs, number, constraint=not parsed.requirements),)

    @given(written(requirements_texts()))
    def test_a_raised_pin_is_all_that_pip_sees_changed(self, file: Written) -> None:
        source = SourceText.decode(file.raw)
        definition = read_requirements(source)
        before = pips_lines(source.text)

        for requirement in definition.requirements:
            exact = exact_pin(requirement)
            if exact is None or (span := requirement.span(source, exact.start, exact.end)) is None:
                continue
            edit = Edit("file", span, exact.written, "77.7", source.encoding)
            after = pips_lines(SourceText.decode(apply(file.raw, [edit])).text)
            changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]

            assert [new[0] for _, new in changed] == [requirement.line.number]
            ((_, old, old_options), (_, new, new_options)) = changed[0]
            assert old_options == new_options
            assert new.split("77.7") == [old[: exact.start], old[exact.end :]]


def exact_pin(requirement: Requirement) -> Exact | None:
    try:
        pin = pin_of(requirement)
    except Unreadable:
        return None
    return pin if isinstance(pin, Exact) else None


@given(written(requirements_texts()))
def test_the_bytes_of_an_exact_pin_are_exactly_its_version(file: Written) -> None:
    source = SourceText.decode(file.raw)

    for requirement in read_requirements(source).requirements:
        if exact := exact_pin(requirement):
            span = requirement.span(source, exact.start, exact.end)
            assert span is None or file.raw[span.start : span.end] == exact.written.encode(source.encoding)


@given(st.lists(requirement_lines(), min_size=1, max_size=4), st.sampled_from(("\n", "\r\n", "\r")))
def test_every_pin_of_a_file_that_pip_accepts_can_be_edited(lines: list[str], end: str) -> None:
    definition = read(end.join(lines))

    assert len(definition.requirements) == len(lines)
    for requirement in definition.requirements:
        if exact := exact_pin(requirement):
            assert requirement.span(definition.source, exact.start, exact.end)


@given(st.text(max_size=60))
def test_any_text_is_read_without_an_error(text: str) -> None:
    assert read(text).source.text == text


@pytest.mark.parametrize(
    ("line", "text", "options", "comment"),
    [
        ("our-pkg==1.0", "our-pkg==1.0", "", ""),
        ("  our-pkg == 1.0  ", "our-pkg == 1.0", "", ""),
        ("our-pkg==1.0 # why # so", "our-pkg==1.0", "", "# why # so"),
        ("our-pkg==1.0\t# rebuilder: hold", "our-pkg==1.0", "", "# rebuilder: hold"),
        ("our-pkg[a,b]==1.0; python_version<'4'", "our-pkg[a,b]==1.0; python_version<'4'", "", ""),
        ("our-pkg (==1.0)", "our-pkg (==1.0)", "", ""),
        ("our-pkg", "our-pkg", "", ""),
        ("our-pkg==1.0 --hash=sha256:aa --hash sha256:bb", "our-pkg==1.0", "--hash=sha256:aa --hash sha256:bb", ""),
        ("our-pkg==1.0 \\\n  --hash=sha256:aa \\\n  --hash=sha256:bb # c", "our-pkg==1.0",
         "--hash=sha256:aa   --hash=sha256:bb", "# c"),
        ("our-pkg==1.0 --config-settings a=b", "our-pkg==1.0", "--config-settings a=b", ""),
    ],
)  # fmt: skip
def test_a_line_is_taken_apart_into_requirement_options_and_comment(
    line: str, text: str, options: str, comment: str
) -> None:
    requirement = only(line)

    assert (requirement.name, requirement.direct) == ("our-pkg", False)
    assert (requirement.text, requirement.options, requirement.comment) == (text, options, comment)


@pytest.mark.parametrize("spelled", ["Our_Pkg", "our.pkg", "OUR--PKG", "our-pkg"])
def test_every_spelling_names_the_package(spelled: str) -> None:
    assert only(f"{spelled}==1.0").name == "our-pkg"


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("-e .", None),
        ("-e ./our-pkg", None),
        ("--editable=git+https://host.test/x.git@v1#egg=Our_Pkg", "our-pkg"),
        ("-e git+ssh://git@host.test/x.git#subdirectory=a&egg=our.pkg", "our-pkg"),
        ("git+https://host.test/x.git", None),
        ("git+https://host.test/x.git#egg=our_pkg", "our-pkg"),
        ("our-pkg @ https://host.test/our_pkg.zip", "our-pkg"),
        ("our-pkg @ git+https://host.test/x.git@main", "our-pkg"),
        ("our-pkg@https://host.test/x.zip ; python_version<'4'", "our-pkg"),
        ("https://host.test/files/our_pkg-1.0-py3-none-any.whl", "our-pkg"),
        ("https://host.test/files/our_pkg-1.0.tar.gz#sha256=aa", "our-pkg"),
        ("./wheels/our_pkg-1.0-py3-none-any.whl", "our-pkg"),
        ("/opt/our-pkg", None),
        ("..\\our-pkg", None),
        (".", None),
        ("our-pkg=={{ version }}", "our-pkg"),
        ("our-pkg==${OUR_VERSION}", "our-pkg"),
        ("our-pkg{% if x %}==1.0{% endif %}", "our-pkg"),
        ("{{ everything }}", None),
    ],
)
def test_what_is_no_version_of_a_feed_is_a_direct_reference(line: str, name: str | None) -> None:
    requirement = only(line)

    assert requirement.direct
    assert requirement.name == name


@pytest.mark.parametrize(
    ("line", "path", "constraint"),
    [
        ("-r base.txt", "base.txt", False),
        ("-rbase.txt", "base.txt", False),
        ("--requirement base.txt", "base.txt", False),
        ("--requirement=../base.txt", "../base.txt", False),
        ("-r 'with blank.txt'", "with blank.txt", False),
        ("-c limits.txt", "limits.txt", True),
        ("--constraint=limits.txt  # why", "limits.txt", True),
        ("  -c https://host.test/limits.txt", "https://host.test/limits.txt", True),
    ],
)
def test_includes_and_constraints_are_told_apart(line: str, path: str, constraint: bool) -> None:
    assert read(f"\n{line}\n").includes == (Include(path, 2, constraint),)


@pytest.mark.parametrize(
    "line",
    ["-i https://h.test/simple", "--index-url=https://h.test", "--extra-index-url https://h.test", "--no-index",
     "-f wheels", "--find-links=wheels", "--pre", "--trusted-host h.test", "--require-hashes", "--no-binary :all:",
     "--only-binary=:all:", "--prefer-binary", "--use-feature fast-deps", "", "   ", "# only a comment", "\t#"],
)  # fmt: skip
def test_lines_that_say_nothing_of_versions_are_passed_over(line: str) -> None:
    definition = read(line)

    assert (definition.requirements, definition.includes, definition.unreadable) == ((), (), ())


@pytest.mark.parametrize(
    "line",
    ["our-pkg=1.0", "our-pkg==", "our pkg==1.0", "our-pkg==1.0 other==2", "our-pkg[a==1.0", "==1.0", "!", "--no-such",
     "-r", "---", "<<<<<<< HEAD", "caf\u00e9==1.0", "our-pkg==1.0 -1"],
)  # fmt: skip
def test_a_line_that_cannot_be_read_is_listed_with_its_number(line: str) -> None:
    definition = read(f"before==1\n{line}\nafter==2\n")

    assert [number for number, _ in definition.unreadable] == [2]
    assert [requirement.name for requirement in definition.requirements] == ["before", "after"]


def test_what_is_shown_of_a_line_that_cannot_be_read_is_short() -> None:
    assert read("our-pkg=1.0").unreadable == ((1, "'our-pkg=1.0' is not a requirement"),)
    assert read("?" * 60).unreadable == ((1, f"'{'?' * 60}' is not a requirement"),)
    assert read("?" * 5000).unreadable == ((1, f"'{'?' * 57}...' is not a requirement"),)


def test_a_continued_line_bears_the_number_of_its_first_line() -> None:
    definition = read("a==1\nb==2 \\\n  --hash=sha256:aa \\\n  --hash=sha256:bb\nc==3\n")

    assert [requirement.line.number for requirement in definition.requirements] == [1, 2, 5]


def test_a_comment_ends_a_continued_line_and_is_not_continued_itself() -> None:
    definition = read("a==1 \\\n# note \\\nb==2\n")

    assert [(requirement.name, requirement.text) for requirement in definition.requirements] == [
        ("a", "a==1"),
        ("b", "b==2"),
    ]


def test_a_comment_right_behind_a_backslash_is_a_comment() -> None:
    assert only("our-pkg==1.0\\\n# note").text == "our-pkg==1.0"


def test_a_backslash_at_the_very_end_continues_nothing() -> None:
    assert only("our-pkg==1.0 \\").text == "our-pkg==1.0"


@pytest.mark.parametrize("text", ["\\our-pkg==1.5 \\\n", "x>1\n\\\\our-pkg== \\\n\\\\1.5\\\\\n  # note\n"])
def test_backslashes_that_pip_strips_do_not_move_the_span(text: str) -> None:
    definition = read(text)
    exact = exact_pin(definition.requirements[-1])

    assert exact is not None
    span = definition.requirements[-1].span(definition.source, exact.start, exact.end)
    assert span is not None
    assert text[span.start : span.end] == exact.written == "1.5"


def test_a_version_that_is_broken_over_two_lines_has_no_span() -> None:
    definition = read("our-pkg==1.\\\n5\n")
    exact = exact_pin(definition.requirements[0])

    assert exact is not None
    assert exact.written == "1.5"
    assert definition.requirements[0].span(definition.source, exact.start, exact.end) is None


def test_a_version_on_a_line_of_its_own_has_a_span() -> None:
    definition = read("our-pkg== \\\n  1.5\n")
    exact = exact_pin(definition.requirements[0])

    assert exact is not None
    span = definition.requirements[0].span(definition.source, exact.start, exact.end)
    assert span is not None
    assert definition.source.text[span.start : span.end] == "1.5"


@pytest.mark.parametrize(
    "head",
    [
        "# This file is autogenerated by pip-compile with Python 3.10\n# by the following command:\n",
        "#\n# This file is autogenerated by pip-compile\n",
        "# This file was autogenerated by uv via the following command:\n#    uv pip compile x.in\n",
    ],
)
def test_a_file_says_that_a_compiler_wrote_it(head: str) -> None:
    assert read(f"{head}our-pkg==1.0\n").compiled


@pytest.mark.parametrize(
    "head", ["", "# written by hand\n", "pip-compile==7.0\n", "# like autogenerated by a script\n"]
)
def test_any_other_file_is_written_by_hand(head: str) -> None:
    assert not read(f"{head}our-pkg==1.0\n").compiled


def test_a_file_of_100_000_lines_is_read_whole() -> None:
    definition = read("our-pkg==1.0 \\\n  --hash=sha256:aa\n# note\n\nother[x]>=2; python_version<'4'\n" * 20_000)

    assert len(definition.requirements) == 40_000
    assert definition.requirements[-1].line.number == 100_000
    assert definition.unreadable == ()


@pytest.mark.parametrize(
    ("line", "includes"),
    [
        ("-r a.txt -c b.txt", [Include("a.txt", 1, constraint=False), Include("b.txt", 1, constraint=True)]),
        ("--pre -r a.txt", [Include("a.txt", 1, constraint=False)]),
        ("--index-url x -ra.txt", [Include("a.txt", 1, constraint=False)]),
        ("-r 'a b.txt'", [Include("a b.txt", 1, constraint=False)]),
        ("--requirement=a.txt --no-index", [Include("a.txt", 1, constraint=False)]),
    ],
)
def test_a_line_may_hold_several_options(line: str, includes: list[Include]) -> None:
    definition = read(f"{line}\n")

    assert list(definition.includes) == includes
    assert problem_lines(definition) == set()


@pytest.mark.parametrize("line", ["-r", "-r 'a.txt", "-r a.txt --what", "--pre=yes", "-r a.txt b.txt"])
def test_a_line_of_options_that_pip_refuses_is_a_problem(line: str) -> None:
    assert problem_lines(read(f"{line}\n")) == {1}


@pytest.mark.parametrize(
    "line", ["our_pkg-1.0-py3-none-any.whl", "./our_pkg-1.0-py3-none-any.whl", "wheels/our-pkg-1.0.tar.gz"]
)
def test_a_file_is_a_direct_reference_to_its_package(line: str) -> None:
    found = only(line)

    assert (found.name, found.direct) == ("our-pkg", True)


@pytest.mark.parametrize("filler", [" ", "a", "a,", "==1,", "[a", "-1", "- ", "\\", "#", "a-1."])
def test_a_line_that_is_longer_than_any_requirement_is_read_without_delay(filler: str) -> None:
    """What makes a pattern backtrack takes hours at this length."""
    for start in ("our-pkg", "-r ", ""):
        read(f"{start}{filler * 50_000}\n")


@pytest.mark.parametrize("line", [f"our-pkg=={'9' * 5000}", f"our-pkg; python_version < '{'9' * 5000}'"])
def test_a_line_that_is_longer_than_any_requirement_is_a_problem(line: str) -> None:
    assert problem_lines(read(f"{line}\n")) == {1}
