"""What is held is looked at again when it may come out otherwise."""

from datetime import timedelta

import pytest

from shared.domain.records.held import HeldEntry, Until
from shared.domain.states import RebuildState, ReleaseState
from shared.errors import ServiceUnavailable
from shared.limits import HELD_PER_PACKAGE, HELD_PERIOD
from shared.services.records.held import Held
from tests.services.world import RULES, SAMPLE, World, environment

TRAINING = "training/environment.yml"
VIEW = b'deliver: push\npackages:\n  - {match: "our-*", view: Release}\n'


def held(world: World) -> list[tuple[str, str]]:
    return [
        (str(mark.until), f"{mark.release.package} {mark.release.version}") for mark in world.app.ledger.held("main")
    ]


def settled(files: dict[str, bytes] | None = None) -> World:
    """A world whose release 1.1 is held everywhere."""
    world = World({**SAMPLE, **(files or {"rebuilder.yml": VIEW})})
    world.publish()
    world.work()
    assert world.known().state is ReleaseState.SETTLED
    assert world.commits == []
    return world


def timer(world: World) -> None:
    world.app.repair.run()
    world.work()


class TestWhatNobodyCouldClear:
    """What was not read, or is installed unseen, is looked at again when the branch has moved and not before."""

    UNSEEN = b"-r https://example.com/more.txt\n"

    def again(self, world: World, *looks: str) -> list[str]:
        return [str(one) for one in Held(world.app.ledger).releases("main", looks=looks)]

    def test_neither_an_hour_nor_another_release_brings_it_back(self) -> None:
        world = settled(environment("training", self.UNSEEN) | environment("scoring", self.UNSEEN))
        assert held(world) == [("commit", "our-package 1.1")]

        assert self.again(world, world.repository.head) == []
        timer(world)
        assert self.again(world, world.repository.head) == []
        assert self.again(world) == []
        assert self.again(world, "another commit") == ["our-package 1.1"]
        assert self.again(world, world.repository.head, "a newer one of the same hour") == ["our-package 1.1"]

    def test_an_hour_that_brings_nothing_back_wakes_the_target_once(self) -> None:
        world = settled(environment("training", self.UNSEEN) | environment("scoring", self.UNSEEN))
        timer(world)
        world.clock.advance(HELD_PERIOD)
        timer(world)

        world.app.repair.run()

        assert world.rebuilds.next_visible() is None

    def test_a_commit_does(self) -> None:
        world = settled(environment("training", self.UNSEEN) | environment("scoring", self.UNSEEN))
        world.repository.commit({"training/context/requirements.txt": b"our-package==1.0\n"})

        timer(world)

        assert world.commits == ["Bump our-package 1.1"]
        assert held(world) == [("commit", "our-package 1.1")]


class TestHeldReleases:
    def test_rules_that_change_let_them_go_on(self) -> None:
        world = settled()
        assert held(world) == [("repository", "our-package 1.1")]
        world.repository.commit({"rebuilder.yml": RULES})

        timer(world)

        assert world.commits == ["Bump our-package 1.1"]
        assert held(world) == []

    def test_files_that_change_let_them_go_on(self) -> None:
        comment = b"our-package==1.0  # rebuilder: hold\n"
        world = settled({**environment("scoring", comment), **environment("training", comment)})
        world.repository.commit({"scoring/context/requirements.txt": b"our-package==1.0\n"})

        timer(world)

        assert world.commits == ["Bump our-package 1.1"]
        assert world.file("scoring/context/requirements.txt") == b"our-package==1.1\n"
        assert world.file("training/context/requirements.txt") == comment

    def test_what_could_not_be_read_is_planned_when_it_can(self) -> None:
        world = World({**SAMPLE, "late/environment.yml": b"name: late\nbuild: [\n"})
        world.publish()
        world.work()
        (run,) = world.pipeline.runs
        world.build(run)
        timer(world)
        fresh = environment("late", b"our-package==1.0\n")
        world.repository.commit({**fresh})

        timer(world)

        assert world.file("late/context/requirements.txt") == b"our-package==1.1\n"

    @pytest.mark.parametrize(
        ("files", "marks"),
        [
            ({"x.yml": b"name: x\nbuild: [\n"}, 1),
            ({"x.yml": b"apiVersion: v1\nkind: Pod\n---\nname: x\nimage: [\n"}, 0),
            ({"chart/Chart.yaml": b"name: x\n", "chart/values.yaml": b"name: x\nimage: [\n"}, 0),
            ({"old/x.yml": b"name: x\nbuild: [\n",
              "rebuilder.yml": b"environments: {exclude: [old]}\n" + RULES}, 0),
            ({"job.yml": b"environment: {image: x, conda_file: [our-package\n"}, 0),
            ({"run.py": b"from azure.ai.ml.entities import Environment\nEnvironment(conda_file=our_package\n"}, 0),
        ],
        ids=["an environment", "a manifest", "a chart", "excluded", "an inline environment", "Python"],
    )  # fmt: skip
    def test_only_an_environment_that_cannot_be_read_makes_a_release_wait(
        self, files: dict[str, bytes], marks: int
    ) -> None:
        world = World({**SAMPLE, **files})
        world.publish()
        world.work()

        assert len(held(world)) == marks

    def test_nothing_is_planned_while_nothing_has_changed(self) -> None:
        world = settled()
        timer(world)
        before = {key: stored.raw for key, stored in world.store.blobs.items() if "look" not in key}
        world.clock.advance(timedelta(minutes=5))

        timer(world)

        assert {key: stored.raw for key, stored in world.store.blobs.items() if "look" not in key} == before

    def test_a_look_that_finds_nothing_new_leaves_no_trace(self) -> None:
        world = settled()
        timer(world)
        entry, plans = world.known(), [key for key in world.store.blobs if "/plans/" in key]
        world.clock.advance(HELD_PERIOD)

        timer(world)

        assert world.known() == entry
        assert [key for key in world.store.blobs if "/plans/" in key] == plans

    def test_a_look_at_what_is_held_for_one_leaves_what_was_rebuilt_for_others(self) -> None:
        comment = b"our-package==1.0  # rebuilder: hold\n"
        world = World({**SAMPLE, **environment("scoring", comment)})
        world.publish()
        world.work()
        world.finish()
        before = world.known()
        assert held(world) == [("repository", "our-package 1.1")]

        timer(world)

        assert world.known() == before
        assert world.rebuild().state is RebuildState.FINISHED

    def test_a_look_during_a_rebuild_leaves_that_rebuild_in_sight(self) -> None:
        world = World({**SAMPLE, **environment("scoring", b"our-package==1.0  # rebuilder: hold\n")})
        world.publish()
        world.work()
        rebuild = world.rebuild().id

        timer(world)
        world.finish()

        found = world.app.status.release(name="our-package", version="1.1")["targets"][0]
        assert (found["state"], found["rebuild"]["id"]) == ("settled", rebuild)
        states = {row["path"]: row["state"] for row in found["environments"]}
        assert states == {TRAINING: "registered", "scoring/environment.yml": None}

    def test_what_is_held_goes_on_while_others_are_being_rebuilt(self) -> None:
        world = World({**SAMPLE, **environment("scoring", b"our-package==1.0  # rebuilder: hold\n")})
        world.publish()
        world.work()
        world.repository.commit({"scoring/context/requirements.txt": b"our-package==1.0\n"})

        timer(world)

        assert [run.paths for run in world.pipeline.runs] == [[TRAINING], ["scoring/environment.yml"]]
        world.finish()
        world.finish()
        assert world.known().state is ReleaseState.SETTLED
        assert world.carried(TRAINING).registered

    def test_another_release_lets_those_go_on_that_need_it(self) -> None:
        files = environment("training", b"our-package==1.0\nour-library==1.0\n")
        world = World({**files, "rebuilder.yml": RULES})
        world.feed.publish("our-package", "1.1", requires=["our-library>=1.1"])
        world.announce()
        world.work()
        assert held(world) == [("releases", "our-package 1.1")]
        assert world.commits == []

        world.publish("our-library", "1.1")
        world.work()

        assert world.commits == ["Bump 2 packages"]
        assert world.file("training/context/requirements.txt") == b"our-package==1.1\nour-library==1.1\n"

    def test_only_the_newest_of_many_are_remembered(self) -> None:
        world = settled()
        for minor in range(2, HELD_PER_PACKAGE + 5):
            world.publish(version=f"1.{minor}")
        world.work()

        marks = world.app.ledger.held("main")

        assert len(marks) == HELD_PER_PACKAGE
        assert {mark.until for mark in marks} == {Until.REPOSITORY}
        assert HeldEntry(Until.REPOSITORY, world.known(version="1.1").id) not in marks


class TestFilesThatArriveOneByOne:
    HASHED = environment("training", b"our-package==1.0 --hash=sha256:" + b"0" * 64 + b"\n")

    def world(self) -> World:
        return World({**self.HASHED, "rebuilder.yml": RULES})

    def test_hashes_are_written_when_the_files_have_stood_still(self) -> None:
        world = self.world()
        world.publish()
        world.step()
        world.clock.advance(world.app.settings.settle_time - timedelta(seconds=1))
        other = world.feed.publish("our-package", "1.1", file="our_package-1.1-cp310-cp310-manylinux_2_17_x86_64.whl")
        world.step()

        assert world.commits == []
        assert "still arriving" in world.app.status.release(name="our-package", version="1.1")["targets"][0][
            "environments"
        ][0]["reason"]  # fmt: skip
        world.work()

        assert world.commits == ["Bump our-package 1.1"]
        assert other.encode() in world.file("training/context/requirements.txt")

    def test_other_environments_do_not_wait_for_them(self) -> None:
        world = World({**self.HASHED, **environment("scoring", b"our-package==1.0\n"), "rebuilder.yml": RULES})
        world.publish()
        world.step()
        world.clock.advance(world.app.settings.settle_time - timedelta(seconds=1))
        world.feed.publish("our-package", "1.1", file="our_package-1.1-cp310-cp310-manylinux_2_17_x86_64.whl")
        world.step()
        assert world.file("scoring/context/requirements.txt") == b"our-package==1.1\n"
        assert b"our-package==1.0" in world.file("training/context/requirements.txt")

        world.work()
        world.finish()

        assert b"our-package==1.1" in world.file("training/context/requirements.txt")

    def test_a_rebuild_that_is_tried_again_and_again_makes_no_crowd_of_messages(self) -> None:
        world = World({**self.HASHED, **environment("scoring", b"our-package==1.0\n"), "rebuilder.yml": RULES})
        world.publish()
        world.step()
        world.clock.advance(world.app.settings.settle_time - timedelta(seconds=1))
        world.feed.publish("our-package", "1.1", file="our_package-1.1-cp310-cp310-manylinux_2_17_x86_64.whl")
        world.pipeline.fail("runs_since", "before", ServiceUnavailable("away"), times=10)

        for _ in range(10):
            world.step()

        assert len(world.rebuilds.waiting) <= 2

    def test_a_later_file_opens_the_release_again(self) -> None:
        world = self.world()
        world.publish()
        world.work()
        world.finish()
        assert world.known().state is ReleaseState.SETTLED

        other = world.feed.publish("our-package", "1.1", file="our_package-1.1-cp310-cp310-manylinux_2_17_x86_64.whl")
        world.announce()
        world.work()

        assert world.commits == ["Bump our-package 1.1"] * 2
        assert other.encode() in world.file("training/context/requirements.txt")

    def test_a_release_without_any_file_is_held_until_one_is_there(self) -> None:
        world = World()
        world.feed.publish("our-package", "1.1")
        world.feed._known("our-package", "1.1").files.clear()
        world.announce()
        world.work()
        assert world.commits == []

        world.feed.publish("our-package", "1.1")
        world.announce()
        world.work()

        assert world.commits == ["Bump our-package 1.1"]
