"""Checks a push as the service does before it touches the repository (REST: "Pushes - Create")."""

import base64
import binascii
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local.azure_devops.answers import NotInTheStand, ServiceError, check_members

# The limit of a request's body (ASP.NET's maximum request length); "about 25 MB" is what is known of it.
LARGEST = 25 * 1024 * 1024
NOBODY = "0" * 40
_KINDS = ("add", "edit", "delete")
# What the description lists beside them.
_OTHER_KINDS = ("none", "encoding", "rename", "undelete", "branch", "merge", "lock", "rollback", "sourceRename",
                "targetRename", "property", "all")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Change:
    """One file of a push.

    Attributes:
        kind: `add`, `edit` or `delete`.
        path: without a slash in front.
        content: its new bytes; None where it is deleted.
    """

    kind: str
    path: str
    content: bytes | None


@dataclass(frozen=True, slots=True)
class Push:
    """One commit on a ref.

    Attributes:
        ref: its full name.
        base: the commit that the ref is expected at, or that a new one begins at.
        comment: the commit's message.
        changes: of at least one file, each at most once.
        people: author and committer, name and e-mail, where they are stated: otherwise it is who pushes.
    """

    ref: str
    base: str
    comment: str
    changes: tuple[Change, ...]
    people: tuple[tuple[str, str] | None, tuple[str, str] | None]


def read_push(size: int, wish: Mapping[str, Any]) -> Push:
    """Read the body of a push.

    Args:
        size: of the body in bytes.
        wish: the body.

    Raises:
        ServiceError: 400.
    """
    if size > LARGEST:
        raise _bad(f"The request is {size} bytes long; the maximum request length is {LARGEST} bytes.")
    updates, commits = wish["refUpdates"], wish["commits"]
    if len(updates) != 1 or len(commits) != 1:
        raise NotInTheStand(f"a push of {len(commits)} commits and {len(updates)} refs")
    update, commit = updates[0], commits[0]
    check_members("a push", wish, "refUpdates", "commits")
    check_members("a ref's update", update, "name", "oldObjectId")
    check_members("a commit", commit, "comment", "changes", "author", "committer")
    ref = str(update["name"])
    if not _is_ref(ref):
        raise _bad(f"The ref name '{ref}' is not valid.", "InvalidGitRefNameException")
    comment = str(commit.get("comment") or "")
    if not comment.strip():
        raise _bad("TF401035: A commit needs a comment.")
    changes = tuple(_change(change) for change in commit["changes"])
    paths = [change.path for change in changes]
    if twice := sorted({path for path in paths if paths.count(path) > 1}):
        raise _bad(f"TF401035: The path '/{twice[0]}' is changed more than once.")
    if not changes:
        raise _bad("TF401035: A commit needs at least one change.")
    return Push(ref, str(update.get("oldObjectId") or NOBODY), comment, changes, _people(commit))


def _people(commit: Mapping[str, Any]) -> tuple[tuple[str, str] | None, tuple[str, str] | None]:
    """Author and committer as they are stated."""
    stated = [commit.get(kind) for kind in ("author", "committer")]
    for person in stated:
        check_members("a person", person or {}, "name", "email")
        if person and not person.get("email"):
            raise NotInTheStand("an author without an e-mail")
    author, committer = ((str(one["name"]), str(one["email"])) if one else None for one in stated)
    return author, committer


def _is_ref(name: str) -> bool:
    # Git's own rules; the program needs no repository for them.
    checked = subprocess.run(["git", "check-ref-format", name], capture_output=True, check=False)
    return name.startswith("refs/") and checked.returncode == 0


def _change(change: Mapping[str, Any]) -> Change:
    check_members("a change", change, "changeType", "item", "newContent")
    check_members("the item of a change", change["item"], "path")
    stated = str(change["changeType"])
    kind = next((one for one in _KINDS if one.casefold() == stated.casefold()), None)
    if kind is None:
        if stated.casefold() in (one.casefold() for one in _OTHER_KINDS):
            raise NotInTheStand(f"the change type `{stated}`")
        raise _bad(f"The change type '{stated}' is not valid.", "InvalidArgumentValueException")
    path = str(change["item"]["path"]).lstrip("/")
    if kind == "delete":
        return Change(kind, path, None)
    return Change(kind, path, _content(path, change["newContent"]))


def _content(path: str, stated: Mapping[str, Any]) -> bytes:
    check_members("a new content", stated, "content", "contentType")
    text, form = str(stated["content"]), str(stated.get("contentType", "rawText"))
    match form.casefold():
        case "rawtext":
            return text.encode()
        case "base64encoded":
            try:
                return base64.b64decode(text, validate=True)
            except binascii.Error:
                raise _bad(f"The content of '/{path}' is not a valid Base-64 string.") from None
        case _:
            raise _bad(f"The content type '{form}' is not valid.", "InvalidArgumentValueException")


def _bad(message: str, type_key: str = "GitArgumentException") -> ServiceError:
    return ServiceError(400, type_key, message)
