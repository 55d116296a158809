"""What pytest loads for the live tests (`-p tests.live.plugin`): the site, and the record of what was seen.

Without it no test of this folder is collected, whatever variables are set.
"""

import json
import os
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.live.redaction import Redactor
from tests.live.settings import LiveSettings, read_settings
from tests.live.site import Site
from tests.live.wire import Recorder

# Where the record goes: `{"tests": {id: outcome}, "exchanges": […]}`.
SEEN = "REBUILDER_LIVE_SEEN"


class _Record:
    """Everything that was seen, written after each test: a run that is killed leaves what it saw."""

    def __init__(self, settings: LiveSettings, file: Path) -> None:
        self._file = file
        self._redactor = Redactor(settings.names())
        self._tests: dict[str, dict[str, str]] = {}
        self.recorder = Recorder(self._redactor)

    @pytest.hookimpl
    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.recorder.test = nodeid

    @pytest.hookimpl
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.outcome != "passed":
            crash = getattr(report.longrepr, "reprcrash", None)
            shown = self._redactor.text(str(crash.message).split("\n")[0]) if crash else ""
            self._tests[report.nodeid] = {"outcome": report.outcome, **({"why": shown} if shown else {})}
        if report.when == "teardown":
            self._write()

    @pytest.hookimpl
    def pytest_sessionfinish(self) -> None:
        self.recorder.stop()
        self._write()

    def _write(self) -> None:
        seen = {"tests": self._tests, "exchanges": [asdict(one) for one in self.recorder.exchanges]}
        self._file.write_text(json.dumps(seen))


def pytest_configure(config: pytest.Config) -> None:
    """Begin to note what goes over the wire."""
    if SEEN in os.environ:
        record = _Record(read_settings(os.environ), Path(os.environ[SEEN]))
        config.pluginmanager.register(record, "live-record")
        record.recorder.start()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the live tests reach the world."""
    for item in items:
        item.add_marker("live")


@pytest.fixture(scope="session")
def live_settings() -> LiveSettings:
    """What the environment variables name."""
    return read_settings(os.environ)


@pytest.fixture(scope="session")
def site(live_settings: LiveSettings) -> Site:
    """The services."""
    return Site(live_settings)
