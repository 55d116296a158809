import json
from datetime import timedelta

import pytest

from shared.domain.releases import FeedName
from shared.domain.targets import Workspace
from shared.errors import InvalidConfiguration
from shared.settings import Settings

TARGET = {
    "organization": "https://dev.azure.com/contoso/",
    "project": "ml",
    "repository": "environments",
    "pipeline": 7,
    "feeds": ["ml/packages", "shared"],
    "workspaces": [{"subscription": "s", "resource_group": "g", "name": "w"}],
}
GOOD = {
    "REBUILDER_TARGETS": json.dumps([TARGET]),
    "REBUILDER_HOOK_SECRETS": "0123456789abcdef fedcba9876543210",
    "REBUILDER_STORAGE__blobServiceUri": "https://account.blob.core.windows.net",
    "REBUILDER_STORAGE__queueServiceUri": "https://account.queue.core.windows.net",
}


def test_good_settings_become_typed_targets() -> None:
    settings = Settings.read(GOOD)
    (target,) = settings.targets

    assert target.name == "main"
    assert target.organization == "https://dev.azure.com/contoso"
    assert target.ref == "refs/heads/main"
    assert target.feeds == (FeedName("packages", "ml"), FeedName("shared"))
    assert target.workspaces == (Workspace("s", "g", "w"),)
    assert settings.settle_time == timedelta(minutes=2)
    assert settings.secrets == ("0123456789abcdef", "fedcba9876543210")
    assert settings.suspended is False


@pytest.mark.parametrize(
    ("text", "author"),
    [
        (None, None),
        ("ML Platform <ml-platform@contoso.com>", ("ML Platform", "ml-platform@contoso.com")),
        ("Bot <b@c>", ("Bot", "b@c")),
    ],
)
def test_an_author_is_a_name_and_an_e_mail(text: str | None, author: tuple[str, str] | None) -> None:
    targets = json.dumps([{**TARGET, "author": text}])
    assert Settings.read({**GOOD, "REBUILDER_TARGETS": targets}).targets[0].author == author


@pytest.mark.parametrize("text", ["", "Bot", "bot@contoso.com", "<bot@contoso.com>", "Bot <bot>", "A\nB <b@c>"])
def test_any_other_author_is_refused(text: str) -> None:
    targets = json.dumps([{**TARGET, "author": text}])
    with pytest.raises(InvalidConfiguration, match="author"):
        Settings.read({**GOOD, "REBUILDER_TARGETS": targets})


def test_projects_are_separated_by_commas_since_their_names_may_hold_blanks() -> None:
    found = Settings.read({**GOOD, "REBUILDER_PUBLISHING_PROJECTS": " Data Platform, libraries,, "})

    assert found.publishing_projects == ("Data Platform", "libraries")
    assert (Settings.read(GOOD).publishing_projects, Settings.read(GOOD).replay_feeds) == ((), False)
    assert Settings.read({**GOOD, "REBUILDER_REPLAY_FEEDS": "true"}).replay_feeds is True


def test_everything_that_is_missing_is_named_at_once() -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        Settings.read({})

    assert len(caught.value.problems) == 4
    assert "\n" not in str(caught.value)
    for name in GOOD:
        assert name in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("REBUILDER_HOOK_SECRETS", "short", "fewer than 16 characters"),
        ("REBUILDER_HOOK_SECRETS", "   ", "is missing"),
        ("REBUILDER_TARGETS", "not json", "Invalid JSON"),
        ("REBUILDER_TARGETS", "[]", "is an empty list"),
        ("REBUILDER_TARGETS", json.dumps([TARGET, TARGET]), "two targets are named 'main'"),
        ("REBUILDER_TARGETS", json.dumps([{**TARGET, "feeds": ["a/b/c"]}]), "is not a list of `project/feed`"),
        ("REBUILDER_TARGETS", json.dumps([{**TARGET, "feeds": []}]), "feeds"),
        ("REBUILDER_TARGETS", json.dumps([{**TARGET, "organization": "http://dev.azure.com/x"}]), "is not https"),
        ("REBUILDER_TARGETS", json.dumps([{**TARGET, "organization": "https://u:canary@dev.azure.com/x"}]),
         "holds more than an address"),
        ("REBUILDER_TARGETS", json.dumps([{**TARGET, "organization": "https://dev.azure.com/x?pat=canary"}]),
         "holds more than an address"),
        ("REBUILDER_TARGETS", json.dumps([{**TARGET, "project": "  "}]), "project"),
        ("REBUILDER_TARGETS", json.dumps([{**TARGET, "name": "../x"}]), "name"),
        ("REBUILDER_TARGETS", json.dumps([{**TARGET, "brnach": "x"}]), "no such setting"),
        ("REBUILDER_STORAGE__blobServiceUri", "http://account.blob.core.windows.net", "is not https"),
        ("REBUILDER_STORAGE__queueServiceUri", "account", "is not an address"),
        ("REBUILDER_SETTLE_SECONDS", "soon", "REBUILDER_SETTLE_SECONDS"),
        ("REBUILDER_SUSPENDED", "perhaps", "REBUILDER_SUSPENDED"),
        ("REBUILDER_REPLAY_FEEDS", "perhaps", "REBUILDER_REPLAY_FEEDS"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_named_with_what_is_wrong(name: str, value: str, complaint: str) -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        Settings.read({**GOOD, name: value})

    assert name in str(caught.value)
    assert complaint in str(caught.value)
    assert "canary" not in str(caught.value)


MINE, OTHER = "0c0ffee0-0000-4000-8000-00000000000a", "0c0ffee0-0000-4000-8000-00000000000b"
HOST = {"AzureWebJobsStorage__accountName": "account", "AzureWebJobsStorage__credential": "managedidentity"}
OURS = {"REBUILDER_STORAGE__credential": "managedidentity"}


@pytest.mark.parametrize(
    ("more", "client_id"),
    [
        ({}, None),
        ({**OURS, **HOST}, None),
        ({**OURS, "AzureWebJobsStorage": "AccountName=x;AccountKey=canary"}, None),
        ({**OURS, "REBUILDER_STORAGE__clientId": MINE}, MINE),
        ({**OURS, "REBUILDER_STORAGE__clientId": MINE, **HOST, "AzureWebJobsStorage__clientId": OTHER}, MINE),
        ({"REBUILDER_STORAGE__credential": "managedIdentity", "REBUILDER_STORAGE__clientId": MINE,
          "AZURE_CLIENT_ID": MINE.upper()}, MINE.upper()),
        ({**OURS, "REBUILDER_STORAGE__managedIdentityResourceId": "/subscriptions/s/x", "AZURE_CLIENT_ID": MINE}, MINE),
    ],
)  # fmt: skip
def test_the_app_signs_in_as_its_triggers_do(more: dict[str, str], client_id: str | None) -> None:
    settings = Settings.read({**GOOD, **more})

    assert (settings.client_id, settings.doubts) == (client_id, ())


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        ({**OURS, "AZURE_CLIENT_ID": MINE}, "`REBUILDER_STORAGE__clientId`: is missing: `AZURE_CLIENT_ID` does not"),
        ({"REBUILDER_STORAGE__clientId": "canary"}, "`REBUILDER_STORAGE__clientId`: is not the client id of an"),
        ({"AZURE_CLIENT_ID": "canary"}, "`AZURE_CLIENT_ID`: is not the client id of an identity"),
        ({"REBUILDER_STORAGE": "AccountName=x;AccountKey=canary"}, "`REBUILDER_STORAGE`: holds a connection string"),
    ],
)
def test_an_identity_that_cannot_work_is_refused_with_all_else(more: dict[str, str], complaint: str) -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        Settings.read({**GOOD, **more, "REBUILDER_SUSPENDED": "perhaps"})

    assert complaint in str(caught.value)
    assert "REBUILDER_SUSPENDED" in str(caught.value)
    assert "canary" not in str(caught.value)
    with pytest.raises(InvalidConfiguration):
        Settings.read({**GOOD, **more})


@pytest.mark.parametrize(
    ("more", "doubt"),
    [
        ({"REBUILDER_STORAGE__clientId": MINE}, "`REBUILDER_STORAGE__credential`: is missing"),
        ({"AZURE_CLIENT_ID": MINE}, "`REBUILDER_STORAGE__credential`: is missing"),
        (
            {**OURS, "AZURE_CLIENT_ID": MINE, "REBUILDER_STORAGE__clientId": OTHER},
            "`REBUILDER_STORAGE__clientId`: is a",
        ),
        ({"REBUILDER_STORAGE__credential": "managed-identity"}, "`REBUILDER_STORAGE__credential`: is not"),
        ({**OURS, "REBUILDER_STORAGE__clientId": MINE, **HOST}, "`AzureWebJobsStorage__clientId`: is missing"),
        ({**OURS, **HOST, "AzureWebJobsStorage__clientId": MINE}, "`REBUILDER_STORAGE__clientId`: is missing"),
        ({**OURS, **HOST, "AzureWebJobsStorage": "canary"}, "`AzureWebJobsStorage`: holds a connection string"),
    ],
)
def test_an_identity_that_may_work_is_doubted_and_nothing_is_refused(more: dict[str, str], doubt: str) -> None:
    (found,) = Settings.read({**GOOD, **more}).doubts

    assert found.startswith(doubt)
    assert "canary" not in found


def test_no_value_is_ever_shown() -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        Settings.read({**GOOD, "REBUILDER_HOOK_SECRETS": "canary-secret", "REBUILDER_SUSPENDED": "canary-value"})

    assert "canary" not in str(caught.value)
