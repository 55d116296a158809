"""The repository: a real bare git repository behind Azure Repos' REST calls and git's own smart HTTP."""

import base64
import io
import os
import subprocess
import threading
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from local.azure_devops import locations
from local.azure_devops.api import Api, Call, Raw, ServiceError, collection

# Who pushes through the REST API: the product's managed identity.
PUSHER = ("Environment Rebuilder", "environment-rebuilder@stand.invalid")
_ZERO = "0" * 40
# Lists of commits carry this much of a message.
_SHORT_COMMENT = 100


class GitError(Exception):
    """A git command failed."""


def git(*arguments: str, at: Path, given: bytes | None = None, environment: Mapping[str, str] | None = None) -> bytes:
    """Run git in a repository.

    Raises:
        GitError: with what git says.
    """
    done = subprocess.run(
        ["git", "-C", str(at), *arguments],
        input=given,
        capture_output=True,
        check=False,
        env={**os.environ, "GIT_CONFIG_NOSYSTEM": "1", **(environment or {})},
    )
    if done.returncode:
        raise GitError(f"git {arguments[0]}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


class GitRepository:
    """One bare repository.

    Attributes:
        name: in Azure Repos.
        path: on disk.
        branch: the default branch.
        protected: a branch policy is on: pushes are refused.
    """

    def __init__(self, name: str, path: Path, branch: str = "main") -> None:
        self.name = name
        self.path = path
        self.branch = branch
        self.protected = False
        self._lock = threading.Lock()

    def tip(self, ref: str | None = None) -> str | None:
        """The commit of a branch, or None."""
        try:
            return self._git("rev-parse", "--verify", "--quiet", ref or f"refs/heads/{self.branch}").decode().strip()
        except GitError:
            return None

    def _git(self, *arguments: str, given: bytes | None = None, environment: Mapping[str, str] | None = None) -> bytes:
        return git(*arguments, at=self.path, given=given, environment=environment)

    def serve(self, api: Api) -> None:
        """Serve the REST calls."""
        api.add("refs", "GET", locations.REFS, self._mine(self._refs))
        api.add("items", "GET", locations.ITEMS, self._mine(self._items))
        api.add("blobs", "POST", locations.BLOBS, self._mine(self._blobs))
        api.add("push", "POST", locations.PUSHES, self._mine(self._push), status=201)
        api.add("commits", "GET", locations.COMMITS, self._mine(self._commits))

    def _mine(self, handler: Any) -> Any:
        def checked(call: Call) -> Any:
            if call.parameters["repositoryId"].casefold() != self.name.casefold():
                wanted = call.parameters["repositoryId"]
                raise ServiceError(
                    404,
                    "GitRepositoryNotFoundException",
                    f"TF401019: The Git repository with name or identifier {wanted} does not exist or you do not have "
                    "permissions for the operation you are attempting.",
                )
            return handler(call)

        return checked

    def _refs(self, call: Call) -> Any:
        wanted = "refs/" + call.query.get("filter", "")
        lines = self._git("for-each-ref", "--format=%(refname) %(objectname)").decode().splitlines()
        refs = [line.split(" ") for line in lines]
        return collection(
            [
                {"name": name, "objectId": commit, "url": f"{call.base}/_apis/git/repositories/{self.name}/{name}"}
                for name, commit in refs
                if name.startswith(wanted)
            ]
        )

    def _items(self, call: Call) -> Any:
        commit = self._commit_of(call.query)
        scope = call.query.get("scopepath", "/").strip("/")
        rows = self._git("ls-tree", "-r", "-t", "-z", "--full-tree", commit, *([f"{scope}/"] if scope else []))
        tree = self._git("rev-parse", f"{commit}^{{tree}}").decode().strip()
        items = [_item(call, self.name, commit, "/", tree, "040000")]
        for row in rows.decode("utf-8", "surrogateescape").split("\0"):
            if row:
                head, path = row.split("\t", 1)
                mode, _, object_id = head.split(" ")
                items.append(_item(call, self.name, commit, f"/{path}", object_id, mode))
        return collection(items)

    def _commit_of(self, query: Mapping[str, str]) -> str:
        version = query.get("versiondescriptor.version", self.branch)
        ref = version if query.get("versiondescriptor.versiontype") == "commit" else f"refs/heads/{version}"
        commit = self.tip(f"{ref}^{{commit}}")
        if commit is None:
            raise _unresolvable(version)
        return commit

    def _blobs(self, call: Call) -> Any:
        wanted = [str(blob) for blob in call.json()]
        # One process for all of them: each answer is `<id> blob <size>` or `<id> missing` in a line, then the bytes.
        answers = io.BytesIO(self._git("cat-file", "--batch", given="".join(f"{blob}\n" for blob in wanted).encode()))
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for blob in wanted:
                _, kind, *size = answers.readline().decode().split()
                if kind != "blob":
                    raise ServiceError(404, "GitObjectDoesNotExistException", f"TF401029: Object {blob} is not there.")
                archive.writestr(blob, answers.read(int(size[0])))
                answers.read(1)  # the end of its line
        return Raw(buffer.getvalue(), "application/zip")

    def _commits(self, call: Call) -> Any:
        if commit := call.parameters.get("commitId"):
            return self._commit(call, commit, whole=True)
        branch = call.query.get("searchcriteria.itemversion.version", self.branch)
        if self.tip(f"refs/heads/{branch}") is None:
            raise _unresolvable(branch)
        top = int(call.query.get("searchcriteria.$top") or 100)
        found = self._git("rev-list", "--first-parent", f"--max-count={top}", f"refs/heads/{branch}")
        return collection([self._commit(call, line, whole=False) for line in found.decode().split()])

    def _commit(self, call: Call, commit: str, *, whole: bool) -> dict[str, Any]:
        try:
            raw = self._git("show", "--no-patch", "--format=%H%n%P%n%an%n%ae%n%aI%n%B", commit)
        except GitError:
            raise ServiceError(404, "GitCommitDoesNotExistException", f"TF401029: {commit} is not there.") from None
        found, parents, name, email, date, message = raw.decode(errors="replace").split("\n", 5)
        message = message.rstrip("\n")
        short = message.split("\n")[0][:_SHORT_COMMENT]
        person = {"name": name, "email": email, "date": date}
        shown = {"comment": message} if whole or short == message else {"comment": short, "commentTruncated": True}
        return {
            "commitId": found,
            "author": person,
            "committer": person,
            **shown,
            **({"parents": parents.split()} if whole else {}),
            "url": f"{call.base}/_apis/git/repositories/{self.name}/commits/{found}",
        }

    def _push(self, call: Call) -> Any:
        wish = call.json()
        update, commit = wish["refUpdates"][0], wish["commits"][0]
        ref, base = str(update["name"]), str(update.get("oldObjectId") or _ZERO)
        if self.protected and ref == f"refs/heads/{self.branch}":
            raise ServiceError(
                403,
                "GitRefUpdateRejectedByPolicyException",
                "TF402455: Pushes to this branch are not permitted; you must use a pull request to update this branch.",
            )
        if not str(commit.get("comment") or "").strip():
            raise ServiceError(400, "GitArgumentException", "TF401035: A commit needs a comment.")
        with self._lock:
            present = self.tip(ref)
            if present is not None and present != base:
                raise _stale(ref)
            made = self._make_commit(base, str(commit["comment"]), commit["changes"])
            try:
                self._git("update-ref", ref, made, present or _ZERO)
            except GitError:
                raise _stale(ref) from None
        return {
            "commits": [self._commit(call, made, whole=True)],
            "refUpdates": [{"name": ref, "oldObjectId": base, "newObjectId": made}],
            "pushId": int(self._git("rev-list", "--count", made).decode()),
            "date": self._git("show", "--no-patch", "--format=%cI", made).decode().strip(),
            "url": f"{call.base}/_apis/git/repositories/{self.name}/pushes/1",
        }

    def _make_commit(self, base: str, message: str, changes: Sequence[Mapping[str, Any]]) -> str:
        index = self.path / f"index-{threading.get_ident()}"
        environment = {
            "GIT_INDEX_FILE": str(index),
            "GIT_AUTHOR_NAME": PUSHER[0], "GIT_AUTHOR_EMAIL": PUSHER[1],
            "GIT_COMMITTER_NAME": PUSHER[0], "GIT_COMMITTER_EMAIL": PUSHER[1],
        }  # fmt: skip
        try:
            self._git("read-tree", base, environment=environment)
            for change in changes:
                self._stage(change, environment)
            tree = self._git("write-tree", environment=environment).decode().strip()
            made = self._git("commit-tree", tree, "-p", base, given=message.encode(), environment=environment)
            return made.decode().strip()
        except GitError as problem:
            raise ServiceError(400, "GitArgumentException", str(problem)) from None
        finally:
            index.unlink(missing_ok=True)

    def _stage(self, change: Mapping[str, Any], environment: Mapping[str, str]) -> None:
        path = str(change["item"]["path"]).lstrip("/")
        kind = str(change["changeType"]).casefold()
        known = self._git(
            "--literal-pathspecs", "ls-files", "--stage", "-z", "--", path, environment=environment
        ).decode()
        if (kind == "add") == bool(known):
            raise ServiceError(
                400, "GitArgumentException", f"TF401035: {path} {'exists already' if known else 'is not there'}."
            )
        if kind == "delete":
            self._git("rm", "--cached", "--quiet", "--", path, environment=environment)
            return
        content = change["newContent"]
        text = str(content["content"])
        encoded = str(content.get("contentType", "rawtext")).casefold() == "base64encoded"
        raw = base64.b64decode(text) if encoded else text.encode()
        blob = self._git("hash-object", "-w", "--stdin", given=raw).decode().strip()
        mode = known.split(" ")[0] if known else "100644"
        self._git("update-index", "--add", "--cacheinfo", f"{mode},{blob},{path}", environment=environment)


def _unresolvable(version: str) -> ServiceError:
    return ServiceError(
        404, "GitUnresolvableToCommitException", f"TF401175: The version descriptor <{version}> could not be resolved."
    )


def _stale(ref: str) -> ServiceError:
    return ServiceError(
        409,
        "GitReferenceStaleException",
        f"TF401028: The reference '{ref}' has already been updated by another client, so you cannot update it. "
        "Please try again.",
    )


def _item(call: Call, repository: str, commit: str, path: str, object_id: str, mode: str) -> dict[str, Any]:
    kind = {"040000": "tree", "160000": "commit"}.get(mode, "blob")
    item: dict[str, Any] = {
        "objectId": object_id,
        "gitObjectType": kind,
        "commitId": commit,
        "path": path,
        "url": f"{call.base}/_apis/git/repositories/{repository}/items{path}",
    }
    if kind == "tree":
        item["isFolder"] = True
    if mode == "120000":
        item["isSymLink"] = True
    return item


async def smart_http(request: Request, repository: GitRepository, below: str) -> Response:
    """Git's own protocol, for clone, fetch and push: `git http-backend` does the work."""
    body = await request.body()
    environment = {
        "PATH": os.environ["PATH"],
        "GIT_PROJECT_ROOT": str(repository.path),
        "GIT_HTTP_EXPORT_ALL": "1",
        "GIT_CONFIG_NOSYSTEM": "1",
        "REMOTE_USER": "developer",
        "REMOTE_ADDR": "127.0.0.1",
        "REQUEST_METHOD": request.method,
        "PATH_INFO": unquote(below),
        "QUERY_STRING": request.url.query,
        "CONTENT_TYPE": request.headers.get("content-type", ""),
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_CONTENT_ENCODING": request.headers.get("content-encoding", ""),
        "GIT_PROTOCOL": request.headers.get("git-protocol", ""),
    }

    def backend() -> bytes:
        return subprocess.run(
            ["git", "http-backend"], input=body, capture_output=True, check=False, env=environment
        ).stdout

    head, _, content = (await run_in_threadpool(backend)).partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
    status = int(headers.pop("Status", "200 OK").split(" ")[0])
    return Response(content, status, headers)
