"""What the product sends and what the stand answers, held against Microsoft's descriptions."""

import ast
import importlib
import inspect
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from azure.devops.v7_1.git.git_client import GitClient

from local.azure_devops.api import Recorded
from shared.adapters.azure_devops.repository import ITEMS
from tests.contracts import official
from tests.contracts.official import Misfit, check, deviation_of, unknown
from tests.contracts.recording import CALLS, Call, Recording

pytestmark = pytest.mark.skipif(
    not official.SPECS.is_dir(), reason="the official descriptions are not there; REBUILDER_SPECS names their folder"
)

ADAPTERS = official.PROJECT / "shared" / "adapters" / "azure_devops"
# Methods of the SDK whose requests are made without its models: where the API is, and its version.
BY_ADDRESS = {"get_items": ITEMS}


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.method)
def test_request_and_answer_fit_the_official_description(recording: Recording, call: Call) -> None:
    exchanges = recording.of(call.operation)
    assert exchanges, f"{call.method} was not called"
    assert [misfit for exchange in exchanges for misfit in unknown(check(exchange))] == []
    assert all(exchange.status < 300 for exchange in exchanges)


def test_every_request_names_the_version_of_the_api(recording: Recording) -> None:
    """The SDK sends it in `Accept`, not in the query."""
    assert recording.exchanges
    assert [one.operation for one in recording.exchanges if "api-version=7.1" not in one.accept] == []


def test_a_feed_of_the_organisation_is_addressed_as_described(recording: Recording) -> None:
    (request,) = recording.beside
    misfits = check(request)
    assert unknown(misfits) == []
    assert "no project" in {known.name for misfit in misfits if (known := deviation_of(misfit))}


def test_every_call_of_the_adapters_is_in_the_table() -> None:
    assert {*_sdk_methods_in_use(), *BY_ADDRESS} == {call.method for call in CALLS}


@pytest.mark.parametrize("method", BY_ADDRESS)
def test_what_is_asked_without_the_sdks_models_is_asked_as_the_sdk_does(method: str) -> None:
    location, version = BY_ADDRESS[method]
    source = inspect.getsource(getattr(GitClient, method))
    assert f"location_id='{location}'" in source
    assert f"version='{version}'" in source


def test_every_recorded_operation_is_in_the_table(recording: Recording) -> None:
    recorded = {official.find(one.method, one.path, one.query).id for one in recording.exchanges}
    assert recorded == {call.operation for call in CALLS}


def _sdk_methods_in_use() -> Iterator[str]:
    """Public methods of the SDK's clients that stand in the adapters' source."""
    trees = [ast.parse(path.read_text()) for path in ADAPTERS.glob("*.py")]
    calls = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)]
    clients = {
        str(ast.literal_eval(node.args[1]))
        for node in calls
        if isinstance(node.func, ast.Name) and node.func.id == "client"
    }
    offered: set[str] = set()
    for name in clients:
        module = importlib.import_module(f"azure.devops.v7_1.{name}.{name}_client")
        kind = getattr(module, f"{name.title().replace('_', '')}Client")
        offered |= {method for method in dir(kind) if not method.startswith("_")}
    assert len(clients) >= 5
    for node in ast.walk(ast.Module([statement for tree in trees for statement in tree.body], [])):
        if isinstance(node, ast.Attribute) and node.attr in offered:
            yield node.attr


# The table, and the check itself


def test_every_deviation_of_our_own_still_occurs(recording: Recording) -> None:
    exchanges = (*recording.exchanges, *recording.beside)
    seen = {deviation_of(misfit) for exchange in exchanges for misfit in check(exchange)}
    assert {known.name for known in official.DEVIATIONS if not known.published} == {
        known.name for known in seen if known
    }


def _body(exchange: Recorded, change: Callable[[Any], object]) -> Recorded:
    content = json.loads(exchange.body)
    change(content)
    return replace(exchange, body=json.dumps(content).encode())


def _answer(exchange: Recorded, change: Callable[[Any], object]) -> Recorded:
    content = json.loads(exchange.answer)
    change(content)
    return replace(exchange, answer=json.dumps(content).encode())


@pytest.mark.parametrize(
    ("operation", "spoil", "part", "rule"),
    [
        (
            "Pushes_Create",
            lambda x: _body(x, lambda body: body.update(refUpdate=body.pop("refUpdates"))),
            "request",
            "additionalProperties",
        ),
        (
            "Pushes_Create",
            lambda x: _body(x, lambda body: body["commits"][0]["changes"][0].update(changeType="Edit")),
            "request",
            "enum",
        ),
        ("Pushes_Create", lambda x: replace(x, status=202), "status", "status"),
        ("Runs_Run Pipeline", lambda x: _body(x, lambda body: body.update(templateParameters=[])), "request", "type"),
        (
            "Runs_Run Pipeline",
            lambda x: _body(x, lambda body: body["templateParameters"].update(run=1)),
            "request",
            "type",
        ),
        ("Runs_Run Pipeline", lambda x: _answer(x, lambda run: run.update(state="notStarted")), "answer", "enum"),
        ("Builds_List", lambda x: replace(x, query={**x.query, "minTime": "yesterday"}), "query", "format"),
        ("Builds_List", lambda x: replace(x, query={**x.query, "$top": "all"}), "query", "type"),
        ("Builds_List", lambda x: replace(x, query={**x.query, "definitions": "7,eight"}), "query", "type"),
        ("Builds_List", lambda x: replace(x, query={**x.query, "branch": "main"}), "query", "unknown"),
        ("Builds_List", lambda x: _answer(x, lambda page: page.update(count=99)), "answer", "count"),
        (
            "Builds_List",
            lambda x: _answer(x, lambda page: page["value"][0].update(queueTime="2026-01-01T00:00:00")),
            "answer",
            "format",
        ),
        (
            "Feed  Management_Get Feed",
            lambda x: _answer(x, lambda feed: feed.update(id="packages")),
            "answer",
            "format",
        ),
        (
            "Artifact  Details_Get Packages",
            lambda x: _answer(x, lambda page: page["value"][0]["versions"][0].update(normalisedVersion="1")),
            "answer",
            "additionalProperties",
        ),
        ("Blobs_Get Blobs Zip", lambda x: replace(x, answer=b"[]"), "answer", "format"),
    ],
)
def test_the_check_notices(
    recording: Recording, operation: str, spoil: Callable[[Recorded], Recorded], part: str, rule: str
) -> None:
    exchange = recording.of(operation)[0]
    found: list[Misfit] = unknown(check(spoil(exchange)))
    assert [(misfit.part, misfit.rule) for misfit in found] == [(part, rule)]


def test_a_call_that_nobody_describes_is_noticed(recording: Recording) -> None:
    exchange = replace(recording.exchanges[0], path="/ml/_apis/git/repository")
    with pytest.raises(LookupError):
        check(exchange)
