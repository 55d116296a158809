"""The public index behind the feed: the one that pip would use on this machine."""

import os
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from html.parser import HTMLParser

import requests
from packaging.utils import parse_sdist_filename, parse_wheel_filename
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

_TIMEOUT = 60
# How long a page is kept, in seconds: some have thousands of links, and a job asks for the page and then for a file.
_FRESH = 300


class UpstreamDown(Exception):
    """The public index does not answer, or answers with an error: nobody knows what it has."""


@dataclass(frozen=True, slots=True)
class UpstreamFile:
    """One file of the public index."""

    name: str
    version: str
    url: str
    sha256: str
    requires_python: str


class Upstream:
    """Reads a simple index (PEP 503)."""

    def __init__(self, index_url: str | None = None) -> None:
        self._index = index_url
        self._session = requests.Session()
        retry = Retry(total=3, backoff_factor=0.5, status_forcelist=(429, 500, 502, 503, 504), raise_on_status=False)
        self._session.mount("https://", HTTPAdapter(max_retries=retry))
        self._pages: dict[str, tuple[float, list[UpstreamFile]]] = {}

    def files(self, name: str) -> list[UpstreamFile]:
        """The files of a package; none if the index does not know it. What it knows is asked for only now and then.

        Raises:
            UpstreamDown: nobody knows.
        """
        kept, files = self._pages.get(name, (-float("inf"), []))
        if time.monotonic() - kept > _FRESH:
            files = self._read(name)
            if files:
                self._pages[name] = (time.monotonic(), files)
        return files

    def _read(self, name: str) -> list[UpstreamFile]:
        index = (self._index or pip_index_url()).rstrip("/")
        page = self._get(f"{index}/{name}/", {"Accept": "text/html"})
        if page is None:
            return []
        reader = _Links(page.url)
        reader.feed(page.text)
        return reader.files

    def download(self, name: str, filename: str) -> bytes | None:
        """A file's bytes, or None if there is no such file.

        Raises:
            UpstreamDown: nobody knows.
        """
        for file in self.files(name):
            if file.name == filename:
                answer = self._get(file.url, {})
                return answer.content if answer is not None else None
        return None

    def _get(self, url: str, headers: Mapping[str, str]) -> requests.Response | None:
        """An answer, or None if there is no such thing."""
        try:
            answer = self._session.get(url, timeout=_TIMEOUT, headers=headers, verify=pip_certificates() or True)
        except requests.RequestException as problem:
            raise UpstreamDown(f"the public index does not answer: {type(problem).__name__}") from problem
        if answer.status_code == 404:
            return None
        if answer.status_code != 200:
            raise UpstreamDown(f"the public index answers {answer.status_code}")
        return answer


class _Links(HTMLParser):
    def __init__(self, base: str) -> None:
        super().__init__()
        self.files: list[UpstreamFile] = []
        self._base = base

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep a link to a wheel or sdist."""
        values = dict(attrs)
        if tag != "a" or not values.get("href") or "data-yanked" in values:
            return
        url = urllib.parse.urljoin(self._base, values["href"] or "")
        parts = urllib.parse.urlsplit(url)
        name = urllib.parse.unquote(parts.path.rsplit("/", 1)[-1])
        try:
            version = str(parse_wheel_filename(name)[1] if name.endswith(".whl") else parse_sdist_filename(name)[1])
        except ValueError:
            return
        fragment = dict(urllib.parse.parse_qsl(parts.fragment))
        self.files.append(
            UpstreamFile(
                name,
                version,
                urllib.parse.urlunsplit(parts._replace(fragment="")),
                fragment.get("sha256", ""),
                values.get("data-requires-python") or "",
            )
        )


@lru_cache(maxsize=1)
def pip_index_url() -> str:
    """The index that pip is configured to use, or its own default."""
    if configured := _pip_setting("index-url"):
        return configured
    default = "from pip._internal.models.index import PyPI; print(PyPI.simple_url)"
    return subprocess.run([sys.executable, "-c", default], capture_output=True, text=True, check=True).stdout.strip()


@lru_cache(maxsize=1)
def pip_certificates() -> str:
    """File with the authorities that pip is configured to trust, as behind a proxy that inspects; empty if none."""
    return _pip_setting("cert")


def _pip_setting(name: str) -> str:
    if stated := os.environ.get(f"PIP_{name.replace('-', '_').upper()}"):
        return stated
    asked = [sys.executable, "-m", "pip", "config", "get", f"global.{name}"]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
