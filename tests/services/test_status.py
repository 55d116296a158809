import json

import pytest

from shared.errors import InvalidInput, NotKnown
from tests.services.world import SAMPLE, World


def test_a_release_tells_who_has_it() -> None:
    world = World()
    world.publish()
    world.work()

    answer = world.app.status.release(name="Our_Package", version="1.1.0", everything=True)

    json.dumps(answer)
    (target,) = answer["targets"]
    assert (target["state"], target["rebuild"]["state"]) == ("planned", "queued")
    assert [(row["path"], row["decision"], row["reason"], row["state"]) for row in target["environments"]] == [
        ("reporting/environment.yml", "unaffected", "requires no our-package from the feed", None),
        ("scoring/environment.yml", "bump", "1.0 → 1.1", "queued"),
        ("training/environment.yml", "bump", "1.0 → 1.1", "queued"),
    ]


def test_the_unaffected_are_only_counted_unless_they_are_asked_for() -> None:
    world = World()
    world.publish()
    world.work()
    world.repository.calls.clear()

    (target,) = world.app.status.release(name="our-package", version="1.1")["targets"]

    assert target["plan"]["unaffected"] == 1
    assert len(target["environments"]) == 2
    assert world.repository.calls == []


def test_every_target_tells_of_its_own() -> None:
    world = World(targets=2)
    world.publish()
    world.step()

    answer = world.app.status.release(name="our-package", version="1.1")

    assert [target["target"] for target in answer["targets"]] == ["main", "second"]


def test_a_rebuild_tells_its_history() -> None:
    world = World()
    world.publish()
    world.work()

    answer = world.app.status.rebuild(world.rebuild().id)

    assert [step["what"].split(" ")[0] for step in answer["history"]] == ["planned", "pushed", "queued"]
    assert answer["edits"][0] == {
        "path": "scoring/context/requirements.txt", "offset": 13, "old": "1.0", "new": "1.1", "package": "our-package",
    }  # fmt: skip


def test_what_a_plan_leaves_as_it_is_is_told_with_it() -> None:
    job = b"environment:\n  image: x\n  build: {path: ../training/context}\n"
    world = World({**SAMPLE, "jobs/a.yml": job, "jobs/b.yml": b"environment: azureml:training:3\n"})
    world.publish()
    world.work()

    (target,) = world.app.status.release(name="our-package", version="1.1")["targets"]
    elsewhere = target["plan"]["elsewhere"]

    json.dumps(elsewhere)
    assert elsewhere == world.app.status.rebuild(world.rebuild().id)["elsewhere"]
    assert [(row["path"], row["line"], row["requirement"], row["changes"]) for row in elsewhere["inline"]] == [
        ("jobs/a.yml", 1, "our-package==1.0", True)
    ]
    assert [(row["path"], row["line"], row["outcome"]) for row in elsewhere["references"]] == [
        ("jobs/b.yml", 1, "it stays behind at 3")
    ]
    assert elsewhere["summary"].startswith("1 inline environment requires our-package")
    assert "jobs/b.yml line 1 names azureml:training:3" in world.repository.history()[0].message


def test_what_nobody_heard_of_is_not_known() -> None:
    with pytest.raises(NotKnown):
        World().app.status.release(name="our-package", version="1.1")
    with pytest.raises(NotKnown):
        World().app.status.rebuild("0123")
    with pytest.raises(InvalidInput):
        World().app.status.release(name="our package", version="1.1")
