"""Reads what arrives at the hook endpoint: service hooks of Azure DevOps, and the POST of a publishing pipeline.

The forms are those of learn.microsoft.com/azure/devops/service-hooks/events, read tolerantly: only the fields that are
used, `publisherId` ignored, minimal and empty resources accepted. No address in a payload is ever fetched.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from shared.domain.names import package_name
from shared.domain.releases import version_of
from shared.domain.signals import FeedSignal, ReleaseSignal, RunSignal, Signal, Source
from shared.domain.targets import Target
from shared.errors import InvalidInput, InvalidNotification

BUILD_COMPLETED = "build.complete"
RUN_STATE_CHANGED = "ms.vss-pipelines.run-state-changed-event"
# No public list of service hooks has an event for a published package. These are the names that the product itself
# uses inside (its e-mail notifications); an organisation that offers another one puts it into the settings.
PACKAGE_EVENTS = (
    "ms.azure-artifacts.packagemanagement-packagechanged-event",
    "ms.feed.packagemanagement-packagechanged-event",
)
# The package event's publishType: versions that come or are promoted are news, those that go are not.
_PUBLISHED = {"1", "publish"}
_NEWS = _PUBLISHED | {"2", "promote", "none", ""}
_RUN_LINK = re.compile(r"(?:/runs/|buildId=)(\d+)", re.IGNORECASE)
# The Test button of an unsaved subscription sends this.
_NOBODY = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True)
class Ignored:
    """An authentic notification that is none of our business."""

    reason: str


def read_notification(
    body: bytes,
    targets: Iterable[Target],
    package_events: Iterable[str] = PACKAGE_EVENTS,
    publishing_projects: Iterable[str] = (),
) -> Signal | Ignored:
    """Turn a body into a signal, or say why it is ignored.

    Args:
        body: what was sent.
        targets: what is looked after: their organisations, projects and feeds are the only ones that count.
        package_events: event types that mean a published package.
        publishing_projects: further projects whose events count, since their pipelines publish packages.

    Raises:
        InvalidNotification: it cannot be read, and never will be.
    """
    payload = _json_object(body)
    watched = tuple(targets)
    event = payload.get("eventType")
    if event is None:
        return _published_by_pipeline(payload, watched)
    if not isinstance(event, str):
        raise InvalidNotification("`eventType` is not text")
    if _text(payload, "subscriptionId") == _NOBODY:
        return Ignored("a test notification of a subscription that is not saved")
    stranger = _foreign_organization(payload, watched)
    if stranger:
        return Ignored(f"organisation {stranger[:80]} is not watched")
    elsewhere = _foreign_project(payload, watched, publishing_projects)
    if elsewhere:
        return Ignored(f"project {elsewhere[:80]} is not watched")
    if event in package_events:
        return _package_event(payload, watched)
    if event == BUILD_COMPLETED:
        return _build_completed(payload, watched)
    if event == RUN_STATE_CHANGED:
        return _run_state_changed(payload, watched)
    return Ignored(f"event type {event[:80]} is not used")


def _published_by_pipeline(payload: dict[str, Any], targets: tuple[Target, ...]) -> Signal | Ignored:
    missing = [key for key in ("feed", "name", "version") if not _text(payload, key)]
    if missing:
        raise InvalidNotification(
            f"neither a service hook (no `eventType`) nor a published package (no {', '.join(missing)})"
        )
    feed, name, version = (_text(payload, key) for key in ("feed", "name", "version"))
    return _release(feed, name, version, Source.PUBLISHER, targets)


def _package_event(payload: dict[str, Any], targets: tuple[Target, ...]) -> Signal | Ignored:
    """The one place that knows the package event's payload; its fields are named after the event's members."""
    resource = _map(payload, "resource")
    package, version, feed = _map(resource, "package"), _map(resource, "packageVersion"), _map(resource, "feed")
    protocol = _text(package, "protocolType")
    if protocol and protocol.casefold() != "pypi":
        return Ignored(f"a package of protocol {protocol[:40]}")
    kind = _word(resource.get("publishType"))
    if kind.casefold() not in _NEWS:
        return Ignored(f"publish type {kind[:40]} brings no version")
    name = _text(package, "normalizedName") or _text(package, "name")
    published = _text(version, "version") or _text(version, "normalizedVersion")
    # Settings may hold either.
    called = [text for key in ("name", "id") if (text := _text(feed, key))]
    where = next((text for text in called if any(target.feed(text) for target in targets)), next(iter(called), ""))
    if not (name and published and where):
        # A hint all the same: the event said that some package changed (minimal resource details).
        return FeedSignal(Source.PACKAGE_HOOK)
    signal = _release(where, name, published, Source.PACKAGE_HOOK, targets)
    return replace(signal, published=kind.casefold() in _PUBLISHED) if isinstance(signal, ReleaseSignal) else signal


def _release(
    feed: str, name: str, version: str, source: Source, targets: tuple[Target, ...]
) -> ReleaseSignal | Ignored:
    try:
        package_name(name)
        version_of(version)
    except InvalidInput as problem:
        raise InvalidNotification(str(problem)) from None
    if not any(target.feed(feed) for target in targets) and not looks_like_guid(feed):
        return Ignored(f"feed {feed[:80]} is not watched")
    return ReleaseSignal(feed=feed, name=name, version=version, source=source)


def _build_completed(payload: dict[str, Any], targets: tuple[Target, ...]) -> Signal | Ignored:
    """Both versions: 1.0 has the outcome in `status`, 2.0 has `status: completed` and the outcome in `result`."""
    resource = _map(payload, "resource")
    outcome = (_text(resource, "result") or _text(resource, "status")).casefold()
    return _finished(
        run=_number(resource.get("id")),
        pipeline=_number(_map(resource, "definition").get("id")),
        succeeded=outcome in ("succeeded", "partiallysucceeded", "completed", ""),
        source=Source.BUILD_HOOK,
        targets=targets,
    )


def _run_state_changed(payload: dict[str, Any], targets: tuple[Target, ...]) -> Signal | Ignored:
    resource = _map(payload, "resource")
    run = _map(resource, "run")
    state = _text(run, "state").casefold()
    if state and state != "completed":
        return Ignored(f"a run that is {state[:40]}")
    links = _map(run, "_links")
    link = _text(_map(links, "self"), "href") + " " + _text(_map(links, "web"), "href")
    found = _RUN_LINK.search(link)
    pipeline = _map(run, "pipeline") or _map(resource, "pipeline")
    return _finished(
        run=_number(run.get("id")) or (_number(found[1]) if found else None),
        pipeline=_number(pipeline.get("id")),
        succeeded=_text(run, "result").casefold() in ("succeeded", ""),
        source=Source.RUN_HOOK,
        targets=targets,
    )


def _finished(
    *, run: int | None, pipeline: int | None, succeeded: bool, source: Source, targets: tuple[Target, ...]
) -> Signal | Ignored:
    """A rebuild pipeline's run is followed; any other run that succeeded may have published a package."""
    if run is not None and pipeline is not None and any(target.pipeline == pipeline for target in targets):
        return RunSignal(run=run, pipeline=pipeline, source=source)
    if run is not None and pipeline is None:
        return RunSignal(run=run, pipeline=None, source=source)
    if not succeeded:
        return Ignored("a run that did not succeed has published nothing")
    return FeedSignal(source)


def _foreign_organization(payload: dict[str, Any], targets: tuple[Target, ...]) -> str | None:
    """The organisation that a hook comes from, if it says so and it is none of ours."""
    containers = _map(payload, "resourceContainers")
    ours = {organization_of(target.organization) for target in targets}
    for container in ("collection", "account"):
        base = _text(_map(containers, container), "baseUrl")
        if base and (name := organization_of(base)) and name not in ours:
            return name
    return None


def _foreign_project(
    payload: dict[str, Any], targets: tuple[Target, ...], publishing_projects: Iterable[str]
) -> str | None:
    """The project that a hook names, if it names one and that is none of ours.

    Most hooks name it by its id alone, which says nothing to us, or not at all: those pass. So does a name without an
    id, where our settings hold ids.
    """
    ours = {name.casefold() for target in targets for name in _projects_of(target)}
    ours |= {name.casefold() for name in publishing_projects}
    resource = _map(payload, "resource")
    holders = (resource, _map(resource, "definition"), _map(resource, "feed"))
    for project in (_map(holder, "project") for holder in holders):
        name, identity = _text(project, "name"), _text(project, "id")
        known = {name.casefold(), identity.casefold()} & ours
        if name and not known and (identity or not any(looks_like_guid(mine) for mine in ours)):
            return name
    return None


def _projects_of(target: Target) -> list[str]:
    return [target.project, *(feed.project for feed in target.feeds if feed.project)]


def organization_of(url: str) -> str:
    """The organisation's name in an address, in lower case: both `dev.azure.com/name` and `name.visualstudio.com`."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return ""
    if host.endswith(".visualstudio.com"):
        return host.split(".")[0].casefold()
    return parts.path.strip("/").split("/")[0].casefold()


def looks_like_guid(text: str) -> bool:
    """Tell whether a text has the form of a GUID: some hooks name a feed so."""
    return bool(re.fullmatch(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", text.strip()))


def _json_object(body: bytes) -> dict[str, Any]:
    """The body's JSON object. A byte order mark in front does no harm (RFC 8259 lets a reader pass over it)."""
    try:
        found = json.loads(body, object_pairs_hook=_unambiguous, parse_constant=_no_number)
    except (ValueError, RecursionError) as problem:
        # RecursionError: nested too deep. ValueError: no JSON, no text, or a number of thousands of digits.
        raise InvalidNotification(f"the body is not JSON ({type(problem).__name__})") from None
    if not isinstance(found, dict):
        raise InvalidNotification("the body is not a JSON object")
    return found


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise InvalidNotification("the body has a key twice: which one counts is anybody's guess")
    return found


def _no_number(name: str) -> float:
    raise InvalidNotification(f"the body is not JSON ({name} is no number there)")


def _map(holder: dict[str, Any], key: str) -> dict[str, Any]:
    value = holder.get(key)
    return value if isinstance(value, dict) else {}


def _text(holder: dict[str, Any], key: str) -> str:
    value = holder.get(key)
    return value.strip() if isinstance(value, str) else ""


def _word(value: object) -> str:
    """A member of an enumeration, by name or by number; empty if there is none."""
    return str(value) if isinstance(value, str | int) else "" if value is None else type(value).__name__


def _number(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int) and 0 < value < 2**53:
        return value
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 16:
        return int(value)
    return None
