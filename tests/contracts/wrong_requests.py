"""Every wrong request that the stand refuses, with the answer it gets and why: read it from top to bottom.

`test_wrong_requests` sends each row to the stand. A row is data alone, so that it can be sent to the live service too;
what `Known` says of it tells whether the service is expected to answer the same.

To add a service: a member of `At`, rows that name it, and in the test a fixture that sends them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

type Json = dict[str, Any] | list[Any] | str | None


class At(StrEnum):
    """Who is asked."""

    DEVOPS = "dev.azure.com"
    FEEDS = "feeds.dev.azure.com"
    PACKAGES = "pkgs.dev.azure.com"
    ARM = "management.azure.com"


class Known(StrEnum):
    """How the answer is known."""

    DOCUMENTED = "vendor documentation"
    SEEN = "public logs and threads"
    REPORTED = "reported; the wording is assumed"
    STAND = "the stand alone: the service may answer it, the stand would answer it wrongly"


@dataclass(frozen=True, slots=True)
class Upload:
    """A file in twine's form, right but for what is changed; None leaves a field out."""

    name: str
    version: str
    changed: Mapping[str, str | None] = field(default_factory=dict)
    filename: str | None = None


@dataclass(frozen=True, slots=True)
class WrongRequest:
    """One wrong request.

    Attributes:
        what: what is wrong with it.
        at: who is asked.
        method: of HTTP.
        path: below the organisation, with `{project}`, `{repository}`, `{feed}`, `{pipeline}` and `{tip}` to fill in;
            of Azure Resource Manager below the workspace.
        status: of the answer.
        says: a pattern that the answer's body has to hold: the error's message, then its type.
        known: how that is known.
        why: where, or what it protects from.
        body: JSON with the same to fill in, bytes, an upload, or a function that makes one of them.
        headers: beside the usual ones, or in their place; an empty one is not sent.
    """

    what: str
    at: At
    method: str
    path: str
    status: int
    says: str
    known: Known
    why: str
    body: Json | bytes | Upload | Callable[[], Json] = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.what


_GIT = "/{project}/_apis/git/repositories/{repository}"
_PUSHES = f"{_GIT}/pushes?api-version=7.1"
_RUNS = "/{project}/_apis/pipelines/{pipeline}/runs"
_BUILDS = "/{project}/_apis/build/builds"
_FEED = "/{project}/_apis/packaging/Feeds/{feed}"
_PYPI = "/{project}/_packaging/{feed}/pypi"
_HOOKS = "/_apis/hooks/subscriptions"

_KNOWN = "widely reported"
_PYTHON_API_448 = "microsoft/azure-devops-python-api#448"
_VERSIONS = "learn.microsoft.com/azure/devops/integrate/concepts/rest-api-versioning"
_COMPILED = 'the whole YAML is compiled before the answer (REST, "Runs - Run Pipeline")'
_SILENCE = "a parameter that is passed over in silence would give another answer than the service"

_NO_TOKEN = {"Authorization": ""}
_TEXT = {"Content-Type": "text/plain"}
_JSON = {"Content-Type": "application/json"}


def push(**change: Any) -> dict[str, Any]:
    """A push of one file, right but for what is changed: of its ref, its commits, or its only change."""
    changes = change.pop("changes", None) or [
        {
            "changeType": change.pop("change_type", "add"),
            "item": {"path": change.pop("path", "/new.txt")},
            "newContent": {
                "content": change.pop("content", "new"),
                "contentType": change.pop("content_type", "rawtext"),
            },
        }
    ]
    commit = {"comment": change.pop("comment", "A change"), "changes": changes}
    made = {
        "refUpdates": [{"name": change.pop("ref", "refs/heads/main"), "oldObjectId": change.pop("base", "{tip}")}],
        "commits": change.pop("commits", [commit]),
    }
    assert not change, f"nothing of a push is called {', '.join(change)}"
    return made


def _file(path: str) -> dict[str, Any]:
    return {"changeType": "add", "item": {"path": path}, "newContent": {"content": "x", "contentType": "rawtext"}}


def run(**change: str | None) -> dict[str, Any]:
    """A run of the rebuild pipeline, right but for the parameters that are changed; None leaves one out."""
    given = {
        "schema": "4", "rebuild": "a1", "batch": "1", "commit": "{tip}", "environments": "1:a.yml:",
        **change,
    }  # fmt: skip
    return {"templateParameters": {name: value for name, value in given.items() if value is not None}}


def subscription(**change: Any) -> dict[str, Any]:
    """A web hook, right but for what is changed."""
    return {
        "publisherId": "tfs", "eventType": "build.complete", "resourceVersion": "2.0", "consumerId": "webHooks",
        "consumerActionId": "httpRequest", "publisherInputs": {"buildStatus": "Succeeded"},
        "consumerInputs": {"url": "https://app.invalid/api/hooks"}, **change,
    }  # fmt: skip


# fmt: off
AZURE_DEVOPS: tuple[WrongRequest, ...] = (
    # Sign-in
    WrongRequest("no token", At.DEVOPS, "GET", f"{_GIT}/refs", 401, "", Known.REPORTED, _KNOWN, headers=_NO_TOKEN),
    WrongRequest("a token of somebody else", At.DEVOPS, "GET", f"{_GIT}/refs", 401, "", Known.DOCUMENTED,
                 "the audience is another one", headers={"Authorization": "Bearer e30.eyJhdWQiOiJ4In0.e30"}),
    WrongRequest("no token for a feed", At.FEEDS, "GET", _FEED, 401, "", Known.REPORTED, _KNOWN, headers=_NO_TOKEN),
    WrongRequest("no token for the index", At.PACKAGES, "GET", f"{_PYPI}/simple/our-package/", 401, "Sign in",
                 Known.REPORTED, "pip asks without credentials first", headers=_NO_TOKEN),
    WrongRequest("git without sign-in", At.DEVOPS, "GET",
                 "/{project}/_git/{repository}/info/refs?service=git-upload-pack", 401, "Sign in", Known.DOCUMENTED,
                 "no repository of Azure Repos is public unless its project is", headers=_NO_TOKEN),
    WrongRequest("git with a password of nobody", At.DEVOPS, "GET",
                 "/{project}/_git/{repository}/info/refs?service=git-upload-pack", 401, "Sign in", Known.REPORTED,
                 _KNOWN, headers={"Authorization": "Basic Ong="}),

    # Version of the API
    WrongRequest("a push without a version", At.DEVOPS, "POST", f"{_GIT}/pushes", 400,
                 "POST.*VssVersionNotSpecifiedException", Known.SEEN, "empear-analytics/codescene-ci-cd#14", push()),
    WrongRequest("a run without a version", At.DEVOPS, "POST", _RUNS, 400, "VssVersionNotSpecifiedException",
                 Known.SEEN, "the same", {}),
    WrongRequest("a hook without a version", At.DEVOPS, "POST", _HOOKS, 400, "VssVersionNotSpecifiedException",
                 Known.SEEN, "the same", subscription()),
    WrongRequest("a version that is not one", At.DEVOPS, "GET", f"{_GIT}/refs?api-version=newest", 400,
                 "VssInvalidApiResourceVersionException", Known.REPORTED, _VERSIONS),
    WrongRequest("a version of the future", At.DEVOPS, "GET", f"{_GIT}/refs?api-version=9.9", 400,
                 r"latest.*7\.2.*VssVersionOutOfRangeException", Known.SEEN,
                 _VERSIONS),
    WrongRequest("a resource version of the future", At.DEVOPS, "GET", f"{_GIT}/refs?api-version=7.2-preview.99", 400,
                 "VssVersionOutOfRangeException", Known.SEEN, "7.2-preview.4 of work items is answered so"),
    WrongRequest("a version of the future in Accept", At.FEEDS, "GET", _FEED, 400, "VssVersionOutOfRangeException",
                 Known.SEEN, "where the SDK sends it", headers={"Accept": "application/json;api-version=9.9"}),

    # Bodies
    WrongRequest("a push that is not JSON", At.DEVOPS, "POST", _PUSHES, 400, "contains invalid Json", Known.SEEN,
                 _PYTHON_API_448, b"{", headers=_JSON),
    WrongRequest("a push that is text", At.DEVOPS, "POST", _PUSHES, 415, "text/plain.*UnsupportedMediaType",
                 Known.REPORTED, _KNOWN, b"{}", headers=_TEXT),
    WrongRequest("a run that is not JSON", At.DEVOPS, "POST", f"{_RUNS}?api-version=7.1", 400, "contains invalid Json",
                 Known.SEEN, _PYTHON_API_448, b"run it", headers=_JSON),
    WrongRequest("a run that is text", At.DEVOPS, "POST", f"{_RUNS}?api-version=7.1", 415, "UnsupportedMediaType",
                 Known.REPORTED, _KNOWN, b"{}", headers=_TEXT),
    WrongRequest("a push without anything", At.DEVOPS, "POST", _PUSHES, 400, "malformed", Known.REPORTED,
                 "a value that cannot be null", {}),
    WrongRequest("a push that is a list", At.DEVOPS, "POST", _PUSHES, 400, "malformed", Known.REPORTED, "the same", []),

    # Addresses
    WrongRequest("another project", At.DEVOPS, "GET", "/elsewhere/_apis/git/repositories/{repository}/refs", 404,
                 "TF200016.*elsewhere", Known.REPORTED, _KNOWN),
    WrongRequest("another repository", At.DEVOPS, "GET", "/{project}/_apis/git/repositories/elsewhere/refs", 404,
                 "TF401019.*elsewhere", Known.REPORTED, _KNOWN),
    WrongRequest("another feed", At.FEEDS, "GET", "/{project}/_apis/packaging/Feeds/elsewhere", 404,
                 "elsewhere.*FeedIdNotFoundException", Known.REPORTED, _KNOWN),
    WrongRequest("a feed of the project without it", At.FEEDS, "GET", "/_apis/packaging/Feeds/{feed}", 404,
                 "FeedIdNotFoundException", Known.DOCUMENTED, "feeds of a project are addressed with it"),
    WrongRequest("a feed at the wrong host", At.DEVOPS, "GET", _FEED, 400, "does not know.*NotInTheStand",
                 Known.STAND, "feeds.dev.azure.com has them (ResourceAreas)"),
    WrongRequest("a repository at the wrong host", At.FEEDS, "GET", f"{_GIT}/refs", 400, "does not know", Known.STAND,
                 "dev.azure.com has them (ResourceAreas)"),
    WrongRequest("an index at the wrong host", At.DEVOPS, "GET", f"{_PYPI}/simple/our-package/", 400, "does not know",
                 Known.STAND, "pkgs.dev.azure.com has it (ResourceAreas)"),
    WrongRequest("a resource that the stand lacks", At.DEVOPS, "GET", f"{_GIT}/pullrequests?api-version=7.1", 400,
                 "does not know.*pullrequests", Known.STAND, "404 would say that there are none"),
    WrongRequest("a method that the stand lacks", At.DEVOPS, "DELETE", f"{_GIT}/refs?api-version=7.1", 400,
                 "does not know.*DELETE", Known.STAND, "the service has some of them"),
    WrongRequest("one item by its address", At.DEVOPS, "GET", f"{_GIT}/items/rebuilder.yml", 400, "`path`",
                 Known.STAND, "the service answers with one item, and not with a list"),
    WrongRequest("one package by its id", At.FEEDS, "GET", f"{_FEED}/packages/00000000-0000-0000-0000-000000000001",
                 400, "`packageId`", Known.STAND, "the same"),
    WrongRequest("a list of feeds", At.FEEDS, "GET", "/{project}/_apis/packaging/Feeds", 400, "a list of feeds",
                 Known.STAND, "the stand has one feed"),

    # Query parameters
    WrongRequest("builds by status", At.DEVOPS, "GET", f"{_BUILDS}?statusFilter=completed", 400, "`statusfilter`",
                 Known.STAND, _SILENCE),
    WrongRequest("builds by tag", At.DEVOPS, "GET", f"{_BUILDS}?tagFilters=a", 400, "`tagfilters`", Known.STAND,
                 _SILENCE),
    WrongRequest("builds in another order", At.DEVOPS, "GET", f"{_BUILDS}?queryOrder=startTimeAscending", 400,
                 "queryorder=startTimeAscending", Known.STAND, _SILENCE),
    WrongRequest("files with the metadata of their content", At.DEVOPS, "GET",
                 f"{_GIT}/items?includeContentMetadata=true", 400, "includecontentmetadata=true", Known.STAND,
                 _SILENCE),
    WrongRequest("files of a tag", At.DEVOPS, "GET",
                 f"{_GIT}/items?versionDescriptor.version=v1&versionDescriptor.versionType=tag", 400,
                 "versiontype=tag", Known.STAND, _SILENCE),
    WrongRequest("files as a zip", At.DEVOPS, "GET", f"{_GIT}/items?$format=zip", 400, r"`\$format`", Known.STAND,
                 _SILENCE),
    WrongRequest("commits of a path", At.DEVOPS, "GET", f"{_GIT}/commits?searchCriteria.itemPath=/a", 400,
                 "`searchcriteria.itempath`", Known.STAND, _SILENCE),
    WrongRequest("packages that are listed", At.FEEDS, "GET", f"{_FEED}/packages?isListed=true", 400, "`islisted`",
                 Known.STAND, _SILENCE),
    WrongRequest("packages by number of versions", At.FEEDS, "GET", f"{_FEED}/packages?getTopPackageVersions=true",
                 400, "`gettoppackageversions`", Known.STAND, _SILENCE),
    WrongRequest("changes from a token that is no number", At.FEEDS, "GET",
                 f"{_FEED}/packagechanges?continuationToken=newest", 400, "continuationtoken=newest", Known.STAND,
                 "the service refuses it too, in other words"),

    # Reading the repository
    WrongRequest("a path that is not there", At.DEVOPS, "GET", f"{_GIT}/items?scopePath=/nowhere", 404,
                 "TF401174.*nowhere", Known.REPORTED, _KNOWN),
    WrongRequest("a branch that is not there", At.DEVOPS, "GET", f"{_GIT}/items?versionDescriptor.version=nowhere",
                 404, "TF401175", Known.REPORTED, _KNOWN),
    WrongRequest("a blob that is not there", At.DEVOPS, "POST", f"{_GIT}/blobs?api-version=7.1", 404, "TF401029",
                 Known.REPORTED, _KNOWN, ["1" * 40]),

    # Pushing
    WrongRequest("a ref name with two dots", At.DEVOPS, "POST", _PUSHES, 400, "refs/heads/a..b", Known.REPORTED,
                 "400 and not the 409 of a stale ref", push(ref="refs/heads/a..b")),
    WrongRequest("a ref name with a blank", At.DEVOPS, "POST", _PUSHES, 400, "not valid", Known.REPORTED, "the same",
                 push(ref="refs/heads/a b")),
    WrongRequest("a ref name without refs/", At.DEVOPS, "POST", _PUSHES, 400, "not valid", Known.REPORTED, "the same",
                 push(ref="main")),
    WrongRequest("a ref that has moved", At.DEVOPS, "POST", _PUSHES, 409, "TF401028", Known.REPORTED,
                 "GitReferenceStaleException", push(base="1" * 40)),
    WrongRequest("an unknown change type", At.DEVOPS, "POST", _PUSHES, 400, "change type 'change'", Known.REPORTED,
                 "not in VersionControlChangeType", push(change_type="change")),
    WrongRequest("a renaming", At.DEVOPS, "POST", _PUSHES, 400, "does not know.*`rename`", Known.STAND,
                 "the service moves the file", push(change_type="rename")),
    WrongRequest("base64 that is none", At.DEVOPS, "POST", _PUSHES, 400, "Base-64", Known.REPORTED,
                 "what a decoder passes over would be another file",
                 push(content="bm90*IGJhc2U2NA==", content_type="base64Encoded")),
    WrongRequest("an unknown content type", At.DEVOPS, "POST", _PUSHES, 400, "content type 'utf-8'", Known.REPORTED,
                 "not in ItemContentType", push(content_type="utf-8")),
    WrongRequest("one path twice", At.DEVOPS, "POST", _PUSHES, 400, "more than once", Known.REPORTED,
                 "which of them counts is anybody's guess", push(changes=[_file("/a"), _file("a")])),
    WrongRequest("a push of more than 25 MB", At.DEVOPS, "POST", _PUSHES, 400, "maximum request length",
                 Known.REPORTED, "the request as a whole is limited",
                 lambda: push(content="A" * (26 * 1024 * 1024))),
    WrongRequest("an edit of what is not there", At.DEVOPS, "POST", _PUSHES, 400, "is not there", Known.REPORTED,
                 "an edit adds nothing", push(change_type="edit", path="/nowhere")),
    WrongRequest("an addition of what is there", At.DEVOPS, "POST", _PUSHES, 400, "exists already", Known.REPORTED,
                 "an addition overwrites nothing", push(path="/rebuilder.yml")),
    WrongRequest("a commit without a comment", At.DEVOPS, "POST", _PUSHES, 400, "comment", Known.REPORTED,
                 "a comment is required", push(comment=" ")),
    WrongRequest("a commit without a change", At.DEVOPS, "POST", _PUSHES, 400, "at least one change", Known.REPORTED,
                 "nothing to commit", push(commits=[{"comment": "Nothing", "changes": []}])),
    WrongRequest("a push of two commits", At.DEVOPS, "POST", _PUSHES, 400, "2 commits", Known.STAND,
                 "the second one would get lost",
                 push(commits=[{"comment": name, "changes": [_file(name)]} for name in ("a", "b")])),
    WrongRequest("a commit by somebody without an e-mail", At.DEVOPS, "POST", _PUSHES, 400, "without an e-mail",
                 Known.STAND, "git writes one into each commit",
                 push(commits=[{"comment": "Mine", "author": {"name": "Somebody"}, "changes": [_file("/a")]}])),
    WrongRequest("a push that locks its branch", At.DEVOPS, "POST", _PUSHES, 400, "`isLocked`", Known.STAND,
                 "the branch would not be locked",
                 {**push(), "refUpdates": [{"name": "refs/heads/main", "oldObjectId": "{tip}", "isLocked": True}]}),
    WrongRequest("a branch out of nothing", At.DEVOPS, "POST", _PUSHES, 400, "does not know", Known.STAND,
                 "the service makes a branch with an empty tree", push(ref="refs/heads/new", base="0" * 40)),

    # Runs
    WrongRequest("a run of no pipeline", At.DEVOPS, "POST", "/{project}/_apis/pipelines/404/runs?api-version=7.1", 404,
                 "404", Known.REPORTED, _KNOWN, {}),
    WrongRequest("a run with an unknown parameter", At.DEVOPS, "POST", f"{_RUNS}?api-version=7.1", 400,
                 "Unexpected parameter 'nonsense'", Known.DOCUMENTED, _COMPILED, run(nonsense="1")),
    WrongRequest("a run without a parameter", At.DEVOPS, "POST", f"{_RUNS}?api-version=7.1", 400,
                 "'rebuild' parameter must be provided", Known.DOCUMENTED, _COMPILED, run(rebuild=None)),
    WrongRequest("a run with a value that is not allowed", At.DEVOPS, "POST", f"{_RUNS}?api-version=7.1", 400,
                 "'schema' parameter value '0' is not a valid value", Known.DOCUMENTED, _COMPILED, run(schema="0")),
    WrongRequest("a run with variables", At.DEVOPS, "POST", f"{_RUNS}?api-version=7.1", 400, "`variables` of a run",
                 Known.STAND, "the service gives them to its jobs", {**run(), "variables": {"a": {"value": "b"}}}),
    WrongRequest("a run by its own number", At.DEVOPS, "POST", f"{_RUNS}/12?api-version=7.1", 400, "`runId`",
                 Known.STAND, "the service has no such request", {}),

    # Uploads
    WrongRequest("an upload with another sha256", At.PACKAGES, "POST", f"{_PYPI}/upload/", 400, "sha256_digest",
                 Known.REPORTED, "what arrived is not what was sent",
                 Upload("our-package", "7.0", {"sha256_digest": "0" * 64})),
    WrongRequest("an upload with another md5", At.PACKAGES, "POST", f"{_PYPI}/upload/", 400, "md5_digest",
                 Known.REPORTED, "the same", Upload("our-package", "7.0", {"md5_digest": "0" * 32})),
    WrongRequest("an upload without a digest", At.PACKAGES, "POST", f"{_PYPI}/upload/", 400, "no digest",
                 Known.REPORTED, "the same",
                 Upload("our-package", "7.0", {"sha256_digest": None, "md5_digest": None, "blake2_256_digest": None})),
    WrongRequest("an upload with another name", At.PACKAGES, "POST", f"{_PYPI}/upload/", 400, "name 'other-package'",
                 Known.REPORTED, "the form names another package than the file",
                 Upload("our-package", "7.0", {"name": "other-package"})),
    WrongRequest("an upload with another version", At.PACKAGES, "POST", f"{_PYPI}/upload/", 400, "version '8.0'",
                 Known.REPORTED, "the same", Upload("our-package", "7.0", {"version": "8.0"})),
    WrongRequest("an upload without a name", At.PACKAGES, "POST", f"{_PYPI}/upload/", 400, "no 'name'",
                 Known.REPORTED, "the form of the legacy upload API", Upload("our-package", "7.0", {"name": None})),
    WrongRequest("an upload of another kind", At.PACKAGES, "POST", f"{_PYPI}/upload/", 400, "is no sdist",
                 Known.REPORTED, "the same", Upload("our-package", "7.0", {"filetype": "sdist"})),
    WrongRequest("an upload that is none", At.PACKAGES, "POST", f"{_PYPI}/upload/", 400, "file_upload",
                 Known.REPORTED, "the same", Upload("our-package", "7.0", {":action": "submit"})),
    WrongRequest("an upload of a file that is no package", At.PACKAGES, "POST", f"{_PYPI}/upload/", 400, "exe",
                 Known.REPORTED, "its name tells no version", Upload("our-package", "7.0", filename="setup.exe")),
    WrongRequest("an upload of a wheel by another name", At.PACKAGES, "POST", f"{_PYPI}/upload/", 400, "our-package",
                 Known.REPORTED, "its metadata are those of another package",
                 Upload("our-package", "7.0", {"name": "other-package"}, "other_package-7.0-py3-none-any.whl")),
    WrongRequest("an upload of a wheel by another version", At.PACKAGES, "POST", f"{_PYPI}/upload/", 400, "'7.1'",
                 Known.REPORTED, "the same", Upload("our-package", "7.0", filename="our_package-7.1-py3-none-any.whl")),
    WrongRequest("an upload of what is there", At.PACKAGES, "POST", f"{_PYPI}/upload/", 409, "already contains",
                 Known.DOCUMENTED, "versions are immutable", Upload("our-package", "1.0")),
    WrongRequest("an upload to another place", At.PACKAGES, "POST", f"{_PYPI}/legacy/", 400, "no POST",
                 Known.STAND, "twine's own default", Upload("our-package", "7.0")),

    # The index
    WrongRequest("an index of everything", At.PACKAGES, "GET", f"{_PYPI}/simple/", 404, "", Known.REPORTED,
                 "the root is not served"),
    WrongRequest("a package that is not there", At.PACKAGES, "GET", f"{_PYPI}/simple/nobody-has-it/", 404, "",
                 Known.REPORTED, _KNOWN),
    WrongRequest("a file that is not there", At.PACKAGES, "GET", f"{_PYPI}/download/our-package/1.0/x.whl", 404, "",
                 Known.REPORTED, _KNOWN),

    # Hooks
    WrongRequest("a run's event of the builds' publisher", At.DEVOPS, "POST", f"{_HOOKS}?api-version=7.1", 400,
                 "publisher tfs", Known.DOCUMENTED, "service hook events: `pipelines` publishes runs",
                 subscription(eventType="ms.vss-pipelines.run-state-changed-event",
                              resourceVersion="5.1-preview.1", publisherInputs={})),
    WrongRequest("a version of an event that is none", At.DEVOPS, "POST", f"{_HOOKS}?api-version=7.1", 400,
                 r"resource version 9\.0", Known.REPORTED, "publishers list the versions of their events",
                 subscription(resourceVersion="9.0")),
    WrongRequest("a hook to nowhere", At.DEVOPS, "POST", f"{_HOOKS}?api-version=7.1", 400, "url", Known.REPORTED,
                 "the consumer's only required input", subscription(consumerInputs={})),
    WrongRequest("details that nobody can send", At.DEVOPS, "POST", f"{_HOOKS}?api-version=7.1", 400,
                 "resourceDetailsToSend", Known.DOCUMENTED, "web hook consumer: all, minimal, none",
                 subscription(consumerInputs={"url": "https://app.invalid", "resourceDetailsToSend": "some"})),
    WrongRequest("an event that the stand lacks", At.DEVOPS, "POST", f"{_HOOKS}?api-version=7.1", 400, "`git.push`",
                 Known.STAND, "it would never be told of", subscription(eventType="git.push")),
    WrongRequest("a filter that the stand lacks", At.DEVOPS, "POST", f"{_HOOKS}?api-version=7.1", 400, "`requestedBy`",
                 Known.STAND, "more would be sent than was asked for",
                 subscription(publisherInputs={"requestedBy": "somebody"})),
    WrongRequest("a hook that is switched off", At.DEVOPS, "POST", f"{_HOOKS}?api-version=7.1", 400, "`status`",
                 Known.STAND, "it would be on", subscription(status="disabledByUser")),
    WrongRequest("a consumer that the stand lacks", At.DEVOPS, "POST", f"{_HOOKS}?api-version=7.1", 400,
                 "`azureStorageQueue`", Known.STAND, "nothing would arrive",
                 subscription(consumerId="azureStorageQueue", consumerActionId="enqueue")),
)
# fmt: on

_ARM_VERSION = "api-version=2023-04-01-preview"
_ARM_ERRORS = "learn.microsoft.com, Common Azure deployment errors"
_BUILD = {"contextUri": "https://account.blob.core.windows.net/container/LocalUpload/0/context/"}
_IMAGE = {"image": "mcr.microsoft.com/azureml/base:1"}


def _version_of(name: str) -> str:
    return f"/environments/{name}/versions/1?{_ARM_VERSION}"


# fmt: off
AZURE_ML: tuple[WrongRequest, ...] = (
    WrongRequest("no token for Azure ML", At.ARM, "GET", f"/environments?{_ARM_VERSION}", 401,
                 "InvalidAuthenticationToken", Known.REPORTED, _KNOWN, headers=_NO_TOKEN),
    WrongRequest("environments without a version of the API", At.ARM, "GET", "/environments", 400,
                 "MissingApiVersionParameter", Known.DOCUMENTED, _ARM_ERRORS),
    WrongRequest("environments by an API of Azure DevOps", At.ARM, "GET", "/environments?api-version=7.1", 400,
                 "InvalidApiVersionParameter", Known.DOCUMENTED, _ARM_ERRORS),
    WrongRequest("environments by an API of a day without one", At.ARM, "GET", "/environments?api-version=2023-04-02",
                 400, "NoRegisteredProviderFound", Known.DOCUMENTED, _ARM_ERRORS),
    WrongRequest("a name with a blank", At.ARM, "PUT", _version_of("my env"), 400,
                 "RequestInvalid.*alphanumeric characters, dashes, and underscores", Known.SEEN,
                 "MicrosoftDocs/azure-docs#83465", {"properties": _IMAGE}),
    WrongRequest("a name of 256 characters", At.ARM, "PUT", _version_of("e" * 256), 400, "limit of 255",
                 Known.SEEN, "MicrosoftDocs/azure-docs#83465", {"properties": _IMAGE}),
    WrongRequest("a name that begins with a dash", At.ARM, "PUT", _version_of("-e"), 400, "RequestInvalid",
                 Known.DOCUMENTED, "pattern of the provider's specification", {"properties": _IMAGE}),
    WrongRequest("a name of Microsoft's own", At.ARM, "PUT", _version_of("AzureML-e"), 400, "prefix AzureML",
                 Known.SEEN, "MicrosoftDocs/azure-docs#65770", {"properties": _IMAGE}),
    WrongRequest("an image beside a build context", At.ARM, "PUT", _version_of("e"), 400, "UserError", Known.REPORTED,
                 "an image is either there or built", {"properties": {**_IMAGE, "build": _BUILD}}),
    WrongRequest("an environment of nothing", At.ARM, "PUT", _version_of("e"), 400, "UserError", Known.REPORTED,
                 "the SDK refuses it before", {"properties": {}}),
    WrongRequest("a build context that is nowhere", At.ARM, "PUT", _version_of("e"), 400, "contextUri",
                 Known.DOCUMENTED, "required by the specification",
                 {"properties": {"build": {"dockerfilePath": "Dockerfile"}}}),
    WrongRequest("an environment without properties", At.ARM, "PUT", _version_of("e"), 400, "InvalidRequestContent",
                 Known.DOCUMENTED, _ARM_ERRORS, {"name": "e"}),
    WrongRequest("an environment that is not JSON", At.ARM, "PUT", _version_of("e"), 400, "InvalidRequestContent",
                 Known.DOCUMENTED, _ARM_ERRORS, b"{no json"),
    WrongRequest("an environment that is not there", At.ARM, "GET", f"/environments/e?{_ARM_VERSION}", 404,
                 "UserError", Known.SEEN, "azure-ai-ml takes it for the first version"),
    WrongRequest("an environment to be deleted", At.ARM, "DELETE", _version_of("e"), 400,
                 "NotInTheStand.*DELETE /.*/environments/e/versions/1", Known.STAND, "nothing would be deleted"),
    WrongRequest("a job", At.ARM, "GET", f"/jobs/j?{_ARM_VERSION}", 400, "NotInTheStand", Known.STAND,
                 "a 404 would say that there is no such job"),
)
# fmt: on

# Sent by `test_wrong_requests`, service by service.
ALL: tuple[WrongRequest, ...] = (*AZURE_DEVOPS, *AZURE_ML)
