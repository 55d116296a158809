"""What Azure ML takes, refuses and keeps. Environments of an image only: none of them is ever built."""

from typing import Any

import pytest
import requests

from tests.live.site import Site
from tests.live.worlds import IMAGE

OTHER_IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04:latest"


@pytest.fixture
def name(site: Site) -> str:
    return site.new_name()


def _put(site: Site, name: str, version: str = "1", **properties: Any) -> requests.Response:
    return site.put_environment(name, version, **{"image": IMAGE, **properties})


def test_a_version_cannot_be_given_another_content(site: Site, name: str) -> None:
    assert _put(site, name).ok
    assert _put(site, name, image=OTHER_IMAGE).status_code == 409


def test_the_same_version_again_is_fine(site: Site, name: str) -> None:
    assert _put(site, name, tags={"a": "1"}).ok
    assert _put(site, name, tags={"a": "2"}).status_code == 200
    found = site.ask_arm("GET", f"/environments/{name}/versions/1").json()
    assert found["properties"]["tags"] == {"a": "2"}


def test_tags_that_are_not_sent_again_are_dropped(site: Site, name: str) -> None:
    assert _put(site, name, tags={"a": "1"}).ok
    assert _put(site, name).ok
    found = site.ask_arm("GET", f"/environments/{name}/versions/1").json()
    assert not found["properties"].get("tags")


def test_the_container_tells_the_latest_and_the_next_version(site: Site, name: str) -> None:
    for version in ("7", "3"):
        assert _put(site, name, version).ok
    properties = site.ask_arm("GET", f"/environments/{name}").json()["properties"]
    assert (properties["latestVersion"], properties["nextVersion"]) == ("3", "8")


def test_an_archived_version_that_is_put_again_is_archived_no_more(site: Site, name: str) -> None:
    assert _put(site, name, isArchived=True).ok
    assert _put(site, name, isArchived=False).ok
    found = site.ask_arm("GET", f"/environments/{name}/versions/1").json()
    assert not found["properties"]["isArchived"]


def test_dots_are_allowed_in_a_name(site: Site, name: str) -> None:
    assert _put(site, f"{name}.v1.2").ok


@pytest.mark.parametrize("wrong", ["{name} with blanks", "AzureML-{name}"], ids=["blanks", "reserved"])
def test_a_name_that_is_not_allowed_is_400(site: Site, name: str, wrong: str) -> None:
    assert _put(site, wrong.format(name=name)).status_code == 400


def test_a_name_of_more_than_255_characters_is_400(site: Site, name: str) -> None:
    assert _put(site, name.ljust(256, "x")).status_code == 400


def test_an_image_together_with_a_build_is_400(site: Site, name: str) -> None:
    build = {"contextUri": "https://nobody.blob.core.windows.net/container/context/"}
    assert _put(site, name, build=build).status_code == 400


def test_neither_image_nor_build_is_400(site: Site, name: str) -> None:
    assert site.put_environment(name, "1", tags={}).status_code == 400


def test_an_unknown_api_version_is_400(site: Site) -> None:
    assert site.ask_arm("GET", "/environments", version="2000-01-01").status_code == 400
