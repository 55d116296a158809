"""The wording of texts and lists for a person: short, on one line, in quotes."""

import json
from collections.abc import Sequence

# A longer text is cut here.
_LONGEST_SHOWN = 60
_NAMES_SHOWN = 3


def shown(text: str) -> str:
    """Quote a text, shortened if it is long."""
    return json.dumps(text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…", ensure_ascii=False)


def listed(names: Sequence[str]) -> str:
    """List names as a person does; of many the first ones and how many more."""
    if len(names) > _NAMES_SHOWN + 1:
        return f"{', '.join(names[:_NAMES_SHOWN])} and {len(names) - _NAMES_SHOWN} more"
    return " and ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)


def one_line(text: str) -> str:
    """Replace what would break the line or not be visible."""
    return "".join(character if character.isprintable() else " " for character in text)
