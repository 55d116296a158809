"""One branch of an Azure Repos repository.

Read at a commit, written by one push whose old tip is that commit (REST: "Pushes - Create").
"""

import base64
import hashlib
import io
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from http import HTTPStatus
from itertools import batched

from azure.devops.connection import Connection
from azure.devops.v7_1.git.models import (
    Change,
    GitCommitRef,
    GitPush,
    GitQueryCommitsCriteria,
    GitRefUpdate,
    GitUserDate,
    GitVersionDescriptor,
    ItemContent,
)

from shared.adapters.azure_devops.connection import client, listed, translated
from shared.adapters.azure_devops.guard import LAST
from shared.adapters.zips import BROKEN, is_usual
from shared.domain.inventory.catalog import Link, Listing
from shared.domain.targets import Target
from shared.errors import (
    AccessDenied,
    BranchMoved,
    NotThere,
    Permanent,
    RebuilderError,
    RejectedByPolicy,
    ServiceUnavailable,
)
from shared.limits import BLOBS_PER_REQUEST, COMMIT_PAGES, COMMITS_PER_REQUEST, UNPACKED_BYTES
from shared.ports import Commit

# learn.microsoft.com/rest/api/azure/devops/git/items/list: where the API is, and its version, as the SDK's `get_items`.
ITEMS = "fb93c0db-47ed-4a31-8c20-47552878fb44", "7.1-preview.1"


class AzureRepository:
    """The repository and branch of a target."""

    def __init__(self, connection: Connection, target: Target) -> None:
        self._connection = connection
        self._target = target

    @property
    def _where(self) -> dict[str, str]:
        return {"repository_id": self._target.repository, "project": self._target.project}

    def tip(self) -> str:
        """The id of the branch's newest commit."""
        target = self._target
        with translated(f"reading branch {target.branch} of {target.repository}"):
            # The filter is a "starts with" match.
            refs = client(self._connection, "git").get_refs(**self._where, filter=f"heads/{target.branch}")
            for ref in refs:
                if ref.name == target.ref:
                    return str(ref.object_id)
        raise NotThere(f"repository {target.repository} has no branch {target.branch}")

    def listing(self, commit: str) -> Listing:
        """Which blob lies where at a commit; symbolic links and submodules are named apart, folders left out."""
        with translated(f"listing {self._target.repository} at {commit[:8]}"):
            query = {
                "scopePath": "/",
                "recursionLevel": "full",
                "versionDescriptor.versionType": "commit",
                "versionDescriptor.version": commit,
            }
            route = {"project": self._target.project, "repositoryId": self._target.repository}
            files: dict[str, str] = {}
            links: dict[str, Link] = {}
            for item in listed(client(self._connection, "git"), *ITEMS, route, query):
                path, kind = item["path"].lstrip("/"), item.get("gitObjectType")
                if kind == "commit":
                    links[path] = Link.SUBMODULE
                elif item.get("isSymLink"):
                    links[path] = Link.SYMBOLIC
                elif kind == "blob" and not item.get("isFolder"):
                    files[path] = item["objectId"]
            return Listing(commit, files, links)

    def blobs(self, ids: Iterable[str]) -> Mapping[str, bytes]:
        """The bytes of blobs, many in one request.

        How the service names the entries of its zip is not documented; what a blob's id is, is: it is recomputed.
        """
        found: dict[str, bytes] = {}
        for some in batched(ids, BLOBS_PER_REQUEST, strict=False):
            with translated(f"reading {len(some)} files of {self._target.repository}"):
                answer = client(self._connection, "git").get_blobs_zip(list(some), **self._where)
                found.update(unzipped(b"".join(answer)))
        return found

    def push(self, base: str, message: str, files: Mapping[str, bytes]) -> str:
        """Change files in one commit on top of `base`. Bytes travel as base64, so nothing is re-encoded."""
        changes = [
            Change(
                change_type="edit",
                item={"path": f"/{path}"},
                new_content=ItemContent(content=base64.b64encode(raw).decode(), content_type="base64Encoded"),
            )
            for path, raw in sorted(files.items())
        ]
        author = None
        if self._target.author:
            name, email = self._target.author
            author = GitUserDate(name=name, email=email)
        push = GitPush(
            ref_updates=[GitRefUpdate(name=self._target.ref, old_object_id=base)],
            commits=[GitCommitRef(comment=message, changes=changes, author=author, committer=author)],
        )
        try:
            with translated(f"pushing to {self._target.branch} of {self._target.repository}"):
                answer = client(self._connection, "git").create_push(push, **self._where)
                return str(answer.commits[0].commit_id)
        except RejectedByPolicy as problem:
            raise RejectedByPolicy(
                f"{problem} Either let the app's identity do so (Repos, Branches, Branch security: Bypass policies "
                "when pushing), or set `deliver: report` in rebuilder.yml, and a person commits what the plan shows."
            ) from problem
        except RebuilderError as problem:
            # Whatever a 409 says: the branch was not as the push named it, so it is looked at again.
            if LAST.status == HTTPStatus.CONFLICT:
                raise BranchMoved(str(problem)) from problem
            raise

    def commits_since(self, base: str) -> Sequence[Commit]:
        """The branch's commits down to `base`, newest first: all of them, page by page.

        Raises:
            Permanent: there are more than we read.
        """
        git = client(self._connection, "git")
        found: dict[str, Commit] = {}
        for page in range(COMMIT_PAGES):
            criteria = GitQueryCommitsCriteria(
                item_version=GitVersionDescriptor(version=self._target.branch, version_type="branch"),
                skip=page * COMMITS_PER_REQUEST,
                top=COMMITS_PER_REQUEST,
            )
            with translated(f"reading the commits of {self._target.branch}"):
                refs = git.get_commits(search_criteria=criteria, **self._where)
                before = len(found)
                for ref in refs:
                    if ref.commit_id == base:
                        return list(found.values())
                    found.setdefault(str(ref.commit_id), self._commit(ref))
            if not refs:
                return list(found.values())
            if len(found) == before:
                break  # it does not go on: the same page again
        raise Permanent(f"{self._target.branch} has more than {len(found)} commits since {base[:8]}: not all were read")

    def _commit(self, ref: GitCommitRef) -> Commit:
        comment = ref.comment
        if ref.comment_truncated:
            # Lists carry the beginning of a message only; ours is told apart by its last line.
            comment = client(self._connection, "git").get_commit(commit_id=ref.commit_id, **self._where).comment
        return Commit(str(ref.commit_id), comment or "")


def unzipped(raw: bytes, largest: int = UNPACKED_BYTES) -> Iterator[tuple[str, bytes]]:
    """Yield the files of a zip with their blob ids.

    Raises:
        Permanent: they are larger together than that many bytes.
        AccessDenied: it is a page.
        ServiceUnavailable: it is no zip, or one that cannot be read.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            # zipfile gives no more of an entry than its stated size.
            if sum(entry.file_size for entry in archive.infolist()) > largest:
                raise Permanent(f"the files of one request are larger than {largest} bytes together")
            for entry in archive.infolist():
                if not is_usual(entry):
                    raise zipfile.BadZipFile("an unusual compression")
                content = archive.read(entry)
                yield blob_id(content), content
    except BROKEN:
        if raw.lstrip(b"\xef\xbb\xbf \r\n").startswith(b"<"):
            raise AccessDenied("the repository's answer is a page, most likely to sign in") from None
        raise ServiceUnavailable("the repository's answer is no zip that can be read") from None


def blob_id(content: bytes) -> str:
    """Git's id of a blob."""
    return hashlib.sha1(b"blob %d\0%b" % (len(content), content), usedforsecurity=False).hexdigest()
