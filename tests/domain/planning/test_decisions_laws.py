"""Laws that hold for the whole decision table."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from shared.domain.definitions.hashes import Replacement
from shared.domain.definitions.pins import Exact, pin_of
from shared.domain.feed_facts import FeedFile
from shared.domain.planning.decisions import Kind
from shared.domain.rules.rules import PackageRule, Upto
from tests.domain.planning.cases import decision, requirement
from tests.domain.strategies import package_rules, version_texts

_LINES = st.tuples(
    st.sampled_from(("==", "===", "~=1.", ">=", "<", "!=", "==1.")),
    version_texts(local=False, final=True),
    st.sampled_from(("", "", "", " --hash=sha256:aa", " # rebuilder: hold")),
).map(lambda parts: "our-pkg" + "".join(parts))
_KNOWN = st.fixed_dictionaries(
    {},
    optional={
        "python": st.sampled_from(("3.9", "3.10")),
        "files": st.sampled_from(((), (FeedFile("our_pkg-1-cp39-cp39-any.whl", "bb"),), (FeedFile("x", None),))),
        "hashes": st.just(Replacement(0, 1, "x")),
        "recompile": st.just("x>=2"),
        "variable": st.just("VERSION"),
        "carried": version_texts().map(Version),
        "by_hand": st.booleans(),
    },
)


class TestLaws:
    @given(_LINES, version_texts(), package_rules(), _KNOWN, st.sampled_from(((), ("Release",))))
    def test_every_case_has_a_row(
        self, line: str, version: str, rule: PackageRule | None, known: dict[str, Any], views: tuple[str, ...]
    ) -> None:
        assert decision(line, version, rule, views=views, **known).kind in set(Kind) - {Kind.UNAFFECTED}

    @given(_LINES, version_texts(), _KNOWN)
    def test_what_no_rule_names_is_never_touched_whatever_is_known(
        self, line: str, version: str, known: dict[str, Any]
    ) -> None:
        assert not decision(line, version, None, **known).acts

    @given(version_texts(), version_texts(), package_rules())
    def test_a_pin_only_rises(self, pinned: str, version: str, rule: PackageRule | None) -> None:
        kind = decision(f"our-pkg=={pinned}", version, rule).kind

        assert kind is not Kind.BUMP or Version(version) > Version(pinned)
        assert (kind is Kind.CURRENT) is (Version(version) == Version(pinned))

    @given(version_texts(), version_texts(), package_rules())
    def test_a_pin_that_was_raised_is_current(self, pinned: str, version: str, rule: PackageRule | None) -> None:
        found = requirement(f"our-pkg=={pinned}")
        pin = pin_of(found)
        assert isinstance(pin, Exact)
        if decision(found, version, rule).kind is Kind.BUMP:
            raised = found.text[: pin.start] + str(Version(version)) + found.text[pin.end :]

            assert decision(raised, version, rule).kind is Kind.CURRENT

    @given(version_texts(final=True), version_texts(final=True), version_texts(final=True), st.sampled_from(Upto))
    def test_what_upto_opens_does_not_depend_on_the_steps_between(
        self, one: str, two: str, three: str, upto: Upto
    ) -> None:
        rule = PackageRule(match="*", upto=upto)
        low, middle, high = sorted((one, two, three), key=Version)
        if Version(low) < Version(middle) < Version(high):
            steps = [decision(f"our-pkg=={a}", b, rule).kind for a, b in ((low, middle), (middle, high), (low, high))]

            assert (steps[:2] == [Kind.BUMP, Kind.BUMP]) is (steps[2] is Kind.BUMP)
