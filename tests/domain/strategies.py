"""Hypothesis strategies that several tests share."""

import codecs
import re
from dataclasses import dataclass

from hypothesis import strategies as st

from shared.domain.rules.rules import PackageRule, Transitive, Upto

_ALPHANUMERIC = "abcxyzABCXYZ0189"
_SEPARATORS = st.text("-_.", min_size=1, max_size=3)


@st.composite
def normalised_names(draw: st.DrawFn) -> str:
    """Names in the form of PEP 503."""
    parts = draw(st.lists(st.text("abcxyz0189", min_size=1, max_size=5), min_size=1, max_size=4))
    return "-".join(parts)


@st.composite
def spellings(draw: st.DrawFn, name: str) -> str:
    """One of the ways in which people write a normalised name."""
    first, *rest = name.split("-")
    spelled = first + "".join(draw(_SEPARATORS) + part for part in rest)
    return "".join(draw(st.sampled_from((c.lower(), c.upper()))) for c in spelled)


@st.composite
def version_texts(draw: st.DrawFn, *, local: bool = True, final: bool = False) -> str:
    """Versions in canonical spelling, with few and small numbers so that equal ones are met often."""
    number = st.integers(0, 12)
    text = ".".join(str(part) for part in draw(st.lists(number, min_size=1, max_size=4)))
    if final:
        return text
    if draw(st.integers(0, 9)) == 0:
        text = f"{draw(st.integers(1, 2))}!{text}"
    text += draw(st.sampled_from(("", "", "", "a1", "b2", "rc1", "rc2")))
    text += draw(st.sampled_from(("", "", "", ".post1", ".post2")))
    text += draw(st.sampled_from(("", "", "", ".dev1")))
    return text + (draw(st.sampled_from(("", "", "", "+cpu", "+cu12.1"))) if local else "")


def package_rules() -> st.SearchStrategy[PackageRule | None]:
    """What the rules say about a package, or that no rule names it."""
    return st.one_of(
        st.none(),
        st.builds(
            PackageRule,
            match=st.just("*"),
            upto=st.sampled_from(Upto),
            allow=st.sampled_from(("", "<3", ">=1,!=2.*")),
            prereleases=st.booleans(),
            transitive=st.just(Transitive.REBUILD),
            view=st.sampled_from((None, "Release")),
            hold=version_texts().map(lambda version: (version,)),
        ),
    )


LINE_ENDS = ("\n", "\r\n", "\r", "\x0c", "\x85", "\u2028")


@dataclass(frozen=True, slots=True)
class Written:
    """A file's text and how its bytes are made."""

    text: str
    encoding: str
    bom: bytes = b""

    @property
    def raw(self) -> bytes:
        return self.bom + self.text.encode(self.encoding)


_ENCODINGS = (
    ("utf-8", b"", ""),
    ("utf-8", codecs.BOM_UTF8, ""),
    ("utf-16-le", codecs.BOM_UTF16_LE, ""),
    ("utf-16-be", codecs.BOM_UTF16_BE, ""),
    ("utf-32-le", codecs.BOM_UTF32_LE, ""),
    ("latin-1", b"", "# -*- coding: latin-1 -*-"),
)


@st.composite
def written(draw: st.DrawFn, texts: st.SearchStrategy[str]) -> Written:
    """A text as bytes in one of the encodings that pip understands."""
    encoding, bom, head = draw(st.sampled_from(_ENCODINGS))
    text = draw(texts)
    if head:
        text = head + draw(st.sampled_from(("\n", "\r\n"))) + text.encode("latin-1", "ignore").decode("latin-1")
    return Written(text, encoding, bom)


# Pieces of requirements files whose every order means something else to pip.
_PIECES = (
    "our-pkg", "Our_Pkg", "other", "our-pkg-extra", "==1.0", "== 1.0", "===2.0", "==1.*", "~=1.2", ">=1,<2", "(==1.0)",
    "==v1.0", ",", " ", "  ", "\t", "\x1f", "\\\n", "\\\r\n", "\\\r", "\\", " \\\n    ", "\n", "\n", "\n\n", "\r\n",
    "\r", "\x0c", "\x85", "\u2028", "#", "# a note", " # ==9.9", "  # rebuilder: hold", "#egg=ours", "[extra]",
    "[a, b]", "; python_version < '3.9'", ' ; sys_platform == "linux"', ";", " --hash=sha256:" + "a" * 8,
    " \\\n    --hash=sha256:" + "b" * 8, " --config-settings x=y", "-r base.txt", "-c limits.txt",
    "--requirement=more.txt", "--constraint more.txt", "-e .", "-i https://host.test/simple", "--pre", "--no-such",
    "https://host.test/our_pkg-1.0-py3-none-any.whl", " @ https://host.test/p.zip", "git+https://host.test/x.git",
    "./local", "${OUR_VERSION}", "{{ version }}", "é", "\u00a0", "'", '"',
)  # fmt: skip


@st.composite
def requirement_lines(draw: st.DrawFn) -> str:
    """One requirement as pip accepts it, in all its variety of spacing, options and continuations."""
    space = st.sampled_from(("", "", " ", "  "))
    line = draw(st.sampled_from(("our-pkg", "Our_Pkg", "our.pkg", "other", "our-pkg-extra", "x")))
    line += draw(st.sampled_from(("", "", "[extra]", "[a, b]", " [a]")))
    operator = draw(st.sampled_from(("==", "==", "===", "~=", ">=", "!=")))
    line += draw(space) + operator + draw(space) + draw(version_texts(local=operator in ("==", "===")))
    line += draw(st.sampled_from(("", "", "", ", <99", " , != 3.3")))
    line += draw(st.sampled_from(("", "", "; python_version < '3.9'", ' ; sys_platform == "linux" and "a" == "a"')))
    for _ in range(draw(st.sampled_from((0, 0, 0, 1, 2)))):
        line += draw(st.sampled_from((" ", " \\\n    ", " \\\r\n  "))) + "--hash=sha256:" + "0123abcd" * 2
    return line + draw(st.sampled_from(("", "", "", " # ==9.9", "\t# rebuilder: hold", "  #")))


def requirements_texts() -> st.SearchStrategy[str]:
    """Texts of requirements files: some that pip accepts, some that nobody would write."""
    pieces = st.lists(st.sampled_from(_PIECES), max_size=14).map("".join)
    lines = st.lists(
        st.tuples(st.one_of(requirement_lines(), requirement_lines(), pieces), st.sampled_from(LINE_ENDS)), max_size=6
    )
    joined = lines.map(lambda pairs: "".join(line + end for line, end in pairs))
    return st.one_of(pieces, joined, joined.map(lambda text: re.sub(r"\s+\Z", "", text)))
