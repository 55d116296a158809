"""The gates say the same of a release wherever it would come in: by a requirement, through a package, or by `bump`."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.definitions.pins import pin_of
from shared.domain.definitions.requirements import read_requirements
from shared.domain.feed_facts import FeedFile, Metadata
from shared.domain.files.text import SourceText
from shared.domain.holds import Hold
from shared.domain.planning.decision_table import Case, decide
from shared.domain.planning.decisions import Decision, Kind, held
from shared.domain.planning.explicit_bump import parse_release, raise_pins
from shared.domain.planning.planner import make_plan
from shared.domain.planning.planning_facts import PlanningFacts
from shared.domain.releases import Release
from shared.domain.rules.rules import Deliver, PackageRule, Rules, Transitive
from shared.errors import Unreadable
from tests.domain.planning.cases import ANY
from tests.domain.repositories import DOCKERFILE, catalog_of, environment, metadata, release
from tests.domain.strategies import package_rules, requirement_lines, version_texts

REBUILDS = ANY.model_copy(update={"transitive": Transitive.REBUILD})


@dataclass(frozen=True, slots=True)
class Situation:
    """What the gates look at, whatever requires the release."""

    release: Release
    rule: PackageRule | None
    python: str
    files: tuple[FeedFile, ...] | None
    requires_python: str | None

    def decision(self, line: str) -> Decision:
        """What a plan decides for an environment with one requirement; `our-a` requires our-pkg."""
        package = self.release.id.package
        found = {**metadata("our-a 1", our_a=[package])}
        if self.requires_python:
            found[package, self.release.version] = Metadata(requires_python=self.requires_python)
        plan = make_plan(
            target="ours",
            catalog=catalog_of(
                {
                    "e/env.yml": environment("e"),
                    "e/Dockerfile": DOCKERFILE.replace("3.10", self.python),
                    "e/requirements.txt": line,
                }
            ),
            rules=Rules(deliver=Deliver.PUSH, packages=(self.rule,) if self.rule else ()),
            releases=[self.release],
            facts=PlanningFacts(files={} if self.files is None else {self.release.id: self.files}, metadata=found),
        )
        (verdict,) = plan.verdicts
        return verdict.decision


SITUATIONS = st.builds(
    Situation,
    st.builds(
        lambda version, views: release("our-pkg", version, views=views),
        st.one_of(st.just("1.5"), version_texts()),
        st.sampled_from(((), ("Release",))),
    ),
    st.one_of(st.just(REBUILDS), package_rules()),
    st.sampled_from(("3.9", "3.10")),
    st.sampled_from((
        None,
        (),
        (FeedFile("our_pkg-1-cp39-cp39-manylinux_2_17_x86_64.whl"),),
        (FeedFile("our_pkg-1-py3-none-any.whl", requires_python=">=3.10"),),
    )),
    st.sampled_from((None, None, ">=3.10", "<3.10")),
)  # fmt: skip


class TestLaws:
    @given(SITUATIONS)
    def test_through_a_package_a_gate_says_the_same_as_for_a_requirement(self, situation: Situation) -> None:
        direct, through = situation.decision("our-pkg\n"), situation.decision("our-a==1\n")

        assert (through.kind, through.hold) == (direct.kind, direct.hold)
        assert direct.kind is Kind.REBUILD or through.reason == f"via our-a 1: {direct.reason}"

    # No rule opens another epoch, and a person may.
    @given(requirement_lines(), version_texts(local=False).filter(lambda text: "!" not in text))
    def test_bump_says_the_same_as_a_plan_whose_rules_open_everything(self, line: str, version: str) -> None:
        wanted = parse_release(f"our-pkg=={version}")
        definition = read_requirements(SourceText(line, "utf-8"))
        edits, left = raise_pins("requirements.txt", definition, wanted)
        rule = ANY.model_copy(update={"prereleases": True})
        for found in definition.naming(wanted.id.package).requirements:
            try:
                said = decide(Case(release=wanted, rule=rule, requirement=found, pin=pin_of(found)))
            except Unreadable as problem:
                said = held(Hold.CANNOT_READ, problem.why)

            assert bool(edits) is (said.kind is Kind.BUMP)
            if said.kind is Kind.HELD:
                assert [place.why for place in left] == [said.reason]
