"""What `Repository` promises, on a branch of the real repository."""
# ruff: noqa: F401 the tests that are imported are run here, with the fixtures of this module

from pathlib import Path

import pytest

from tests.contracts.test_repository import (
    test_a_clone_is_listed_like_the_repository,
    test_an_unknown_blob_is_not_there,
    test_blobs_are_exactly_the_bytes,
    test_blobs_come_in_any_number,
    test_commits_come_newest_first_with_their_whole_messages,
    test_listing_holds_every_file_and_no_folder,
    test_listing_is_that_of_the_commit_and_not_of_the_branch,
    test_listing_names_equal_files_equally,
    test_listing_names_symbolic_links_and_submodules_apart,
    test_listing_of_an_unknown_commit_fails_for_good,
    test_push_changes_these_bytes_and_nothing_else,
    test_push_creates_no_files,
    test_push_keeps_a_files_mode,
    test_push_makes_one_commit_on_top_of_its_base,
    test_push_onto_another_tip_changes_nothing,
    test_the_parent_of_a_push_is_its_base,
    test_the_same_push_is_refused_the_second_time,
    test_there_are_no_commits_since_the_tip,
    test_tip_is_the_newest_commit,
    test_tip_of_a_missing_branch_is_not_there,
)
from tests.live.site import Site
from tests.live.worlds import LiveRepository


@pytest.fixture
def world(site: Site, tmp_path: Path) -> LiveRepository:
    return LiveRepository(site, tmp_path / "repository")


@pytest.fixture
def stand_repository(world: LiveRepository) -> LiveRepository:
    return world
