"""A user-assigned identity: the app and its triggers sign in as it, or the app does not start."""

from pathlib import Path

import pytest

from local.processes import StandError
from local.stand import Stand, StandSettings
from tests.environments import write_environment
from tests.stand.conftest import IDENTITY, RULES, TIMER_OFF, publish, queued

pytestmark = pytest.mark.stand


def test_with_the_client_id_of_the_storage_alone_everything_signs_in(stand: Stand) -> None:
    """The stand has this identity and no other."""
    assert stand.organization.identity.client_id == IDENTITY

    publish(stand, "pkg-mine", "1.1")

    assert queued(stand, "pkg-mine", "1.1")["rebuild"]["state"] == "queued"
    assert stand.organization.identity.issued > 0


def test_without_it_the_app_does_not_start_and_names_it(tmp_path: Path) -> None:
    environments = tmp_path / "environments"
    write_environment(environments, "env-pkg-mine", "pkg-mine==1.0\n")
    (environments / "rebuilder.yml").write_text(RULES)
    stand = Stand(
        StandSettings(
            folder=tmp_path / "stand", repository=environments, upstream=False, agent=False,
            app_settings={**TIMER_OFF, "AZURE_CLIENT_ID": IDENTITY},
        )
    )  # fmt: skip
    stand.organization.identity.client_id = IDENTITY

    try:
        with pytest.raises(StandError, match=r"`REBUILDER_STORAGE__clientId`: is missing"):
            stand.start_functions()
    finally:
        stand.stop()
