"""From which file of the build context a file of an image comes."""

import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.definitions.dockerfile import read_dockerfile
from shared.domain.definitions.sources import absolute, by_last_part, copied, origins
from shared.domain.files.text import SourceText

INSIDE = ("requirements.txt", "a/requirements.txt", "b/requirements.txt", "a/deep/prod.txt", "prod.txt", "limits.txt")


def leads_to(dockerfile: str, inside: tuple[str, ...] = INSIDE) -> list[str]:
    """The files of the build context that the last file which is handed over comes from."""
    return origins(read_dockerfile(SourceText(dockerfile, "utf-8")).files[-1], inside, by_last_part(inside))


@pytest.mark.parametrize(
    ("dockerfile", "path"),
    [
        ("COPY a/requirements.txt /tmp/\nRUN pip install -r /tmp/requirements.txt", "a/requirements.txt"),
        ("COPY a/requirements.txt /r.txt\nRUN pip install -r /r.txt", "a/requirements.txt"),
        ("COPY a/requirements.txt /tmp\nRUN pip install -r /tmp/requirements.txt", "a/requirements.txt"),
        ("COPY ./a/requirements.txt prod.txt /x/\nRUN pip install -r /x/requirements.txt", "a/requirements.txt"),
        ("COPY a /x\nRUN pip install -r /x/requirements.txt", "a/requirements.txt"),
        ("COPY a/ /x/\nRUN pip install -r /x/deep/prod.txt", "a/deep/prod.txt"),
        ("COPY a/*.txt /x/\nRUN pip install -r /x/requirements.txt", "a/requirements.txt"),
        ("COPY . /x\nRUN pip install -r /x/a/requirements.txt", "a/requirements.txt"),
        ("WORKDIR /x\nCOPY a .\nRUN pip install -r requirements.txt", "a/requirements.txt"),
        ("WORKDIR /x\nWORKDIR y\nCOPY a/requirements.txt ./\nRUN pip install -r ./requirements.txt",
         "a/requirements.txt"),
        ("COPY a /x\nWORKDIR /x/deep\nRUN pip install -r ../requirements.txt", "a/requirements.txt"),
        ("COPY requirements.txt /x/\nCOPY a/requirements.txt /x/\nRUN pip install -r /x/requirements.txt",
         "a/requirements.txt"),
        ("ADD a/requirements.txt /x/\nRUN pip install -r /x/requirements.txt", "a/requirements.txt"),
        ('COPY ["a/requirements.txt", "/x/"]\nRUN pip install -r /x/requirements.txt', "a/requirements.txt"),
        ("COPY --chown=1:1 a/requirements.txt /x/\nRUN pip install -r /x/requirements.txt", "a/requirements.txt"),
        ("ARG D=a\nCOPY $D/requirements.txt /x/\nRUN pip install -r /x/requirements.txt", "a/requirements.txt"),
        ("ARG D=/x\nCOPY a/requirements.txt $D/\nRUN pip install -r ${D}/requirements.txt", "a/requirements.txt"),
        ("RUN --mount=type=bind,source=a/requirements.txt,target=/x/r.txt pip install -r /x/r.txt",
         "a/requirements.txt"),
        ("RUN --mount=source=a,target=/x pip install -r /x/requirements.txt", "a/requirements.txt"),
        ("RUN --mount=type=bind,target=/x pip install -r /x/a/requirements.txt", "a/requirements.txt"),
        ("FROM y AS one\nCOPY a /x\nFROM z\nCOPY --from=one /x/requirements.txt /r.txt\nRUN pip install -r /r.txt",
         "a/requirements.txt"),
        ("FROM y\nCOPY a /x\nFROM z\nCOPY --from=1 /x /y\nRUN pip install -r /y/requirements.txt",
         "a/requirements.txt"),
        ("FROM y AS one\nCOPY a /x\nFROM one\nRUN pip install -r /x/requirements.txt", "a/requirements.txt"),
        ("RUN pip install -r a/requirements.txt", "a/requirements.txt"),
        ("RUN mv /x /y\nRUN pip install -r /y/a/deep/prod.txt", "a/deep/prod.txt"),
        ("COPY --from=gone /x /y\nRUN pip install -r /y/limits.txt", "limits.txt"),
    ],
)  # fmt: skip
def test_a_file_is_followed_to_where_it_was_copied_from(dockerfile: str, path: str) -> None:
    assert leads_to(f"FROM x\n{dockerfile}\n") == [path]


def test_a_path_that_is_not_understood_may_mean_several_files() -> None:
    assert leads_to("FROM x\nRUN pip install -r /y/deep.txt\n", ("a/deep.txt", "b/deep.txt")) == [
        "a/deep.txt",
        "b/deep.txt",
    ]


def test_a_file_that_a_here_document_writes_comes_from_nowhere() -> None:
    assert (
        leads_to("FROM x\nCOPY <<EOF /requirements.txt\nour-pkg==1.0\nEOF\nRUN pip install -r /requirements.txt\n")
        == []
    )


def test_a_file_that_nobody_knows_comes_from_nowhere() -> None:
    assert leads_to("FROM x\nCOPY . .\nRUN pip install -r /gone.txt\n") == []


@pytest.mark.parametrize(
    ("copy", "expected"),
    [
        ("COPY . /x", INSIDE),
        ("COPY a b /x/", ("a/deep/prod.txt", "a/requirements.txt", "b/requirements.txt")),
        ("COPY *.txt /x/", ("limits.txt", "prod.txt", "requirements.txt")),
        ("COPY */requirements.txt /x/", ("a/requirements.txt", "b/requirements.txt")),
        ("COPY /a/../b /x/", ("b/requirements.txt",)),
        ("COPY --from=y . /x", ()),
        ("COPY gone /x", ()),
        ("COPY a", ()),
    ],
)
def test_all_that_is_copied_is_known(copy: str, expected: tuple[str, ...]) -> None:
    found = read_dockerfile(SourceText(f"FROM x\n{copy}\n", "utf-8"))

    assert sorted(copied(found.copies, INSIDE, folders=True)) == sorted(expected)


@given(st.text("ab./"), st.text("ab./"))
def test_a_place_is_always_absolute_and_normal(folder: str, path: str) -> None:
    place = absolute(f"/{folder}", path)

    assert place.startswith("/")
    assert not place.startswith("//")
    assert posixpath.normpath(place) == place


_NAMES = st.sampled_from(
    ("a", "b", "a/b", ".", "..", "/", "*", "[", "[a-", "?", "**", "r.txt", "a/r.txt", "$V", "", "é", "../r.txt")
)
_LINES = st.one_of(
    st.tuples(st.sampled_from(("COPY ", "COPY --from=0 ", "COPY --from=s ", "ADD ")), _NAMES, _NAMES).map(
        lambda parts: f"{parts[0]}{parts[1]} {parts[2]}"
    ),
    st.tuples(st.sampled_from(("WORKDIR ", "RUN pip install -r ", "FROM ")), _NAMES).map("".join),
    st.sampled_from(("FROM x AS s", "FROM s", "ENV V=a", "RUN --mount=target=/a,source=b pip install -r /a/r.txt")),
)


@given(st.lists(_LINES, max_size=12).map("\n".join))
def test_whatever_is_copied_only_files_of_the_context_are_found(text: str) -> None:
    inside = ("r.txt", "a/r.txt", "a/b/r.txt")
    found = read_dockerfile(SourceText(text, "utf-8"))

    assert copied(found.copies, inside, folders=True) <= set(inside)
    for handed in found.files:
        assert set(origins(handed, inside, by_last_part(inside))) <= set(inside)


def test_many_files_after_many_copies_are_followed_without_delay() -> None:
    text = "FROM x\nCOPY r.txt /\n" + "COPY a b\nRUN pip install -r /c.txt\n" * 5_000
    found = read_dockerfile(SourceText(text, "utf-8"))

    assert [origins(handed, ("r.txt",), {"r.txt": ["r.txt"]}) for handed in found.files] == [[]] * 5_000


def test_stages_that_copy_each_others_copies_are_followed_without_delay() -> None:
    """Ten copies in each of ten stages are as many ways as there are people on earth."""
    stages = "".join(f"FROM x AS s{at}\n" + f"COPY --from=s{at - 1} /r /r\n" * 10 for at in range(1, 12))

    assert leads_to(f"FROM x AS s0\nCOPY r.txt /elsewhere\n{stages}RUN pip install -r /r/x.txt\n", ("r.txt",)) == []


class TestWhatIsFetched:
    @pytest.mark.parametrize(
        "dockerfile",
        [
            "COPY . /\nRUN git clone https://h/x /a && pip install -r /a/requirements.txt",
            "RUN git clone https://h/a\nRUN cd a && pip install -r requirements.txt",
            "WORKDIR /x\nRUN git clone https://h/y .\nRUN pip install -r a/requirements.txt",
            "RUN curl -o /tmp/requirements.txt https://h/r\nRUN pip install -r /tmp/requirements.txt",
            "ADD https://h/requirements.txt /tmp/\nRUN pip install -r /tmp/requirements.txt",
            "ADD https://h/x.git#main /x\nRUN pip install -r /x/requirements.txt",
            "FROM y AS o\nRUN git clone https://h/x /a\nFROM z\nCOPY --from=o /a /b\nRUN pip install -r /b/limits.txt",
            "FROM y AS one\nRUN git clone https://h/x /a\nFROM one\nRUN pip install -r /a/requirements.txt",
        ],
    )
    def test_is_no_file_of_the_context(self, dockerfile: str) -> None:
        assert leads_to(f"FROM x\n{dockerfile}\n") == []

    @pytest.mark.parametrize(
        "dockerfile",
        [
            "RUN git clone https://h/x /a\nCOPY a /a\nRUN pip install -r /a/requirements.txt",
            "COPY a /x\nRUN git clone https://h/a && pip install -r /x/requirements.txt",
            "COPY a /x\nRUN pip install -r /x/requirements.txt && git clone https://h/x /x",
            "COPY a /x\nRUN (git clone https://h/y && cd y && make) && cd /x && pip install -r requirements.txt",
        ],
    )
    def test_leaves_alone_what_was_copied_to_other_places_or_later(self, dockerfile: str) -> None:
        assert leads_to(f"FROM x\n{dockerfile}\n") == ["a/requirements.txt"]
