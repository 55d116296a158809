import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.notifications import Ignored, organization_of, read_notification
from shared.domain.releases import FeedName
from shared.domain.signals import FeedSignal, ReleaseSignal, RunSignal, Source
from shared.domain.targets import Target
from shared.errors import InvalidNotification
from shared.messages import decode_signal, encode

TARGETS = (
    Target("main", "https://dev.azure.com/Contoso", "ml", "environments", "main", 7, (FeedName("packages", "ml"),)),
)
PACKAGE_EVENT = {
    "eventType": "ms.azure-artifacts.packagemanagement-packagechanged-event",
    "resource": {
        "feed": {"id": "6a5b9c1e-0d43-4b70-9f0e-3d1f4f1b2a77", "name": "packages"},
        "package": {"name": "Our_Package", "normalizedName": "our-package", "protocolType": "PyPi"},
        "packageVersion": {"version": "1.1", "normalizedVersion": "1.1"},
        "publishType": 1,
    },
}


def read(payload: object) -> object:
    return read_notification(json.dumps(payload).encode(), TARGETS)


def changed(**resource: Any) -> dict[str, Any]:
    return {**PACKAGE_EVENT, "resource": {**PACKAGE_EVENT["resource"], **resource}}  # type: ignore[dict-item]


def build(**resource: Any) -> dict[str, Any]:
    return {"eventType": "build.complete", "resource": {"id": 12, "definition": {"id": 3}, **resource}}


def run(**resource: Any) -> dict[str, Any]:
    return {"eventType": "ms.vss-pipelines.run-state-changed-event", "resource": {"run": resource}}


def test_the_package_event_names_a_release() -> None:
    expected = ReleaseSignal("packages", "our-package", "1.1", Source.PACKAGE_HOOK, published=True)
    assert read(PACKAGE_EVENT) == expected


def test_the_post_of_a_pipeline_names_a_release_in_its_own_spelling() -> None:
    payload = {"feed": "ml/packages", "name": "Our.Package", "version": "v1.1"}

    assert read(payload) == ReleaseSignal("ml/packages", "Our.Package", "v1.1", Source.PUBLISHER)


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (changed(feed={"id": "6A5B9C1E-0D43-4B70-9F0E-3D1F4F1B2A77"}),
         ReleaseSignal("6A5B9C1E-0D43-4B70-9F0E-3D1F4F1B2A77", "our-package", "1.1", Source.PACKAGE_HOOK,
                       published=True)),
        (changed(publishType=2), ReleaseSignal("packages", "our-package", "1.1", Source.PACKAGE_HOOK)),
        (changed(publishType="Promote"), ReleaseSignal("packages", "our-package", "1.1", Source.PACKAGE_HOOK)),
        ({**PACKAGE_EVENT, "resource": None}, FeedSignal(Source.PACKAGE_HOOK)),
        ({**PACKAGE_EVENT, "resource": {}, "message": None}, FeedSignal(Source.PACKAGE_HOOK)),
        (build(status="completed", result="succeeded"), FeedSignal(Source.BUILD_HOOK)),
        (build(status="succeeded"), FeedSignal(Source.BUILD_HOOK)),
        (build(status="completed", result="failed", definition={"id": 7}), RunSignal(12, 7, Source.BUILD_HOOK)),
        (build(status="succeeded", definition={"id": "7"}), RunSignal(12, 7, Source.BUILD_HOOK)),
        ({"eventType": "build.complete", "resource": {"id": 12, "url": "https://x"}},
         RunSignal(12, None, Source.BUILD_HOOK)),
        ({"eventType": "build.complete", "resource": None}, FeedSignal(Source.BUILD_HOOK)),
        (run(id=11, pipeline={"id": 7}, state="completed", result="failed"), RunSignal(11, 7, Source.RUN_HOOK)),
        (run(_links={"self": {"href": "https://x/_apis/Pipelines/7/runs/11"}}, pipeline={"id": 7}, state="completed"),
         RunSignal(11, 7, Source.RUN_HOOK)),
        (run(_links={"web": {"href": "https://x/_build/results?buildId=11"}}, pipeline={"id": 7}, state="completed"),
         RunSignal(11, 7, Source.RUN_HOOK)),
        (run(pipeline={"id": 3}, state="completed", result="succeeded"), FeedSignal(Source.RUN_HOOK)),
        ({"eventType": "ms.vss-pipelines.run-state-changed-event", "resource": {}}, FeedSignal(Source.RUN_HOOK)),
    ],
)  # fmt: skip
def test_incomplete_and_older_forms_are_understood(payload: object, expected: object) -> None:
    assert read(payload) == expected


@pytest.mark.parametrize(
    "payload",
    [
        {"eventType": "git.push", "resource": {}},
        changed(package={"name": "x", "protocolType": "NuGet"}),
        changed(publishType=5),
        changed(publishType="Unlist"),
        changed(feed={"name": "elsewhere"}),
        {"feed": "elsewhere", "name": "our-package", "version": "1"},
        build(status="failed"),
        build(status="completed", result="canceled"),
        run(pipeline={"id": 3}, state="completed", result="failed"),
        run(pipeline={"id": 3}, state="inProgress"),
        {**PACKAGE_EVENT, "resourceContainers": {"account": {"baseUrl": "https://dev.azure.com/fabrikam/"}}},
        {**PACKAGE_EVENT, "subscriptionId": "00000000-0000-0000-0000-000000000000"},
    ],
)
def test_what_is_none_of_our_business_is_ignored_with_a_reason(payload: object) -> None:
    found = read(payload)

    assert isinstance(found, Ignored)
    assert found.reason


@pytest.mark.parametrize("base", ["https://dev.azure.com/contoso/", "https://CONTOSO.visualstudio.com/"])
def test_our_own_organisation_is_known_in_both_addresses(base: str) -> None:
    payload = {**PACKAGE_EVENT, "resourceContainers": {"collection": {"baseUrl": base}}}

    assert isinstance(read(payload), ReleaseSignal)


def test_an_organisations_name_is_found_in_any_address() -> None:
    assert organization_of("http://[bad") == ""
    assert organization_of("https://dev.azure.com/Contoso/ml") == "contoso"


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b"7", b'"x"', b"{", b"[" * 100_000, b'{"eventType": 7}', b"1" * 5000, b"\xff\xfe",
     b'{"feed": "packages", "name": "x"}', b'{"feed": "packages", "name": "x", "version": "1.0; rm -rf /"}',
     b'{"feed": "packages", "name": "\\u212a", "version": "1"}',
     b'{"feed": "packages", "name": "\\ud800", "version": "1"}',
     b'{"feed": "packages", "name": "x", "version": "' + b"9" * 5000 + b'"}',
     b'{"feed": "packages", "feed": "packages", "name": "x", "version": "1"}',
     b'{"feed": "packages", "name": "x", "version": "1", "more": [{"a": 1, "a": 1}]}',
     b'{"feed": "packages", "name": "x", "version": "1", "more": NaN}',
     b'{"feed": "packages", "name": "x", "version": "1", "more": -Infinity}',
     b'{"feed": "packages", "name": "x", "version": "1", "more": ' + b"9" * 5000 + b"}"],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_in_one_line(body: bytes) -> None:
    with pytest.raises(InvalidNotification) as caught:
        read_notification(body, TARGETS)

    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


def test_a_byte_order_mark_in_front_does_no_harm() -> None:
    body = b"\xef\xbb\xbf" + json.dumps(PACKAGE_EVENT).encode()

    assert isinstance(read_notification(body, TARGETS), ReleaseSignal)


@pytest.mark.parametrize("depth", [50, 500, 900, 2_000, 20_000, 100_000])
@pytest.mark.parametrize("opening", ["[", '{"resource":'])
@pytest.mark.parametrize("field", ["subscriptionId", "eventType", "resource", "feed", "resourceContainers"])
def test_no_depth_is_a_surprise(depth: int, opening: str, field: str) -> None:
    closing = "]" if opening == "[" else "1}"
    inside = (
        opening * depth + closing * (1 if opening != "[" else depth) + ("}" * (depth - 1) if opening != "[" else "")
    )
    body = b'{"eventType": "build.complete", "' + field.encode() + b'": ' + inside.encode() + b"}"

    try:
        found = read_notification(body.replace(b'"eventType": "build.complete", "eventType"', b'"eventType"'), TARGETS)
    except InvalidNotification:
        return
    assert isinstance(found, Ignored | FeedSignal | RunSignal)


def test_a_run_of_too_many_digits_in_an_address_is_none() -> None:
    link = "https://dev.azure.com/contoso/_build/results?buildId=" + "9" * 5000

    assert read(run(_links={"web": {"href": link}}, state="completed", pipeline={"id": 3})) == FeedSignal(
        Source.RUN_HOOK
    )


def _in_project(project: object) -> list[dict[str, Any]]:
    return [
        build(status="succeeded", project=project),
        build(status="succeeded", definition={"id": 3, "project": project}),
        changed(feed={"name": "packages", "project": project}),
    ]


_ID = "be9b3917-87e6-42a4-a549-2bc06a7a878f"


@pytest.mark.parametrize("payload", _in_project({"id": _ID, "name": "elsewhere"}))
def test_a_project_that_is_none_of_ours_is_ignored_unless_it_publishes_for_us(payload: dict[str, Any]) -> None:
    body = json.dumps(payload).encode()

    assert read_notification(body, TARGETS) == Ignored("project elsewhere is not watched")
    for listed in ("Elsewhere", _ID.upper()):
        assert not isinstance(read_notification(body, TARGETS, publishing_projects=(listed,)), Ignored)


@pytest.mark.parametrize(
    "project", [None, {}, {"name": ""}, {"id": _ID}, "elsewhere", {"name": "ML"}, {"id": _ID, "name": "ml"}]
)
def test_our_own_project_passes_and_so_does_what_names_none(project: object) -> None:
    for payload in _in_project(project):
        assert not isinstance(read(payload), Ignored)


def test_the_project_of_a_feed_is_ours_too() -> None:
    target = replace(TARGETS[0], project="environments", feeds=(FeedName("packages", "libraries"),))
    body = json.dumps(build(status="succeeded", project={"id": _ID, "name": "Libraries"})).encode()

    assert read_notification(body, [target]) == FeedSignal(Source.BUILD_HOOK)


def test_a_feed_that_our_settings_name_by_its_id_is_ours_whatever_its_name() -> None:
    feed = PACKAGE_EVENT["resource"]["feed"]["id"].upper()  # type: ignore[index]
    target = replace(TARGETS[0], feeds=(FeedName(feed, _ID),))

    found = read_notification(json.dumps(PACKAGE_EVENT).encode(), [target])

    assert found == ReleaseSignal(feed.lower(), "our-package", "1.1", Source.PACKAGE_HOOK, published=True)


def test_where_our_settings_hold_ids_a_name_alone_says_nothing() -> None:
    target = replace(TARGETS[0], project=_ID)
    named = [{"name": "whatever"}, {"name": "whatever", "id": _ID}]

    found = [read_notification(json.dumps(build(status="succeeded", project=p)).encode(), [target]) for p in named]

    assert found == [FeedSignal(Source.BUILD_HOOK)] * 2


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["id", "run", "definition", "pipeline", "feed", "name", "version", "package", "state", "result",
                         "packageVersion", "_links", "self", "web", "href", "baseUrl", "collection", "publishType"]),
        inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "eventType": st.sampled_from([PACKAGE_EVENT["eventType"], "build.complete",
                                          "ms.vss-pipelines.run-state-changed-event", "x"]),
            "resource": _JSON, "resourceContainers": _JSON, "feed": _JSON, "name": _JSON, "version": _JSON,
            "subscriptionId": _JSON,
        },
    )
)  # fmt: skip
def test_whatever_arrives_there_is_an_answer_and_never_a_surprise(payload: dict[str, object]) -> None:
    try:
        found = read(payload)
    except InvalidNotification:
        return
    assert isinstance(found, ReleaseSignal | FeedSignal | RunSignal | Ignored)
    if not isinstance(found, Ignored):
        assert decode_signal(encode(found)) == found


@given(
    st.binary(max_size=300)
    | st.text(alphabet='{}[]":,0123456789.eE-+\\uDd8tfnaNIy \ufeff', max_size=60).map(str.encode)
)
def test_any_bytes_are_a_notification_or_refused(body: bytes) -> None:
    try:
        found = read_notification(body, TARGETS)
    except InvalidNotification:
        return
    assert isinstance(found, Ignored)


# As a sender has it: JSON itself knows neither NaN nor infinity.
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "id": st.uuids().map(str), "notificationId": st.integers(), "subscriptionId": st.uuids().map(str),
            "createdDate": st.text(max_size=30), "resourceVersion": st.sampled_from(["1.0", "2.0-preview.1", "99", 7]),
            "message": _VALUES, "detailedMessage": _VALUES, "whatever": _VALUES, "publisherId": st.text(max_size=5),
        },
    ),
    st.dictionaries(st.text(min_size=1, max_size=8).map(lambda name: f"x{name}"), _VALUES, max_size=3),
)  # fmt: skip
def test_a_release_is_one_however_its_notifications_are_numbered_and_whatever_else_they_hold(
    envelope: dict[str, object], fields: dict[str, object]
) -> None:
    payload = {**changed(**fields), **envelope}

    assert read(payload) == ReleaseSignal("packages", "our-package", "1.1", Source.PACKAGE_HOOK, published=True)
