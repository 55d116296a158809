"""A credential that hands out the stand's own tokens."""

import time
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
