"""Logging commands that a step's output may hold: `##vso[task.setvariable variable=x]value`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from local.agent.expressions import Unknown

_COMMAND = re.compile(r"##vso\[(?P<area>[a-z]+)\.(?P<event>[a-z]+)(?:\s+(?P<properties>[^\]]*))?\](?P<data>.*)$")
_KNOWN = {
    "task.setvariable": {"variable", "isoutput"},
    "task.complete": {"result"},
    "task.uploadsummary": set[str](),
    "task.logissue": {"type"},
    "build.addbuildtag": set[str](),
}
_ESCAPES = (("%0D", "\r"), ("%0A", "\n"), ("%3B", ";"), ("%5D", "]"), ("%AZP25", "%"))


@dataclass(frozen=True, slots=True)
class Command:
    """One logging command."""

    name: str
    properties: Mapping[str, str]
    data: str


def read_command(line: str) -> Command | None:
    """Read a line of output; None if it is no command.

    Raises:
        Unknown: a command that this agent does not know.
    """
    if "##vso[" not in line:
        return None
    found = _COMMAND.search(line)
    if found is None:
        raise Unknown(f"the logging command {line.strip()!r} cannot be read")
    name = f"{found['area']}.{found['event']}"
    if name not in _KNOWN:
        raise Unknown(f"the logging command `{name}` is not known to this agent")
    properties = {}
    for part in (found["properties"] or "").split(";"):
        key, _, value = part.strip().partition("=")
        if not key:
            continue
        if key.casefold() not in _KNOWN[name]:
            raise Unknown(f"the property `{key}` of `{name}` is not known to this agent")
        properties[key.casefold()] = _unescaped(value)
    return Command(name, properties, _unescaped(found["data"]))


def _unescaped(text: str) -> str:
    for code, character in _ESCAPES:
        text = text.replace(code, character)
    return text
