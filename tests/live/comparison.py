"""What two services answered to the same requests, side by side.

Both ran the same tests; a test's requests are told apart by method and path, in which ids are alike. Answers differ
where the stand says what the live service does not: another status or error, a field or header that the live service
does not have, a field of another type, another word from a closed list. What only the live service says is noted and
is no difference: the stand gives what the product reads.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

# Fields whose words come from a closed list and do not depend on the moment.
_WORDS = frozenset({
    "gitobjecttype", "changetype", "protocoltype", "upstreamsourcetype", "environmenttype", "provisioningstate",
    "ostype",
})  # fmt: skip
# How the SDK finds addresses; and what stands for another thing in each organisation.
_NOT_COMPARED = re.compile(r"^OPTIONS |/_apis/resourceareas", re.IGNORECASE)
_ID = re.compile(r"<guid-\d+>|\b[0-9a-f]{40}\b|\b[0-9a-f]{64}\b|(?<=/)\d+(?=/|$)", re.IGNORECASE)

type Seen = Mapping[str, Any]


def side_by_side(live: Iterable[Seen], stand: Iterable[Seen]) -> list[dict[str, Any]]:
    """Pair the exchanges of two runs of the same tests; each pair says how it differs."""
    theirs, ours = _grouped(live), _grouped(stand)
    rows = []
    for key in [*theirs, *(key for key in ours if key not in theirs)]:
        test, request = key
        for mine, other in _pairs(theirs.get(key, []), ours.get(key, [])):
            differences = list(_differences(mine, other)) if mine and other else []
            if not (mine and other):
                differences = [f"only {'the live service' if mine else 'the stand'} was asked this"]
            rows.append(
                {
                    "test": test,
                    "request": request,
                    "sent": _part(mine or other, ("query", "body")),
                    "live": _part(mine, ("status", "kind", "headers", "error", "answer")),
                    "stand": _part(other, ("status", "kind", "headers", "error", "answer")),
                    "differences": differences,
                    "only live": sorted(_only_live(mine, other)) if mine and other else [],
                }
            )
    return rows


def lines(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """One line for each difference, none twice."""
    found = [f"{row['test']}: {row['request']}: {said}" for row in rows for said in row["differences"]]
    return list(dict.fromkeys(found))


def _part(exchange: Seen | None, names: Sequence[str]) -> dict[str, Any] | None:
    return {name: exchange[name] for name in names} if exchange else None


def _grouped(exchanges: Iterable[Seen]) -> dict[tuple[str, str], list[Seen]]:
    """The exchanges by test and request; of what was read several times the last answer counts.

    Tests read until something is there, or over: what they saw on the way depends on the moment.
    """
    found: dict[tuple[str, str], list[Seen]] = {}
    for exchange in exchanges:
        request = exchange["request"]
        if _NOT_COMPARED.search(request):
            continue
        group = found.setdefault((exchange["test"], _ID.sub("<id>", request)), [])
        if request.startswith("GET "):
            group[:] = [other for other in group if (other["request"], other["query"]) != (request, exchange["query"])]
        group.append(exchange)
    return found


def _pairs(live: list[Seen], stand: list[Seen]) -> Iterator[tuple[Seen | None, Seen | None]]:
    """One to one; where one side had to ask more often, the last answers count."""
    if len(live) == len(stand):
        yield from zip(live, stand, strict=True)
        return
    yield (live[-1] if live else None), (stand[-1] if stand else None)


def _differences(live: Seen, stand: Seen) -> Iterator[str]:
    for name in ("status", "error", "kind"):
        if live[name] != stand[name]:
            yield f"{name} is {live[name] or 'none'}, the stand's is {stand[name] or 'none'}"
    if live["status"] != stand["status"]:
        return  # two different things were said: their fields are not comparable
    for header in stand["headers"]:
        if header not in live["headers"]:
            yield f"has no header {header}, the stand does"
    if live["status"] >= 400:
        return  # the error's name was compared
    theirs, ours = _fields(live["answer"]), _fields(stand["answer"])
    for field, values in sorted(ours.items()):
        if field not in theirs:
            yield f"has no field {field}, the stand does"
        elif not _types(theirs[field]) & _types(values) and _types(theirs[field]) and _types(values):
            yield f"{field} is {_shown(_types(theirs[field]))}, the stand's is {_shown(_types(values))}"
        elif field.rpartition(".")[2].casefold() in _WORDS and not set(map(str, values)) <= set(
            map(str, theirs[field])
        ):
            yield f"{field} is {_shown(map(str, theirs[field]))}, the stand's is {_shown(map(str, values))}"


def _only_live(live: Seen, stand: Seen) -> set[str]:
    return set(_fields(live["answer"])) - set(_fields(stand["answer"])) if live["status"] == stand["status"] else set()


def _fields(value: Any, path: str = "") -> dict[str, list[Any]]:
    """All values by where they stand; the items of a list stand at one place."""
    if isinstance(value, dict):
        inner = [_fields(one, f"{path}.{key}" if path else key) for key, one in value.items()]
    elif isinstance(value, list):
        inner = [_fields(one, path) for one in value]
    else:
        return {path: [value]} if path else {}
    rows = sorted(((field, values) for found in inner for field, values in found.items()), key=lambda row: row[0])
    return {
        field: [one for _, values in some for one in values] for field, some in groupby(rows, key=lambda row: row[0])
    }


def _types(values: Iterable[Any]) -> set[str]:
    names = {bool: "a boolean", int: "a number", float: "a number", str: "a text"}
    return {names[type(value)] for value in values if value is not None}


def _shown(words: Iterable[str]) -> str:
    return " or ".join(sorted(set(words)))
