"""What the product relies on and nobody has seen the live services do: each with its test here, or why it has none.

`python -m tests.live --list` prints it. A test holds it against the tests, and against every "unverified" in the code.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Assumption:
    """One assumption.

    Attributes:
        text: what is assumed.
        where: the file of the product, or of the stand where the product was built on it, that relies on it.
        tests: names of live tests that show it, as `module::test`; none if it cannot be shown so.
        reason: why there is no test.
    """

    text: str
    where: str
    tests: tuple[str, ...] = ()
    reason: str = ""


_FEED = "shared/adapters/azure_devops/feed.py"
_DOWNLOADS = "shared/adapters/azure_devops/downloads.py"
_REPOSITORY = "shared/adapters/azure_devops/repository.py"
_PIPELINES = "shared/adapters/azure_devops/pipelines.py"
_CONNECTION = "shared/adapters/azure_devops/connection.py"
_GUARD = "shared/adapters/azure_devops/guard.py"
_TEMPLATE = "pipelines/rebuild.yml"
_ML = "shared/adapters/azure_ml.py"
_REGISTER = "shared/steps/register.py"
_HOST = "host.json"
_NOTIFICATIONS = "shared/domain/notifications.py"

_FUNCTION_APP = "needs a deployed Function app, which is none of what the variables name"
_HOOKS = "needs a public address that is called, and a right on the whole organisation's hooks"
_OVERLOAD = "needs the organisation to be overloaded"

ASSUMPTIONS: tuple[Assumption, ...] = (
    # Signing in
    Assumption(
        "the simple index takes our token as Bearer",
        _FEED,
        ("test_signing_in::test_the_simple_index_takes_our_token",),
    ),
    Assumption(
        "a token that is not accepted gives 401 where `X-TFS-FedAuthRedirect: Suppress` is sent",
        _DOWNLOADS,
        ("test_signing_in::test_a_token_that_is_not_accepted_is_refused_with_401",),
    ),
    Assumption(
        "without that header it gives 401, 203, a redirect or a page",
        _GUARD,
        (
            "test_signing_in::test_without_the_suppress_header_a_bad_token_gives_401_or_a_way_to_sign_in",
            "test_signing_in::test_git_itself_asks_to_sign_in",
            "test_signing_in::test_the_simple_index_asks_who_shows_nothing_to_sign_in",
        ),
    ),
    # The feed
    Assumption(
        "the simple index is HTML with `#sha256=` and `data-requires-python`",
        _FEED,
        ("test_feed_facts::test_the_simple_index_states_hashes_and_pythons",),
    ),
    Assumption(
        "a package that nobody has gives 404 on the simple index; an address without a slash leads to the page",
        _FEED,
        (
            "test_feed_facts::test_a_package_that_nobody_has_has_no_page",
            "test_feed_facts::test_the_simple_index_leads_from_an_address_without_slash_to_the_page",
        ),
    ),
    Assumption(
        "a file's address redirects with 303 to a storage that needs no token of ours",
        _DOWNLOADS,
        ("test_feed_facts::test_a_file_lies_at_a_storage_that_takes_no_token_of_ours",),
    ),
    Assumption(
        "`directUpstreamSourceId` is empty for a version that was published to the feed",
        _FEED,
        ("test_feed_facts::test_a_version_of_our_own_has_no_upstream_source",),
    ),
    Assumption(
        "a version from the public index names its source, and no feed on the way",
        _FEED,
        ("test_feed_facts::test_a_version_from_the_public_index_names_its_source",),
    ),
    Assumption(
        "`packageNameQuery` finds names that contain it",
        _FEED,
        ("test_feed_facts::test_a_name_query_finds_what_contains_it",),
    ),
    Assumption(
        "pages of the list of packages, by `$top` and `$skip`, hold each package once",
        _FEED,
        ("test_feed_facts::test_pages_of_packages_hold_each_once",),
    ),
    Assumption(
        "a version's file cannot be replaced, and a deleted number is not free again",
        "shared/services/planning/facts.py",
        (
            "test_feed_facts::test_the_same_file_cannot_be_uploaded_twice",
            "test_feed_facts::test_a_deleted_number_is_not_free_again",
        ),
    ),
    Assumption(
        "an upload whose digest is wrong, or a wheel without METADATA, is refused",
        "local/azure_devops/uploads.py",
        (
            "test_wrong_requests::test_a_wrong_request_is_refused_as_the_stand_refuses_it",
            "test_feed_facts::test_a_wheel_without_metadata_is_refused",
        ),
    ),
    Assumption(
        "project and feed may be named by their ids",
        _FEED,
        ("test_feed_facts::test_project_and_feed_may_be_named_by_id",),
    ),
    Assumption(
        "the change log has each version once, at its newest change; another file and a promotion are changes",
        _FEED,
        (
            "test_feed::test_changes_of_one_version_are_one_at_the_place_of_the_newest",
            "test_feed::test_a_promotion_is_a_change",
            "test_feed_facts::test_the_token_of_the_newest_change_is_that_of_the_feed",
        ),
    ),
    Assumption(
        "a version is shown at its first file, and its page of the index a little later",
        "shared/limits.py",
        reason="no number of tries shows that a delay never happens; the live tests wait for the page",
    ),
    # The repository
    Assumption(
        "a push to another tip is 409 `GitReferenceStaleException`, TF401028",
        _CONNECTION,
        ("test_pushes::test_a_push_to_another_tip_is_409_and_says_so",),
    ),
    Assumption(
        "a push against a branch policy is 403 `GitRefUpdateRejectedByPolicyException`",
        _CONNECTION,
        ("test_pushes::test_a_push_to_a_protected_branch_is_refused_by_policy",),
    ),
    Assumption(
        "a commit is by the author and committer that the push names",
        _REPOSITORY,
        ("test_pushes::test_a_commit_is_by_whom_the_push_names",),
    ),
    Assumption(
        "an edit of a missing file, an `add` of a present one, an unknown change type, broken base64, a path twice, "
        "an invalid ref name and an empty comment are 400",
        _REPOSITORY,
        (
            "test_pushes::test_an_edit_of_a_missing_file_is_400",
            "test_pushes::test_a_file_that_is_there_cannot_be_added",
            "test_pushes::test_an_unknown_change_type_is_400",
            "test_pushes::test_broken_base64_is_400",
            "test_pushes::test_a_file_twice_in_one_commit_is_400",
            "test_pushes::test_an_invalid_ref_name_is_400",
            "test_pushes::test_a_commit_without_a_comment_is_400",
        ),
    ),
    Assumption(
        "a push as base64 keeps every byte and the file's mode",
        _REPOSITORY,
        (
            "test_repository::test_push_changes_these_bytes_and_nothing_else",
            "test_repository::test_push_keeps_a_files_mode",
        ),
    ),
    Assumption(
        "listings mark symbolic links and submodules",
        _REPOSITORY,
        (
            "test_repository::test_listing_names_symbolic_links_and_submodules_apart",
            "test_repository::test_a_clone_is_listed_like_the_repository",
        ),
    ),
    Assumption(
        "`api-version`: missing on a write or too high is 400; a body that is not JSON is 400 or 415",
        "local/azure_devops/api.py",
        (
            "test_pushes::test_a_write_without_api_version_is_400",
            "test_pushes::test_an_api_version_that_is_too_high_is_400",
            "test_pushes::test_a_body_that_is_not_json_is_400_or_415",
        ),
    ),
    Assumption(
        "what else is wrong with a request gives the status that the stand gives, a push of more than 25 MB included",
        "local/azure_devops/api.py",
        ("test_wrong_requests::test_a_wrong_request_is_refused_as_the_stand_refuses_it",),
    ),
    # Queueing
    Assumption(
        "parameters that are unknown, missing or not among the allowed are 400 `PipelineValidationException`",
        _PIPELINES,
        (
            "test_queueing::test_wrong_parameters_are_400_and_a_validation_error",
            "test_pipeline::test_wrong_parameters_are_rejected_and_nothing_is_queued",
            "test_queueing::test_a_parameter_that_is_a_list_is_400",
        ),
    ),
    Assumption(
        "queueing compiles the YAML with its templates: no jobs, a missing template or service connection are 400",
        _PIPELINES,
        (
            "test_queueing::test_a_pipeline_without_jobs_is_refused",
            "test_queueing::test_a_template_that_is_not_there_is_refused_at_queueing",
            "test_queueing::test_a_service_connection_that_is_not_there_is_refused_at_queueing",
        ),
    ),
    Assumption(
        "a job's name has at most 100 characters and is compared without case",
        _TEMPLATE,
        (
            "test_queueing::test_a_job_name_may_have_100_characters",
            "test_queueing::test_a_job_name_may_not_have_101_characters",
            "test_queueing::test_job_names_are_compared_without_case",
        ),
    ),
    Assumption(
        "template expressions know `split`, `replace` and `each` over them",
        _TEMPLATE,
        (
            "test_queueing::test_expressions_that_the_template_uses_are_known",
            "test_queueing::test_the_products_own_pipeline_is_compiled",
        ),
    ),
    Assumption(
        "a run's page is `_build/results?buildId=`",
        _PIPELINES,
        ("test_queueing::test_a_runs_page_is_where_the_product_says",),
    ),
    Assumption(
        "lists of builds can be filtered by definition, branch and time, and hold the template parameters",
        _PIPELINES,
        (
            "test_pipeline::test_runs_are_found_by_time_newest_first",
            "test_pipeline::test_runs_of_another_branch_or_pipeline_are_not_found",
            "test_pipeline::test_a_found_run_is_the_run_that_was_queued",
        ),
    ),
    Assumption(
        "free-text parameters need *Edit queue build configuration* besides *Queue builds* (TF215106)",
        "docs/deployment.md",
        reason="needs a second identity that lacks the right; ours has to have it for the other tests",
    ),
    Assumption(
        "a run is listed a moment after it was queued at the latest",
        "shared/services/rebuild/queue_runs.py",
        reason="no number of tries shows that it is never later; the product's look-up and first step allow for it",
    ),
    # Runs
    Assumption(
        "`System.JobName` is `__default` in a job without a matrix, `System.PhaseName` the job's name",
        _TEMPLATE,
        ("test_runs::test_the_name_of_a_job_without_a_matrix_is_default",),
    ),
    Assumption(
        "the second artifact of a name in a run fails",
        _TEMPLATE,
        ("test_runs::test_the_second_artifact_of_a_name_fails_its_job",),
    ),
    Assumption(
        "an output variable of a task is known as `STEP.name` alone, so the step needs a name",
        _TEMPLATE,
        ("test_runs::test_an_output_variable_is_known_by_the_steps_name_alone",),
    ),
    Assumption(
        "`$(…)` stays where there is no such variable, nested ones are replaced, and the shell gets its own",
        _TEMPLATE,
        (
            "test_runs::test_what_is_no_variable_stays_as_it_is_written",
            "test_runs::test_a_variable_in_a_variable_is_replaced",
            "test_runs::test_the_shell_gets_its_own_substitutions",
        ),
    ),
    Assumption(
        "a Job record's name is the display name; its steps lie below it in order and carry issues",
        _PIPELINES,
        (
            "test_runs::test_a_jobs_record_bears_what_people_read",
            "test_runs::test_steps_lie_below_their_job_in_order",
            "test_runs::test_a_failed_job_tells_its_first_error",
        ),
    ),
    Assumption(
        "a run that waits has a record `Checkpoint.Approval` that is `inProgress`",
        _PIPELINES,
        ("test_runs::test_a_run_that_waits_for_an_approval_says_so",),
    ),
    Assumption(
        "`Checkpoint.Authorization` and `Checkpoint.ExclusiveLock` are shown likewise",
        _PIPELINES,
        reason="needs a resource that the pipeline is not permitted, and one with a lock: a person sets them up",
    ),
    Assumption(
        "`az` answers within the time limit that the steps give it; a federated token lasts ten minutes",
        _REGISTER,
        reason="needs a service connection, and an agent that is slow by chance",
    ),
    Assumption(
        "free-tier jobs of private projects end after 60 minutes",
        _TEMPLATE,
        reason="takes longer than an hour",
    ),
    # Azure ML
    Assumption(
        "a version's content cannot be changed (409); the same again is fine, and tags are replaced",
        _REGISTER,
        (
            "test_workspace::test_a_version_cannot_be_given_another_content",
            "test_workspace::test_the_same_version_again_is_fine",
            "test_workspace::test_tags_that_are_not_sent_again_are_dropped",
        ),
    ),
    Assumption(
        "`latestVersion` is the one created last, `nextVersion` the highest number and one",
        _REGISTER,
        ("test_workspace::test_the_container_tells_the_latest_and_the_next_version",),
    ),
    Assumption(
        "a version that was archived is no more when it is put again",
        _REGISTER,
        ("test_workspace::test_an_archived_version_that_is_put_again_is_archived_no_more",),
    ),
    Assumption(
        "names: dots are allowed; blanks, `AzureML-…` and more than 255 characters are not",
        "shared/domain/inventory/environments.py",
        (
            "test_workspace::test_dots_are_allowed_in_a_name",
            "test_workspace::test_a_name_that_is_not_allowed_is_400",
            "test_workspace::test_a_name_of_more_than_255_characters_is_400",
        ),
    ),
    Assumption(
        "an image together with a build, and neither of them, are 400",
        "shared/domain/inventory/environments.py",
        (
            "test_workspace::test_an_image_together_with_a_build_is_400",
            "test_workspace::test_neither_image_nor_build_is_400",
        ),
    ),
    Assumption(
        "an unknown `api-version` is 400",
        "local/azure_ml/server.py",
        ("test_workspace::test_an_unknown_api_version_is_400",),
    ),
    Assumption(
        "versions are found by the tags they were registered with",
        _ML,
        (
            "test_azure_ml::test_a_version_without_the_tag_is_none_of_ours",
            "test_azure_ml::test_many_versions_are_sought_at_once_and_answered_in_order",
            "test_azure_ml::test_of_several_rebuilds_the_first_that_has_a_version_counts",
        ),
    ),
    Assumption(
        "the image is built when an environment is created, or at its first job",
        _ML,
        reason="no API tells of builds; the product calls nothing built for less than it has seen",
    ),
    Assumption(
        "where keys of the workspace's storage are disabled, uploads need *Storage Blob Data Contributor*",
        "docs/deployment.md",
        reason="needs a second workspace whose storage is set up so",
    ),
    Assumption(
        "tags of a version in an Azure ML registry cannot be changed",
        _REGISTER,
        reason="the product registers in workspaces; a registry is none of what the variables name",
    ),
    # Service hooks
    Assumption(
        "answers 408, 502, 503 and 504 are retried, others put the subscription on probation, 410 ends it",
        "shared/triggers.py",
        reason=f"{_HOOKS}; probation lasts from ten minutes to hours",
    ),
    Assumption(
        "payloads of the events: ids, both versions of `build.complete`, null or minimal resources",
        _NOTIFICATIONS,
        reason=_HOOKS,
    ),
    Assumption(
        "no public service hook tells of a published package",
        _NOTIFICATIONS,
        reason=f"the product needs none; {_HOOKS}",
    ),
    Assumption(
        "subscriptions are listed with status and address, to an identity that may view them",
        "shared/adapters/azure_devops/hooks.py",
        ("test_hooks::test_subscriptions_can_be_listed",),
    ),
    # Limits and load
    Assumption("429 and `Retry-After`, also with 200", "shared/adapters/retry_after.py", reason=_OVERLOAD),
    # The Functions host and storage
    Assumption("a wrong HTTP method is 404", "function_app.py", reason=_FUNCTION_APP),
    Assumption(
        "poison handling, invisibility and lifetime of messages are those of WebJobs", _HOST, reason=_FUNCTION_APP
    ),
    Assumption(
        "identity connections: `__clientId`, and *Storage Blob Data Owner* for the host's storage",
        "shared/settings.py",
        reason=_FUNCTION_APP,
    ),
    Assumption(
        "Azure Storage compares ETags and counts dequeues as Azurite does",
        "shared/adapters/blob_ledger.py",
        reason="a storage account is none of what the variables name; Azurite is Microsoft's own emulator",
    ),
)

# Contract tests that the live services cannot be asked, by module: why.
_HIDES = "the real feed hides nothing on purpose"
_EMPTY = "the real feed is not empty"
_UPSTREAM = "`test_a_version_from_the_public_index_names_its_source` asks it under the package's real name"
_OTHER_FEEDS = "needs other feeds, and a version that came through them"
_HOLDS = "nobody decides how a real run ends; test_runs looks at one that did"
_LOSES = "the real service loses no answer on purpose"
_FAULTS = "the real service has no fault switches"
_CALLS = "drives a step, whose calls to Azure ML are those of test_workspace"
_OWN = "test_queueing asks it with YAML of its own, and once with the product's"
_RIGHT = "needs a second identity that lacks the right"
_BUILD = "registers a build context, which Azure ML would build"
NOT_LIVE: dict[str, dict[str, str]] = {
    "test_repository": {
        "test_push_to_a_protected_branch_changes_nothing": "test_pushes asks it of the protected branch",
        "test_a_commit_is_by_whom_the_target_names": "test_pushes asks it",
        "test_a_refusal_by_policy_names_the_ways_out": "test_pushes asks it of the protected branch",
        "test_a_push_whose_answer_is_lost_is_found_by_its_message": _LOSES,
        "test_all_commits_are_listed_however_many_there_are": "needs more than five hundred commits",
        "test_a_long_listing_costs_a_few_calls_for_each_file": "counts what the adapter does, and not the service",
    },
    "test_feed": {
        "test_a_version_that_is_not_shown_yet_is_not_found": _HIDES,
        "test_an_upstream_source_is_named": _UPSTREAM,
        "test_changes_tell_upstream_versions_from_own_ones": _UPSTREAM,
        "test_the_feeds_on_the_way_are_known_if_there_were_feeds_alone": _OTHER_FEEDS,
        "test_a_version_from_elsewhere_is_known_to_lie_beside_own_ones": _OTHER_FEEDS,
        "test_pages_hold_every_change_once": "needs more than a thousand versions, whose numbers would stay for ever",
        "test_an_empty_feed_has_no_changes": _EMPTY,
        "test_a_broken_wheel_has_no_metadata": "the real feed takes no broken wheel",
        "test_a_version_that_is_shown_late_is_still_in_the_change_log": _HIDES,
        "test_what_is_hidden_or_deleted_has_no_files_and_no_metadata": _HIDES,
        "test_what_is_hidden_or_deleted_is_not_published": _HIDES,
        "test_versions_from_upstream_have_files_and_metadata_too": _UPSTREAM,
        "test_published_are_the_packages_that_the_feed_did_not_take_from_upstream": _UPSTREAM,
        "test_a_package_with_one_own_version_is_the_feeds_own": _UPSTREAM,
        "test_published_are_all_packages_however_many": "needs hundreds of packages, whose numbers would stay for ever",
    },
    "test_pipeline": {
        "test_all_runs_are_found_however_many_there_are": "needs more than a hundred runs",
        "test_a_cancelled_run_is_found_and_said_to_be_cancelled": _HOLDS,
        "test_a_run_whose_answer_is_lost_is_found_by_its_parameters": _LOSES,
        "test_a_run_may_be_listed_late": _LOSES,
        "test_a_run_that_has_not_begun_says_nothing_of_its_jobs": _HOLDS,
        "test_a_run_says_what_it_waits_for_until_it_is_released": _HOLDS,
        "test_a_run_that_is_over_waits_for_nothing": _HOLDS,
        "test_what_became_of_each_job_is_told_with_its_first_error": _HOLDS,
        "test_a_broken_pipeline_tells_why": _HOLDS,
        "test_a_run_is_given_template_parameters_and_nothing_else": "looks at what the stand noted",
        "test_a_preview_shows_the_whole_pipeline_and_queues_nothing": _OWN,
        "test_a_list_of_runs_that_does_not_go_on_is_no_answer": _FAULTS,
        "test_a_run_may_have_long_paths_and_paths_that_differ_in_capitals_only": _OWN,
        "test_what_the_yaml_makes_of_a_run_is_refused_before_it_is_queued_and_the_reason_is_one_line": _OWN,
        "test_who_may_not_queue_is_told_which_permission_is_missing_and_where_it_is_granted": _RIGHT,
    },
    "test_azure_ml": {
        "test_the_version_with_the_tag_is_found_with_its_tags_and_context": _BUILD,
        "test_faults_of_the_service_become_ours": _FAULTS,
        "test_a_list_of_versions_without_end_ends": _FAULTS,
        "test_one_that_cannot_be_looked_up_keeps_no_other_from_being_found": _FAULTS,
        "test_without_a_connection_nothing_is_known": _FAULTS,
        "test_a_registration_looks_first_what_is_there": _CALLS,
        "test_an_older_run_registers_nothing_over_a_later_one": _CALLS,
        "test_what_an_earlier_rebuild_of_the_same_files_registered_is_not_registered_again": _CALLS,
        "test_an_earlier_rebuild_that_registered_nothing_lets_nothing_be_registered_over_a_later_run": _CALLS,
        "test_a_registration_without_a_sign_in_says_so": _CALLS,
        "test_a_registration_without_a_valid_token_fails_and_says_so": _CALLS,
        "test_an_azure_cli_that_takes_half_a_minute_is_waited_for": _CALLS,
        "test_no_identity_but_the_service_connections_is_used": _CALLS,
        "test_a_workspace_that_is_not_there_is_not_there": "names a subscription that the stand has",
    },
}

# Contracts that are not asked of the live services at all; what else is in tests/contracts is about the stand.
NOT_LIVE_MODULES: dict[str, str] = {
    "test_ledger_store": "a storage account is none of what the variables name",
    "test_queue": "a storage account is none of what the variables name",
}
