"""Live tests are collected for `python -m tests.live` alone, which has asked before."""

from pathlib import Path

import pytest


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave these tests out, unless the plugin is there that only that command loads."""
    del collection_path
    return None if config.pluginmanager.has_plugin("tests.live.plugin") else True
