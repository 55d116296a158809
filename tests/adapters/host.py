"""A web host of a test's own that remembers what it was shown."""

import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

type Answer = tuple[int, Mapping[str, str], bytes]


class Host:
    """Answers by path.

    Attributes:
        answers: path (with query) → status, headers (an empty one is not sent), body.
        shown: path → the headers that it was last asked with, names in lower case.
        asked: every path, in order.
        regardless_of_query: answers are found by the path before the query.
    """

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.shown: dict[str, dict[str, str]] = {}
        self.asked: list[str] = []
        self.regardless_of_query = False
        host = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                host.asked.append(self.path)
                host.shown[self.path] = {name.lower(): value for name, value in self.headers.items()}
                key = self.path.partition("?")[0] if host.regardless_of_query else self.path
                status, headers, body = host.answers.get(key, (404, {}, b""))
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    if value:
                        self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
