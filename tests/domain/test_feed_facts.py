"""What names of files and METADATA say, whatever somebody wrote into them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from shared.domain.feed_facts import Metadata, identity_of, is_file_of, metadata_of
from shared.domain.names import package_name

OURS = package_name("our-package")


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("our_package-1.0-py3-none-any.whl", "1.0"),
        ("Our.Package-1.0.0-py3-none-any.whl", "1"),
        ("our_package-1.0-2-cp310-cp310-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", "1.0"),
        ("our_package-1!2.0+local.1-py3-none-any.whl", "1!2.0+local.1"),
        ("our_package-1.0.tar.gz", "1.0"),
        ("our-package-1.0.zip", "1.0"),
    ],
)
def test_the_name_of_a_file_says_whose_it_is(name: str, version: str) -> None:
    assert identity_of(name) == (OURS, Version(version))
    assert is_file_of(name, OURS, version)
    assert not is_file_of(name, OURS, "9.9")
    assert not is_file_of(name, package_name("other"), version)


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".whl",
        "our_package-1.0-py3-none.whl",
        "our_package-one-py3-none-any.whl",
        "our_package-1.0.exe",
        "our_package-1.0-py3.8.egg",
        "our_package-1.0-py3-none-any.whl.metadata",
        "our_package-1.0-py3-none-any.WHL",
        "../our_package-1.0-py3-none-any.whl",
        "our_package-1.0-py3-none-any.whl\n",
        "our päckage-1.0-py3-none-any.whl",
        "our_package-" + "9" * 5000 + "-py3-none-any.whl",
        "our_package-1.0-" + ".".join(["py3"] * 80) + "-none-any.whl",
    ],
)
def test_another_name_is_nobodys(name: str) -> None:
    assert identity_of(name) is None
    assert not is_file_of(name, OURS, "1.0")


def test_no_file_is_of_a_version_that_is_none() -> None:
    assert not is_file_of("our_package-1.0-py3-none-any.whl", OURS, "not a version")


@given(st.text(), st.sampled_from(["", ".whl", ".tar.gz", ".zip", "-1.0-py3-none-any.whl"]), st.text())
def test_every_name_is_somebodys_or_nobodys(name: str, ending: str, version: str) -> None:
    found = identity_of(name + ending)
    assert found is None or is_file_of(name + ending, found[0], str(found[1]))
    assert is_file_of(name + ending, OURS, version) in (True, False)


HEAD = b"Metadata-Version: 2.1\nName: our-package\nVersion: 1.0\n"


def test_metadata_are_what_stands_above_the_description() -> None:
    raw = HEAD + b"Requires-Python: >=3.9\nRequires-Dist: numpy<2\nrequires-dist: pandas\n\nRequires-Dist: described\n"
    assert metadata_of(raw) == Metadata(">=3.9", ("numpy<2", "pandas"))


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_metadata_may_end_lines_as_they_like(end: bytes) -> None:
    raw = (HEAD + b"Requires-Dist: numpy\nRequires-Python: >=3\n\nRequires-Dist: described\n").replace(b"\n", end)
    assert metadata_of(raw) == Metadata(">=3", ("numpy",))


def test_a_folded_header_is_one_line() -> None:
    assert metadata_of(HEAD + b"Requires-Dist: numpy\n    <2\n\t; extra == 'all'\n") == Metadata(
        None, ("numpy <2 ; extra == 'all'",)
    )


@pytest.mark.parametrize(
    "more",
    [
        b"",
        b"Requires-Python:\nRequires-Dist: \n",
        b"Summary: \xff\xfe\nKeywords: a\nKeywords: b\nUnheard-Of: yes\nDynamic: Requires-Dist\n",
        b"Content-Type: multipart/mixed; boundary=x\n\n--x\n\n--x--\n",
        b"Project-URL: no comma\nProject-URL: no comma\n",
    ],
)
def test_what_does_not_matter_may_be_wrong(more: bytes) -> None:
    assert metadata_of(HEAD + more) == Metadata()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\n",
        b"Version: 1.0\nRequires-Dist: numpy\n",
        b"<html>not found</html>",
        HEAD + b"Requires-Dist: numpy\nRequires-Dist: \xff\xfe\n",
        HEAD + b"Requires-Python: >=3.9\nRequires-Python: >=3.10\n",
        HEAD + b"Requires-Dist: =?utf-8?b?\xc3\xa4?=\xff\n",
    ],
)
def test_metadata_that_cannot_be_read_are_none_and_not_half(raw: bytes) -> None:
    assert metadata_of(raw) is None


FIELDS = st.sampled_from(
    [b"Name", b"Requires-Dist", b"Requires-Python", b"Project-URL", b"Content-Type", b"Keywords", b"Description", b""]
)
VALUES = st.one_of(
    st.binary(max_size=30),
    st.sampled_from(
        [b"=?utf-8?b?\xc3?=", b"=?utf-8?q?=ff?= \xff", b"=?nothing?x?y?=\xe4", b"multipart/mixed", b"\r\n "]
    ),
)


@given(st.lists(st.tuples(FIELDS, VALUES)).map(lambda rows: b"".join(b"%b: %b\n" % row for row in rows)))
def test_all_metadata_are_read_or_none(rows: bytes) -> None:
    for raw in (rows, HEAD + rows):
        found = metadata_of(raw)
        assert found is None or not any("\n" in text or "\r" in text for text in found.requires)


@given(st.binary())
def test_any_bytes_are_metadata_or_none(raw: bytes) -> None:
    assert metadata_of(raw) is None or b"name" in raw.lower()
