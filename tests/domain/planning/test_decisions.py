"""The decision table, one test for each row that needs nothing but the files and the rules."""

from typing import Any

import pytest
from packaging.version import Version

from shared.domain.definitions.conda import read_conda
from shared.domain.feed_facts import FeedFile
from shared.domain.files.text import SourceText
from shared.domain.holds import Hold
from shared.domain.planning.decisions import Decision, Kind, held
from shared.domain.rules.rules import PackageRule, Upto
from tests.domain.planning.cases import ANY, decision, shown


@pytest.mark.parametrize(
    "line",
    ["our-pkg @ https://host.test/x.zip", "-e git+https://host.test/x.git#egg=our-pkg",
     "./our_pkg-1.0-py3-none-any.whl", "our-pkg=={{ v }}", "our-pkg==${V}"],
)  # fmt: skip
def test_what_is_no_version_of_a_feed_is_held(line: str) -> None:
    assert shown(line, "2.0") == f"held(not a feed version: {line})"


@pytest.mark.parametrize("line", ["our-pkg==1.0", "our-pkg===1.0.0", "our-pkg == 1", "our-pkg==v1.0 --hash=sha256:aa"])
def test_a_pin_that_is_equal_by_pep_440_is_current(line: str) -> None:
    assert decision(line, "1.0").kind is Kind.CURRENT


@pytest.mark.parametrize(
    "line", ["our-pkg==1.1", "our-pkg===1.1", "our-pkg==1!0.1", "our-pkg==1.0.post1", "our-pkg==1.0+l"]
)
def test_an_older_release_never_lowers_a_pin(line: str) -> None:
    assert shown(line, "1.0") == f"held(older: pins {line.rsplit('=', maxsplit=1)[-1]})"


@pytest.mark.parametrize("line", ["our-pkg==1.0", "our-pkg>=1.0", "our-pkg"])
def test_a_package_that_no_rule_names_is_never_touched(line: str) -> None:
    assert shown(line, "1.1", None) == "held(rule: none names our-pkg)"


@pytest.mark.parametrize(("allow", "version"), [("<3", "3.0"), ("<3", "3.0rc1"), ("!=2.1", "2.1.0"), (">=2", "1.9")])
@pytest.mark.parametrize("line", ["our-pkg==1.0", "our-pkg>=1.0"])
def test_a_version_outside_of_allow_is_held(line: str, allow: str, version: str) -> None:
    rule = PackageRule(match="*", upto=Upto.MAJOR, allow=allow, prereleases=True)

    assert shown(line, version, rule) == f"held(rule allow {allow})"


@pytest.mark.parametrize(("allow", "version"), [("<3", "2.9"), (">=2", "2.0"), ("<3", "2.0rc1"), (">=1.5", "2.0.dev1")])
def test_a_version_within_allow_goes_on(allow: str, version: str) -> None:
    rule = PackageRule(match="*", upto=Upto.MAJOR, allow=allow, prereleases=True)

    assert decision("our-pkg==1.0", version, rule).kind is Kind.BUMP


@pytest.mark.parametrize("line", ["our-pkg==1.0", "our-pkg>=1.0"])
@pytest.mark.parametrize("held_version", ["2.4.1", "2.4.1.0"])
def test_a_version_that_the_rule_holds_is_held(line: str, held_version: str) -> None:
    rule = PackageRule(match="*", upto=Upto.MAJOR, hold=("0.1", held_version))

    assert shown(line, "2.4.1", rule) == "held(rule hold 2.4.1)"
    assert "rule hold" not in shown(line, "2.4.2", rule)


@pytest.mark.parametrize("line", ["our-pkg==1.0  # rebuilder: hold", "our-pkg>=1.0 # rebuilder: hold"])
def test_a_line_that_asks_for_it_is_held(line: str) -> None:
    assert shown(line, "1.1") == "held(rule hold: the line carries `# rebuilder: hold`)"


@pytest.mark.parametrize(
    ("upto", "pinned", "version", "kind"),
    [
        (Upto.MINOR, "1.2.3", "1.3.0", Kind.BUMP),
        (Upto.MINOR, "1.2.3", "2.0.0", Kind.HELD),
        (Upto.MINOR, "1", "1.0.1", Kind.BUMP),
        (Upto.MINOR, "0.2.3", "0.2.4", Kind.BUMP),
        (Upto.MINOR, "0.2.3", "0.3.0", Kind.HELD),
        (Upto.MINOR, "0.2.3", "1.0.0", Kind.HELD),
        (Upto.MINOR, "0", "0.0.9", Kind.BUMP),
        (Upto.MINOR, "0", "0.1", Kind.HELD),
        (Upto.PATCH, "1.2.3", "1.2.4", Kind.BUMP),
        (Upto.PATCH, "1.2", "1.2.0.1", Kind.BUMP),
        (Upto.PATCH, "1.2.3", "1.2.3.post1", Kind.BUMP),
        (Upto.PATCH, "1.2.3", "1.3.0", Kind.HELD),
        (Upto.PATCH, "1", "1.0.1", Kind.BUMP),
        (Upto.PATCH, "1", "1.1", Kind.HELD),
        (Upto.PATCH, "0.2.3", "0.2.4", Kind.BUMP),
        (Upto.MAJOR, "1.2.3", "2.0.0", Kind.BUMP),
        (Upto.MAJOR, "0.2.3", "17.0", Kind.BUMP),
        (Upto.MAJOR, "1.2.3", "1!1.2.4", Kind.HELD),
        (Upto.MINOR, "1!1.2.3", "1!1.3", Kind.BUMP),
        (Upto.PATCH, "1.2.3", "1!1.2.4", Kind.HELD),
    ],
)
def test_a_bump_raises_no_segment_that_upto_does_not_open(upto: Upto, pinned: str, version: str, kind: Kind) -> None:
    found = decision(f"our-pkg=={pinned}", version, PackageRule(match="*", upto=upto))

    assert found.kind is kind
    assert kind is Kind.BUMP or found.reason.startswith(f"rule upto {upto}: ")


def test_a_range_has_no_pin_that_upto_could_speak_of() -> None:
    assert "upto" not in shown("our-pkg>=1.0", "9.0", PackageRule(match="*", upto=Upto.PATCH))


@pytest.mark.parametrize("line", ["our-pkg==1.0", "our-pkg>=1.0"])
@pytest.mark.parametrize("views", [(), ("Local",), ("Prerelease", "Local")])
def test_a_version_that_is_not_in_the_rules_view_is_held(line: str, views: tuple[str, ...]) -> None:
    rule = PackageRule(match="*", view="Release")

    assert str(decision(line, "1.1", rule, views=views)) == "held(not in view Release)"


@pytest.mark.parametrize("view", ["Release", "release", "RELEASE"])
def test_a_version_that_is_in_the_rules_view_goes_on(view: str) -> None:
    rule = PackageRule(match="*", view=view)

    assert decision("our-pkg==1.0", "1.1", rule, views=("Local", "Release")).kind is Kind.BUMP


@pytest.mark.parametrize("line", ["our-pkg==1.0", "our-pkg>=1.0", "our-pkg==1.0.post1"])
@pytest.mark.parametrize("version", ["1.1rc1", "1.1a1", "1.1.dev1", "1.1.post1.dev2"])
def test_a_pre_release_is_held(line: str, version: str) -> None:
    assert shown(line, version) == "held(pre-release)"


@pytest.mark.parametrize("version", ["1.1rc1", "1.1.dev1"])
def test_a_pre_release_is_taken_where_the_rule_says_so(version: str) -> None:
    assert decision("our-pkg==1.0", version, PackageRule(match="*", prereleases=True)).kind is Kind.BUMP


@pytest.mark.parametrize("pinned", ["1.1a1", "1.0.dev3"])
def test_a_pre_release_is_taken_where_one_is_pinned(pinned: str) -> None:
    assert decision(f"our-pkg=={pinned}", "1.1rc1").kind is Kind.BUMP


@pytest.mark.parametrize("line", ["our-pkg==1.0", "our-pkg==1.0+old", "our-pkg>=1.0"])
def test_a_local_version_is_held(line: str) -> None:
    assert shown(line, "1.1+cpu") == "held(local version)"


def test_a_local_label_is_never_dropped() -> None:
    assert shown("our-pkg==1.0+cu121", "1.1") == "held(local version: 1.1 would drop +cu121 of 1.0+cu121)"
    assert shown("our-pkg==1.0+cu121", "1.0") == "held(older: pins 1.0+cu121)"


@pytest.mark.parametrize("line", ["our-pkg==1.0", "our-pkg===1.0", "our-pkg[x] == 1.0 ; extra=='x'", "our-pkg (==1.0)"])
def test_a_higher_version_raises_an_exact_pin(line: str) -> None:
    assert decision(line, "1.1") == Decision(Kind.BUMP, "1.0 → 1.1")


def test_a_value_that_has_no_place_in_its_file_is_held() -> None:
    source = SourceText("dependencies: [{pip: ['our-pkg=='' 1.0', \"our-pkg=\\u003d1.0\"]}]", "utf-8")
    (found,) = read_conda(source).requirements

    assert str(decision(found, "1.1")) == "held(not editable: the value is folded or escaped in its YAML)"


@pytest.mark.parametrize(
    ("specifier", "version"),
    [("<2", "2.0"), ("~=1.4.0", "1.5"), ("==1.*", "2.0"), ("!=2", "2.0")],
)
def test_a_version_outside_of_a_range_is_held(specifier: str, version: str) -> None:
    assert shown(f"our-pkg{specifier}", version) == f"held(outside {specifier})"


@pytest.mark.parametrize("line", ["our-pkg<2", "our-pkg~=1.4", "our-pkg==1.*", "our-pkg", "our-pkg>=1,!=1.2"])
@pytest.mark.parametrize("carried", [None, "1.4", "1.5rc1"])
def test_a_range_that_the_version_fits_is_rebuilt(line: str, carried: str | None) -> None:
    found = decision(line, "1.5", carried=Version(carried) if carried else None)

    assert found.kind is Kind.REBUILD
    assert found.reason.endswith(" admits 1.5")


@pytest.mark.parametrize("line", ["our-pkg<2", "our-pkg~=1.4", "our-pkg==1.*", "our-pkg", "our-pkg>=1,!=1.2"])
@pytest.mark.parametrize("carried", ["1.5", "1.5.0", "1.6"])
def test_a_range_is_current_once_a_rebuild_carried_the_version_or_a_newer_one(line: str, carried: str) -> None:
    assert decision(line, "1.5", carried=Version(carried)).kind is Kind.CURRENT


def test_a_range_that_does_not_admit_the_version_is_held_whatever_was_carried() -> None:
    assert shown("our-pkg<1.5", "1.5", carried=Version("1.5")) == "held(outside <1.5)"


@pytest.mark.parametrize("version", ["1.5rc1", "2.0rc1"])
def test_a_range_takes_a_pre_release_as_packaging_26_does_when_asked_to(version: str) -> None:
    rule = PackageRule(match="*", prereleases=True)

    assert decision("our-pkg>=1.0", version, rule).kind is Kind.REBUILD
    assert decision("our-pkg==1.5.*", "1.5rc1", rule).kind is Kind.REBUILD


@pytest.mark.parametrize(
    ("line", "version", "rule", "first"),
    [
        ("our-pkg @ https://host.test/x.zip", "2.0", None, "not a feed version"),
        ("our-pkg==1.0 # rebuilder: hold", "1.0", None, "current"),
        ("our-pkg==1.1", "1.0", None, "older"),
        ("our-pkg==1.0 # rebuilder: hold", "2.0rc1+l", None, "rule: none"),
        (
            "our-pkg==1.0 # rebuilder: hold",
            "2.0rc1+l",
            PackageRule(match="*", allow="<2.0.dev0", view="R"),
            "rule allow",
        ),
        (
            "our-pkg==1.0 # rebuilder: hold",
            "2.0rc1+l",
            PackageRule(match="*", hold=("2.0rc1+l",), view="R"),
            "rule hold 2",
        ),
        ("our-pkg==1.0 # rebuilder: hold", "2.0rc1+l", PackageRule(match="*", view="R"), "rule hold: the line"),
        ("our-pkg==1.0 --hash=sha256:aa", "2.0rc1+l", PackageRule(match="*", view="R"), "rule upto"),
        ("our-pkg==1.0 --hash=sha256:aa", "1.1rc1+l", PackageRule(match="*", view="R"), "not in view"),
        ("our-pkg==1.0 --hash=sha256:aa", "1.1rc1+l", ANY, "pre-release"),
        ("our-pkg==1.0 --hash=sha256:aa", "1.1+l", ANY, "local version"),
        ("our-pkg==1.0 --hash=sha256:aa", "1.1", ANY, "no file for Python 3.10"),
        ("our-pkg>=2.0", "1.1rc1", ANY, "pre-release"),
    ],
)
def test_the_first_row_that_fits_decides(line: str, version: str, rule: PackageRule | None, first: str) -> None:
    files = (FeedFile("our_pkg-1.1-cp39-cp39-win32.whl", "bb"),)

    found = decision(line, version, rule, python="3.10", files=files, recompile="x>=2", variable="VERSION")

    assert first == found.kind or found.reason.startswith(first)


@pytest.mark.parametrize(
    ("known", "first"),
    [
        ({"variable": "VERSION", "recompile": "x>=2"}, "shared variable"),
        ({"recompile": "x>=2"}, "recompile needed"),
        ({}, "hashes unknown"),
    ],
)
def test_what_is_known_decides_in_the_order_of_the_table(known: dict[str, Any], first: str) -> None:
    assert decision("our-pkg==1.0 --hash=sha256:aa", "1.1", **known).reason.startswith(first)


@pytest.mark.parametrize(
    ("found", "text", "acts"),
    [
        (held(Hold.OLDER, "older: pins 2.0"), "held(older: pins 2.0)", False),
        (Decision(Kind.BUMP, "1.0 → 1.1"), "bump", True),
        (Decision(Kind.REBUILD, "by hand"), "rebuild", True),
        (Decision(Kind.CURRENT, "pins 1.0 already"), "current", False),
        (Decision(Kind.UNAFFECTED, "does not require it"), "unaffected", False),
    ],
)
def test_a_decision_says_what_happens_and_whether_it_leads_to_a_rebuild(found: Decision, text: str, acts: bool) -> None:
    assert (str(found), found.acts) == (text, acts)
