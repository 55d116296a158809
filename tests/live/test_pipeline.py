"""What `Pipeline` promises, on the real pipeline and a file whose only job is skipped."""
# ruff: noqa: F401 the tests that are imported are run here, with the fixtures of this module

from pathlib import Path

import pytest

from shared.adapters.azure_devops import AzureDevOpsOrganizations
from shared.domain.targets import Target
from tests.contracts.test_pipeline import (
    test_a_found_run_is_the_run_that_was_queued,
    test_a_moment_may_be_long_ago_and_in_any_zone,
    test_a_queued_run_has_an_id_its_parameters_and_a_page,
    test_a_run_that_is_not_there_is_not_there,
    test_an_unknown_commit_is_rejected,
    test_an_unknown_pipeline_rejects_the_run,
    test_every_run_has_an_id_of_its_own,
    test_parameters_with_a_default_may_be_given,
    test_runs_are_found_by_time_newest_first,
    test_runs_of_another_branch_or_pipeline_are_not_found,
    test_wrong_parameters_are_rejected_and_nothing_is_queued,
)
from tests.live.pipelines import pipeline, skipped
from tests.live.site import Site
from tests.live.worlds import LivePipeline


@pytest.fixture
def world(site: Site, tmp_path: Path) -> LivePipeline:
    return LivePipeline(site, tmp_path / "pipeline", pipeline([skipped()], site.settings.vm_image))


@pytest.fixture
def stand_pipeline(world: LivePipeline) -> LivePipeline:
    return world


@pytest.fixture
def azure_devops(site: Site) -> AzureDevOpsOrganizations:
    return site.azure_devops


@pytest.fixture
def target(world: LivePipeline) -> Target:
    return world.target
