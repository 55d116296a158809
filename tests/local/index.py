"""A public index of a test's own."""

import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import TracebackType
from typing import Self


class Index:
    """Serves the given contents by path, and no more.

    Attributes:
        failing: the status that it answers everything with, or None.
        asked: the paths that somebody asked for.
    """

    def __init__(self, contents: Mapping[str, bytes] | None = None) -> None:
        self.failing: int | None = None
        self.asked: list[str] = []
        index, known = self, contents or {}

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                index.asked.append(self.path)
                content = known.get(self.path)
                self.send_response(index.failing or (404 if content is None else 200))
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(content or b"")

            def log_message(self, *_: object) -> None:
                return

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/simple/"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
