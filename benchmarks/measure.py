"""Programs and pieces of our own process, measured the same way."""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

# Linux counts memory in kB, macOS in bytes.
_MEMORY_UNIT = 1024 if sys.platform != "darwin" else 1


@dataclass(frozen=True, slots=True)
class Cost:
    """What something cost.

    Attributes:
        cpu: seconds of the processors, ours and the system's; None where several processes share the work.
        wall: seconds that passed.
        memory: the most memory that was used at a time, in bytes; None where it is not known.
        output: what it printed.
    """

    cpu: float | None
    wall: float
    memory: int | None = None
    output: str = ""

    @property
    def said(self) -> str:
        """The seconds for a person."""
        return f"({self.wall:.1f} passed)" if self.cpu is None else f"{self.cpu:.2f}"


def program(command: Sequence[str], folder: Path) -> Cost:
    """Run a program and measure it.

    Raises:
        SystemExit: it failed: a measure of that is none.
    """
    output = folder.with_name(f"{folder.name}.output")
    with output.open("w") as written:
        began = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, stdout=written, stderr=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command[0]} ended with {process.returncode}: nothing was measured")
    # A process counts as large as the one that started it, at least.
    known = used.ru_maxrss > resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    memory = used.ru_maxrss * _MEMORY_UNIT if known else None
    return Cost(used.ru_utime + used.ru_stime, wall, memory, output.read_text())


def piece(work: Callable[[], object]) -> Cost:
    """Do something in this process and measure it."""
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return Cost(time.process_time() - cpu, time.perf_counter() - wall)
