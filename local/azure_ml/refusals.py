"""What Azure Resource Manager and Azure ML refuse, as far as it was seen or is documented.

Sources: learn.microsoft.com, "Common Azure deployment errors"; the pattern of names in the resource provider's
specification; MicrosoftDocs/azure-docs issues 83465 (names) and 65770 (the prefix). The specification allows no dots in
a name; the service has names with dots, so they are taken here.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# Of the versions that there are, those that azure-ai-ml 1.35 and the resource provider's newest specifications name.
_API_VERSIONS = frozenset(
    {
        "2023-04-01", "2023-04-01-preview", "2024-01-01-preview", "2024-04-01", "2024-04-01-preview", "2024-10-01",
        "2024-10-01-preview", "2025-01-01-preview", "2025-10-01-preview", "2025-12-01",
    }
)  # fmt: skip
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?:-preview)?")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")
_RESERVED = "azureml"


@dataclass
class Refused(Exception):
    """A request that the service does not take.

    Attributes:
        code: the error's code.
        message: its sentence.
        status: of the answer.
    """

    code: str
    message: str
    status: int = 400


def check_api_version(query: Mapping[str, str]) -> None:
    """Check the version of the API that a request asks for.

    Raises:
        Refused: it is missing or not one of the resource provider's.
    """
    version = query.get("api-version")
    if not version:
        raise Refused(
            "MissingApiVersionParameter",
            "The api-version query parameter (?api-version=) is required for all requests.",
        )
    if not _DATE.fullmatch(version):
        raise Refused("InvalidApiVersionParameter", f"The api-version '{version}' is invalid.")
    if version not in _API_VERSIONS:
        raise Refused(
            "NoRegisteredProviderFound",
            f"No registered resource provider found for API version '{version}' for type 'workspaces'. "
            f"The supported api-versions are '{', '.join(sorted(_API_VERSIONS))}'.",
        )


def environment_properties(name: str, body: object) -> dict[str, Any]:
    """Return the properties of an environment's version that is to be registered.

    Raises:
        Refused: its name or its content is not taken.
    """
    if not _NAME.fullmatch(name):
        raise Refused(
            "RequestInvalid",
            "Resource name is invalid. Resource name can only contain alphanumeric characters, dashes, and "
            "underscores, with a limit of 255 characters.",
        )
    if name.casefold().startswith(_RESERVED):
        raise Refused("UserError", "Environment name can not start with the prefix AzureML.")
    properties = body.get("properties") if isinstance(body, dict) else None
    if not isinstance(properties, dict):
        raise Refused("InvalidRequestContent", "The request content was invalid and could not be deserialized.")
    build, image = properties.get("build"), properties.get("image")
    if build and image:
        raise Refused("UserError", "An environment has a build context or an image, not both.")
    if not (build or image):
        raise Refused("UserError", "An environment needs a build context or an image.")
    if build and not (isinstance(build, dict) and build.get("contextUri")):
        raise Refused("UserError", "The build context has no contextUri.")
    return properties
