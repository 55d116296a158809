"""The product in Microsoft's worker while nothing that it asks answers."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent

# Two threads for all functions that wait, and three turns: each asks for a token, and nobody answers.
SCRIPT = """
import asyncio, json, os, sys
from pathlib import Path
from local.functions_host.invoker import Invoker, http_datum, queue_datum, timer_datum

async def main():
    asked = asyncio.Semaphore(0)

    async def never_answer(reader, writer):
        asked.release()
        await asyncio.Event().wait()

    silent = await asyncio.start_server(never_answer, "127.0.0.1", 0)
    os.environ["IDENTITY_ENDPOINT"] = f"http://127.0.0.1:{silent.sockets[0].getsockname()[1]}"
    invoker = Invoker(Path(sys.argv[1]))
    functions = {f.name: f for f in await invoker.start()}
    busy = []
    for number in range(3):
        text = json.dumps({"schema": 2, "kind": "turn", "target": f"target{number}", "tries": 0})
        datum, metadata = queue_datum(text, id=str(number), pop_receipt="r", dequeue_count=1)
        busy.append(asyncio.create_task(invoker.invoke(functions["rebuilds"], datum, metadata)))
    await asked.acquire()
    await asked.acquire()
    hook = http_datum(
        method="POST", url="http://x/api/hooks", headers={"Content-Type": "application/json"}, query={}, route={},
        body=b"{}")
    answer = await asyncio.wait_for(invoker.invoke(functions["hooks"], hook, {}), 30)
    return [answer.returned.value["status_code"].value, [task.done() for task in busy]]

print(json.dumps(asyncio.run(main())), file=sys.stderr, flush=True)
os._exit(0)
"""


def test_a_hook_is_taken_in_while_everything_else_waits() -> None:
    target = {
        "organization": "https://dev.azure.com/contoso",
        "project": "ml",
        "repository": "environments",
        "pipeline": 7,
        "feeds": ["ml/packages"],
        "workspaces": [{"subscription": "s", "resource_group": "ml", "name": "training"}],
    }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(ROOT)],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHON_THREADPOOL_THREAD_COUNT": "2",
            "IDENTITY_HEADER": "secret",
            "REBUILDER_TARGETS": json.dumps([{**target, "name": f"target{number}"} for number in range(3)]),
            "REBUILDER_HOOK_SECRETS": "0123456789abcdef",
            "REBUILDER_STORAGE__blobServiceUri": "https://account.blob.core.windows.net",
            "REBUILDER_STORAGE__queueServiceUri": "https://account.queue.core.windows.net",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    status, over = json.loads(done.stderr.strip().splitlines()[-1])
    assert status == "401"  # its secret is missing: that was looked at
    assert over == [False] * 3
