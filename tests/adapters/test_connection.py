"""What the service's refusals become: by its name for the error, by the number in its message, by the status."""

from types import SimpleNamespace

import pytest
from azure.devops.exceptions import AzureDevOpsServiceError

from shared.adapters.azure_devops.connection import translated
from shared.adapters.azure_devops.guard import LAST
from shared.errors import (
    AccessDenied,
    BranchMoved,
    NotThere,
    Permanent,
    PipelineRejected,
    RebuilderError,
    RejectedByPolicy,
    ServiceUnavailable,
    Throttled,
)


def refused(kind: str, message: str, status: int | None, monkeypatch: pytest.MonkeyPatch) -> RebuilderError:
    """The error that becomes of an answer of the service."""
    monkeypatch.setattr(LAST, "status", status)
    said = SimpleNamespace(
        message=message, inner_exception=None, exception_id=None, type_name=None, type_key=kind, error_code=0,
        event_id=0, custom_properties={},
    )  # fmt: skip
    with pytest.raises(RebuilderError) as raised, translated("pushing to main"):
        raise AzureDevOpsServiceError(said)
    return raised.value


@pytest.mark.parametrize(
    ("kind", "message", "status", "error"),
    [
        ("GitReferenceStaleException", "TF401028: The reference has already been updated.", 409, BranchMoved),
        ("Unheard", "TF401028: The reference has already been updated.", 400, BranchMoved),
        ("GitRefUpdateRejectedByPolicyException", "A policy refuses it.", 403, RejectedByPolicy),
        ("Unheard", "TF402455: Pushes to this branch are not permitted.", 403, RejectedByPolicy),
        ("GitRefLockedException", "The branch is locked.", 400, RejectedByPolicy),
        ("GitNeedsPermissionException", "TF401027: You need 'GenericContribute'.", 403, AccessDenied),
        ("Unheard", "TF401027: You need 'GenericContribute'.", 400, AccessDenied),
        ("GitRepositoryNotFoundException", "TF401019: The repository does not exist.", 404, NotThere),
        ("GitUnresolvableToCommitException", "TF401175: The branch could not be resolved.", 404, NotThere),
        ("PipelineValidationException", "Unexpected parameter 'x'", 400, PipelineRejected),
        ("BuildRequestValidationFailedException", "The definition is disabled.", 400, PipelineRejected),
        ("DefinitionDisabledException", "The definition is disabled.", 400, PipelineRejected),
        ("DefinitionNotFoundException", "There is no such definition.", 404, NotThere),
        ("RequestBlockedException", "TF400733: blocked", 429, Throttled),
        ("Unheard", "whatever", 401, AccessDenied),
        ("Unheard", "whatever", 403, AccessDenied),
        ("Unheard", "whatever", 404, NotThere),
        ("Unheard", "whatever", 408, ServiceUnavailable),
        ("Unheard", "whatever", 429, Throttled),
        ("Unheard", "whatever", 500, ServiceUnavailable),
        ("Unheard", "whatever", 400, Permanent),
        ("", "", None, Permanent),
    ],
)  # fmt: skip
def test_a_refusal_becomes_what_a_caller_can_do_about_it(
    kind: str, message: str, status: int | None, error: type[RebuilderError], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = refused(kind, message, status, monkeypatch)

    assert type(found) is error
    assert str(found).startswith(f"pushing to main: {message}")
