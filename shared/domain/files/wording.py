"""Texts and lists of names as a person is shown them: short, on one line, in quotes."""

import json
from collections.abc import Sequence

# How much of what somebody wrote is repeated.
_LONGEST_SHOWN = 60
_NAMES_SHOWN = 3


def shown(text: str) -> str:
    """A text in quotes, shortened if it is long."""
    return json.dumps(text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…", ensure_ascii=False)


def listed(names: Sequence[str]) -> str:
    """Some names as a person lists them; of many the first ones and how many more."""
    if len(names) > _NAMES_SHOWN + 1:
        return f"{', '.join(names[:_NAMES_SHOWN])} and {len(names) - _NAMES_SHOWN} more"
    return " and ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)


def one_line(text: str) -> str:
    """A text without what would break its line or not be seen."""
    return "".join(character if character.isprintable() else " " for character in text)
