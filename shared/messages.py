"""What travels through the two queues: small JSON that names things and holds nothing.

Every message carries a schema number; one of another number, or one that contradicts itself, is refused in one line.
"""

import json
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from shared.domain.releases import ReleaseId
from shared.domain.rules.validation_messages import explain
from shared.domain.signals import FeedSignal, ParkedSignal, ReleaseSignal, RunSignal, Signal, Source
from shared.errors import InvalidInput, InvalidMessage
from shared.limits import MESSAGE_BYTES

SCHEMA = 2
SIGNALS = "signals"
REBUILDS = "rebuilds"


@dataclass(frozen=True, slots=True)
class Turn:
    """A target has something due; what it is lies in the ledger. Messages of a target are interchangeable.

    Attributes:
        target: the target's name.
        tries: how often a service did not answer.
    """

    target: str
    tries: int = 0
    kind: Literal["turn"] = "turn"


_SIGNAL: TypeAdapter[Signal] = TypeAdapter(
    Annotated[ReleaseSignal | FeedSignal | RunSignal | ParkedSignal, Field(discriminator="kind")]
)
_TURN: TypeAdapter[Turn] = TypeAdapter(Turn)


def encode(message: Signal | Turn) -> str:
    """Return the text of a message.

    Raises:
        InvalidMessage: it is larger than a message may be.
    """
    adapter: TypeAdapter[Turn] | TypeAdapter[Signal] = _TURN if isinstance(message, Turn) else _SIGNAL
    body = adapter.dump_python(message, mode="json")  # type: ignore[arg-type]
    text = json.dumps({"schema": SCHEMA, **body}, separators=(",", ":"))
    if len(text.encode()) > MESSAGE_BYTES:
        raise InvalidMessage(f"a message of {len(text)} bytes (at most {MESSAGE_BYTES})")
    return text


def decode_signal(text: str) -> Signal:
    """Read a message of the queue `signals`.

    Raises:
        InvalidMessage: not such a message, one of another schema, or one that contradicts itself.
    """
    return _sound(_decoded(text, _SIGNAL))


def decode_turn(text: str) -> Turn:
    """Read a message of the queue `rebuilds`.

    Raises:
        InvalidMessage: not such a message, one of another schema, or one that contradicts itself.
    """
    return _sound(_decoded(text, _TURN))


def _decoded[T](text: str, adapter: TypeAdapter[T]) -> T:
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidMessage("the message is not JSON") from None
    if not isinstance(body, dict):
        raise InvalidMessage("the message is not a JSON object")
    schema = body.pop("schema", None)
    if schema != SCHEMA:
        shown = schema if isinstance(schema, int | str | None) else type(schema).__name__
        raise InvalidMessage(f"the message has schema {shown!r:.40}; this version reads {SCHEMA}")
    try:
        return adapter.validate_python(body, strict=False)
    except ValidationError as problems:
        raise InvalidMessage("the message: " + "; ".join(explain(error) for error in problems.errors())) from None


def _sound[M: (Signal, Turn)](message: M) -> M:
    """The message, if its fields agree: nothing that we write ourselves is refused here."""
    try:
        why = _contradiction(message)
    except InvalidInput as problem:
        why = str(problem)
    if why:
        raise InvalidMessage(f"the message contradicts itself: {why}")
    return message


def _contradiction(message: Signal | Turn) -> str | None:
    if message.tries < 0:
        return f"{message.tries} tries"
    match message:
        case ReleaseSignal():
            ReleaseId.of(message.feed, message.name, message.version)
            by_hand = message.rerun > 0 and message.source is Source.PERSON and message.target is not None
            if message.rerun < 0 or ((message.rerun or message.environments) and not by_hand):
                return "a rerun has a number from 1, a target, and a person as its source"
        case RunSignal() if message.run < 1:
            return f"run {message.run}"
    return None
