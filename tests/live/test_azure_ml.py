"""What `AzureML` promises, on the real workspace."""
# ruff: noqa: F401 the tests that are imported are run here, with the fixtures of this module

import pytest

from tests.contracts.test_azure_ml import (
    test_a_version_without_the_tag_is_none_of_ours,
    test_an_environment_that_is_not_there_is_none,
    test_many_versions_are_sought_at_once_and_answered_in_order,
    test_of_several_rebuilds_the_first_that_has_a_version_counts,
)
from tests.live.site import Site
from tests.live.worlds import LiveWorkspace


@pytest.fixture
def world(site: Site) -> LiveWorkspace:
    return LiveWorkspace(site)
