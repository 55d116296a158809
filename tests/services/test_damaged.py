"""Blobs that are no entries of the ledger, and entries that are damaged, stop what they concern and nothing else."""

import logging

import pytest

from shared.domain.states import RebuildState, ReleaseState
from shared.errors import ServiceUnavailable
from shared.ledger_entries import LeaseEntry, lease_key, parked_key
from shared.limits import HELD_PERIOD, STANDSTILL
from shared.ports import Stored
from tests.services.world import RULES, SAMPLE, World, environment

STRAYS = [
    "main/due/release/20260101T000000.000000Z",
    "main/due/readme.txt",
    "main/due/release/x/y.json",
    "main/due/release/2026/ml%2Fpackages/our-package/1.1.json",
    "main/due/release/20260101T000000.000000Z/ml%2Fpackages/our-package/not-a-version.json",
    "main/due/release/20260101T000000.000000Z/ml%2Fpackages/-/1.1.json",
    "main/due/release/20260101T000000.000000Z/ml%2Fpackages/Our_Package/1.1.json",
    "main/due/look/yesterday/0123.json",
    "main/due/look/20260101T000000.000000Z.json",
    "main/due/other/0123.json",
    "main/held/repository/ml%2Fpackages/our-package/1.1.json/copy",
    "main/held/never/ml%2Fpackages/our-package/1.1.json",
    "main/held/repository/ml/packages/our-package/1.1.json",
    "main/held/readme.txt",
    "main/following/a/b.json",
    "main/following/readme",
    "main/parked/a/b.json",
    "main/parked/readme",
]


def damage(world: World, key: str) -> None:
    """Cut an entry off."""
    assert key in world.store.blobs
    world.store.blobs[key] = Stored(b'{"schema": 2, "ent', "damaged")


def key_of(world: World, prefix: str) -> str:
    (key,) = world.store.keys(prefix)
    return key


def untouched(world: World, key: str) -> bool:
    return world.store.blobs[key] == Stored(b'{"schema": 2, "ent', "damaged")


class TestStrays:
    @pytest.mark.parametrize("key", STRAYS)
    def test_a_blob_that_is_no_entry_is_passed_over_and_reported_once(
        self, key: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        world = World()
        world.store.create(key, b"")
        world.publish()

        with caplog.at_level(logging.ERROR):
            world.work()
            for _ in range(2):
                world.app.repair.run()
                world.app.parked.all()

        assert world.known().state is ReleaseState.PLANNED
        assert world.commits == ["Bump our-package 1.1"]
        assert world.store.read(key) == Stored(b"", world.store.blobs[key].etag)
        reported = [record.getMessage() for record in caplog.records]
        assert reported == [f'ledger_stray key={key} why="it is no entry of the ledger and passed over"'] or "%" in key
        assert len(reported) == 1

    @pytest.mark.parametrize("key", STRAYS)
    def test_what_cannot_be_done_is_parked_beside_it(self, key: str) -> None:
        world = World()
        world.store.create(key, b"")
        world.publish()

        world.park_the_rebuild()

        assert [thing.entry.rebuild for thing in world.app.parked.all()] == [world.known().rebuild]

    def test_a_stray_blob_in_quarantine_is_passed_over(self) -> None:
        world = World()
        world.quarantine.create("2026-13-01/x.json", b"")
        world.quarantine.create("readme", b"")
        world.app.intake.accept(b"no json")

        world.app.repair.run()

        assert len(world.app.quarantined.quarantined()) == 1


def with_two_releases() -> World:
    world = World({**SAMPLE, **environment("other", b"our-other==1.0\n")})
    for name in ("our-package", "our-other"):
        world.publish(name)
        world.app.worker.signal(world.signals.receive() or "")
    return world


class TestDamage:
    def test_a_release_that_cannot_be_read_stops_no_other(self, caplog: pytest.LogCaptureFixture) -> None:
        world = with_two_releases()
        key = "main/releases/ml%2Fpackages/our-package/1.1.json"
        damage(world, key)

        with caplog.at_level(logging.ERROR):
            world.work()

        assert world.commits == ["Bump our-other 1.1"]
        assert untouched(world, key)
        assert len(world.app.ledger.due("main")) == 1  # it waits until its entry is repaired
        assert f"the ledger's {key} is damaged" in caplog.text

    def test_a_release_that_is_damaged_while_its_rebuild_is_carried_out_stops_no_other(self) -> None:
        world = with_two_releases()
        world.repository.fail("push", "before", ServiceUnavailable("later"))
        world.clock.advance(STANDSTILL)
        assert world.step()
        damage(world, "main/releases/ml%2Fpackages/our-package/1.1.json")

        world.work()
        world.finish()

        assert world.known("our-other").state is ReleaseState.SETTLED
        assert world.rebuild("our-other").state is RebuildState.FINISHED

    def test_an_environment_of_which_nobody_can_read_what_it_carries_is_held_alone(self) -> None:
        world = World()
        world.publish()
        world.work()
        key = "main/environments/training%2Fenvironment.yml.json"
        damage(world, key)

        world.publish(version="1.2")
        world.work()

        assert world.commits == ["Bump our-package 1.1", "Bump our-package 1.2"]
        assert world.pipeline.runs[1].paths == ["scoring/environment.yml"]
        assert untouched(world, key)

        world.finish()
        del world.store.blobs[key]
        world.clock.advance(HELD_PERIOD)
        world.app.repair.run()
        world.work()

        assert world.pipeline.runs[2].paths == ["training/environment.yml"]

    def test_a_rebuild_that_cannot_be_read_keeps_the_lease_from_no_other(self) -> None:
        world = World({**SAMPLE, **environment("other", b"our-other==1.0\n")})
        world.publish()
        world.pipeline.fail("queue", "before", ServiceUnavailable("no answer"), times=1000)
        while not world.commits:
            assert world.step()
        key = key_of(world, "main/rebuilds/")
        damage(world, key)

        world.work()
        world.pipeline.faults.clear()
        world.publish("our-other")
        world.work()

        assert world.commits == ["Bump our-package 1.1", "Bump our-other 1.1"]
        assert untouched(world, key)
        assert world.app.lease.present("main") is None
        assert [thing.entry.what for thing in world.app.parked.all()] == [f"rebuild {world.known().rebuild}"]

    def test_the_timer_frees_the_lease_of_a_rebuild_that_cannot_be_read(self) -> None:
        world = World()
        world.publish()
        world.pipeline.fail("queue", "before", ServiceUnavailable("no answer"))
        while not world.commits:
            assert world.step()
        world.rebuilds.waiting.clear()
        damage(world, key_of(world, "main/rebuilds/"))
        world.clock.advance(STANDSTILL * 2)

        world.app.repair.run()
        world.work()

        assert world.app.lease.present("main") is None

    def test_a_rebuild_that_cannot_be_read_does_not_stop_the_following_of_others(self) -> None:
        world = with_two_releases()
        world.work()
        world.store.create("main/following/0000000000000000.json", b"{}")
        world.store.create("main/rebuilds/0000000000000000.json", b"{}")
        world.build(world.pipeline.runs[0])

        world.app.repair.run()

        assert world.rebuild().state is RebuildState.FINISHED

    @pytest.mark.parametrize("prefix", ["main/metadata/", "main/look.json", "main/plans/"])
    def test_what_is_only_remembered_stops_nothing_if_it_cannot_be_read(self, prefix: str) -> None:
        world = World({**SAMPLE, "rebuilder.yml": b'deliver: push\npackages: [{match: "our-*", view: Release}]\n'})
        world.feed.publish("our-package", "1.0")
        world.publish()
        world.work()
        world.clock.advance(HELD_PERIOD)
        world.app.repair.run()
        world.work()
        keys = list(world.store.keys(prefix))
        for key in keys:
            damage(world, key)
        world.repository.commit({"rebuilder.yml": RULES})

        world.start().repair.run()
        world.work()

        assert keys
        assert world.commits == ["Bump our-package 1.1"]
        assert all(untouched(world, key) for key in keys)

    def test_a_plan_that_cannot_be_read_keeps_no_other_from_its_identity(self) -> None:
        world = World({**SAMPLE, "rebuilder.yml": b'deliver: push\npackages: [{match: "our-*", view: Release}]\n'})
        world.publish()
        world.work()
        key = key_of(world, "main/plans/")
        damage(world, key)
        world.clock.advance(HELD_PERIOD)

        world.app.repair.run()
        world.work()

        assert world.app.parked.all() == []
        assert untouched(world, key)
        assert world.app.ledger.due("main") == []
        assert len(list(world.store.keys("main/plans/"))) == 2

    def test_what_is_parked_and_cannot_be_read_hides_and_keeps_nothing_else(self) -> None:
        world = World()
        world.publish()
        world.park_the_rebuild()
        world.store.create(parked_key("main", "damaged").path, b"{}")

        assert len(world.app.parked.all()) == 1
        world.app.repair.run()
        assert len(world.app.parked.requeue()) == 1

    def test_a_feed_whose_place_cannot_be_read_stops_nothing_but_its_change_log(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        world = World()
        world.app.repair.run()
        damage(world, key_of(world, "main/feeds/"))
        world.publish()

        with caplog.at_level(logging.ERROR):
            world.app.repair.run()
        world.work()

        assert world.commits == ["Bump our-package 1.1"]
        assert "change_log_not_read" in caplog.text

    def test_behind_a_lease_that_cannot_be_read_all_is_parked_and_goes_on_when_it_is_repaired(self) -> None:
        world = World()
        world.publish()
        world.app.worker.signal(world.signals.receive() or "")
        world.app.ledger.create(lease_key("main"), LeaseEntry(None, world.clock.now()))
        damage(world, "main/lease.json")
        world.work()
        assert world.commits == []
        assert "the ledger's main/lease.json is damaged" in world.app.parked.all()[0].entry.why

        del world.store.blobs["main/lease.json"]
        world.app.parked.requeue()
        world.work()

        assert world.commits == ["Bump our-package 1.1"]

    def test_an_owed_mark_that_cannot_be_read_stops_no_other(self, caplog: pytest.LogCaptureFixture) -> None:
        world = World()
        world.publish()
        world.work()
        world.build(world.pipeline.runs[0], failing={"training/environment.yml": "the disk is full"})
        world.app.follow.all()
        key = key_of(world, "main/due/environment/")
        damage(world, key)
        world.publish(version="1.2")

        with caplog.at_level(logging.ERROR):
            world.work()

        assert world.commits == ["Bump our-package 1.1", "Bump our-package 1.2"]
        assert untouched(world, key)
        assert f"the ledger's {key} is damaged" in caplog.text
