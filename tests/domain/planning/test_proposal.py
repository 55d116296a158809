import re
from collections.abc import Mapping

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from shared.domain.files.text import SourceText
from shared.domain.files.yaml_plain import read_plain
from shared.domain.names import package_name
from shared.domain.planning.proposal import LONGEST_LIST, propose_rules
from shared.domain.rules.rules import Deliver, Rules, Upto, read_rules
from shared.domain.rules.schema import SCHEMA_FILE, rules_schema
from tests.domain.repositories import DOCKERFILE, catalog_of, environment

UNKNOWN = DOCKERFILE.replace("python:3.10", "base")
# What a person does to take a proposed entry: the # goes, and the [] or {} of a key that now has entries.
_PROPOSED = re.compile(r"^# (?=  )|(?<=^  )# (?=exclude:)", re.MULTILINE)


def one(folder: str, requirements: str, dockerfile: str = DOCKERFILE) -> dict[str, str]:
    """One environment in a folder."""
    name = re.sub(r"[^a-z0-9]", "-", folder.lower())
    return {
        f"{folder}/env.yml": environment(name),
        f"{folder}/Dockerfile": dockerfile,
        f"{folder}/requirements.txt": requirements,
    }


def proposed(files: Mapping[str, str], *private: str) -> str:
    return propose_rules(catalog_of(files), private)


def read(text: str) -> Rules:
    return read_rules(text.encode())


def taken(text: str) -> Rules:
    """The rules once every proposed entry is taken."""
    lines = _PROPOSED.sub("", text).splitlines()
    kept = [line for line in lines if not re.match(r"  (report|push): ", line)]
    for at, line in enumerate(kept):
        following = next((other for other in kept[at + 1 :] if not other.lstrip().startswith("#")), "")
        if following.startswith("  ") and line.endswith((": []", ": {}")):
            kept[at] = line[:-3]
    return read("\n".join(kept))


def test_a_proposal_for_a_repository_reads_like_this() -> None:
    files = {
        **one("environments/training", "our-core==1.4.0\nour-tools==2.0\nnumpy==2.1\nrequests>=2\n"),
        **one("environments/scoring", "our-core==1.3.0\nnumpy==2.1\n", UNKNOWN),
        **one("archive/first", "our-core==0.9\n"),
    }

    assert (
        proposed(files, "our-*")
        == """\
# yaml-language-server: $schema=rebuilder.schema.json
# What Environment Rebuilder may do in this repository; proposed from what it holds.

# How edits reach the branch:
#   report: plans are recorded and shown, nothing is written. Begin with it.
#   push: the edits are pushed to the branch in one commit, and the environments rebuilt.
# (pull-request is not available yet.)
deliver: report

# 3 environments found. All take part, except those that are excluded by
# globs on the path of their YAML file.
environments:
  include: ["**"]
  # These folders look as if nobody uses them any more: take the # away to exclude them.
  # exclude: ["archive/**"]
  # 1 environment in them.

# The Python of 1 environment is not known from the files, and the pipeline asks
# for it. State it here: take the # and the {} away, and write the right version; 3.10 is a guess.
python: {}
#   "environments/scoring/env.yml": "3.10"

# Which packages may be touched. What no entry names never is; of several that match the last counts.
packages:
  # 2 pinned packages of that name:
  - match: "our-*"
    upto: minor
# Pinned exactly, and by how many environments. Which of them are private only you know: take the # away
# from those. A glob such as "our-*" names several at once.
#   - match: "numpy" # 2 environments
#     upto: minor
"""
    )


def test_a_proposal_for_an_empty_repository_can_be_read() -> None:
    assert read(proposed({})) == Rules(deliver=Deliver.REPORT)


def test_without_private_names_nothing_may_be_touched() -> None:
    text = proposed(one("a", "our-core==1.0\n"))

    assert read(text).packages == ()
    assert [rule.match for rule in taken(text).packages] == ["our-core"]


def test_what_is_said_to_be_private_becomes_a_rule_even_if_nothing_pins_it_yet() -> None:
    rules = read(proposed(one("a", "other==1.0\n"), "our-*", "their-tool", "our-*", "", " "))

    assert [(rule.match, rule.upto) for rule in rules.packages] == [("our-*", Upto.MINOR), ("their-tool", Upto.MINOR)]


@pytest.mark.parametrize("glob", ["Our_Tool", "our.tool", "OUR-*", "our_*"])
def test_a_rule_names_its_packages_however_the_glob_is_spelled(glob: str) -> None:
    text = proposed(one("a", "our.tool==1.0\n"), glob)

    assert read(text).rule_for(package_name("our-tool"), "a")
    assert "our-tool" not in [rule.match for rule in taken(text).packages[1:]]


def test_the_most_pinned_packages_come_first_and_the_rest_is_counted() -> None:
    pins = [f"p{number:02}==1.0\n" for number in range(LONGEST_LIST + 2)]
    text = proposed({**one("a", "".join(pins)), **one("b", pins[7])})

    names = [rule.match for rule in taken(text).packages]
    assert len(names) == LONGEST_LIST
    assert names[:3] == ["p07", "p00", "p01"]
    assert '#   - match: "p07" # 2 environments\n' in text
    assert "# (and 2 more)\n" in text


def test_only_exact_pins_are_proposed() -> None:
    files = one(
        "a", "our-a==1.0\nour-b>=1\nour-c\nour-d==1.*\nour-e===1.0\nour-f @ https://host.test/f.whl\n-e .\n!!!\n"
    )

    assert [rule.match for rule in taken(proposed(files)).packages] == ["our-a", "our-e"]


def test_a_constraint_counts_only_where_something_requires_the_package() -> None:
    files = {**one("a", "-c limits.txt\nour-a\n"), "a/limits.txt": "our-a==1.0\nour-b==1.0\n"}

    assert [rule.match for rule in taken(proposed(files)).packages] == ["our-a"]


def test_a_package_counts_once_for_an_environment() -> None:
    files = {**one("a", "-r more.txt\nour-a==1.0\nOur_A==1.0\n"), "a/more.txt": "our-a==1.0\n"}

    assert '"our-a" # 1 environment\n' in proposed(files)


def test_folders_that_look_left_behind_are_proposed_for_exclusion() -> None:
    folders = ("a", "old/b", "x/Archive/c", "x/Archive/old/d", "deprecated", "older/e", "x/gold/f")
    files = {path: text for folder in folders for path, text in one(folder, "").items()}
    text = proposed(files)

    assert read(text).environments.exclude == ()
    assert taken(text).environments.exclude == ("deprecated/**", "old/**", "x/Archive/**")
    assert "# 4 environments in them.\n" in text
    assert [folder for folder in folders if not taken(text).includes(f"{folder}/env.yml")] == list(folders[1:5])


def test_each_environment_whose_python_is_not_known_is_named() -> None:
    python = DOCKERFILE.replace("3.10", "3.12")
    text = proposed({**one("a", "", python), **one("b", "", UNKNOWN), **one("c [1]*", "", UNKNOWN)})

    assert read(text).python == {}
    rules = taken(text)
    assert [rules.python_for(f"{folder}/env.yml") for folder in ("a", "b", "c [1]*", "c 1x")] == [
        None, "3.12", "3.12", None
    ]  # fmt: skip


def test_of_many_environments_the_first_are_named_and_the_rest_is_counted() -> None:
    files = {path: text for at in range(LONGEST_LIST + 3) for path, text in one(f"old/e{at:02}", "", UNKNOWN).items()}

    assert "# (and 3 more)\n" in proposed(files)
    assert len(taken(proposed(files)).python) == LONGEST_LIST


def test_editors_are_told_where_the_schema_lies() -> None:
    catalog = catalog_of({})

    assert propose_rules(catalog).startswith(f"# yaml-language-server: $schema={SCHEMA_FILE}\n")
    assert propose_rules(catalog, schema="tools/x.json").startswith("# yaml-language-server: $schema=tools/x.json\n")
    assert read(propose_rules(catalog, schema="a\ndeliver: push\u2028b")).deliver is Deliver.REPORT


_ODD = st.text(
    st.one_of(
        st.characters(exclude_characters="/", exclude_categories=()),
        st.sampled_from("\"'\n\r\t#:*?[]{}&!%@\\\x00\x07\x7f\x85\u2028\ufeff\ufffe\ud800🚢 "),
    ),
    min_size=1,
    max_size=8,
).filter(lambda part: part not in (".", ".."))
_FOLDERS = st.lists(st.one_of(_ODD, st.sampled_from(("old", "archive", "a"))), min_size=1, max_size=3).map("/".join)
_REQUIREMENTS = st.lists(st.sampled_from(("our-a==1.0\n", "our-b==2.0\n", "numpy==1\n", "x>1\n", "!!!\n"))).map("".join)


@given(
    st.dictionaries(_FOLDERS, st.tuples(_REQUIREMENTS, st.sampled_from((DOCKERFILE, UNKNOWN))), max_size=4),
    st.lists(st.one_of(_ODD, st.sampled_from(("our-*", "our-a", "[a-z]*"))), max_size=3),
)
@example({"old\ud800\n": ("", UNKNOWN)}, ["\ud800", "a\n- b"])
def test_a_proposal_can_be_read_whatever_the_repository_holds(
    environments: dict[str, tuple[str, str]], private: list[str]
) -> None:
    files = {path: text for folder, content in environments.items() for path, text in one(folder, *content).items()}
    text = propose_rules(catalog_of(files), private)
    rules = read(text)

    assert rules.deliver is Deliver.REPORT
    assert (rules.environments.include, rules.environments.exclude, rules.python) == (("**",), (), {})
    assert len(rules.packages) <= len(private)
    assert len(taken(text).packages) >= len(rules.packages)
    plain = read_plain(SourceText(text, "utf-8"))
    assert plain.problems == ()
    assert Draft202012Validator(rules_schema()).is_valid(plain.value)
    assert yaml.safe_load(text) == plain.value
