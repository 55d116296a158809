"""What each function has to import before it does anything: a cold start waits for it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SETTINGS = {
    "REBUILDER_TARGETS": json.dumps(
        [
            {
                "name": "main",
                "organization": "https://dev.azure.com/contoso",
                "project": "ml",
                "repository": "environments",
                "pipeline": 7,
                "feeds": ["ml/packages"],
                "workspaces": [{"subscription": "s", "resource_group": "ml", "name": "training"}],
            }
        ]
    ),
    "REBUILDER_HOOK_SECRETS": "0123456789abcdef",
    "REBUILDER_STORAGE__blobServiceUri": "https://account.blob.core.windows.net",
    "REBUILDER_STORAGE__queueServiceUri": "https://account.queue.core.windows.net",
}
HEAVY = (
    "azure.ai.ml",
    "azure.devops",
    "azure.identity",
    "azure.storage.blob",
    "azure.storage.queue",
    "jinja2",
    "msrest",
    "requests",
    "rich",
    "typer",
)
SCRIPT = """
import sys
import function_app
from shared.composition import app
for part in sys.argv[2:]:
    getattr(app(), part)
print(*(name for name in sys.argv[1].split(",") if name in sys.modules))
"""
QUEUE = {"azure.identity", "azure.storage.queue", "requests"}
STORAGE = QUEUE | {"azure.storage.blob"}
AZURE_DEVOPS = STORAGE | {"azure.devops", "msrest"}


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        pytest.param([], set(), id="at start"),
        pytest.param(["intake"], QUEUE, id="a hook"),
        pytest.param(["reruns", "parked"], STORAGE, id="a rerun, and what is parked"),
        pytest.param(["status"], AZURE_DEVOPS - {"azure.storage.queue"}, id="a status"),
        # Azure ML's SDK is imported when there is something to ask it.
        pytest.param(["worker", "confirm", "rebuild", "repair", "follow"], AZURE_DEVOPS, id="messages and the timer"),
    ],
)
def test_each_function_imports_what_it_uses(parts: list[str], expected: set[str]) -> None:
    command = [sys.executable, "-W", "ignore", "-c", SCRIPT, ",".join(HEAVY), *parts]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **SETTINGS}, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == expected
