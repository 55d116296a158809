"""Fetches what the feed serves to installers and the SDK has no call for: pages of the simple index, and files.

Our token goes to Azure DevOps alone. A file's address redirects to a storage host that wants none (and refuses one:
dependabot/dependabot-core#13941), or to the same feed under its id, where it is needed (#5422). Answers with an error
are not repeated here: the queue's message comes again.
"""

import hashlib
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO
from urllib.parse import urlsplit

import requests

from shared.adapters.azure_devops.connection import SIGN_IN, IdentityAuthentication, check_status, translated
from shared.adapters.simple_index import resolved
from shared.adapters.wheel import Unusable
from shared.errors import AccessDenied, Permanent, ServiceUnavailable
from shared.limits import (
    DOWNLOAD_SECONDS,
    INDEX_PAGE_BYTES,
    REDIRECTS,
    REQUEST_SECONDS,
    WHEEL_BYTES,
    WHEEL_MEMORY_BYTES,
)

_PIECE = 64 * 1024


@dataclass(frozen=True, slots=True)
class Page:
    """A page.

    Attributes:
        text: of it.
        url: where it was in the end.
    """

    text: str
    url: str


@dataclass(frozen=True, slots=True)
class Download:
    """A file, open at its beginning.

    Attributes:
        file: its bytes, gone with the `with` block.
        sha256: of them, in lower-case hexadecimal.
    """

    file: IO[bytes]
    sha256: str


class Downloads:
    """Signed in at Azure DevOps, a stranger everywhere else."""

    def __init__(
        self,
        authentication: IdentityAuthentication,
        own: Iterable[str],
        *,
        seconds: float = DOWNLOAD_SECONDS,
        largest: int = WHEEL_BYTES,
    ) -> None:
        """Prepare; nothing is sent yet.

        Args:
            authentication: what Azure DevOps is shown.
            own: addresses of Azure DevOps; their hosts are shown it.
            seconds: how long one download may take.
            largest: how many bytes a file may have.
        """
        self._authentication = authentication
        self._own = {_host(url) for url in own}
        self._seconds = seconds
        self._largest = largest

    def page(self, what: str, url: str) -> Page | None:
        """Fetch an HTML page of Azure DevOps, or return None if there is none (404).

        Raises:
            AccessDenied: not for us, or we are sent elsewhere: to a sign-in page.
            Permanent: it is larger than any page of an index.
            Transient: the service does not answer, or answers something else.
        """
        with translated(what), self._answer(what, url, "text/html") as answer:
            if not self._is_own(answer.url):
                raise AccessDenied(f"{what}: {SIGN_IN}")
            if answer.status_code == 404:
                return None
            check_status(what, answer)
            raw = bytearray()
            for piece in self._pieces(what, answer):
                raw += piece
                if len(raw) > INDEX_PAGE_BYTES:
                    raise Permanent(f"{what}: the page is larger than {INDEX_PAGE_BYTES} bytes")
            if "html" not in answer.headers.get("Content-Type", "").casefold():
                raise ServiceUnavailable(f"{what}: the answer cannot be understood")
            return Page(raw.decode(errors="replace"), answer.url)

    @contextmanager
    def file(self, what: str, url: str) -> Iterator[Download]:
        """Fetch a file into a temporary one.

        Raises:
            Unusable: it is not there (404), or too large.
            AccessDenied: not for us.
            Transient: a service does not answer.
        """
        with tempfile.SpooledTemporaryFile(WHEEL_MEMORY_BYTES) as file:
            with translated(what), self._answer(what, url, "application/octet-stream, */*;q=0.1") as answer:
                self._check_file(what, answer)
                digest, size = hashlib.sha256(), 0
                for piece in self._pieces(what, answer):
                    size += len(piece)
                    self._check_size(size)
                    digest.update(piece)
                    file.write(piece)
                file.seek(0)
            yield Download(file, digest.hexdigest())

    def _check_file(self, what: str, answer: requests.Response) -> None:
        if answer.status_code == 404:
            raise Unusable("the index lists it and it is gone")
        if self._is_own(answer.url):
            check_status(what, answer)
        elif answer.status_code != 200:
            # Not about our identity: it was not shown.
            raise ServiceUnavailable(f"{what}: the feed's storage answers {answer.status_code}")
        if "html" in answer.headers.get("Content-Type", "").casefold():
            raise AccessDenied(f"{what}: {SIGN_IN}")
        stated = answer.headers.get("Content-Length", "")
        self._check_size(int(stated[:20]) if stated.isdecimal() else 0)

    def _check_size(self, size: int) -> None:
        if size > self._largest:
            raise Unusable(f"it is larger than {self._largest} bytes")

    @contextmanager
    def _answer(self, what: str, url: str, accept: str) -> Iterator[requests.Response]:
        """The answer at the end of all redirects; its body is not read yet."""
        with requests.Session() as session:
            session.headers.update({"User-Agent": "environment-rebuilder", "Accept": accept})
            for _ in range(REDIRECTS + 1):
                with self._get(what, session, url) as answer:
                    if not answer.is_redirect:
                        yield answer
                        return
                    target = resolved(url, answer.headers["Location"])
                if target is None:
                    raise ServiceUnavailable(f"{what}: a redirect leads to where we do not go")
                url = target
            raise ServiceUnavailable(f"{what}: more than {REDIRECTS} redirects")

    def _get(self, what: str, session: requests.Session, url: str) -> requests.Response:
        # Bytes as they are: what is measured is what is hashed.
        headers = {"Accept-Encoding": "identity"}
        auth: Callable[[requests.PreparedRequest], requests.PreparedRequest] = _as_it_is
        if self._is_own(url):
            # As the SDK has it: without this header, a sign-in page instead of 401.
            headers["X-TFS-FedAuthRedirect"] = "Suppress"
            auth = self._authentication.guard
        try:
            return session.get(
                url, headers=headers, auth=auth, stream=True, allow_redirects=False, timeout=REQUEST_SECONDS
            )
        except (requests.RequestException, ValueError) as problem:
            # Its text may hold the address, and the storage's address holds a signature: not even as a cause. requests
            # takes the target of a redirect apart though it is not to follow it: ValueError.
            raise ServiceUnavailable(f"{what}: {type(problem).__name__}") from None

    def _is_own(self, url: str) -> bool:
        return _host(url) in self._own

    def _pieces(self, what: str, answer: requests.Response) -> Iterator[bytes]:
        overdue = time.monotonic() + self._seconds
        for piece in answer.iter_content(_PIECE):
            yield piece
            if time.monotonic() > overdue:
                raise ServiceUnavailable(f"{what}: not over after {self._seconds:g} seconds")


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Authentication that adds nothing; without any, requests would look into ~/.netrc and send what is there."""
    return request


def _host(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"https": 443, "http": 80}.get(parts.scheme)
