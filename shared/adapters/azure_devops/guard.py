"""What happens around every single request to Azure DevOps, the SDK's and ours.

Before it: the wait that the service asked for, and our token. After it: a look at the answer, before anybody takes it
apart. requests' own way to do both is an authentication object that hooks into the answer, as its HTTPDigestAuth does.
"""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from azure.core.credentials import TokenCredential
from requests.auth import AuthBase

from shared.adapters.retry_after import retry_after
from shared.limits import PAUSE_INSIDE

# The resource id of Azure DevOps in Microsoft Entra ID.
SCOPE = "499b84ac-1321-427f-aa17-267ca6975798/.default"

# msal leaves its cache aside for any claims at all, and sends none to the endpoint of a managed identity
# (msal 1.39, ManagedIdentityClient.acquire_token_for_client).
_ANY_CLAIMS = "{}"


class Stopped(Exception):
    """A request that led to no answer that anybody could use."""


class MustWait(Stopped):
    """The service asked for a longer wait than a function sleeps; nothing was sent.

    Attributes:
        remaining: of it.
    """

    def __init__(self, remaining: timedelta) -> None:
        self.remaining = remaining
        super().__init__(f"{remaining} to wait")


class SignInPage(Stopped):
    """A page, or the way to one, in place of an answer, and again with a fresh token."""


class TooLarge(Stopped):
    """An answer that is larger than what fits into memory."""

    def __init__(self, largest: int) -> None:
        super().__init__(f"the answer is larger than {largest} bytes")


class Pause:
    """The wait that an organisation asked for (`Retry-After`), shared by all threads of the process."""

    def __init__(self, now: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep) -> None:
        self._now = now
        self._sleep = sleep
        self._lock = threading.Lock()
        self._until = 0.0

    def ask(self, wait: timedelta) -> None:
        """The service asks for a wait from now on; of several the longest counts."""
        with self._lock:
            self._until = max(self._until, self._now() + wait.total_seconds())

    def pass_by(self) -> None:
        """Wait if it is short. Who has waited goes, whatever was asked meanwhile: nobody waits for ever.

        Raises:
            MustWait: it is long; the queue's message waits for it.
        """
        with self._lock:
            remaining = timedelta(seconds=max(0.0, self._until - self._now()))
        if remaining > PAUSE_INSIDE:
            raise MustWait(remaining)
        if remaining:
            self._sleep(remaining.total_seconds())


class Tokens:
    """Our tokens for Azure DevOps. The credential caches them and renews them in time."""

    def __init__(self, credential: TokenCredential) -> None:
        self._credential = credential
        self._lock = threading.Lock()

    def present(self) -> str:
        """The token of this moment."""
        return self._credential.get_token(SCOPE).token

    def in_place_of(self, refused: str) -> str:
        """A token in place of one that the service does not accept: of several threads one renews it."""
        with self._lock:
            present = self.present()
            if present != refused:
                return present
            return self._credential.get_token(SCOPE, claims=_ANY_CLAIMS).token


class _Last(threading.local):
    """What the service answered last to this thread: the SDK's errors do not say it."""

    status: int | None = None
    retry_after: timedelta | None = None

    def note(self, answer: requests.Response | None) -> None:
        self.status = answer.status_code if answer is not None else None
        self.retry_after = retry_after(answer.headers) if answer is not None else None


LAST = _Last()


class Guard(AuthBase):
    """Stands around requests to Azure DevOps. One token that is not accepted is renewed, once, and shown again."""

    def __init__(self, tokens: Tokens, pause: Pause, *, largest: int | None = None, follows: bool = False) -> None:
        """Prepare; nothing is sent.

        Args:
            tokens: what is shown.
            pause: of the organisation.
            largest: how many bytes an answer may have; the caller counts if there is none.
            follows: the caller looks at redirects by itself; where nobody does, they lead to a sign-in page.
        """
        self._tokens = tokens
        self._pause = pause
        self._largest = largest
        self._follows = follows

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Let a request go, in its turn and signed."""
        LAST.note(None)
        self._pause.pass_by()
        request.headers["Authorization"] = _bearer(self._tokens.present())
        request.register_hook("response", self._answered)  # type: ignore[no-untyped-call]
        return request

    def _answered(self, answer: requests.Response, **options: Any) -> requests.Response:
        self._note(answer)
        if self._is_refusal(answer):
            # It had no effect, so that writes are repeated too.
            answer = self._again(answer, **options)
            self._note(answer)
            if self._is_refusal(answer) and answer.status_code != 401:
                answer.close()
                raise SignInPage
        if self._largest is not None:
            _bound(answer, self._largest)
        return answer

    def _again(self, answer: requests.Response, **options: Any) -> requests.Response:
        answer.close()
        request = answer.request.copy()
        shown = request.headers.get("Authorization", "").removeprefix(_bearer(""))
        request.headers["Authorization"] = _bearer(self._tokens.in_place_of(shown))
        again: requests.Response = answer.connection.send(request, **options)
        again.history.append(answer)
        again.request = request
        return again

    def _note(self, answer: requests.Response) -> None:
        LAST.note(answer)
        if LAST.retry_after:
            self._pause.ask(LAST.retry_after)

    def _is_refusal(self, answer: requests.Response) -> bool:
        """Tell whether our token was not accepted: Azure DevOps says so in several ways."""
        if answer.status_code in (401, 203):
            return True
        if answer.is_redirect:
            return _leads_to_sign_in(answer) or not self._follows
        asked = answer.request.headers.get("Accept", "")
        return answer.status_code == 200 and _is_page(answer) and "html" not in asked


def _bearer(token: str) -> str:
    return f"Bearer {token}"


def _is_page(answer: requests.Response) -> bool:
    return "html" in answer.headers.get("Content-Type", "").casefold()


def _leads_to_sign_in(answer: requests.Response) -> bool:
    try:
        target = urlsplit(urljoin(answer.url, answer.headers["Location"]))
    except ValueError:
        return False
    return "_signin" in target.path.casefold().split("/") or (target.hostname or "").startswith("login.")


def _bound(answer: requests.Response, largest: int) -> None:
    """Let an answer that is not read yet end in `TooLarge` where it becomes too large."""
    whole = answer.iter_content

    def pieces(*args: Any, **options: Any) -> Iterator[Any]:
        size = 0
        for piece in whole(*args, **options):
            size += len(piece)
            if size > largest:
                answer.close()
                raise TooLarge(largest)
            yield piece

    answer.iter_content = pieces  # type: ignore[method-assign]
