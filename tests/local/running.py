"""Runs the stand's command line as a user does."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from local.__main__ import main

ROOT = Path(__file__).resolve().parent.parent.parent


def run(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "local", "run", "--lend", "--folder", str(folder / "stand"), *arguments],
        cwd=ROOT, capture_output=True, text=True, check=False, env={**os.environ, **environment},
    )  # fmt: skip


def run_here(folder: Path, *arguments: str) -> int:
    """The same command line in this process, for what ends before anything is started; returns the exit status."""
    before = signal.getsignal(signal.SIGTERM)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["local", "run", "--folder", str(folder / "stand"), *arguments])
        try:
            return main()
        except SystemExit as end:
            return int(end.code or 0)
        finally:
            signal.signal(signal.SIGTERM, before)
