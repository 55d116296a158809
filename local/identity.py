"""The managed identity endpoint of Azure App Service, as azure-identity asks it.

Contract: learn.microsoft.com, "How to use managed identities for App Service", REST endpoint reference. Tokens are
unsigned: they prove the wiring, not the security.
"""

import base64
import hmac
import json
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

TENANT = "11111111-2222-3333-4444-555555555555"
PATH = "/_identity/token"


@dataclass
class IdentityEndpoint:
    """Hands out tokens to who shows the header's value.

    Attributes:
        header: the value of `IDENTITY_HEADER`.
        lifetime: of tokens, in seconds; azure-identity renews early, so short ones are asked for often.
        broken: fault switch: answer 500.
        client_id: of the app's only identity, a user-assigned one; None for a system-assigned one.
        issued: how many tokens were handed out.
    """

    header: str = field(default_factory=lambda: secrets.token_hex(16))
    lifetime: int = 24 * 3600
    broken: bool = False
    client_id: str | None = None
    issued: int = 0

    def route(self) -> Route:
        """The endpoint as a route."""
        return Route(PATH, self._answer, methods=["GET"])

    async def _answer(self, request: Request) -> Response:
        shown = request.headers.get("X-IDENTITY-HEADER", "")
        if not hmac.compare_digest(shown.encode(), self.header.encode()):
            return JSONResponse({"error": "unauthorized"}, status_code=401)
        if self.broken:
            return JSONResponse({"error": "unavailable"}, status_code=500)
        if request.query_params.get("client_id") != self.client_id:
            return JSONResponse({"statusCode": 400, "message": "Unable to load the proper Managed Identity."}, 400)
        resource = request.query_params.get("resource", "")
        self.issued += 1
        return JSONResponse(
            {
                "access_token": make_token(resource, lifetime=self.lifetime),
                "expires_on": str(int(time.time()) + self.lifetime),
                "resource": resource,
                "token_type": "Bearer",
            }
        )


def make_token(audience: str, *, lifetime: int = 3600, subject: str = "environment-rebuilder") -> str:
    """An unsigned token for a resource."""
    now = int(time.time())
    claims = {
        "aud": audience,
        "iss": f"https://sts.windows.net/{TENANT}/",
        "tid": TENANT,
        "oid": subject,
        "iat": now,
        "nbf": now - 60,
        "exp": now + lifetime,
    }
    return f"{_segment({'alg': 'none', 'typ': 'JWT'})}.{_segment(claims)}.{_segment({})}"


def claims_of(token: str) -> dict[str, Any]:
    """What a token says; nothing if it is none."""
    try:
        body = token.split(".")[1]
        found = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (IndexError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _segment(content: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()
