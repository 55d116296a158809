"""The import rule and other rules of the house that good will alone does not keep."""

import ast
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from local.bootstrap import UV_VERSION
from shared import limits

ROOT = Path(__file__).resolve().parent.parent
SHARED = sorted((ROOT / "shared").rglob("*.py"))
ALL = [*SHARED, *sorted((ROOT / "local").rglob("*.py")), ROOT / "function_app.py"]
ALL = [path for path in ALL if "sample" not in path.relative_to(ROOT).parts]

# The groups of the domain, each with the others that it may import: from the bottom up, so there is no circle.
DOMAIN = {
    "files": (),
    "names": (),
    "holds": (),
    "provenance": (),
    "signals": (),
    "states": (),
    "releases": ("names",),
    "targets": ("releases",),
    "due": ("releases",),
    "notifications": ("names", "releases", "signals", "targets"),
    "feed_facts": ("names", "releases"),
    "rules": ("files", "names", "releases"),
    "definitions": ("feed_facts", "files", "names", "releases"),
    "inventory": ("definitions", "files", "holds", "names"),
    "planning": ("definitions", "due", "feed_facts", "files", "holds", "inventory", "names", "releases", "rules"),
    "records": ("due", "files", "holds", "planning", "releases", "signals", "states"),
}
# The rooms of the services, likewise.
SERVICES = {
    "intake": (),
    "planning": (),
    "records": (),
    "rebuild": ("planning", "records"),
    "follow": ("records",),
    "operator": ("planning", "rebuild", "records"),
    "confirm": ("operator", "records"),
    "coalescer": (),
    "repair": ("confirm", "follow", "intake", "operator", "records"),
    "worker": ("coalescer", "confirm", "follow", "intake", "operator", "rebuild", "records", "repair"),
}
# What each part may import of this project; the longest prefix that fits a module decides.
ALLOWED = {
    **{
        f"shared.domain.{group}": ("shared.errors", "shared.limits", *(f"shared.domain.{name}" for name in names))
        for group, names in ((group, (group, *below)) for group, below in DOMAIN.items())
    },
    "shared.domain": (),
    "shared.errors": (),
    "shared.limits": (),
    "shared.log": (),
    "shared.ports": ("shared.domain", "shared.errors"),
    "shared.messages": ("shared.domain", "shared.errors", "shared.limits"),
    "shared.ledger": ("shared.domain", "shared.errors", "shared.ledger_entries", "shared.ledger_format",
                      "shared.limits", "shared.log", "shared.ports"),
    "shared.ledger_entries": ("shared.domain",),
    "shared.ledger_format": ("shared.domain", "shared.errors"),
    **{
        f"shared.services.{room}": (
            "shared.domain", "shared.errors", "shared.limits", "shared.log", "shared.ports", "shared.messages",
            "shared.ledger", "shared.ledger_entries", *(f"shared.services.{name}" for name in names),
        )
        for room, names in ((room, (room, *below)) for room, below in SERVICES.items())
    },
    "shared.services": (),
    "shared.identities": (),
    "shared.settings": ("shared.identities", "shared.domain", "shared.errors"),
    "shared.adapters": ("shared.domain", "shared.errors", "shared.limits", "shared.log", "shared.ports",
                        "shared.adapters"),
    "shared.composition": ("shared",),
    "shared.triggers": ("shared.composition", "shared.domain.files.credentials", "shared.errors", "shared.limits",
                        "shared.log"),
    "shared": ("shared",),
    "local": ("local", "shared"),
    "function_app": ("shared",),
}  # fmt: skip
# Third parties that the pure core may know.
PURE = {"packaging", "yaml"}
IMPURE_STANDARD = {"os", "time", "logging", "socket", "subprocess", "random", "pathlib"}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            if node.module in ("shared", "local"):
                yield from (f"{node.module}.{alias.name}" for alias in node.names)
            else:
                yield node.module or ""


def within(module: str, prefixes: tuple[str, ...]) -> bool:
    return any(module == prefix or module.startswith(f"{prefix}.") for prefix in prefixes)


@pytest.mark.parametrize("path", ALL, ids=module_name)
def test_imports_point_inward(path: Path) -> None:
    mine = module_name(path)
    allowed = next(ALLOWED[prefix] for prefix in sorted(ALLOWED, key=len, reverse=True) if within(mine, (prefix,)))
    ours = {name for name in imports(path) if name.split(".")[0] in ("shared", "local", "function_app")}

    assert {name for name in ours if not within(name, allowed)} == set()


def test_the_groups_of_the_domain_point_one_way() -> None:
    before: set[str] = set()
    for group, below in DOMAIN.items():
        assert set(below) <= before, group
        before.add(group)

    assert before == {path.stem for path in (ROOT / "shared" / "domain").iterdir()} - {"__init__", "__pycache__"}


@pytest.mark.parametrize("path", [p for p in SHARED if "domain" in p.parts], ids=module_name)
def test_the_core_is_pure(path: Path) -> None:
    known = {name.split(".")[0] for name in imports(path)} - {"shared"}
    third_parties = {name for name in known if name not in sys.stdlib_module_names}
    extra = {"pydantic"} if path.name == "rules.py" else set()
    assert third_parties <= PURE | extra
    assert not known & IMPURE_STANDARD


def test_only_the_function_app_and_its_triggers_know_azure_functions() -> None:
    knowing = {module_name(path) for path in ALL if any(within(name, ("azure.functions",)) for name in imports(path))}

    assert knowing == {"function_app", "shared.triggers"}


def test_azure_ml_is_imported_only_inside_functions() -> None:
    for path in ALL:
        top = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.Import | ast.ImportFrom)]
        names = [getattr(node, "module", None) or node.names[0].name for node in top]

        assert not [name for name in names if within(name, ("azure.ai",))], path


def test_host_json_says_the_same_as_the_code() -> None:
    host = json.loads((ROOT / "host.json").read_text())
    hours, minutes, seconds = (int(part) for part in host["functionTimeout"].split(":"))

    assert host["extensions"]["queues"]["maxDequeueCount"] == limits.MAX_DEQUEUE_COUNT
    assert host["extensions"]["queues"]["messageEncoding"] == "none"
    assert limits.CLAIM_LIFETIME.total_seconds() > hours * 3600 + minutes * 60 + seconds


def test_no_module_is_too_long_or_named_for_nothing() -> None:
    for path in ALL:
        assert len(path.read_text().splitlines()) <= 400, path
        assert path.stem not in ("utils", "helpers", "common", "misc"), path


def test_no_committed_file_names_a_package_index_or_a_path_of_one_machine() -> None:
    hosts = re.compile(r"pypi\.org|pythonhosted|registry\.npmjs|npmjs\.org")
    for name in (
        "requirements.txt",
        "pipelines/requirements.txt",
        "requirements-dev.txt",
        "package-lock.json",
        "Makefile",
        ".npmrc",
    ):
        assert not hosts.search((ROOT / name).read_text()), name


def test_each_trigger_is_one_call() -> None:
    tree = ast.parse((ROOT / "function_app.py").read_text())
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]

    assert functions
    for function in functions:
        statements = [s for s in function.body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]
        assert len(statements) == 1, function.name


def calls(path: Path) -> Iterator[ast.Call]:
    yield from (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))


def test_whether_pre_releases_count_is_always_said() -> None:
    """`packaging` has changed its mind about the default between its versions."""
    asked = [
        call
        for path in SHARED
        for call in calls(path)
        if isinstance(call.func, ast.Attribute) and call.func.attr == "contains"
    ]

    assert asked
    assert [ast.unparse(call) for call in asked if "prereleases" not in {word.arg for word in call.keywords}] == []


def test_a_secret_is_compared_in_a_time_that_tells_nothing() -> None:
    tree = ast.parse((ROOT / "shared" / "services" / "intake" / "hook.py").read_text())
    (check,) = (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == "authenticate")

    assert "hmac.compare_digest" in {ast.unparse(n.func) for n in ast.walk(check) if isinstance(n, ast.Call)}
    assert [ast.unparse(n) for n in ast.walk(check) if isinstance(n, ast.Compare)] == []


def test_no_endpoint_but_the_hooks_is_open_without_a_key() -> None:
    routes = {
        str(ast.literal_eval(words["route"])): ast.unparse(words["auth_level"])
        for call in calls(ROOT / "function_app.py")
        if "route" in (words := {word.arg: word.value for word in call.keywords})
    }

    assert len(routes) >= 4
    assert {route for route, level in routes.items() if level != "func.AuthLevel.FUNCTION"} == {"hooks"}


@pytest.mark.parametrize("name", ["requirements.txt", "pipelines/requirements.txt", "requirements-dev.txt"])
def test_what_is_installed_is_locked_with_hashes(name: str) -> None:
    text = "\n".join(line for line in (ROOT / name).read_text().splitlines() if not line.lstrip().startswith("#"))
    entries = text.replace("\\\n", " ").splitlines()

    assert len(entries) > 20
    assert [entry for entry in entries if not re.match(r"[a-z0-9-]+(\[[a-z,]+\])?==\S+ .*--hash=sha256:", entry)] == []


def test_the_app_its_steps_and_the_tests_are_locked_to_the_same_versions() -> None:
    app, steps, tests = (
        set(re.findall(r"^[a-z0-9-]+(?:\[[a-z,]+\])?==\S+", (ROOT / name).read_text(), re.MULTILINE))
        for name in ("requirements.txt", "pipelines/requirements.txt", "requirements-dev.txt")
    )

    assert app < steps < tests
    assert steps - app == {f"uv=={UV_VERSION}"}


def test_no_python_of_the_pipeline_sees_the_repository() -> None:
    """Not even where it starts, nor by a variable; and so it runs nothing of the repository that it was not told to."""
    text = (ROOT / "pipelines" / "rebuild.yml").read_text()
    started = re.findall(r"\bpython\"? -.*", text)

    assert len(started) == 8
    assert [line for line in started if not re.match(r'python"? -I -m ', line)] == []
    assert "PYTHONPATH" not in text


def test_only_the_app_starts_the_rebuild_pipeline() -> None:
    """Its own commits would start it again."""
    pipeline = yaml.safe_load((ROOT / "azure-pipelines.yml").read_text())

    assert (pipeline["trigger"], pipeline["pr"]) == ("none", "none")
    assert "schedules" not in pipeline
