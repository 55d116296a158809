"""Logs events, not sentences: a fact in snake_case and what belongs to it. Never bodies, headers or secrets."""

import json
import logging
import re

# What needs no quotes.
_PLAIN = re.compile(r"[A-Za-z0-9._:/@+!~-]+")

_LOGGER = logging.getLogger("rebuilder")


def event(fact: str, /, **context: object) -> None:
    """Log something that happened."""
    _LOGGER.info(_line(fact, context))


def alert(fact: str, /, **context: object) -> None:
    """Log something that a person has to look at."""
    _LOGGER.error(_line(fact, context))


def _line(fact: str, context: dict[str, object]) -> str:
    return " ".join([fact, *(f"{key}={_quoted(value)}" for key, value in context.items() if value is not None)])


def _quoted(value: object) -> str:
    # One event is one line and each value stays one, whatever a name or an error from outside holds.
    text = str(value)
    return text if _PLAIN.fullmatch(text) else json.dumps(text)
