"""Processes and ports of the stand."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path


class StandError(Exception):
    """The stand cannot do what it was asked to; one line tells why."""


# Bound and never listening: so the system gives their ports to nobody else, neither between the choice and the server's
# start, nor while a server is being restarted. Who names such a port and sets SO_REUSEADDR, as servers do, can have it:
# so that another stand cannot, each has a second socket, of UDP, which the system gives to one process alone.
_held: list[socket.socket] = []


def hold_ports(count: int) -> list[int]:
    """Ports of the loopback address for servers to be started: nobody gets them by chance while this process lives."""
    chosen: list[int] = []
    while len(chosen) < count:
        with suppress(OSError):  # somebody uses its number with UDP
            chosen.append(_hold(0))
    return chosen


def hold_port(port: int, what: str) -> int:
    """Return a port that was asked for, held like the others.

    Raises:
        StandError: somebody uses it, or another stand holds it.
    """
    if not 0 < port < 65536:
        raise StandError(f"port {port} for {what} is none: choose one from 1 to 65535 with --port")
    try:
        return _hold(port)
    except OSError:
        raise StandError(f"port {port} for {what} is in use; choose another one with --port") from None


def _hold(port: int) -> int:
    server, claim = socket.socket(), socket.socket(type=socket.SOCK_DGRAM)
    try:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", port))
        number = int(server.getsockname()[1])
        claim.bind(("127.0.0.1", number))
    except OSError:
        server.close()
        claim.close()
        raise
    _held.extend((server, claim))
    return number


class Process:
    """One program in the background with its output in a file, ended together with everything that it started."""

    def __init__(self, name: str, command: Sequence[str], *, log: Path, environment: Mapping[str, str]) -> None:
        self.name = name
        self.log = log
        self._command = list(command)
        self._environment = dict(environment)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the program."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self._environment,
                start_new_session=True,
            )

    def wait_for_port(self, port: int, *, seconds: float = 60) -> None:
        """Wait until the program listens.

        Raises:
            StandError: it ended, or it took too long.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                probe.settimeout(1)
                is_served = probe.connect_ex(("127.0.0.1", port)) == 0
            if not self.is_running:  # whoever serves the port then is somebody else
                raise StandError(f"{self.name} did not start: {self.last_line()}")
            if is_served:
                return
            time.sleep(0.05)
        raise StandError(f"{self.name} does not listen on port {port} after {seconds:.0f} s; see {self.log}")

    @property
    def is_running(self) -> bool:
        """Whether the program runs."""
        return self._process is not None and self._process.poll() is None

    def stop(self, *, kill: bool = False, seconds: float = 20) -> None:
        """End the program: politely, or (`kill`) without giving it time for anything."""
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        _signal_group(process.pid, signal.SIGKILL if kill else signal.SIGTERM)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            _signal_group(process.pid, signal.SIGKILL)
            process.wait()

    def last_line(self) -> str:
        """The last line that the program wrote."""
        lines = [line for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
        return lines[-1] if lines else "it wrote nothing"


def _signal_group(pid: int, sign: signal.Signals) -> None:
    try:
        os.killpg(pid, sign)
    except ProcessLookupError:
        return
