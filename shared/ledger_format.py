"""How an entry of the ledger is written: JSON with the number of the schema beside it."""

import json
from typing import Any

from pydantic import TypeAdapter, ValidationError

from shared.domain.rules.validation_messages import explain
from shared.errors import DamagedEntry

SCHEMA = 2

_ADAPTERS: dict[type, TypeAdapter[Any]] = {}


def encoded[E](kind: type[E], entry: E) -> bytes:
    """Return the bytes of an entry."""
    body = _adapter(kind).dump_python(entry, mode="json")
    return json.dumps({"schema": SCHEMA, "entry": body}, ensure_ascii=False, indent=1).encode(errors="backslashreplace")


def decoded[E](path: str, kind: type[E], raw: bytes) -> E:
    """Return the entry that bytes hold.

    Args:
        path: where they lie, for the error.
        kind: what it is.
        raw: the bytes.

    Raises:
        DamagedEntry: they hold none, or one of another schema.
    """
    try:
        envelope = json.loads(raw)
        schema = envelope.get("schema")
        body = envelope["entry"]
    except (ValueError, RecursionError, AttributeError, KeyError, TypeError):
        raise DamagedEntry(path, "is damaged: it is not an entry") from None
    if schema != SCHEMA:
        raise DamagedEntry(path, f"has schema {schema!r:.40}; this version reads {SCHEMA}")
    try:
        return _adapter(kind).validate_python(body)  # type: ignore[no-any-return]
    except ValidationError as problems:
        first = explain(problems.errors()[0])
        raise DamagedEntry(path, f"is damaged: {first}") from None


def _adapter(kind: type) -> TypeAdapter[Any]:
    # Building an adapter is slow and many processes need only one or two of them.
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]
