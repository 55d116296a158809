"""How a Dockerfile becomes instructions."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.definitions.instructions import Instruction, exec_form, instructions
from shared.domain.definitions.traced import NOWHERE, Traced


def read(text: str) -> list[Instruction]:
    return list(instructions(text))


def said(text: str) -> list[tuple[int, str, str]]:
    return [(found.number, found.keyword, found.text.text) for found in read(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FROM x\nRUN a b\n", [(1, "FROM", "x"), (2, "RUN", "a b")]),
        ("from x\r\nrun a\r\n", [(1, "FROM", "x"), (2, "RUN", "a")]),
        ("\n\n  RUN\ta", [(3, "RUN", "a")]),
        ("# RUN a\n  # RUN b\nRUN c # d", [(3, "RUN", "c # d")]),
        ("RUN a \\\n  b\nRUN c", [(1, "RUN", "a   b"), (3, "RUN", "c")]),
        ("RUN a\\  \nb", [(1, "RUN", "ab")]),
        ("RUN a \\\n# no\n\n  # no\nb\nRUN c", [(1, "RUN", "a b"), (6, "RUN", "c")]),
        ("RUN a \\", [(1, "RUN", "a ")]),
        ("RUN a \\\n# no", [(1, "RUN", "a ")]),
        ("# escape=`\nRUN a `\n b \\\nRUN c", [(2, "RUN", "a  b \\"), (4, "RUN", "c")]),
        ("# syntax=x\n# escape = `\nRUN a`\nb", [(3, "RUN", "ab")]),
        ("# a comment\n# escape=`\nRUN a`\nRUN b", [(3, "RUN", "a`"), (4, "RUN", "b")]),
        ("RUN a\n# escape=`\nRUN b`\n", [(1, "RUN", "a"), (3, "RUN", "b`")]),
        ("ONBUILD RUN a", [(1, "RUN", "a")]),
        ("onbuild\tONBUILD COPY a b", [(1, "COPY", "a b")]),
        ("1RUN a\n==", []),
        ("", []),
    ],
)
def test_lines_become_instructions(text: str, expected: list[tuple[int, str, str]]) -> None:
    assert said(text) == expected


@pytest.mark.parametrize(
    ("text", "flags", "rest"),
    [
        ("RUN --mount=type=cache --network=none pip", ("--mount=type=cache", "--network=none"), "pip"),
        ("COPY --from=a --chown=1:1 b c", ("--from=a", "--chown=1:1"), "b c"),
        ('RUN --mount="type=bind,source=a b" x', ('--mount="type=bind,source=a b"',), "x"),
        ("ADD --keep-git-dir x y", ("--keep-git-dir",), "x y"),
        ("RUN --mount=a \\\n  --mount=b \\\n  c", ("--mount=a", "--mount=b"), "c"),
        ("RUN pip --version", (), "pip --version"),
    ],
)  # fmt: skip
def test_flags_stand_in_front(text: str, flags: tuple[str, ...], rest: str) -> None:
    (found,) = read(text)

    assert (found.flags, found.text.text) == (flags, rest)


class TestHeredocs:
    @pytest.mark.parametrize(
        ("text", "bodies", "behind"),
        [
            ("RUN <<EOF\na\n# b\nEOF\nRUN c", [(2, "a\n# b\n")], "c"),
            ("RUN <<-EOF\n\ta\n\t\tEOF\nRUN c", [(2, "\ta\n")], "c"),
            ("RUN <<'E.1' x\r\na\r\nE.1\r\nRUN c", [(2, "a\n")], "c"),
            ('COPY <<"A" <<B /x/\na\nA\nb\nB\nRUN c', [(2, "a\n"), (4, "b\n")], "c"),
            ("RUN <<EOF\nEOF\nRUN c", [(2, "")], "c"),
            ("RUN <<EOF\n EOF\nEOF\nRUN c", [(2, " EOF\n")], "c"),
            ("RUN a \\\n <<EOF\nRUN b \\\nEOF\nRUN c", [(3, "RUN b \\\n")], "c"),
            ("RUN cat <<EOF\nRUN c", [], "c"),
            ("RUN a <<<EOF\nRUN c", [], "c"),
            ("RUN a << EOF\nRUN c", [], "c"),
            ("LABEL a=<<EOF\nRUN c\nEOF", [], "c"),
        ],
    )
    def test_the_lines_of_a_here_document_are_no_instructions(
        self, text: str, bodies: list[tuple[int, str]], behind: str
    ) -> None:
        found = read(text)

        assert [(heredoc.number, heredoc.body.text) for heredoc in found[0].heredocs] == bodies
        assert found[1].text.text == behind


class TestExecForm:
    @given(st.lists(st.text(max_size=8), min_size=1, max_size=4), st.booleans(), st.sampled_from((" ", "", "  \t")))
    def test_a_json_list_of_texts_is_read_as_json_has_it(self, texts: list[str], ascii_: bool, space: str) -> None:
        written = space + json.dumps(texts, ensure_ascii=ascii_) + space
        found = exec_form(Traced.at(written, 0))

        assert found is not None
        assert [word.text for word in found] == texts
        for word in found:
            places = zip(word.text, word.places, strict=True)
            assert all(place == NOWHERE or written[place] == character for character, place in places)

    def test_a_text_without_escapes_has_its_place(self) -> None:
        found = exec_form(Traced.at('["pip", "a==1.0"]', 0))

        assert found is not None
        assert list(found[1].places) == list(range(9, 15))

    @pytest.mark.parametrize(
        "text", ["", "pip", "[", "[]", "['a']", '["a"', '["a",]', '["a"] b', '[1, "a"]', '["a" "b"]', '["a\n"]', '"a"']
    )
    def test_what_is_no_such_list_is_for_the_shell(self, text: str) -> None:
        assert exec_form(Traced.at(text, 0)) is None

    @given(st.text(st.sampled_from('[]",\\ ab\nu0'), max_size=20))
    def test_it_is_one_only_if_json_says_so(self, text: str) -> None:
        found = exec_form(Traced.at(text, 0))
        try:
            theirs = json.loads(text)
        except ValueError:
            theirs = None

        if found is not None:
            assert [word.text for word in found] == theirs


_PIECES = (
    "FROM x", "RUN ", "COPY ", "ARG V=1", "ENV A b", "ONBUILD ", "\n", "\n", "\r\n", "\\\n", "\\", " ", "# c", "#",
    "<<EOF", "<<-'E'", "EOF", "E", "# escape=`", "`\n", '["a"]', "--from=a ", "é", "\t", "# rebuilder: hold",
)  # fmt: skip


@given(st.one_of(st.text(max_size=80), st.lists(st.sampled_from(_PIECES)).map("".join)))
def test_any_text_has_instructions_and_every_character_is_where_it_says(text: str) -> None:
    lines = text.count("\n") + 1
    last = 0
    for found in read(text):
        assert last < found.number <= lines
        last = found.number
        for traced in (found.text, *(heredoc.body for heredoc in found.heredocs)):
            for character, place in zip(traced.text, traced.places, strict=True):
                assert text[place] == character if place >= 0 else character == "\n"


@pytest.mark.parametrize(
    "filler", ["ONBUILD ", "RUN <<E ", "RUN <<E\n", "RUN \\\n", "#\n", '--a=" ', "\\ ", '["', "COPY <<a <<a "]
)
def test_a_long_file_is_read_without_delay_and_without_recursion(filler: str) -> None:
    read(f"RUN {filler * 20_000}")
    read(filler * 20_000)
