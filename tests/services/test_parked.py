"""What is parked is listed, counted and told once; a person dismisses it, or it is cleared away when it has gone on."""

import json
import logging

import pytest

from shared.domain.signals import ReleaseSignal, Source
from shared.domain.states import RebuildState, ReleaseState
from shared.errors import AccessDenied, Busy, InvalidInput, NotKnown
from shared.ledger_entries import parked_key
from shared.limits import DISMISSAL_CHARACTERS, STANDSTILL
from shared.services.operator.parked import ParkedThing
from tests.services.world import FEED, World


def parked(world: World) -> ParkedThing:
    (thing,) = world.app.parked.all()
    return thing


def not_found() -> World:
    """A world with a release that never came."""
    world = World()
    world.announce()
    world.work()
    return world


def test_an_entry_whose_release_went_on_by_itself_is_cleared_away() -> None:
    world = not_found()
    world.app.repair.run()
    assert len(world.app.parked.all()) == 1
    world.publish()
    world.work()
    world.clock.advance(STANDSTILL)

    world.app.repair.run()

    assert world.app.parked.all() == []


def test_an_entry_whose_marks_were_done_is_cleared_away() -> None:
    world = World()
    world.publish()
    world.step()
    world.clock.advance(world.app.settings.settle_time)
    world.give_up_the_turn()
    assert parked(world).entry.marks
    world.announce()
    world.work()
    world.clock.advance(STANDSTILL)

    world.app.repair.run()

    assert world.commits == ["Bump our-package 1.1"]
    assert world.app.parked.all() == []


def test_an_entry_of_what_is_parked_still_is_not_cleared_away() -> None:
    world = World()
    world.publish()
    world.park_the_rebuild()
    world.clock.advance(STANDSTILL * 100)

    world.app.repair.run()

    assert len(world.app.parked.all()) == 1


def test_a_young_entry_is_left_to_who_wrote_it() -> None:
    """The process may just be about to park the release."""
    world = World()
    world.announce()
    world.step()
    world.app.park.release(
        "main", world.known().id, "no answer", ReleaseSignal(FEED, "our-package", "1.1", Source.TIMER)
    )
    world.publish()
    world.step()

    world.app.repair.run()

    assert len(world.app.parked.all()) == 1


def test_while_suspended_nothing_is_requeued() -> None:
    world = not_found()
    world.settings["REBUILDER_SUSPENDED"] = "true"
    world.start()

    with pytest.raises(Busy, match="suspended"):
        world.app.parked.requeue()

    assert len(world.app.parked.all()) == 1
    assert world.signals.waiting == []


def test_what_is_not_parked_can_be_neither_requeued_nor_dismissed() -> None:
    world = not_found()

    with pytest.raises(NotKnown, match="nothing is parked as 'elsewhere'"):
        world.app.parked.requeue("elsewhere")
    with pytest.raises(NotKnown, match="nothing is parked as 'elsewhere'"):
        world.app.parked.dismiss("elsewhere", "Ada", "a typing error")

    assert len(world.app.parked.all()) == 1


class TestDismissed:
    def test_a_release_is_listed_no_more_and_its_history_says_who_and_why(self) -> None:
        world = not_found()

        world.app.parked.dismiss(parked(world).id, "Ada", "a typing error")

        assert world.app.parked.all() == []
        assert world.known().state is ReleaseState.PARKED
        assert world.known().history[-1].what == "dismissed by Ada: a typing error"

    def test_it_starts_anew_when_somebody_tells_of_it(self) -> None:
        world = not_found()
        world.app.parked.dismiss(parked(world).id, "Ada", "a typing error")

        world.publish()
        world.work()

        assert world.commits == ["Bump our-package 1.1"]

    def test_a_rebuild_says_so_and_nothing_of_it_is_due(self) -> None:
        world = World()
        world.publish()
        world.park_the_rebuild()

        world.app.parked.dismiss(parked(world).id, "Ada", "the team is gone")
        world.clock.advance(STANDSTILL * 100)
        world.app.repair.run()
        world.work()

        assert world.rebuild().state is RebuildState.PARKED
        assert world.rebuild().history[-1].what == "dismissed by Ada: the team is gone"
        assert world.pipeline.runs == []
        assert world.app.parked.count() == 0

    def test_a_rebuild_stays_so_when_a_hook_is_repeated(self) -> None:
        world = World()
        world.publish()
        world.park_the_rebuild()
        world.app.parked.dismiss(parked(world).id, "Ada", "the team is gone")

        world.announce()
        world.work()

        assert world.pipeline.runs == []
        assert world.known().state is ReleaseState.SETTLED

    def test_a_rebuild_is_done_when_a_person_asks_for_it(self) -> None:
        world = World()
        world.publish()
        world.park_the_rebuild()
        world.app.parked.dismiss(parked(world).id, "Ada", "the team is gone")

        world.app.reruns.ask(feed=None, name="our-package", version="1.1")
        world.work()

        assert world.pipeline.runs[0].paths == ["scoring/environment.yml", "training/environment.yml"]

    def test_who_and_why_are_a_line_each(self) -> None:
        world = not_found()

        with pytest.raises(InvalidInput, match=f"at most {DISMISSAL_CHARACTERS} characters"):
            world.app.parked.dismiss(parked(world).id, "Ada", "x" * (DISMISSAL_CHARACTERS + 1))

        assert len(world.app.parked.all()) == 1


def test_an_entry_that_cannot_be_read_hides_no_other(caplog: pytest.LogCaptureFixture) -> None:
    world = not_found()
    world.store.create(parked_key("main", "damaged").path, b"no entry")

    with caplog.at_level(logging.ERROR):
        assert len(world.app.parked.all()) == 1

    assert "ledger_damaged" in caplog.text


def test_what_is_parked_is_an_alert_once_and_counted_without_one(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    with caplog.at_level(logging.INFO):
        world.app.repair.run()
        assert "parked_count" not in caplog.text
        world.feed.fail("version", "before", AccessDenied("no"))
        world.announce()
        world.work()
        world.app.intake.accept(b"no json")
        alerts = [r.message.split()[0] for r in caplog.records if r.levelno >= logging.ERROR]
        assert alerts.count("parked") == 1
        caplog.clear()

        for _ in range(36):
            world.app.repair.run()

    assert {r.message for r in caplog.records if "parked" in r.message} == {"parked_count parked=1 quarantined=1"}
    assert [r.message for r in caplog.records if r.levelno >= logging.ERROR] == []


def test_what_is_shown_is_plain_data() -> None:
    world = World()
    world.publish()
    world.step()
    world.clock.advance(world.app.settings.settle_time)
    world.give_up_the_turn()

    shown = json.loads(json.dumps(parked(world).shown()))

    assert shown["at"] == (world.known().history[-1].at).isoformat(timespec="seconds").replace("+00:00", "Z")
    assert shown["target"] == "main"
    assert shown["due"] == ["release our-package 1.1 on ml/packages"]
    assert shown["releases"] == ["our-package 1.1 on ml/packages"]
