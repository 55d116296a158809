"""Which identity signs in where, as far as the settings show it.

The app is signed in by azure-identity, its triggers and the host's own storage by the Functions host, from the settings
of their connections alone. With `credential: managedidentity` and no `clientId` the host takes the system-assigned
identity, whatever `AZURE_CLIENT_ID` says (learn.microsoft.com, "Azure Functions developer guide", common properties for
identity-based connections; `ClientFactory` of Microsoft.Extensions.Azure).
"""

import re
from collections.abc import Iterator, Mapping

OWN = "AZURE_CLIENT_ID"
STORAGE = "REBUILDER_STORAGE"
HOST_STORAGE = "AzureWebJobsStorage"

_CLIENT_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_CREDENTIALS = ("managedidentity", "workloadidentity")
_RESOURCE_IDS = ("managedIdentityResourceId", "resourceId")


def mistakes(variables: Mapping[str, str]) -> Iterator[str]:
    """Say what cannot work, or not without a stored secret: one line each, which names settings and no values."""
    for name in (OWN, f"{STORAGE}__clientId"):
        if name in variables and not _CLIENT_ID.fullmatch(variables[name].strip()):
            yield f"`{name}`: is not the client id of an identity (a GUID)"
    if STORAGE in variables:
        yield f"`{STORAGE}`: holds a connection string, which the triggers take in place of the identity: remove it"
    if OWN in variables and _is_system_assigned(variables, STORAGE):
        # It would work with both kinds of identity and all roles given twice; with one, no trigger ever fires.
        yield f"`{STORAGE}__clientId`: is missing: `{OWN}` does not reach the triggers, give both the same identity"


def doubts(variables: Mapping[str, str]) -> Iterator[str]:
    """Say what works in some set-ups and is a mistake in most: one line each, which names settings and no values."""
    own, storage = (variables.get(name, "").strip().casefold() for name in (OWN, f"{STORAGE}__clientId"))
    if own and storage and own != storage:
        yield f"`{STORAGE}__clientId`: is another identity than `{OWN}`: both need the roles on the storage"
    for connection in (STORAGE, HOST_STORAGE):
        credential = variables.get(f"{connection}__credential")
        if credential is None and (f"{connection}__clientId" in variables or (connection == STORAGE and own)):
            yield f"`{connection}__credential`: is missing: write managedidentity, with `{connection}__clientId`"
        elif credential is not None and credential.strip().casefold() not in _CREDENTIALS:
            yield f"`{connection}__credential`: is not managedidentity: the host may not sign in with it"
    if HOST_STORAGE in variables:
        if any(name.startswith(f"{HOST_STORAGE}__") for name in variables):
            yield f"`{HOST_STORAGE}`: holds a connection string: `{HOST_STORAGE}__…` beside it is not read"
        return
    if storage and _is_system_assigned(variables, HOST_STORAGE):
        yield f"`{HOST_STORAGE}__clientId`: is missing: the host's own storage is left to the system-assigned identity"
    if f"{HOST_STORAGE}__clientId" in variables and _is_system_assigned(variables, STORAGE):
        yield f"`{STORAGE}__clientId`: is missing: app and triggers are left to the system-assigned identity"


def _is_system_assigned(variables: Mapping[str, str], connection: str) -> bool:
    """Tell whether the host takes the system-assigned identity for a connection, for certain."""
    credential = variables.get(f"{connection}__credential", "").strip().casefold()
    named = any(f"{connection}__{key}" in variables for key in ("clientId", *_RESOURCE_IDS))
    return credential == "managedidentity" and not named
