"""What a job of the pipeline asks Azure DevOps with its own token, `System.AccessToken`: that of the build service."""

import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from azure.core.credentials import AccessToken

from shared.adapters.azure_devops.connection import Connections
from shared.adapters.azure_devops.pipelines import runs_since
from shared.ports import PipelineRun

# The token outlives its job, whose end nobody asks for here: there is no other one to renew it with.
_LIFETIME_SECONDS = 3600


class _JobToken:
    """A token that is there already."""

    def __init__(self, token: str) -> None:
        self._token = token

    def get_token(self, *_: str, **__: Any) -> AccessToken:
        """The token, whatever it is asked for."""
        return AccessToken(self._token, int(time.time()) + _LIFETIME_SECONDS)


def runs_beside(
    *, organization: str, project: str, pipeline: int, ref: str, token: str, moment: datetime
) -> Sequence[PipelineRun]:
    """The runs of a job's pipeline on its branch that were queued since then, newest first; its own is one of them.

    Args:
        organization: its address, as `System.CollectionUri`.
        project: its name.
        pipeline: the pipeline's id.
        ref: the branch, as `refs/heads/main`.
        token: the job's own.
        moment: aware.

    Raises:
        RebuilderError: Azure DevOps cannot be asked.
    """
    connection = Connections(_JobToken(token)).to(organization.rstrip("/"))
    return runs_since(connection, project, pipeline, ref, moment)
