"""What the stand answers, held against the examples that Microsoft published of calls in use."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from local.azure_devops.api import Recorded
from tests.contracts import official
from tests.contracts.official import check, deviation_of, unknown
from tests.contracts.recording import CALLS, Recording

pytestmark = pytest.mark.skipif(
    not official.SPECS.is_dir(), reason="the official descriptions are not there; REBUILDER_SPECS names their folder"
)


@dataclass(frozen=True, slots=True)
class Example:
    """A published example of a call in use, or of its answer's elements.

    Attributes:
        absent: what the example has and the stand leaves out, with a reason.
    """

    file: str
    operation: str
    compared_with: str
    absent: Mapping[str, str]


_PEOPLE = "the product does not ask who did something"
_LINKS = "the product follows no links"
_UNREAD = "the product does not read it"
_TEXTS = "written for people"
_INPUTS = "every subscription has inputs of its own"
_PUBLISHER_INPUTS = ("buildStatus", "definitionName", "hostId", "tfsSubscriptionId")
_EXAMPLES = (
    Example("GET__git_repositories__repositoryId__refs_heads.json", "Refs_List", "get_refs", {"creator": _PEOPLE}),
    Example(
        "GET__git_repositories__repositoryId__items_scopePath-_folderPath__recursionLevel-Full_"
        "includeContentMetadata-true.json",
        "Items_List",
        "get_items",
        {},
    ),
    Example(
        "POST__git_repositories__tempRepoId__pushes.json",
        "Pushes_Create",
        "create_push",
        {
            "pushedBy": _PEOPLE,
            "_links": _LINKS,
            "commits/*/treeId": _UNREAD,
        },
    ),
    Example(
        "POST__hooks_subscriptions.json",
        "Subscriptions_Create",
        "list_subscriptions",
        {
            "createdBy": _PEOPLE,
            "createdDate": _UNREAD,
            "modifiedBy": _PEOPLE,
            "modifiedDate": _UNREAD,
            "eventDescription": _TEXTS,
            "actionDescription": _TEXTS,
            **{f"publisherInputs/{name}": _INPUTS for name in _PUBLISHER_INPUTS},
        },
    ),
)


@pytest.mark.parametrize("example", _EXAMPLES, ids=lambda example: example.compared_with)
def test_published_examples_fit_the_official_description(example: Example) -> None:
    assert unknown(check(_exchange(example)), published=True) == []


@pytest.mark.parametrize("example", _EXAMPLES, ids=lambda example: example.compared_with)
def test_answers_have_the_shape_of_the_published_example(recording: Recording, example: Example) -> None:
    (operation,) = (call.operation for call in CALLS if call.method == example.compared_with)
    published = _elements(json.loads(_exchange(example).answer))
    answered = [one for exchange in recording.of(operation) for one in _elements(json.loads(exchange.answer))]
    assert answered
    assert set(_differences(published, answered, "")) == set(example.absent)


def test_every_deviation_of_the_examples_still_occurs() -> None:
    seen = {deviation_of(misfit) for example in _EXAMPLES for misfit in check(_exchange(example))}
    assert {known.name for known in official.DEVIATIONS if known.published} <= {known.name for known in seen if known}


def _exchange(example: Example) -> Recorded:
    published = json.loads((official.EXAMPLES / example.file).read_text(encoding="utf-8-sig"))
    parameters = published["parameters"]
    ((status, answer),) = published["responses"].items()
    operation = official.operation(example.operation)
    described = operation.parameters("query")
    return Recorded(
        operation="",
        method=operation.method,
        path=re.sub(r"\{(\w+)\}", "x", operation.template.removeprefix("/{organization}")),
        query={name: str(value) for name, value in parameters.items() if name in described},
        body=json.dumps(parameters["body"]).encode() if "body" in parameters else b"",
        status=int(status),
        answer=json.dumps(answer["body"]).encode(),
    )


def _elements(answer: Any) -> list[Any]:
    return list(answer["value"]) if "value" in answer else [answer]


def _differences(published: list[Any], answered: list[Any], at: str) -> Iterator[str]:
    """Keys that every published value has and not every answered one, and values of another form."""
    if all(isinstance(value, dict) for value in published):
        for key in set.intersection(*(set(value) for value in published)):
            if not all(isinstance(value, dict) and key in value for value in answered):
                yield f"{at}{key}"
            else:
                yield from _differences(
                    [value[key] for value in published], [value[key] for value in answered], f"{at}{key}/"
                )
    elif all(isinstance(value, list) for value in published):
        below, found = ([one for value in values for one in value] for values in (published, answered))
        if below and found:
            yield from _differences(below, found, f"{at}*/")
    elif not {_form(value) for value in answered} <= {_form(value) for value in published}:
        yield f"{at.rstrip('/')} is no {_form(published[0])}: {answered[0]!r}"


def _form(value: Any) -> str:
    if not isinstance(value, str):
        return type(value).__name__
    forms = {
        "commit": r"[0-9a-f]{40}",
        "moment": r"\d{4}-\d\d-\d\dT.*",
        "address": r"https?://.*",
        "guid": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    }
    return next((name for name, pattern in forms.items() if re.fullmatch(pattern, value, re.DOTALL)), "text")
