"""A user-assigned identity: the app and its triggers sign in as it, or the app does not start."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from local.processes import StandError
from local.stand import Stand, StandSettings
from tests.environments import write_environment
from tests.stand.conftest import TIMER_OFF, publish, queued

IDENTITY = "0c0ffee0-0000-4000-8000-00000000000a"

type Make = Callable[[Mapping[str, str]], Stand]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Make a stand whose app has a user-assigned identity and no other."""
    made: list[Stand] = []

    def make(app_settings: Mapping[str, str]) -> Stand:
        environments = tmp_path / "environments"
        write_environment(environments, "env-pkg-mine", "pkg-mine==1.0\n")
        (environments / "rebuilder.yml").write_text('deliver: push\npackages:\n  - match: "pkg-*"\n')
        stand = Stand(
            StandSettings(
                folder=tmp_path / "stand", repository=environments, settle_seconds=1, upstream=False,
                hook_time_scale=0.1, invisible_seconds=3, agent=False, app_settings={**TIMER_OFF, **app_settings},
            )
        )  # fmt: skip
        stand.organization.identity.client_id = IDENTITY
        made.append(stand)
        return stand

    yield make
    for stand in made:
        stand.stop()


def test_with_the_client_id_of_the_storage_alone_everything_signs_in(make: Make) -> None:
    stand = make({"REBUILDER_STORAGE__clientId": IDENTITY})
    stand.start()

    publish(stand, "pkg-mine", "1.1")

    assert queued(stand, "pkg-mine", "1.1")["rebuild"]["state"] == "queued"


def test_without_it_the_app_does_not_start_and_names_it(make: Make) -> None:
    stand = make({"AZURE_CLIENT_ID": IDENTITY})

    with pytest.raises(StandError, match=r"`REBUILDER_STORAGE__clientId`: is missing"):
        stand.start_functions()
