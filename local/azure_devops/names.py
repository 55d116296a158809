"""How things are called in the stand's organisation, and the GUIDs that the service's own links use instead."""

import uuid
from dataclasses import dataclass

# Ids are made from names, so that they stay when the stand is started again.
_NAMESPACE = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")


def guid(*path: str) -> str:
    """The GUID of a thing, by its kind and the names that lead to it."""
    return str(uuid.uuid5(_NAMESPACE, "/".join(path)))


def project_id(project: str) -> str:
    """The GUID of a project."""
    return guid("project", project)


def is_called(wanted: str, name: str, identity: str) -> bool:
    """Tell whether an address means a thing, by its name in any case or by its GUID."""
    return wanted.casefold() in (name.casefold(), identity)


@dataclass(frozen=True, slots=True)
class Names:
    """What a stand's organisation holds, one of each."""

    organization: str = "contoso"
    project: str = "ml"
    repository: str = "environments"
    feed: str = "packages"
    pipeline: int = 7

    @property
    def organization_id(self) -> str:
        """The GUID of the organisation, which hooks call a collection and an account."""
        return guid("organization", self.organization)

    @property
    def project_id(self) -> str:
        """The GUID of the project."""
        return project_id(self.project)

    @property
    def repository_id(self) -> str:
        """The GUID of the repository."""
        return guid("repository", self.project, self.repository)
