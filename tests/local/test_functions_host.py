"""The invoker uses undocumented modules of azure-functions-runtime: this watches them for changes."""

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from local.functions_host.invoker import Function

APPS = Path(__file__).parent / "apps"
ROOT = Path(__file__).resolve().parent.parent.parent

# One app per process, since the library keeps its state in module globals.
SCRIPT = """
import asyncio, json, sys
from pathlib import Path
from local.functions_host.invoker import Invoker, NotIndexed, http_datum, queue_datum, timer_datum

async def main():
    invoker = Invoker(Path(sys.argv[1]))
    try:
        functions = {f.name: f for f in await invoker.start()}
    except NotIndexed as problem:
        return {"refused": str(problem)}
    seen = {"bindings": {name: list(f.bindings) for name, f in functions.items()}}
    datum = http_datum(
        method="POST", url="http://x/api/echo/me", headers={}, query={}, route={"name": "me"}, body=b"hi")
    answer = await invoker.invoke(functions["echo"], datum, {})
    seen["echo"] = [answer.ok, answer.returned.value["status_code"].value, answer.returned.value["body"].value.decode()]
    for text in ("fine", "fail"):
        datum, metadata = queue_datum(text, id="1", pop_receipt="r", dequeue_count=3)
        answer = await invoker.invoke(functions["work"], datum, metadata)
        seen[text] = [answer.ok, answer.error]
    seen["tick"] = (await invoker.invoke(functions["tick"], timer_datum(), {})).ok
    return seen

print(json.dumps(asyncio.run(main())), file=sys.stderr)
"""


def run(app: str) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(APPS / app)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stderr.strip().splitlines()[-1])
    return found


def test_the_runtime_is_the_one_that_the_invoker_was_made_for() -> None:
    assert version("azure-functions-runtime") == "1.3.0"


def test_functions_are_indexed_and_called_as_azure_does() -> None:
    seen = run("good")

    assert seen["bindings"] == {
        "echo": [
            {"direction": "IN", "type": "httpTrigger", "name": "req", "methods": ["POST"], "authLevel": "FUNCTION",
             "route": "echo/{name}"},
            {"direction": "OUT", "type": "http", "name": "$return"},
        ],
        "work": [
            {"direction": "IN", "type": "queueTrigger", "name": "msg", "queueName": "work", "connection": "STORAGE"}
        ],
        "tick": [{"direction": "IN", "type": "timerTrigger", "name": "timer", "schedule": "0 0 0 1 1 *"}],
    }  # fmt: skip
    assert seen["echo"] == [True, "201", "me hi"]
    assert seen["fine"] == [True, ""]
    assert seen["fail"] == [False, "ValueError('failed at try 3')"]
    assert seen["tick"] is True


def test_what_azure_refuses_is_refused() -> None:
    assert "nobody" in str(run("refused")["refused"])


def test_the_product_itself_is_indexed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without settings the app names what is missing; this is what Azure would show."""
    monkeypatch.setenv("REBUILDER_TARGETS", "")
    done = subprocess.run(
        [sys.executable, "-m", "local.functions_host", "--app", str(ROOT), "--port", "1"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("the Function app does not start:")
    for name in ("REBUILDER_TARGETS", "REBUILDER_HOOK_SECRETS", "REBUILDER_STORAGE__blobServiceUri"):
        assert name in last


@pytest.mark.parametrize(("value", "is_disabled"), [("true", True), ("True", True), ("1", True), ("false", False)])
def test_a_function_is_disabled_by_the_platforms_own_setting(value: str, is_disabled: bool) -> None:
    settings = {"AzureWebJobs.repair.Disabled": value}

    assert Function("repair", "1", ()).is_disabled(settings) is is_disabled
    assert not Function("signals", "2", ()).is_disabled(settings)
