"""Programs of the stand, and the ports that they get."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from local.processes import Process, StandError, hold_port, hold_ports
from tests.waiting import wait_for


def test_a_port_stays_with_the_stand_while_its_server_is_not_there() -> None:
    (port,) = hold_ports(1)

    with socket.create_server(("127.0.0.1", port)):
        pass  # a server that sets SO_REUSEADDR can have it, and leaves it again

    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", port))


PROJECT = Path(__file__).resolve().parents[2]


def test_two_stands_never_share_a_port_though_neither_listens_yet() -> None:
    """Until somebody listens, the system itself lets several processes have a port that servers restart at."""
    command = "from local.processes import hold_ports; print(*hold_ports(2), flush=True); input()"
    other = subprocess.Popen(
        [sys.executable, "-c", command], cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    theirs = [int(port) for port in other.stdout.readline().split()]
    try:
        for port in theirs:
            with pytest.raises(StandError, match=f"port {port} for a test is in use"):
                hold_port(port, "a test")
    finally:
        other.communicate("the end\n")
    # With the process its claim is gone.
    assert [hold_port(port, "a test") for port in theirs] == theirs


def test_a_program_that_ended_is_not_taken_for_whoever_answers_at_its_port(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "print('no memory left')"]
    program = Process("the program", command, log=tmp_path / "program.log", environment={})
    program.start()
    wait_for(lambda: not program.is_running, "it ended")

    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(StandError, match="no memory left"):
        program.wait_for_port(other.getsockname()[1])
