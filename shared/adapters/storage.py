"""What the storage adapters share: how errors of azure-core become ours."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypedDict

from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError

from shared.adapters.retry_after import retry_after
from shared.errors import AccessDenied, ServiceUnavailable, Throttled
from shared.limits import (
    STORAGE_CONNECT_SECONDS,
    STORAGE_FIRST_PAUSE,
    STORAGE_READ_SECONDS,
    STORAGE_RETRIES,
)


class ClientOptions(TypedDict):
    """Keyword arguments that every storage client gets."""

    retry_total: int
    initial_backoff: int
    increment_base: int
    connection_timeout: int
    read_timeout: int


def client_options() -> ClientOptions:
    """Short time limits and few retries: see `shared.limits`."""
    return {
        "retry_total": STORAGE_RETRIES,
        "initial_backoff": STORAGE_FIRST_PAUSE,
        "increment_base": STORAGE_FIRST_PAUSE,
        "connection_timeout": STORAGE_CONNECT_SECONDS,
        "read_timeout": STORAGE_READ_SECONDS,
    }


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn errors of azure-core into ours; those that a caller handles itself do not get here."""
    try:
        yield
    except ClientAuthenticationError as problem:
        # Also raised while the identity endpoint is busy: the next try gets a token, or the message is parked.
        raise ServiceUnavailable(f"{what}: cannot sign in: {_first_line(problem)}") from problem
    except HttpResponseError as problem:
        if problem.status_code == 403:
            raise AccessDenied(f"{what}: our identity may not do this (403)") from problem
        if problem.status_code in (429, 503):
            raise Throttled(f"{what}: the service is busy ({problem.status_code})", asked_to_wait(problem)) from problem
        raise ServiceUnavailable(f"{what}: {problem.status_code or 'no answer'}") from problem
    except AzureError as problem:
        raise ServiceUnavailable(f"{what}: {_first_line(problem)}") from problem


def _first_line(problem: Exception) -> str:
    return (str(problem).splitlines() or [type(problem).__name__])[0]


def asked_to_wait(problem: HttpResponseError) -> timedelta | None:
    """How long the service that answered with this error asks us to wait, if it does."""
    return retry_after(getattr(problem.response, "headers", None) or {})
