"""Each source of signals, by itself, brings a release to a queued run."""

import pytest

from local.azure_devops.repository import git
from local.stand import Stand
from tests.stand.conftest import commits_about, publish, queued, runs_about, state_of
from tests.waiting import wait_for

pytestmark = pytest.mark.stand


def check_done(stand: Stand, package: str, *sources: str) -> None:
    found = queued(stand, package, "1.1")
    (commit,) = commits_about(stand, package)
    (run,) = runs_about(stand, package)
    build = next(build for build in stand.organization.pipelines.builds if build.id == run)
    changed = git("show", "--format=", "--unified=0", commit, at=stand.organization.repository.path).decode()

    assert found["source"] in sources
    assert found["state"] == "planned"
    assert found["rebuild"]["commit"] == commit
    assert build.commit == commit
    assert build.parameters == {
        "schema": "4",
        "rebuild": found["rebuild"]["id"],
        "batch": "1",
        "commit": commit,
        "environments": f"1:env-{package}/environment.yml:",
    }
    assert [
        line for line in changed.splitlines() if line.startswith(("+", "-")) and line[:3] not in ("+++", "---")
    ] == [
        f"-{package}==1.0",
        f"+{package}==1.1",
    ]


def test_the_package_hook_alone(stand: Stand) -> None:
    publish(stand, "pkg-hook", "1.1")

    check_done(stand, "pkg-hook", "package published hook")


def test_the_post_of_a_publishing_pipeline_alone(stand: Stand) -> None:
    publish(stand, "pkg-post", "1.1", silent=True)

    answer = stand.post_hook({"feed": "packages", "name": "Pkg_Post", "version": "1.1"})

    assert (answer.status_code, answer.json()["outcome"]) == (202, "accepted")
    check_done(stand, "pkg-post", "publishing pipeline")


def test_the_hooks_of_a_finished_pipeline_alone(stand: Stand) -> None:
    publish(stand, "pkg-build", "1.1", silent=True)

    stand.organization.hooks.run_finished(run=900, pipeline=3, name="publish", result="succeeded")

    check_done(stand, "pkg-build", "build completed hook", "run state changed hook")


@pytest.mark.parametrize(
    ("package", "event", "resource", "source"),
    [
        ("pkg-build-new", "build.complete",
         {"id": 901, "status": "completed", "result": "succeeded", "definition": {"id": 3}}, "build completed hook"),
        ("pkg-build-old", "build.complete", {"id": 901, "status": "succeeded", "definition": {"id": 3}},
         "build completed hook"),
        ("pkg-run", "ms.vss-pipelines.run-state-changed-event",
         {"run": {"_links": {"self": {"href": "https://x/_apis/Pipelines/3/runs/11"}}, "pipeline": {"id": 3},
                  "state": "completed", "result": "succeeded"}},
         "run state changed hook"),
    ],
    ids=["build completed 2.0", "build completed 1.0", "run state changed"],
)  # fmt: skip
def test_each_event_of_a_finished_pipeline_alone(
    stand: Stand, package: str, event: str, resource: dict[str, object], source: str
) -> None:
    publish(stand, package, "1.1", silent=True)

    assert stand.post_hook({"eventType": event, "resource": resource}).status_code == 202

    check_done(stand, package, source)


def test_the_timer_alone(stand: Stand) -> None:
    publish(stand, "pkg-timer", "1.1", silent=True)

    assert stand.fire_timer().status_code == 202

    check_done(stand, "pkg-timer", "timer")


def test_a_person_alone_and_again(stand: Stand) -> None:
    publish(stand, "pkg-person", "1.1", silent=True)
    wish = {"name": "pkg-person", "version": "1.1"}

    answer = stand.post("/api/rebuilds", wish)

    assert answer.status_code == 202
    assert answer.json()["reruns"][0]["number"] == 1
    check_done(stand, "pkg-person", "person")
    again = stand.post("/api/rebuilds", wish)
    assert (again.status_code, "is being rebuilt" in again.json()["error"]) == (409, True)


def test_twine_from_outside_and_a_second_upload_that_changes_nothing(stand: Stand) -> None:
    from local.processes import StandError
    from local.run import upload
    from local.wheels import empty_wheel

    wheel = empty_wheel("pkg-twine", "1.1", stand.settings.folder / "wheels")

    upload(stand, wheel)

    check_done(stand, "pkg-twine", "package published hook")
    with pytest.raises(StandError, match="is on the feed already"):
        upload(stand, wheel)
    assert len(commits_about(stand, "pkg-twine")) == 1


def test_a_version_that_the_feed_shows_late_is_found_all_the_same(stand: Stand) -> None:
    stand.organization.feed.visible_after = 4

    publish(stand, "pkg-late", "1.1")

    first = wait_for(lambda: state_of(stand, "pkg-late", "1.1"), "the release is known")
    assert first["state"] == "signalled"
    check_done(stand, "pkg-late", "package published hook")
