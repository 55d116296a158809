"""A CONNECT proxy: the only way from a process of the stand to Azure's host names, which all end on this machine."""

import socket
import threading
from contextlib import suppress

_ANSWERED = b"HTTP/1.1 200 Connection established\r\n\r\n"
_REFUSED = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"


class Proxy:
    """Leads `host:443` to ports of this machine; every other host is refused and noted.

    Attributes:
        refused: hosts that somebody wanted to reach.
    """

    def __init__(self, port: int, routes: dict[str, int]) -> None:
        """Make a proxy; a route's host may begin with `*.`."""
        self.port = port
        self.refused: list[str] = []
        self._routes = routes
        self._listener: socket.socket | None = None
        self._clients: set[socket.socket] = set()

    @property
    def url(self) -> str:
        """The value of `HTTPS_PROXY`."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Listen in a thread."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=(self._listener,), name="proxy", daemon=True).start()

    def stop(self) -> None:
        """Listen no more, and end what still goes through: a server behind waits for connections that are kept open."""
        if self._listener:
            self._listener.close()
        for client in list(self._clients):
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        self._clients.add(client)
        try:
            self._lead(client)
        finally:
            self._clients.discard(client)

    def _lead(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head and len(head) < 65536:
                chunk = client.recv(4096)
                if not chunk:
                    return
                head += chunk
            method, _, rest = head.partition(b" ")
            host = rest.split(b" ", 1)[0].decode(errors="replace").rsplit(":", 1)[0]
            port = self._port_of(host) if method == b"CONNECT" else None
            if port is None:
                self.refused.append(host)
                client.sendall(_REFUSED)
                return
            with socket.create_connection(("127.0.0.1", port)) as server:
                client.sendall(_ANSWERED)
                back = threading.Thread(target=_pump, args=(server, client), daemon=True)
                back.start()
                _pump(client, server)
                back.join()

    def _port_of(self, host: str) -> int | None:
        for pattern, port in self._routes.items():
            if host == pattern or (pattern.startswith("*.") and host.endswith(pattern[1:])):
                return port
        return None


def _pump(source: socket.socket, destination: socket.socket) -> None:
    with suppress(OSError):
        while chunk := source.recv(65536):
            destination.sendall(chunk)
    with suppress(OSError):
        destination.shutdown(socket.SHUT_WR)
