"""Runs the tests in processes of their own: on the services, and on a stand at the same time."""

import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local.processes import Process, StandError
from tests.live.plugin import SEEN
from tests.live.settings import PREFIX
from tests.waiting import wait_for

PROJECT = Path(__file__).resolve().parents[2]
# Lead to the live services, and must not lead the stand's tests there.
_LEADING = (PREFIX, "AZURE_", "IDENTITY_", "MSI_", "HTTPS_PROXY", "https_proxy", "REQUESTS_CA_BUNDLE")
# One test, in seconds; those that wait for an agent say more.
_TEST_SECONDS = 600
# For pytest to end in order when it is interrupted: one request may still be on its way.
_PATIENCE = 90
# A stand has no agent to wait for.
_STAND_SECONDS = 1200


class LiveRun:
    """The tests on the services that the variables name; what pytest says goes to the terminal."""

    def __init__(self, run: str, only: str, folder: Path) -> None:
        folder.mkdir(parents=True)
        self._folder = folder
        self._only = only
        self._environment = _environment(os.environ, run, folder)

    def run(self) -> int:
        """Run them all; returns pytest's status. An interruption is passed on once, and raised when pytest ended."""
        process = subprocess.Popen(_command(self._only), env=self._environment, cwd=PROJECT, start_new_session=True)
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            raise

    def seen(self) -> dict[str, Any]:
        """What was seen so far."""
        return read_seen(self._folder / "seen.json")


class Beside:
    """The same tests on a stand that is started for them."""

    def __init__(self, only: str, folder: Path) -> None:
        self._folder = folder
        self._kept = {name: value for name, value in os.environ.items() if not name.startswith(_LEADING)}
        self._only = only
        self._stand = Process(
            "the stand",
            [sys.executable, "-m", "tests.live.stand", "--folder", str(folder)],
            log=folder / "stand.log",
            environment={**self._kept, "PYTHONPATH": str(PROJECT)},
        )
        self._tests: Process | None = None

    def start(self) -> None:
        """Start the stand, and the tests in the background."""
        named = self._folder / "environment.json"
        self._stand.start()

        def is_there() -> bool:
            if not self._stand.is_running:
                raise StandError(f"the stand did not start: {self._stand.last_line()}")
            return named.is_file()

        wait_for(is_there, "the stand has started")
        leading = json.loads(named.read_text())
        self._tests = Process(
            "the tests on the stand",
            _command(self._only),
            log=self._folder / "tests.log",
            environment=_environment({**self._kept, **leading}, secrets.token_hex(4), self._folder),
        )
        self._tests.start()

    def seen(self) -> dict[str, Any]:
        """What the tests saw, when they are over."""
        tests = self._tests
        if tests:
            wait_for(lambda: not tests.is_running, "the tests on the stand are over", seconds=_STAND_SECONDS)
        return read_seen(self._folder / "seen.json")

    def stop(self) -> None:
        """Stop everything."""
        if self._tests:
            self._tests.stop()
        self._stand.stop()


def read_seen(file: Path) -> dict[str, Any]:
    """What tests wrote; nothing if they did not come to that."""
    return dict(json.loads(file.read_text())) if file.is_file() else {"tests": {}, "exchanges": []}


def _environment(environment: Mapping[str, str], run: str, folder: Path) -> dict[str, str]:
    return {
        **environment,
        "PYTHONPATH": str(PROJECT),
        "AZURE_DEVOPS_CACHE_DIR": str(folder / "azure-devops-sdk"),
        f"{PREFIX}RUN_ID": run,
        SEEN: str(folder / "seen.json"),
    }


def _command(only: str) -> list[str]:
    options = ["--timeout", str(_TEST_SECONDS), "-p", "tests.live.plugin", "-p", "no:xdist"]
    return [
        sys.executable, "-m", "pytest", "-v", "--rootdir", str(PROJECT), *options, *(["-k", only] if only else []),
        str(PROJECT / "tests" / "live"),
    ]  # fmt: skip
