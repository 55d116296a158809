"""Notes every request and its answer, below all of the SDKs: they all send with `requests`."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import requests
from requests.adapters import HTTPAdapter

from tests.live.redaction import Redactor

# Headers whose presence the product, or a reader, may care for; their values are nobody's business.
HEADERS = ("ActivityId", "Location", "Retry-After", "WWW-Authenticate", "X-TFS-ProcessId", "X-VSS-E2EID")
_SIGN_IN_HOSTS = re.compile(r"^(login\.|169\.254\.)")
_LARGEST = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer, redacted.

    Attributes:
        test: during which it went over the wire.
        request: method and path, as one line.
        query: of it.
        body: that was sent; a JSON value, or a line about what it was.
        status: of the answer.
        kind: its content type, without parameters.
        headers: those of `HEADERS` that it had.
        error: what the service calls the error, if it is one.
        answer: a JSON value, or a line about what it was.
    """

    test: str
    request: str
    query: dict[str, str]
    body: Any
    status: int
    kind: str
    headers: list[str]
    error: str
    answer: Any


class Recorder:
    """Keeps what went over the wire."""

    def __init__(self, redactor: Redactor) -> None:
        self.exchanges: list[Exchange] = []
        self.test = ""
        self._redactor = redactor
        self._send: Callable[..., requests.Response] = HTTPAdapter.send

    def start(self) -> None:
        """Note what is sent from now on."""
        recorder, send = self, self._send

        def noted(adapter: HTTPAdapter, request: requests.PreparedRequest, *args: Any, **options: Any) -> Any:
            answer = send(adapter, request, *args, **options)
            recorder.note(request, answer)
            return answer

        HTTPAdapter.send = noted  # type: ignore[method-assign, assignment]

    def stop(self) -> None:
        """Note nothing more."""
        HTTPAdapter.send = self._send  # type: ignore[method-assign]

    def note(self, request: requests.PreparedRequest, answer: requests.Response) -> None:
        """Keep an exchange, unless it is one to sign in."""
        parts = urlsplit(str(request.url))
        if _SIGN_IN_HOSTS.match(parts.hostname or "") or "X-IDENTITY-HEADER" in request.headers:
            return
        redact = self._redactor
        kind = answer.headers.get("Content-Type", "").partition(";")[0].strip()
        content = _content(answer, kind)
        self.exchanges.append(
            Exchange(
                test=self.test,
                request=f"{request.method} {redact.path(parts.path)}",
                query={name: redact.text(value) for name, value in parse_qsl(parts.query)},
                body=redact.value(_sent(request)),
                status=answer.status_code,
                kind=kind,
                headers=[name for name in HEADERS if name in answer.headers],
                error=_error(content) if answer.status_code >= 400 else "",
                answer=redact.value(content),
            )
        )


def _sent(request: requests.PreparedRequest) -> Any:
    body: Any = request.body
    if body is None:
        return None
    raw = body.encode() if isinstance(body, str) else body if isinstance(body, bytes) else None
    if raw is not None and len(raw) <= _LARGEST:
        try:
            return json.loads(raw)
        except ValueError:
            pass
    return f"{len(raw) if raw is not None else 'some'} bytes"


def _content(answer: requests.Response, kind: str) -> Any:
    """A JSON answer, or a page; whoever asked can read it all the same."""
    if "json" not in kind and "text" not in kind:
        return f"bytes, {kind or 'no type'}"
    raw = answer.content
    if "json" in kind and len(raw) <= _LARGEST:
        try:
            return json.loads(raw)
        except ValueError:
            return "no JSON, whatever its type says"
    return answer.text[:2000]


def _error(content: Any) -> str:
    """`typeKey` of Azure DevOps, `error.code` of Azure Resource Manager."""
    if not isinstance(content, dict):
        return ""
    inner = content.get("error")
    return str(content.get("typeKey") or (inner.get("code") if isinstance(inner, dict) else None) or "")
