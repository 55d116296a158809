"""Laws that hold for every plan, whatever the repository, the rules and the releases."""

from itertools import groupby
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.definitions.pins import Exact, can_apply, pin_of
from shared.domain.due import Forced
from shared.domain.planning.decisions import Kind
from shared.domain.releases import version_of
from tests.domain.repositories import carried_after, catalog_of, edited, environment, plan_of, raw, rules_of

_PACKAGES = st.sampled_from(("our-pkg", "our-other"))
_VERSIONS = st.sampled_from(("0.9", "1.0", "1.0.0", "1.1", "1.2", "1.2rc1", "1.10", "2.0", "2.0.post1"))
_LINES = st.one_of(
    st.tuples(
        _PACKAGES,
        st.sampled_from(("==", "==", "==", "===", ">=")),
        _VERSIONS,
        st.sampled_from(
            ("", "", "", "", "; python_version < '3.10'", "; sys_platform == 'win32'", "  # rebuilder: hold")
        ),
    ).map("".join),
    st.sampled_from(("-r ../one.txt", "-r ../two.txt", "-r ../one.txt", "-c ../two.txt", "numpy==1.26", "!")),
    st.sampled_from(("-r https://host.test/more.txt", "-r ../gone.txt")),
)
_FILES = st.lists(_LINES, max_size=3).map("\n".join)
_RULES = st.sampled_from(
    (
        'deliver: push\npackages: [{match: "*", upto: major}]\n',
        "deliver: push\npackages: [{match: 'our-*'}]\n",
        "deliver: push\npackages: [{match: our-pkg, prereleases: true, upto: major}]\n",
        "deliver: push\npackages: [{match: '*', upto: major}, {match: our-pkg, environments: [a], allow: '<1.2'}]\n",
        "deliver: push\nopaque: [b]\npackages: [{match: 'our-*'}]\n",
        "deliver: push\nenvironments: {exclude: [c]}\npackages: [{match: '*', hold: ['1.1']}]\n",
        'deliver: report\npython: {"b/*": "3.11"}\npackages: [{match: "*", upto: major}]\n',
    )
)
_RELEASES = st.lists(
    st.tuples(_PACKAGES, st.sampled_from(("1.0", "1.1", "1.2rc1", "1.2", "1.10", "2.0"))).map(" ".join),
    min_size=1,
    max_size=4,
    unique=True,
)


@st.composite
def repositories(draw: st.DrawFn) -> dict[str, str]:
    """Up to three environments that share files in all sorts of ways."""
    files = {"one.txt": draw(_FILES).replace("-r ../one.txt", "-r two.txt"), "rebuilder.yml": draw(_RULES)}
    files["two.txt"] = "\n".join(line for line in draw(_FILES).splitlines() if not line.startswith("-"))
    for name in draw(st.sampled_from(("a", "ab", "abc"))):
        version = draw(st.sampled_from(("", "", "version: 3\n", "version: '1.2'\n", "version: x\n")))
        files[f"{name}/env.yml"] = version + environment(name)
        files[f"{name}/Dockerfile"] = "FROM x\nRUN pip install -r requirements.txt\n"
        files[f"{name}/requirements.txt"] = draw(_FILES)
    return files


@given(repositories(), _RELEASES)
def test_a_plan_of_its_own_outcome_changes_nothing(files: dict[str, str], given_releases: list[str]) -> None:
    plan = plan_of(files, *given_releases)
    after = edited(files, plan)
    again = plan_of(after, *given_releases, facts=carried_after(plan))

    assert (again.edits, again.environments) == ((), ())


@given(repositories(), _RELEASES)
def test_without_a_ledger_its_own_outcome_is_rebuilt_at_most(files: dict[str, str], given_releases: list[str]) -> None:
    """What ranges carry is not written in any file."""
    catalog = catalog_of(files)
    again = plan_of(edited(files, plan_of(files, *given_releases)), *given_releases)

    assert {verdict.decision.kind for verdict in again.verdicts} <= {*Kind} - {Kind.BUMP}
    assert {edit.path for edit in again.edits} <= catalog.sources.keys() - catalog.definitions.keys()


@given(repositories(), _RELEASES, st.randoms())
def test_the_order_of_files_and_releases_does_not_matter(
    files: dict[str, str], given_releases: list[str], random: Random
) -> None:
    paths, shuffled = list(files), list(given_releases)
    random.shuffle(paths)
    random.shuffle(shuffled)

    assert plan_of({path: files[path] for path in paths}, *shuffled) == plan_of(files, *given_releases)


@given(repositories(), _RELEASES)
def test_only_spans_of_versions_change_and_only_upwards(files: dict[str, str], given_releases: list[str]) -> None:
    plan = plan_of(files, *given_releases)
    after = edited(files, plan)

    for path, edits in groupby(plan.edits, key=lambda edit: edit.path):
        kept_before, kept_after, at, shift = [], [], 0, 0
        for edit in edits:
            assert version_of(edit.new) > version_of(edit.old)
            kept_before.append(raw(files)[path][at : edit.span.start])
            kept_after.append(after[path][at + shift : edit.span.start + shift])
            shift += len(edit.new) - len(edit.old)
            at = edit.span.end
        assert kept_before == kept_after
        assert raw(files)[path][at:] == after[path][at + shift :]
    assert {path for path in files if after[path] != raw(files)[path]} == {edit.path for edit in plan.edits}


@given(repositories(), _RELEASES)
def test_no_pin_is_ever_lowered(files: dict[str, str], given_releases: list[str]) -> None:
    before, after = catalog_of(files), catalog_of(edited(files, plan_of(files, *given_releases)))

    for path, definition in before.definitions.items():
        for old, new in zip(definition.requirements, after.definitions[path].requirements, strict=True):
            was, now = pin_of(old), pin_of(new)
            if isinstance(was, Exact):
                assert isinstance(now, Exact)
                assert now.version >= was.version


@given(repositories(), _RELEASES)
def test_no_reader_of_a_changed_line_stays_behind(files: dict[str, str], given_releases: list[str]) -> None:
    plan, catalog, rules = plan_of(files, *given_releases), catalog_of(files), rules_of(files)
    spelled = {release.id: release.spelling for release in plan.releases}

    for edit in plan.edits:
        if edit.path in catalog.sources:
            continue  # the version of an environment, which only it reads
        source = catalog.definitions[edit.path].source
        (edited_line,) = [
            requirement
            for requirement in catalog.definitions[edit.path].requirements
            if (whole := requirement.span(source, 0, len(requirement.text)))
            and whole.start < edit.span.start < whole.end
        ]
        for reader in catalog.reading(edit.path):
            if not rules.includes(reader.path):
                assert f"{reader.path} is excluded and reads {edit.path}, which changes" in plan.warnings
                continue
            if not can_apply(edited_line, rules.python_for(reader.path) or reader.python):
                continue  # its marker says that this reader never installs it
            mine = [v for v in plan.verdicts if v.path == reader.path and v.release.package == edited_line.name]
            taken = {spelled[verdict.release] for verdict in mine if verdict.decision.kind is Kind.BUMP}
            assert taken == {edit.new} or all(verdict.decision.kind is Kind.UNAFFECTED for verdict in mine)


@given(repositories(), _RELEASES)
def test_what_is_rebuilt_is_what_a_verdict_says(files: dict[str, str], given_releases: list[str]) -> None:
    plan = plan_of(files, *given_releases)

    assert {found.path for found in plan.environments} == {v.path for v in plan.verdicts if v.decision.acts}
    assert bool(plan.environments) or not plan.edits
    assert bool(plan.edits) or all(verdict.decision.kind is not Kind.BUMP for verdict in plan.verdicts)
    assert plan.unaffected + len({verdict.path for verdict in plan.verdicts}) == len(catalog_of(files).environments)


@given(repositories(), _RELEASES)
def test_each_environment_acts_on_one_version_of_a_package_at_most(
    files: dict[str, str], given_releases: list[str]
) -> None:
    acting = [(v.path, v.release.package) for v in plan_of(files, *given_releases).verdicts if v.decision.acts]

    assert len(acting) == len(set(acting))


@given(repositories(), _RELEASES)
def test_by_hand_at_least_as_much_is_rebuilt_and_exactly_as_much_written(
    files: dict[str, str], given_releases: list[str]
) -> None:
    automatic, by_hand = plan_of(files, *given_releases), plan_of(files, *given_releases, forced=Forced(only=True))

    assert {found.path for found in automatic.environments} <= {found.path for found in by_hand.environments}
    assert automatic.edits == by_hand.edits


@given(st.permutations(("1.1", "1.2", "1.10", "2.0", "0.9")), st.sampled_from(("1.0", "1.5", "0.1", "2.0")))
def test_releases_that_arrive_one_by_one_in_any_order_lead_to_the_same_pin(order: list[str], pinned: str) -> None:
    files: dict[str, str | bytes] = {
        "env.yml": environment(),
        "requirements.txt": f"our-pkg=={pinned}\n",
        "rebuilder.yml": "deliver: push\npackages: [{match: our-pkg}]\n",
    }
    together = edited(files, plan_of(files, *(f"our-pkg {version}" for version in order)))
    one_by_one = raw(files)
    for version in order:
        one_by_one = edited(one_by_one, plan_of(one_by_one, f"our-pkg {version}"))

    assert one_by_one == together


_COMMANDS = st.sampled_from(
    (
        "RUN pip install our-pkg=={}", "RUN pip install \\\n  # note our-pkg==0.1\n  'our-pkg=={}' \\\n  numpy",
        'RUN ["pip", "install", "our-pkg=={}"]', "ARG OURS={}\nRUN pip install our-pkg==${{OURS}}",
        "ENV OURS={} X=y\nRUN pip install our-pkg==$OURS", "RUN <<EOF\npip install our-pkg=={}\nEOF", "# our-pkg=={}",
        "RUN pip install our-pkg=={} # rebuilder: hold", "ARG V={}\nRUN pip install our-pkg==$V other==$V",
        "RUN conda install our-pkg={}", "RUN bash -c \"pip install our-pkg=={} && true\"", "FROM x AS y{}",
    )
)  # fmt: skip
_ITEMS = st.sampled_from(
    (
        "our-pkg=={}", "'our-pkg=={}'", '"our-pkg=={}" # note {}', "Our.Pkg[x] == {}", "other=={}", "{{{{ x }}}}{}",
        ">-\n      our-pkg=={}", "our-pkg>={}", "our-pkg=={} # rebuilder: hold",
    )
)  # fmt: skip


@st.composite
def written_otherwise(draw: st.DrawFn) -> dict[str, str]:
    """A Dockerfile and a conda file that name versions in all sorts of ways."""
    end = draw(st.sampled_from(("\n", "\r\n")))
    dockerfile = [
        "FROM python:3.10",
        *(draw(_COMMANDS).format(draw(_VERSIONS)) for _ in range(draw(st.integers(0, 3)))),
    ]
    items = [draw(_ITEMS) for _ in range(draw(st.integers(1, 3)))]
    conda = ["dependencies:", "  - python=3.10", "  - pip:"]
    for item in items:
        version = draw(_VERSIONS)
        conda.append(f"    - {item.format(version, version)}")
    return {
        "d/env.yml": environment("d"),
        "d/Dockerfile": "\n".join(dockerfile).replace("\n", end),
        "c/env.yml": "name: c\nimage: x\nconda_file: conda.yml\nversion: 3\n",
        "c/conda.yml": "\n".join(conda).replace("\n", end),
    }


@given(written_otherwise(), _RELEASES)
def test_dockerfiles_and_conda_files_follow_the_same_laws(files: dict[str, str], given_releases: list[str]) -> None:
    """Nothing but versions changes, none is lowered, and what comes out of a plan needs no other."""
    plan = plan_of(files, *given_releases)
    after = edited(files, plan)
    again = plan_of(after, *given_releases, facts=carried_after(plan))
    texts = [(edit.path, edit.span.start, edit.new) for edit in plan.edits]

    assert (again.edits, again.environments) == ((), ())
    assert all(version_of(edit.new) > version_of(edit.old) for edit in plan.edits)
    for path, text in files.items():
        restored = text
        for edit in sorted((edit for edit in plan.edits if edit.path == path), reverse=True):
            restored = restored[: edit.span.start] + edit.new + restored[edit.span.end :]
        assert after[path].decode() == restored
    assert len(texts) == len(set(texts))


@given(repositories(), _RELEASES)
def test_unaffected_is_said_only_of_what_was_read(files: dict[str, str], given_releases: list[str]) -> None:
    plan, catalog, rules = plan_of(files, *given_releases), catalog_of(files), rules_of(files)
    for release in plan.releases:
        listed = {verdict.path for verdict in plan.about(release.id)}
        for found in catalog.environments:
            if found.path in listed or not rules.includes(found.path):
                continue
            if rules.rule_for(release.id.package, found.name):
                assert found.doubt(opaque=not rules.silences(found.path)) is None


@given(repositories(), _RELEASES)
def test_what_is_installed_unseen_changes_no_other_decision(files: dict[str, str], given_releases: list[str]) -> None:
    plan = plan_of(files, *given_releases)
    seen = {path: text.replace("-r https://host.test/more.txt", "numpy==1.26") for path, text in files.items()}
    of_seen = plan_of(seen, *given_releases)

    decided = [verdict for verdict in plan.verdicts if not verdict.decision.reason.startswith("opaque")]
    assert decided == [*of_seen.verdicts]
    assert [(edit.path, edit.old, edit.new) for edit in plan.edits] == [
        (edit.path, edit.old, edit.new) for edit in of_seen.edits
    ]
