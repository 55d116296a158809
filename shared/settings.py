"""The app's settings: environment variables, all of them checked at once. docs/deployment.md lists them."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, Json, ValidationError

from shared.domain.notifications import PACKAGE_EVENTS
from shared.domain.releases import FeedName
from shared.domain.rules.validation_messages import explain
from shared.domain.targets import Target, Workspace
from shared.errors import InvalidConfiguration, InvalidInput
from shared.identities import doubts, mistakes

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def _service_address(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise ValueError("is not an address")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("holds more than an address: no user, password, query or fragment")
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise ValueError("is not https: tokens are sent there")
    return text.rstrip("/")


def _feeds(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        try:
            FeedName.parse(name)
        except InvalidInput:
            raise ValueError("is not a list of `project/feed`, or `feed` for one of the organisation") from None
    return names


_AUTHOR = re.compile(r"(?P<name>[^<>\n]{1,100}?) <(?P<email>[^<>\s@]+@[^<>\s@]+)>")


def _author(text: str | None) -> str | None:
    if text is not None and not _AUTHOR.fullmatch(text):
        raise ValueError("is not `Name <name@example.com>`")
    return text


def _author_parts(text: str | None) -> tuple[str, str] | None:
    found = _AUTHOR.fullmatch(text or "")
    return (found["name"], found["email"]) if found else None


def _words(value: object) -> object:
    return tuple(value.split()) if isinstance(value, str) else value


def _names(value: object) -> object:
    # Names of projects may hold blanks, and no commas.
    return tuple(name.strip() for name in value.split(",") if name.strip()) if isinstance(value, str) else value


def _secrets(values: tuple[str, ...]) -> tuple[str, ...]:
    # The service takes 1 to 256 characters; a short secret on a public endpoint is no secret.
    if not values:
        raise ValueError("is empty: the hook endpoint would be open to everybody")
    if any(len(value) < 16 for value in values):
        raise ValueError("holds a secret of fewer than 16 characters")
    return values


type _Address = Annotated[str, AfterValidator(_service_address)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, str_strip_whitespace=True)


class WorkspaceSettings(_Strict):
    """An Azure ML workspace."""

    subscription: Annotated[str, Field(min_length=1)]
    resource_group: Annotated[str, Field(min_length=1)]
    name: Annotated[str, Field(min_length=1)]


class TargetSettings(_Strict):
    """One target, as it is written in `REBUILDER_TARGETS`."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,49}$")] = "main"
    organization: _Address
    project: Annotated[str, Field(min_length=1)]
    repository: Annotated[str, Field(min_length=1)]
    branch: Annotated[str, Field(min_length=1)] = "main"
    pipeline: Annotated[int, Field(gt=0)]
    feeds: Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(_feeds)]
    workspaces: Annotated[tuple[WorkspaceSettings, ...], Field(min_length=1)]
    author: Annotated[str | None, AfterValidator(_author)] = None

    def target(self) -> Target:
        """The target that these settings describe."""
        return Target(
            name=self.name,
            organization=self.organization,
            project=self.project,
            repository=self.repository,
            branch=self.branch.removeprefix("refs/heads/"),
            pipeline=self.pipeline,
            feeds=tuple(FeedName.parse(feed) for feed in self.feeds),
            workspaces=tuple(Workspace(w.subscription, w.resource_group, w.name) for w in self.workspaces),
            author=_author_parts(self.author),
        )


class _Values(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    targets: Annotated[Json[tuple[TargetSettings, ...]], Field(alias="REBUILDER_TARGETS")]
    secrets: Annotated[
        tuple[str, ...], BeforeValidator(_words), AfterValidator(_secrets), Field(alias="REBUILDER_HOOK_SECRETS")
    ]
    blobs: Annotated[_Address, Field(alias="REBUILDER_STORAGE__blobServiceUri")]
    queues: Annotated[_Address, Field(alias="REBUILDER_STORAGE__queueServiceUri")]
    settle_seconds: Annotated[float, Field(alias="REBUILDER_SETTLE_SECONDS", ge=0, le=86_400)] = 120
    suspended: Annotated[bool, Field(alias="REBUILDER_SUSPENDED")] = False
    attempts: Annotated[int, Field(alias="REBUILDER_ATTEMPTS", ge=1, le=5)] = 2
    package_events: Annotated[tuple[str, ...], BeforeValidator(_words), Field(alias="REBUILDER_PACKAGE_EVENTS")] = (
        PACKAGE_EVENTS
    )
    publishing_projects: Annotated[
        tuple[str, ...], BeforeValidator(_names), Field(alias="REBUILDER_PUBLISHING_PROJECTS")
    ] = ()
    replay_feeds: Annotated[bool, Field(alias="REBUILDER_REPLAY_FEEDS")] = False
    client_id: Annotated[str | None, Field(alias="REBUILDER_STORAGE__clientId")] = None
    own_client_id: Annotated[str | None, Field(alias="AZURE_CLIENT_ID")] = None


class Settings:
    """The settings in the form that the program uses.

    Attributes:
        targets: what is looked after.
        secrets: the hook endpoint's secrets.
        blobs: address of the blob service.
        queues: address of the queue service.
        settle_time: how long releases are gathered.
        suspended: nothing is done about signals.
        attempts: how often an environment's run is tried before it has failed.
        package_events: event types that mean a published package.
        publishing_projects: further projects whose events count.
        replay_feeds: a feed that is new here is read from its beginning.
        client_id: the user-assigned managed identity; None for the system-assigned one.
        doubts: what of the settings is a mistake in most set-ups, one line each.
    """

    def __init__(self, values: _Values) -> None:
        self.targets = tuple(target.target() for target in values.targets)
        self.secrets = values.secrets
        self.blobs = values.blobs
        self.queues = values.queues
        self.settle_time = timedelta(seconds=values.settle_seconds)
        self.suspended = values.suspended
        self.attempts = values.attempts
        self.package_events = values.package_events
        self.publishing_projects = values.publishing_projects
        self.replay_feeds = values.replay_feeds
        self.client_id = (values.own_client_id or values.client_id or "").strip() or None
        self.doubts: tuple[str, ...] = ()

    @classmethod
    def read(cls, variables: Mapping[str, str]) -> "Settings":
        """Read the settings from environment variables. No value is ever shown.

        Raises:
            InvalidConfiguration: naming everything that is missing or wrong.
        """
        present: dict[str, Any] = {key: value for key, value in variables.items() if value.strip()}
        wrong = list(mistakes(present))
        try:
            values = _Values.model_validate(present)
        except ValidationError as problems:
            wrong[:0] = [explain(error) for error in problems.errors()]
            raise InvalidConfiguration("settings", wrong) from None
        if wrong:
            raise InvalidConfiguration("settings", wrong)
        names = [target.name for target in values.targets]
        if not names:
            raise InvalidConfiguration("settings", ["`REBUILDER_TARGETS`: is an empty list"])
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise InvalidConfiguration("settings", [f"`REBUILDER_TARGETS`: two targets are named {twice[0]!r}"])
        settings = cls(values)
        settings.doubts = tuple(doubts(present))
        return settings
