"""What lies on the feed: files, versions, and what their names and metadata say."""

import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.parser import BytesHeaderParser
from io import BytesIO
from pathlib import Path

from packaging.utils import parse_sdist_filename, parse_wheel_filename


@dataclass
class File:
    """One file of a version."""

    name: str
    sha256: str
    path: Path
    requires_python: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """An upstream source.

    Attributes:
        name: for a person.
        feed: the id of another feed; None for a public index.
    """

    name: str
    feed: str | None = None


PUBLIC = Source("the public index")


@dataclass
class FeedVersion:
    """One version of a package.

    Attributes:
        spelling: as it was published.
        published: when.
        visible: from when on it is shown (`time.monotonic`).
        views: that hold it.
        sources: the upstream sources that it came through, if any.
        deleted: it lies in the recycle bin.
        token: of its newest change.
    """

    spelling: str
    published: datetime
    visible: float
    files: dict[str, File] = field(default_factory=dict)
    views: list[str] = field(default_factory=lambda: ["Local"])
    sources: tuple[Source, ...] = ()
    deleted: bool = False
    token: int = 0

    @property
    def upstream(self) -> bool:
        """Whether it came from an upstream source."""
        return bool(self.sources)

    @property
    def is_shown(self) -> bool:
        """Whether the feed shows it yet."""
        return time.monotonic() >= self.visible


class Refused(Exception):
    """An upload that the feed does not take."""

    def __init__(self, status: int, why: str) -> None:
        self.status = status
        super().__init__(why)


def identity(filename: str, content: bytes) -> tuple[str, str]:
    """Name and version of a file, the name as its metadata spell it."""
    try:
        if filename.endswith(".whl"):
            name, version, *_ = parse_wheel_filename(filename)
        else:
            name, version = parse_sdist_filename(filename)
    except ValueError as problem:
        raise Refused(400, str(problem)) from None
    return metadata(filename, content).get("Name") or str(name), str(version)


def metadata(filename: str, content: bytes) -> Mapping[str, str]:
    """The headers of a wheel's METADATA; nothing for a wheel without one, or for another file."""
    if not filename.endswith(".whl"):
        return {}
    try:
        with zipfile.ZipFile(BytesIO(content)) as wheel:
            names = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
            return dict(BytesHeaderParser().parsebytes(wheel.read(names[0]))) if names else {}
    except zipfile.BadZipFile:
        raise Refused(400, f"{filename} is not a wheel") from None
