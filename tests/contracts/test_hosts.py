"""The organisation's hosts, the links in their answers, and the names and GUIDs that lead there."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from local.azure_devops.api import AUDIENCE
from local.azure_devops.locations import Host
from local.azure_devops.server import Organization
from local.faults import Fault
from local.identity import make_token
from local.wheels import empty_wheel
from shared.adapters.azure_devops import AzureDevOpsOrganizations
from shared.domain.feed_facts import Metadata
from shared.domain.names import package_name
from shared.domain.releases import FeedName
from shared.domain.targets import Target
from tests.contracts.worlds import PARAMETERS

OURS = package_name("our-package")
GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.fixture(scope="module")
def served(organization_of_module: Organization, tmp_path_factory: pytest.TempPathFactory) -> Organization:
    """The module's organisation with one package."""
    wheel = empty_wheel(OURS, "1.0", tmp_path_factory.mktemp("wheels"), requires=["numpy<2"])
    organization_of_module.feed.publish(wheel.name, wheel.read_bytes(), silent=True)
    return organization_of_module


def get(organization: Organization, path: str, host: Host = Host.DEVOPS, **headers: str) -> requests.Response:
    signed = {"Authorization": f"Bearer {make_token(AUDIENCE)}", **headers}
    return requests.get(organization.urls[host] + path, headers=signed, timeout=10, allow_redirects=False)


def links(answer: object) -> list[str]:
    """Every address in an answer."""
    match answer:
        case dict():
            return [link for value in answer.values() for link in links(value)]
        case list():
            return [link for value in answer for link in links(value)]
        case str() if answer.startswith("http"):
            return [answer]
        case _:
            return []


def test_every_host_has_an_address_of_its_own_and_all_know_them(served: Organization) -> None:
    assert len({urlsplit(url).netloc for url in served.urls.values()}) == len(Host)
    for host in Host:
        areas = {
            area["name"]: area["locationUrl"] for area in get(served, "/_apis/ResourceAreas", host).json()["value"]
        }
        assert areas["git"] == f"{served.urls[Host.DEVOPS]}/"
        assert areas["packaging"] == f"{served.urls[Host.FEEDS]}/"
        assert areas["pypi"] == f"{served.urls[Host.PACKAGES]}/"


@pytest.mark.parametrize(
    ("path", "host"),
    [
        ("/ml/_apis/git/repositories/environments/items?recursionLevel=full", Host.DEVOPS),
        ("/ml/_apis/git/repositories/environments/refs", Host.DEVOPS),
        ("/ml/_apis/git/repositories/environments/commits", Host.DEVOPS),
        ("/ml/_apis/packaging/Feeds/packages", Host.FEEDS),
        ("/ml/_apis/packaging/Feeds/packages/packages", Host.FEEDS),
        ("/ml/_apis/packaging/Feeds/packages/packagechanges", Host.FEEDS),
    ],
)
def test_links_are_absolute_at_their_own_host_and_have_guids_for_names(
    served: Organization, path: str, host: Host
) -> None:
    found = links(get(served, path, host).json())
    assert found
    for link in found:
        assert link.startswith(f"{served.urls[host]}/{served.names.project_id}/")
        assert len(GUID.findall(link)) >= 2


def test_links_to_runs_have_the_projects_guid(
    served: Organization, azure_devops: AzureDevOpsOrganizations, target_of_module: Target
) -> None:
    azure_devops.pipeline(target_of_module).queue(served.repository.tip() or "", PARAMETERS)
    found = links(get(served, "/ml/_apis/build/builds").json())
    assert found
    assert all(link.startswith(f"{served.url}/{served.names.project_id}/") for link in found)


def test_links_lead_where_they_say(served: Organization) -> None:
    (package,) = get(served, "/ml/_apis/packaging/Feeds/packages/packages", Host.FEEDS).json()["value"]
    feed = package["url"].rpartition("/Packages/")[0]
    answer = requests.get(feed, headers={"Authorization": f"Bearer {make_token(AUDIENCE)}"}, timeout=10)
    assert answer.json()["name"] == "packages"


def test_the_index_links_to_guids_and_a_file_is_at_a_storage_that_takes_no_token(served: Organization) -> None:
    page = get(served, "/ml/_packaging/packages/pypi/simple/our-package/", Host.PACKAGES).text
    (link,) = re.findall(r'href="([^"#]*)#sha256=[0-9a-f]{64}"', page)
    place = f"{served.urls[Host.PACKAGES]}/{served.names.project_id}/_packaging/{served.feed.id}/pypi/download/"
    assert link.startswith(place)
    token = {"Authorization": f"Bearer {make_token(AUDIENCE)}"}

    sent_on = requests.get(link, headers=token, timeout=10, allow_redirects=False)

    assert sent_on.status_code == 303
    storage = sent_on.headers["Location"]
    assert urlsplit(storage).netloc not in {urlsplit(url).netloc for url in served.urls.values()}
    assert requests.get(storage, timeout=10).status_code == 200
    assert requests.get(storage, headers=token, timeout=10).status_code == 403
    assert requests.get(storage.partition("?")[0], timeout=10).status_code == 403


def test_a_project_a_repository_and_a_feed_may_be_named_by_guid(
    served: Organization, azure_devops: AzureDevOpsOrganizations, target_of_module: Target
) -> None:
    names = served.names
    by_guid = replace(
        target_of_module, project=names.project_id, repository=names.repository_id.upper(),
        feeds=(FeedName(served.feed.id, names.project_id),),
    )  # fmt: skip
    repository, pipeline = azure_devops.repository(by_guid), azure_devops.pipeline(by_guid)
    feed = azure_devops.feed(by_guid, by_guid.feeds[0])

    tip = repository.push(repository.tip(), "Change the rules", {"rebuilder.yml": b"deliver: push\n"})
    run = pipeline.queue(tip, PARAMETERS)

    assert "rebuilder.yml" in repository.listing(tip).files
    assert run.id in [one.id for one in pipeline.runs_since(datetime.now(UTC) - timedelta(hours=1))]
    found = feed.version(OURS, "1.0")
    assert found
    assert found.files == ("our_package-1.0-py3-none-any.whl",)
    assert feed.id() == served.feed.id
    assert feed.metadata(OURS, "1.0") == Metadata(None, ("numpy<2",))


@pytest.mark.parametrize(
    ("path", "host", "kind"),
    [
        ("/ml/_apis/git/repositories/environments/refs", Host.DEVOPS, "application/json; charset=utf-8"),
        ("/ml/_apis/git/repositories/elsewhere/refs", Host.DEVOPS, "application/json; charset=utf-8"),
        ("/ml/_apis/packaging/Feeds/packages", Host.FEEDS, "application/json; charset=utf-8"),
        ("/ml/_packaging/packages/pypi/simple/our-package/", Host.PACKAGES, "text/html; charset=utf-8"),
        ("/ml/_packaging/packages/pypi/simple/nothing/", Host.PACKAGES, "text/plain; charset=utf-8"),
        ("/ml/_git/elsewhere/info/refs", Host.DEVOPS, "text/plain; charset=utf-8"),
        ("/_apis", Host.PACKAGES, "application/json; charset=utf-8"),
    ],
)
def test_every_answer_can_be_traced_and_says_its_charset(
    served: Organization, path: str, host: Host, kind: str
) -> None:
    first, second = get(served, path, host), get(served, path, host)
    for answer in (first, second):
        assert answer.headers["Content-Type"] == kind
        assert all(GUID.fullmatch(answer.headers[name]) for name in ("ActivityId", "X-TFS-ProcessId", "X-VSS-E2EID"))
    assert first.headers["ActivityId"] != second.headers["ActivityId"]
    assert first.headers["X-TFS-ProcessId"] == second.headers["X-TFS-ProcessId"]


def test_an_answer_that_goes_wrong_on_purpose_can_be_traced_too(served: Organization) -> None:
    served.faults.set("refs", Fault.UNAVAILABLE)
    answer = get(served, "/ml/_apis/git/repositories/environments/refs")
    assert answer.status_code == 503
    assert "ActivityId" in answer.headers


# Query parameters that are honoured


def paths(organization: Organization, query: str) -> set[str]:
    rows: list[dict[str, Any]] = get(organization, f"/ml/_apis/git/repositories/environments/items{query}").json()[
        "value"
    ]
    return {row["path"] for row in rows}


def test_files_are_listed_as_deep_as_was_asked_for(served: Organization) -> None:
    everything = paths(served, "?recursionLevel=full")
    top = {path for path in everything if path.count("/") == 1 and path != "/"}
    assert {"/", "/rebuilder.yml", "/training_environment/docker-context/requirements.txt"} <= everything
    assert paths(served, "") == {"/"}
    assert paths(served, "?recursionLevel=oneLevel") == {"/", *top}


@pytest.mark.parametrize("scope", ["/training_environment", "training_environment/"])
def test_files_are_listed_below_the_scope_alone(served: Organization, scope: str) -> None:
    everything = paths(served, "?recursionLevel=full")
    below = {
        path for path in everything if path == "/training_environment" or path.startswith("/training_environment/")
    }
    assert 1 < len(below) < len(everything)
    assert paths(served, f"?recursionLevel=Full&scopePath={scope}") == below
    assert paths(served, "?recursionLevel=full&scopePath=/rebuilder.yml") == {"/rebuilder.yml"}


@pytest.mark.parametrize(("asked", "found"), [("PyPi", 1), ("pypi", 1), ("NuGet", 0)])
def test_packages_are_of_the_protocol_that_was_asked_for(served: Organization, asked: str, found: int) -> None:
    path = f"/ml/_apis/packaging/Feeds/packages/packages?protocolType={asked}"
    assert get(served, path, Host.FEEDS).json()["count"] == found


def test_addresses_of_packages_are_left_out_where_nobody_wants_them(served: Organization) -> None:
    path = "/ml/_apis/packaging/Feeds/packages/packages?includeUrls=false"
    assert links(get(served, path, Host.FEEDS).json()) == []


def test_commits_can_be_skipped(served: Organization) -> None:
    path = "/ml/_apis/git/repositories/environments/commits"
    every = [row["commitId"] for row in get(served, path).json()["value"]]
    rest = [row["commitId"] for row in get(served, f"{path}?searchCriteria.$skip=1").json()["value"]]
    assert len(every) > 1
    assert rest == every[1:]
