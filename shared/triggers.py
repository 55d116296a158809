"""The thin layer under function_app.py: requests and messages in, statuses out. The only broad `except` is here.

The hook endpoint's statuses are dictated by its sender: Azure DevOps repeats a notification only after 408, 502, 503
and 504, switches a subscription off at 410 and puts it on probation at anything else that is not 2xx
(learn.microsoft.com, "Troubleshoot service hooks"). The checks have one order: size, method, content type, secret, and
only then the body.
"""

import asyncio
import json
import logging
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import asdict
from typing import Any

import azure.functions as func

from shared.composition import App, app
from shared.domain.files.credentials import masked_within
from shared.errors import Busy, InvalidInput, NotAuthentic, NotKnown, RebuilderError, Transient
from shared.limits import HOOK_BODY_BYTES, HOOKS_AT_ONCE
from shared.log import alert

# In which header a sender shows the secret if it does not use Basic authentication.
SECRET_HEADER = "X-Rebuilder-Secret"  # noqa: S105 (a header's name)

_HOOK_THREADS = ThreadPoolExecutor(HOOKS_AT_ONCE, "hook")

_LOGGER = logging.getLogger("rebuilder")


def check_settings() -> None:
    """Name all missing and wrong settings at once, while the app starts and before it takes anything in.

    What is a mistake in most set-ups only is logged, and nothing is refused for it.

    Raises:
        InvalidConfiguration: there are some.
    """
    for doubt in app().settings.doubts:
        alert("setting_doubtful", why=doubt)


def hook(request: func.HttpRequest, product: Callable[[], App] = app) -> func.HttpResponse:
    """Take in a service hook or a publishing pipeline's POST."""
    try:
        return _hook(request, product)
    except Exception as problem:  # noqa: BLE001 (503 and not 500: only then the sender tries again)
        if isinstance(problem, Transient):
            alert("hook_put_off", why=problem)
        else:
            # Only where it happened: an error's own words may quote what was sent.
            at = [f"{frame.name}:{frame.lineno}" for frame in traceback.extract_tb(problem.__traceback__)]
            alert("hook_failed", error=type(problem).__name__, at=" ".join(at))
        return _answer(503, {"error": "try again later"}, {"Retry-After": "30"})


async def hook_aside(request: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """Take a hook in, in threads that nothing else uses.

    The worker runs all functions that are not `async` in the same few threads (learn.microsoft.com, "Python developer
    reference guide for Azure Functions", PYTHON_THREADPOOL_THREAD_COUNT). Where a service accepts connections and does
    not answer, they are all taken for minutes, and the sender of a hook waits for seconds.
    """

    def taken_in() -> func.HttpResponse:
        # So that logs find their invocation (the same guide, "Log from created threads").
        context.thread_local_storage.invocation_id = context.invocation_id  # type: ignore[attr-defined]
        return hook(request)

    return await asyncio.get_running_loop().run_in_executor(_HOOK_THREADS, copy_context().run, taken_in)


def _hook(request: func.HttpRequest, product: Callable[[], App]) -> func.HttpResponse:
    if _is_too_large(request):
        return _answer(413, {"error": f"a notification has at most {HOOK_BODY_BYTES} bytes"})
    if request.method != "POST":
        return _answer(405, {"error": "send POST"}, {"Allow": "POST"})
    if "json" not in request.headers.get("Content-Type", "").casefold():
        return _answer(415, {"error": "send application/json"})
    intake = product().intake
    try:
        intake.authenticate(
            authorization=request.headers.get("Authorization"), secret=request.headers.get(SECRET_HEADER)
        )
    except NotAuthentic as problem:
        alert("hook_not_authentic", why=problem)
        return func.HttpResponse(status_code=401, headers={"WWW-Authenticate": "Basic"})
    receipt = intake.accept(request.get_body())
    return _answer(202 if receipt.outcome == "accepted" else 200, asdict(receipt))


def _is_too_large(request: func.HttpRequest) -> bool:
    said = request.headers.get("Content-Length", "")
    longer = said.isascii() and said.isdigit() and (len(said) > 15 or int(said) > HOOK_BODY_BYTES)
    return longer or len(request.get_body()) > HOOK_BODY_BYTES


def rerun(request: func.HttpRequest) -> func.HttpResponse:
    """Take in a person's wish: `{"name": …, "version": …}`, optionally `feed`, `target` and `environments`."""

    def answer() -> func.HttpResponse:
        wish = _json_object(request)
        unknown = wish.keys() - {"feed", "name", "version", "target", "environments"}
        if unknown:
            raise InvalidInput(f"no such field: {', '.join(sorted(unknown))}")
        environments = wish.get("environments") or []
        if not isinstance(environments, list) or not all(isinstance(path, str) for path in environments):
            raise InvalidInput("`environments` is a list of paths")
        accepted = app().reruns.ask(
            feed=_field(wish, "feed", required=False),
            name=_field(wish, "name") or "",
            version=_field(wish, "version") or "",
            target=_field(wish, "target", required=False),
            environments=tuple(environments),
        )
        reruns = [
            {
                "target": one.target,
                "feed": one.release.feed,
                "package": one.release.package,
                "version": one.release.version,
                "number": one.number,
            }
            for one in accepted
        ]
        return _answer(202, {"outcome": "accepted", "reruns": reruns})

    return _for_person(answer)


def release_status(request: func.HttpRequest, product: Callable[[], App] = app) -> func.HttpResponse:
    """Tell about a release; `?feed=` chooses among several, `?all=1` lists the unaffected environments too."""

    def answer() -> func.HttpResponse:
        found = product().status.release(
            name=request.route_params["name"],
            version=request.route_params["version"],
            feed=request.params.get("feed"),
            everything=request.params.get("all") in ("1", "true"),
        )
        return _answer(200, found)

    return _for_person(answer)


def rebuild_status(request: func.HttpRequest, product: Callable[[], App] = app) -> func.HttpResponse:
    """Tell about a rebuild."""
    return _for_person(lambda: _answer(200, product().status.rebuild(request.route_params["id"])))


def parked(request: func.HttpRequest, product: Callable[[], App] = app) -> func.HttpResponse:  # noqa: ARG001
    """Show what is parked, oldest first."""
    return _for_person(lambda: _answer(200, {"parked": [thing.shown() for thing in product().parked.all()]}))


def requeue_parked(request: func.HttpRequest, product: Callable[[], App] = app) -> func.HttpResponse:
    """Have done after all what is parked: `{"id": …}` or `{"all": true}`."""

    def answer() -> func.HttpResponse:
        wanted = _json_object(request)
        if wanted.keys() == {"id"}:
            requeued = product().parked.requeue(_field(wanted, "id"))
        elif wanted.keys() == {"all"} and wanted["all"] is True:
            requeued = product().parked.requeue()
        else:
            raise InvalidInput('say what: {"id": "…"}, or {"all": true}')
        return _answer(202, {"outcome": "accepted", "requeued": [thing.shown() for thing in requeued]})

    return _for_person(answer)


def dismiss_parked(request: func.HttpRequest, product: Callable[[], App] = app) -> func.HttpResponse:
    """Dismiss something that is parked: `{"id": …, "by": …, "why": …}`."""

    def answer() -> func.HttpResponse:
        wanted = _json_object(request)
        if wanted.keys() != {"id", "by", "why"}:
            raise InvalidInput('say what, who and why: {"id": "…", "by": "…", "why": "…"}')
        what, who, why = (_field(wanted, key) or "" for key in ("id", "by", "why"))
        dismissed = product().parked.dismiss(what, who, why)
        return _answer(200, {"outcome": "dismissed", "dismissed": [thing.shown() for thing in dismissed]})

    return _for_person(answer)


def signal(message: func.QueueMessage) -> None:
    """Do what a signal asks for."""
    app().worker.signal(_text(message), message.dequeue_count or 1)


def turn(message: func.QueueMessage) -> None:
    """Take a target's turn."""
    app().worker.turn(_text(message), message.dequeue_count or 1)


def signal_given_up(message: func.QueueMessage) -> None:
    """Record that a signal is parked."""
    app().worker.signal_given_up(_text(message))


def turn_given_up(message: func.QueueMessage) -> None:
    """Record that a turn is parked."""
    app().worker.turn_given_up(_text(message))


def repair(timer: func.TimerRequest) -> None:  # noqa: ARG001 (that it fired is all there is to know)
    """Find what no signal told."""
    app().repair.run()


def _for_person(answer: Callable[[], func.HttpResponse]) -> func.HttpResponse:
    """Ordinary statuses, with the error's one line."""
    try:
        return answer()
    except NotKnown as problem:
        return _answer(404, {"error": str(problem)})
    except Busy as problem:
        return _answer(409, {"error": str(problem)})
    except InvalidInput as problem:
        return _answer(400, {"error": str(problem)})
    except Transient as problem:
        return _answer(503, {"error": str(problem)}, {"Retry-After": "30"})
    except RebuilderError as problem:
        return _answer(502, {"error": str(problem)})
    except Exception:
        _LOGGER.exception("request_failed")
        return _answer(500, {"error": "this should not have happened; the log tells more"})


def _json_object(request: func.HttpRequest) -> dict[str, Any]:
    body = request.get_body()
    if len(body) > HOOK_BODY_BYTES:
        raise InvalidInput(f"the body has {len(body)} bytes (at most {HOOK_BODY_BYTES})")
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise InvalidInput("the body is not JSON") from None
    if not isinstance(found, dict):
        raise InvalidInput('the body is not a JSON object like {"name": "our-package", "version": "1.1"}')
    return found


def _field(body: dict[str, Any], key: str, *, required: bool = True) -> str | None:
    value = body.get(key)
    if value is None and not required:
        return None
    if not isinstance(value, str) or not value.strip():
        raise InvalidInput(f"`{key}` is missing or not text")
    return value


def _text(message: func.QueueMessage) -> str:
    return message.get_body().decode(errors="replace")


def _answer(status: int, body: object, headers: dict[str, str] | None = None) -> func.HttpResponse:
    # Tags, contexts, names and reasons come from people's files.
    return func.HttpResponse(
        json.dumps(masked_within(body), indent=2) + "\n",
        status_code=status,
        mimetype="application/json",
        headers=headers,
    )
