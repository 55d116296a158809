"""A credential that hands out the stand's own tokens."""

import time
from collections.abc import Sequence
from typing import Any

from azure.core.credentials import AccessToken

from local.identity import make_token


class StubCredential:
    """Tokens for one resource."""

    def __init__(self, audience: str) -> None:
        self._audience = audience

    def get_token(self, *_: str, **__: Any) -> AccessToken:
        """A token that is good for an hour."""
        return AccessToken(make_token(self._audience), int(time.time()) + 3600)


class CachingCredential:
    """Keeps its token until it is asked with claims, as azure-identity does.

    Attributes:
        issued: how many tokens it asked for.
    """

    def __init__(self, audience: str, lifetimes: Sequence[int] = (3600,)) -> None:
        """Seconds that each token is good for, the last for all that follow."""
        self._audience = audience
        self._lifetimes = lifetimes
        self._token: AccessToken | None = None
        self.issued = 0

    def get_token(self, *_: str, claims: str | None = None, **__: Any) -> AccessToken:
        """The token that is kept, or a new one."""
        if self._token is None or claims:
            self.issued += 1
            lifetime = self._lifetimes[min(self.issued, len(self._lifetimes)) - 1]
            token = make_token(self._audience, subject=f"token {self.issued}", lifetime=lifetime)
            self._token = AccessToken(token, int(time.time()) + 3600)
        return self._token
