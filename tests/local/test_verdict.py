"""How `make run` judges a release, from the app's own answers."""

from pathlib import Path
from typing import Any

import pytest

from local.verdict import counted, is_over, problem_of
from tests.services.world import SAMPLE, World

REPOSITORY, LOG = Path("environments"), Path("functions.log")


def answer(world: World) -> dict[str, Any]:
    return world.app.status.release(name="our-package", version="1.1", everything=True)


def released(files: dict[str, bytes]) -> dict[str, Any]:
    """What the app says of a release once it has nothing to do."""
    world = World(files)
    world.publish()
    world.work()
    return answer(world)


@pytest.mark.parametrize(
    ("files", "problem", "decisions"),
    [
        ({"src/main.py": b""}, "environments has no Azure ML environment", ""),
        ({**SAMPLE, "rebuilder.yml": b"deliver: [\n"}, "rules: rebuilder.yml line 2", "2 held, 1 unaffected"),
        ({**SAMPLE, "rebuilder.yml": b'deliver: push\npackages: [{match: "other"}]\n'}, None, "2 held, 1 unaffected"),
        (
            {**SAMPLE, "rebuilder.yml": b'deliver: report\npackages: [{match: "*"}]\n'},
            None,
            "2 bump, 1 unaffected",
        ),
    ],
    ids=["no environment", "broken rules", "held", "report"],
)
def test_what_is_never_rebuilt_is_over_and_its_cause_is_one_line(
    files: dict[str, bytes], problem: str | None, decisions: str
) -> None:
    seen = released(files)
    (found,) = seen["targets"]

    said = problem_of(found, seen, REPOSITORY, LOG)

    assert is_over(found)
    assert found["rebuild"] is None
    assert (said is None) == (problem is None)
    assert (said or "").startswith(problem or "")
    assert "\n" not in (said or "")
    assert counted(seen) == decisions


def test_a_rebuild_is_over_when_its_runs_are_and_each_lost_environment_is_named() -> None:
    world = World(SAMPLE, REBUILDER_ATTEMPTS="1")
    world.publish()
    world.work()
    (going,) = answer(world)["targets"]
    world.finish(failing={"training/environment.yml": "the disk is full"})
    seen = answer(world)
    (found,) = seen["targets"]

    assert not is_over(going)
    assert is_over(found)
    assert problem_of(found, seen, REPOSITORY, LOG) == (
        "1 of 2 environments are not registered: training failed: the disk is full"
    )


def test_where_all_is_registered_there_is_no_problem() -> None:
    world = World()
    world.publish()
    world.work()
    world.finish()
    seen = answer(world)

    assert problem_of(seen["targets"][0], seen, REPOSITORY, LOG) is None


def test_what_is_parked_is_over_with_its_reason() -> None:
    world = World()
    world.publish()
    world.park_the_rebuild()
    seen = answer(world)
    (found,) = seen["targets"]

    assert is_over(found)
    said = problem_of(found, seen, REPOSITORY, LOG)
    assert said is not None
    assert said.startswith(f"rebuild {found['rebuild']['id']} is parked: ")


def test_a_release_that_nobody_has_heard_of_leads_to_the_log() -> None:
    assert problem_of(None, None, REPOSITORY, LOG) == "the release was not heard of within 900 s; see functions.log"
