"""Somebody else in a real repository and feed, as the contract tests need them.

A repository is a branch of its own; a feed is the part of the real one whose names begin with a prefix of its own.
"""

import hashlib
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

import requests
from urllib3 import encode_multipart_formdata

from local.azure_devops.repository import git
from local.environments import SAMPLE
from local.wheels import empty_wheel
from shared.domain.feed_facts import FeedFile, Metadata
from shared.domain.names import PackageName, package_name
from shared.errors import RebuilderError
from shared.ports import (
    AzureML,
    Change,
    Changes,
    Feed,
    FeedVersion,
    PackageVersion,
    Pipeline,
    RegisteredVersion,
    Repository,
    Sought,
)
from tests.contracts.worlds import Clone
from tests.live.settings import MARK
from tests.live.site import PACKAGES_VERSION, Site
from tests.waiting import wait_for

# No image of this name is looked at while it is only registered.
IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:latest"

_AUTHOR = {
    "GIT_AUTHOR_NAME": "Live tests", "GIT_AUTHOR_EMAIL": "live-tests@rebuilder.invalid",
    "GIT_COMMITTER_NAME": "Live tests", "GIT_COMMITTER_EMAIL": "live-tests@rebuilder.invalid",
}  # fmt: skip


def push_branch(site: Site, files: dict[str, bytes], folder: Path) -> str:
    """Push a branch with a history of its own, one commit that holds these files; returns its name."""
    # Without its last letter it is the name of no other branch.
    branch = f"{MARK}/{site.settings.run}/{site.new_name()}-b"
    folder.mkdir(parents=True)
    for path, raw in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(raw)
    environment = {**_AUTHOR, **site.git_environment()}
    for arguments in (
        ("init", "--quiet", "--initial-branch=main"),
        ("-c", "core.autocrlf=false", "add", "--all", "--force"),
        ("commit", "--quiet", "--message", "Begin"),
        ("push", "--quiet", site.clone_url, f"HEAD:refs/heads/{branch}"),
    ):
        git(*arguments, at=folder, environment=environment)
    shutil.rmtree(folder)
    return branch


def sample_files() -> dict[str, bytes]:
    """The sample's files."""
    return {path.relative_to(SAMPLE).as_posix(): path.read_bytes() for path in SAMPLE.rglob("*") if path.is_file()}


class LiveRepository(Clone):
    """A branch of the real repository, with the sample's files."""

    def __init__(self, site: Site, folder: Path) -> None:
        branch = push_branch(site, sample_files(), folder / "new")
        super().__init__(site.clone_url, folder / "clone", branch, site.git_environment())
        self.branch = branch
        self.repository: Repository = site.azure_devops.repository(site.target(branch))
        self._site = site

    def protect(self) -> None:
        raise NotImplementedError("policies of the repository are not ours to change")

    def lose_next_answer(self) -> None:
        raise NotImplementedError("the real service loses no answer on purpose")

    def without_branch(self) -> Repository:
        return self._site.azure_devops.repository(self._site.target(self.branch[:-1]))


class LivePipeline:
    """The real pipeline on a branch of its own, with a file whose only job is skipped: no agent is asked for."""

    def __init__(self, site: Site, folder: Path, text: str) -> None:
        branch = push_branch(site, {site.settings.pipeline_file: text.encode()}, folder)
        self.target = site.target(branch)
        self.pipeline: Pipeline = site.azure_devops.pipeline(self.target)
        self.commit = site.azure_devops.repository(self.target).tip()
        self._site = site

    def now(self) -> datetime:
        return self._site.next_moment()

    def without_pipeline(self) -> Pipeline:
        return self._site.azure_devops.pipeline(replace(self.target, pipeline=2_000_000_000))


class LiveFeed:
    """The part of the real feed whose names begin with a prefix, as if there was nothing else in it."""

    def __init__(self, site: Site, folder: Path) -> None:
        self._site = site
        self._folder = folder
        self._prefix = site.new_name()
        self._real: Feed = site.azure_devops.feed(site.settings.target, site.settings.feed)
        self.feed: Feed = PartOfFeed(self._real, self._prefix)

    def publish(
        self,
        name: str,
        version: str,
        *,
        hidden: bool = False,
        requires: Sequence[str] = (),
        requires_python: str | None = None,
    ) -> str:
        assert not hidden, "the real feed hides nothing on purpose"
        wheel = empty_wheel(
            self.real_name(name), version, self._folder, requires=requires, requires_python=requires_python or ""
        )
        return self._upload(name, version, wheel.name, wheel.read_bytes(), requires_python)

    def publish_sdist(self, name: str, version: str) -> str:
        return self._upload(name, version, f"{self._file_prefix(name)}-{version}.tar.gz", b"nobody unpacks this")

    def publish_broken(self, name: str, version: str) -> None:
        raise NotImplementedError("the real feed takes no broken wheel")

    def promote(self, name: str, version: str, view: str) -> None:
        body = {"views": {"op": "add", "path": "/views/-", "value": view}}
        url = self._site.version_url(self.real_name(name), version)
        answer = self._site.ask("PATCH", url, body=body, version=PACKAGES_VERSION)
        assert answer.ok, answer.text

    def delete(self, name: str, version: str) -> None:
        delete_version(self._site, self.real_name(name), version)

    def show(self, name: str, version: str) -> None:
        raise NotImplementedError("the real feed hides nothing on purpose")

    def take(self, name: str, version: str, *feeds: str | None) -> None:
        raise NotImplementedError("other feeds are not ours to make")

    def install_public_package(self) -> None:
        raise NotImplementedError("its name has no prefix")

    def real_name(self, name: str) -> str:
        """What a package is called on the real feed."""
        return f"{self._prefix}-{name}"

    def _file_prefix(self, name: str) -> str:
        return self.real_name(name).replace("-", "_").replace(".", "_").lower()

    def _upload(self, name: str, version: str, file: str, raw: bytes, requires_python: str | None = None) -> str:
        digest = hashlib.sha256(raw).hexdigest()
        answer = upload(self._site, self.real_name(name), version, file, raw, requires_python)
        assert answer.ok, answer.text

        def shown() -> bool:
            mine = package_name(self.real_name(name))
            found = self._real.version(mine, version)
            return bool(
                found and file in found.files and any(f.sha256 == digest for f in self._real.files(mine, version))
            )

        wait_for(shown, f"{file} is shown on the feed")
        return digest


def upload(
    site: Site, name: str, version: str, file: str, raw: bytes, requires_python: str | None = None
) -> requests.Response:
    """Upload a file as twine does."""
    stated = {"requires_python": requires_python} if requires_python else {}
    body, kind = upload_form(name, version, file, raw, stated)
    headers = {"Content-Type": kind}
    return requests.post(site.upload_url, data=body, headers=headers, auth=("live-tests", site.token()), timeout=60)


def upload_form(
    name: str, version: str, file: str, raw: bytes, changed: Mapping[str, str | None] = MappingProxyType({})
) -> tuple[bytes, str]:
    """The form that twine sends, with its content type; a changed field that is None is left out."""
    is_wheel = not file.endswith(".tar.gz")
    right = {
        ":action": "file_upload",
        "protocol_version": "1",
        "metadata_version": "2.1",
        "name": name,
        "version": version,
        "filetype": "bdist_wheel" if is_wheel else "sdist",
        "pyversion": "py3" if is_wheel else "source",
        "sha256_digest": hashlib.sha256(raw).hexdigest(),
        "md5_digest": hashlib.md5(raw, usedforsecurity=False).hexdigest(),
        "blake2_256_digest": hashlib.blake2b(raw, digest_size=32).hexdigest(),
    }
    fields: list[tuple[str, str | tuple[str, bytes]]] = [
        (field, value) for field, value in {**right, **changed}.items() if value is not None
    ]
    return encode_multipart_formdata([*fields, ("content", (file, raw))])


def delete_version(site: Site, name: str, version: str) -> None:
    """Move a version to the recycle bin."""
    answer = site.ask("DELETE", site.version_url(name, version), version=PACKAGES_VERSION)
    assert answer.ok, answer.text


class PartOfFeed:
    """The port of a feed that holds what begins with a prefix, under names without it."""

    def __init__(self, feed: Feed, prefix: str) -> None:
        self._feed = feed
        self._prefix = prefix
        self._files = prefix.replace("-", "_") + "_"
        self._begin = feed.latest_token()

    def version(self, package: PackageName, version: str) -> FeedVersion | None:
        found = self._feed.version(self._real(package), version)
        return found and replace(found, files=tuple(file.removeprefix(self._files) for file in found.files))

    def changes(self, token: int) -> Changes:
        page = self._feed.changes(token or self._begin)
        mine = tuple(
            Change(change.name[len(self._prefix) + 1 :], change.version, change.upstream)
            for change in page.items
            if package_name(change.name).startswith(f"{self._prefix}-")
        )
        return Changes(mine, page.token, page.more)

    def latest_token(self) -> int:
        return self._feed.latest_token()

    def id(self) -> str:
        return self._feed.id()

    def files(self, package: PackageName, version: str) -> tuple[FeedFile, ...]:
        return tuple(
            replace(file, name=file.name.removeprefix(self._files))
            for file in self._feed.files(self._real(package), version)
        )

    def metadata(self, package: PackageName, version: str) -> Metadata | None:
        return self._feed.metadata(self._real(package), version)

    def metadata_many(self, versions: Iterable[PackageVersion]) -> Sequence[Metadata | RebuilderError | None]:
        return self._feed.metadata_many((self._real(package), version) for package, version in versions)

    def published(self) -> frozenset[PackageName]:
        begin = f"{self._prefix}-"
        return frozenset(
            PackageName(name.removeprefix(begin)) for name in self._feed.published() if name.startswith(begin)
        )

    def _real(self, package: PackageName) -> PackageName:
        return package_name(f"{self._prefix}-{package}")


class LiveWorkspace:
    """The real workspace, its environments under names with a prefix."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._prefix = site.new_name()
        self.azure_ml: AzureML = self

    def registered(self, sought: Iterable[Sought]) -> Sequence[RegisteredVersion | RebuilderError | None]:
        # The contract tests name the stand's workspace.
        return self._site.azure_ml.registered(
            replace(one, workspace=self._site.settings.workspace, name=f"{self._prefix}-{one.name}") for one in sought
        )

    def register(self, name: str, tags: dict[str, str]) -> str:
        real = f"{self._prefix}-{name}"
        known = self._site.ask_arm("GET", f"/environments/{real}")
        version = known.json()["properties"]["nextVersion"] if known.ok else "1"
        answer = self._site.put_environment(real, version, image=IMAGE, tags=tags)
        assert answer.ok, answer.text
        return str(version)
