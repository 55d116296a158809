"""The public index behind the feed: the one that pip would use on this machine."""

import os
import subprocess
import sys
import urllib.parse
from dataclasses import dataclass
from functools import lru_cache
from html.parser import HTMLParser

import requests
from packaging.utils import parse_sdist_filename, parse_wheel_filename

_TIMEOUT = 60


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

    def files(self, name: str) -> list[UpstreamFile]:
        """The files of a package; none if the index does not know it or does not answer."""
        index = (self._index or pip_index_url()).rstrip("/")
        try:
            answer = self._session.get(f"{index}/{name}/", timeout=_TIMEOUT, headers={"Accept": "text/html"})
        except requests.RequestException:
            return []
        if answer.status_code != 200:
            return []
        reader = _Links(answer.url)
        reader.feed(answer.text)
        return reader.files

    def download(self, name: str, filename: str) -> bytes | None:
        """A file's bytes, or None if there is no such file."""
        for file in self.files(name):
            if file.name == filename:
                answer = self._session.get(file.url, timeout=_TIMEOUT)
                return answer.content if answer.status_code == 200 else None
        return None


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
    if stated := os.environ.get("PIP_INDEX_URL"):
        return stated
    configured = subprocess.run(
        [sys.executable, "-m", "pip", "config", "get", "global.index-url"], capture_output=True, text=True, check=False
    ).stdout.strip()
    if configured:
        return configured
    default = "from pip._internal.models.index import PyPI; print(PyPI.simple_url)"
    return subprocess.run([sys.executable, "-c", default], capture_output=True, text=True, check=True).stdout.strip()
