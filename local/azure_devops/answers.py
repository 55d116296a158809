"""What the service answers with: JSON in its envelopes, other content, and errors in its form."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Raw:
    """An answer that is not JSON."""

    content: bytes
    media_type: str


class ServiceError(Exception):
    """An error in the service's form."""

    def __init__(self, status: int, type_key: str, message: str, **more: Any) -> None:
        self.status = status
        self.type_key = type_key
        self.message = message
        self.more = more
        super().__init__(message)

    def body(self) -> dict[str, Any]:
        """What the service sends."""
        return {
            "$id": "1",
            "innerException": None,
            "message": self.message,
            "typeName": f"Microsoft.TeamFoundation.{self.type_key}, Microsoft.TeamFoundation",
            "typeKey": self.type_key,
            "errorCode": 0,
            "eventId": 3000,
            **self.more,
        }


class NotInTheStand(ServiceError):
    """A request that may be right, and that the stand cannot answer as the service would.

    It is refused by name: silence would pass for an answer.
    """

    def __init__(self, what: str) -> None:
        super().__init__(400, "NotInTheStand", f"The stand does not know {what}.")


def check_members(what: str, value: Mapping[str, Any], *known: str) -> None:
    """Refuse members of a body that the stand does not look at.

    Args:
        what: has the members, for a person.
        value: of the body, or a part of it.
        known: the members that the stand looks at.

    Raises:
        NotInTheStand: 400, with the member's name.
    """
    for name in value.keys() - set(known):
        raise NotInTheStand(f"`{name}` of {what}")


def collection(values: list[Any]) -> dict[str, Any]:
    """A list in the service's envelope."""
    return {"count": len(values), "value": values}
