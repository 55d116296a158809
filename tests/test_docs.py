"""The pages agree with the project: links, commands, paths, settings, and lists of codes, states and alerts."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml
from pathspec import PathSpec
from pydantic_core import PydanticUndefined

from shared.__main__ import app
from shared.domain.holds import Hold
from shared.domain.states import EnvironmentState, RebuildState, ReleaseState
from shared.identities import HOST_STORAGE, STORAGE
from shared.settings import TargetSettings, _Values

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
MAKEFILE = (ROOT / "Makefile").read_text()


def page(name: str) -> str:
    return (ROOT / name).read_text()


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub and Azure DevOps make them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def rows(text: str, heading: str) -> Iterator[list[str]]:
    """The rows of the first table below a heading, without its head."""
    (section,) = re.findall(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", text, re.MULTILINE | re.DOTALL)
    (table,) = re.findall(r"(?:^\|.*\n)+", section, re.MULTILINE)[:1]
    for row in table.splitlines()[2:]:
        yield [cell.strip() for cell in row.strip("|").split("|")]


def code(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_every_link_leads_somewhere(path: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
        if link.startswith("https://"):
            continue
        file, _, anchor = unquote(link).partition("#")
        target = path.parent / file if file else path

        assert target.is_file(), link
        assert not anchor or anchor in anchors(target.read_text()), link


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_every_command_is_there(path: Path) -> None:
    text = path.read_text()
    commands = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}

    assert set(re.findall(r"(?:^|`)make ([a-z][a-z-]*)", text, re.MULTILINE)) <= set(
        re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE)
    )
    assert set(re.findall(r"python -m shared ([a-z]+)", text)) <= commands


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_every_file_that_a_page_names_is_there(path: Path) -> None:
    named = re.findall(r"`((?:shared|tests|local|docs|pipelines|benchmarks)/[\w./-]*)`", path.read_text())

    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_page_is_reached_from_the_readme() -> None:
    reached, seen = {ROOT / "README.md"}, set[Path]()
    while found := reached - seen:
        seen |= found
        for path in found:
            links = re.findall(r"\]\(([^)#\s]+\.md)", path.read_text())
            reached |= {(path.parent / link).resolve() for link in links if "://" not in link}

    assert set(PAGES) <= reached


def test_the_settings_are_listed_once_and_all_of_them_with_their_defaults() -> None:
    fields = {field.alias: field for field in _Values.model_fields.values()}
    listed = {code(name)[0]: code(default) for name, default, _ in rows(page("docs/deployment.md"), "Settings")}
    connections = {name for name in listed if name.startswith((f"{STORAGE}__", f"{HOST_STORAGE}__"))}

    assert listed.keys() - connections <= fields.keys() <= listed.keys()
    for name, field in fields.items():
        assert listed[name or ""] == _shown(field.default), name
    elsewhere = [path for path in PAGES if re.search(r"^\| `REBUILDER_(?!LIVE_)", path.read_text(), re.MULTILINE)]
    assert [name_of(path) for path in elsewhere] == ["docs/deployment.md"]


def test_the_keys_of_a_target_are_listed_with_their_defaults() -> None:
    listed = [(code(names), code(default)) for names, default, _ in rows(page("docs/deployment.md"), "Targets")]

    assert [name for names, _ in listed for name in names] == list(TargetSettings.model_fields)
    for names, default in listed:
        for name in names:
            assert default == _shown(TargetSettings.model_fields[name].default), name


def _shown(default: object) -> list[str]:
    """A default as the pages show it: nothing where there is none."""
    if default in (PydanticUndefined, None, ()):
        return []
    if isinstance(default, tuple):
        return [" ".join(default)]
    return [str(default).lower() if isinstance(default, bool) else str(default)]


def test_every_hold_is_listed_with_what_lets_it_pass() -> None:
    words = {"nothing": "never", "files": "commit", "rules, files or time": "repository", "a release": "releases"}
    listed = {
        code(hold)[0]: words[passes] for hold, _, passes in rows(page("docs/rules.md"), "What is held, and until when")
    }

    assert listed == {hold.value: hold.passes.value for hold in Hold}


def test_every_state_that_is_listed_is_one() -> None:
    states = {"release": ReleaseState, "rebuild": RebuildState, "environment": EnvironmentState}
    listed = {of: set(code(names)) for of, names in rows(page("docs/operations.md"), "Ask")}

    assert listed.keys() == states.keys()
    for of, names in listed.items():
        assert names <= {str(state) for state in states[of]}, of


def test_every_alert_is_explained_and_every_one_that_is_explained_is_raised() -> None:
    explained = {line.split()[0] for cell, _ in rows(page("docs/operations.md"), "Alerts") for line in code(cell)}
    nodes = [node for path in (ROOT / "shared").rglob("*.py") for node in ast.walk(ast.parse(path.read_text()))]
    texts = {node.value for node in nodes if isinstance(node, ast.Constant)}
    raised = {
        call.args[0].value
        for call in nodes
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "alert" and isinstance(call.args[0], ast.Constant)
    }

    assert len(raised) > 10
    assert raised <= explained <= texts


def test_the_hooks_of_pre_commit_run_what_make_check_runs() -> None:
    (repository,) = yaml.safe_load(page(".pre-commit-config.yaml"))["repos"]
    recipe = re.search(r"^check:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)

    assert recipe
    run = [line.strip().removeprefix("@").replace("$(PYTHON)", ".venv/bin/python") for line in recipe[1].splitlines()]
    assert [hook["entry"] for hook in repository["hooks"]] == run
    assert {hook["language"] for hook in repository["hooks"]} == {"system"}


def test_the_app_is_deployed_and_nothing_else() -> None:
    ignored = PathSpec.from_lines("gitwildmatch", page(".funcignore").splitlines())
    top = [f"{path.name}/" if path.is_dir() else path.name for path in ROOT.iterdir() if path.name != "__pycache__"]

    assert {name for name in top if not ignored.match_file(name)} == {
        "function_app.py",
        "host.json",
        "requirements.txt",
        "shared/",
    }
