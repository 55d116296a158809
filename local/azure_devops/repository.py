"""The repository: a real bare git repository behind Azure Repos' REST calls. Git's own protocol is in `git_http`."""

import io
import os
import subprocess
import threading
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local.azure_devops import locations
from local.azure_devops.answers import NotInTheStand, Raw, ServiceError, collection
from local.azure_devops.api import Api, Call
from local.azure_devops.names import guid, is_called
from local.azure_devops.pushes import NOBODY, Change, Push, read_push

# Who pushes through the REST API: the product's managed identity.
PUSHER = ("Environment Rebuilder", "environment-rebuilder@stand.invalid")
# A commit as git prints it for us.
_COMMIT = "%H%n%P%n%an%n%ae%n%aI%n%B"
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
        id: its GUID, which may stand for the name.
        path: on disk.
        branch: the default branch.
        protected: a branch policy is on: pushes are refused.
    """

    def __init__(self, name: str, path: Path, branch: str = "main", *, project: str = "") -> None:
        self.name = name
        self.id = guid("repository", project, name)
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

    def is_called(self, wanted: str) -> bool:
        """Tell whether an address means this repository."""
        return is_called(wanted, self.name, self.id)

    def _mine(self, handler: Any) -> Any:
        def checked(call: Call) -> Any:
            wanted = call.parameters["repositoryId"]
            if not self.is_called(wanted):
                raise ServiceError(
                    404,
                    "GitRepositoryNotFoundException",
                    f"TF401019: The Git repository with name or identifier {wanted} does not exist or you do not have "
                    "permissions for the operation you are attempting.",
                )
            return handler(call)

        return checked

    def _url(self, call: Call) -> str:
        return f"{call.project_url}/_apis/git/repositories/{self.id}"

    def _refs(self, call: Call) -> Any:
        wanted = "refs/" + call.query.get("filter", "")
        lines = self._git("for-each-ref", "--format=%(refname) %(objectname)").decode().splitlines()
        refs = [line.split(" ") for line in lines]
        return collection(
            [
                {"name": name, "objectId": commit, "url": f"{self._url(call)}/{name}"}
                for name, commit in refs
                if name.startswith(wanted)
            ]
        )

    def _items(self, call: Call) -> Any:
        commit = self._commit_of(call.query)
        scope = call.query.get("scopepath", "/").strip("/")
        recursion = call.query.get("recursionlevel", "none").casefold()
        mode, object_id = self._entry(commit, scope)
        items = [self._item(call, commit, scope, object_id, mode)]
        if mode == "040000" and recursion != "none":
            deep = ("-r", "-t") if recursion == "full" else ()
            for row in self._rows("ls-tree", "-z", *deep, object_id):
                head, path = row.split("\t", 1)
                mode, _, object_id = head.split(" ")
                items.append(self._item(call, commit, f"{scope}/{path}".lstrip("/"), object_id, mode))
        return collection(items)

    def _entry(self, commit: str, path: str) -> tuple[str, str]:
        """Mode and id of what lies at a path of a commit; an empty path is the root."""
        if not path:
            return "040000", self._git("rev-parse", f"{commit}^{{tree}}").decode().strip()
        for row in self._rows("--literal-pathspecs", "ls-tree", "-z", "--full-tree", commit, "--", path):
            mode, _, object_id = row.partition("\t")[0].split(" ")
            return mode, object_id
        raise ServiceError(
            404,
            "GitItemNotFoundException",
            f"TF401174: The item '/{path}' could not be found in the repository '{self.name}' at the version specified "
            f"by '{commit}'.",
        )

    def _rows(self, *arguments: str) -> list[str]:
        listed = self._git(*arguments).decode("utf-8", "surrogateescape").split("\0")
        return [row for row in listed if row]

    def _item(self, call: Call, commit: str, path: str, object_id: str, mode: str) -> dict[str, Any]:
        kind = {"040000": "tree", "160000": "commit"}.get(mode, "blob")
        item: dict[str, Any] = {
            "objectId": object_id,
            "gitObjectType": kind,
            "commitId": commit,
            "path": f"/{path}",
            "url": f"{self._url(call)}/items/{path}",
        }
        if kind == "tree":
            item["isFolder"] = True
        if mode == "120000":
            item["isSymLink"] = True
        return item

    def _commit_of(self, query: Mapping[str, str]) -> str:
        version = query.get("versiondescriptor.version", self.branch)
        is_commit = query.get("versiondescriptor.versiontype", "branch").casefold() == "commit"
        commit = self.tip(f"{version if is_commit else f'refs/heads/{version}'}^{{commit}}")
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
        skip = int(call.query.get("searchcriteria.$skip") or 0)
        page = ("--first-parent", f"--max-count={top}", f"--skip={skip}")
        found = self._git("log", "-z", *page, f"--format={_COMMIT}", f"refs/heads/{branch}")
        return collection([self._shown(call, raw, whole=False) for raw in found.split(b"\0") if raw])

    def _commit(self, call: Call, commit: str, *, whole: bool) -> dict[str, Any]:
        try:
            raw = self._git("show", "--no-patch", f"--format={_COMMIT}", commit)
        except GitError:
            raise ServiceError(404, "GitCommitDoesNotExistException", f"TF401029: {commit} is not there.") from None
        return self._shown(call, raw, whole=whole)

    def _shown(self, call: Call, raw: bytes, *, whole: bool) -> dict[str, Any]:
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
            "url": f"{self._url(call)}/commits/{found}",
        }

    def _push(self, call: Call) -> Any:
        push = read_push(len(call.body), call.json())
        ref, base = push.ref, push.base
        if self.protected and ref == f"refs/heads/{self.branch}":
            raise ServiceError(
                403,
                "GitRefUpdateRejectedByPolicyException",
                "TF402455: Pushes to this branch are not permitted; you must use a pull request to update this branch.",
            )
        with self._lock:
            present = self.tip(ref)
            if present is not None and present != base:
                raise _stale(ref)
            if base == NOBODY:
                raise NotInTheStand("a push that begins a branch without a commit before it")
            made = self._make_commit(base, push)
            try:
                self._git("update-ref", ref, made, present or NOBODY)
            except GitError:
                raise _stale(ref) from None
        number = int(self._git("rev-list", "--count", made).decode())
        return {
            "commits": [self._commit(call, made, whole=True)],
            "refUpdates": [{"name": ref, "oldObjectId": base, "newObjectId": made, "repositoryId": self.id}],
            "pushId": number,
            "date": self._git("show", "--no-patch", "--format=%cI", made).decode().strip(),
            "url": f"{self._url(call)}/pushes/{number}",
        }

    def _make_commit(self, base: str, push: Push) -> str:
        index = self.path / f"index-{threading.get_ident()}"
        author, committer = (person or PUSHER for person in push.people)
        environment = {
            "GIT_INDEX_FILE": str(index),
            "GIT_AUTHOR_NAME": author[0], "GIT_AUTHOR_EMAIL": author[1],
            "GIT_COMMITTER_NAME": committer[0], "GIT_COMMITTER_EMAIL": committer[1],
        }  # fmt: skip
        try:
            self._git("read-tree", base, environment=environment)
            for change in push.changes:
                self._stage(change, environment)
            tree = self._git("write-tree", environment=environment).decode().strip()
            made = self._git("commit-tree", tree, "-p", base, given=push.comment.encode(), environment=environment)
            return made.decode().strip()
        except GitError as problem:
            raise ServiceError(400, "GitArgumentException", str(problem)) from None
        finally:
            index.unlink(missing_ok=True)

    def _stage(self, change: Change, environment: Mapping[str, str]) -> None:
        path = change.path
        known = self._git(
            "--literal-pathspecs", "ls-files", "--stage", "-z", "--", path, environment=environment
        ).decode()
        if (change.kind == "add") == bool(known):
            raise ServiceError(
                400, "GitArgumentException", f"TF401035: {path} {'exists already' if known else 'is not there'}."
            )
        if change.content is None:
            self._git("rm", "--cached", "--quiet", "--", path, environment=environment)
            return
        blob = self._git("hash-object", "-w", "--stdin", given=change.content).decode().strip()
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
