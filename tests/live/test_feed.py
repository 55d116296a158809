"""What `Feed` promises, on the part of the real feed that a test has for itself."""
# ruff: noqa: F401 the tests that are imported are run here, with the fixtures of this module

from pathlib import Path

import pytest

from tests.contracts.test_feed import (
    test_a_deleted_version_is_marked,
    test_a_deletion_moves_the_token_and_is_no_change,
    test_a_promotion_is_a_change,
    test_a_version_has_its_files_and_views_and_is_the_feeds_own,
    test_a_version_that_requires_nothing_says_so,
    test_changes_are_those_after_the_token_oldest_first,
    test_changes_of_one_version_are_one_at_the_place_of_the_newest,
    test_files_of_a_version_are_those_of_an_equal_version_with_their_hashes,
    test_files_say_which_pythons_they_are_for,
    test_many_versions_are_told_of_as_each_by_itself,
    test_metadata_are_not_read_from_a_source_distribution,
    test_metadata_tell_what_a_version_requires_as_its_author_wrote_it,
    test_names_are_compared_by_pep_503_and_not_by_what_they_contain,
    test_names_are_compared_by_pep_503_for_files_too,
    test_other_versions_are_not_found,
    test_the_id_is_a_guid_that_stays,
    test_the_latest_token_is_the_end_of_the_change_log,
    test_versions_are_found_by_pep_440,
    test_what_the_feed_does_not_have_has_no_files_and_no_metadata,
)
from tests.live.site import Site
from tests.live.worlds import LiveFeed


@pytest.fixture
def world(site: Site, tmp_path: Path) -> LiveFeed:
    return LiveFeed(site, tmp_path / "wheels")
