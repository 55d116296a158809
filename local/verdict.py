"""Judges what the app says of the release: whether it is over, and whether all is well."""

from collections import Counter
from pathlib import Path
from typing import Any

from shared.domain.holds import Hold

# Seconds. The job takes a minute or two, most of it to download and install what the sample asks for.
PATIENCE = 900
_GOING = ("planned", "committed", "queued", "packaged", "verified", "waiting")


def is_over(found: dict[str, Any]) -> bool:
    """Return whether nothing more will happen to a release of one target."""
    # The rebuild is over a moment before its releases are, and what failed may be rebuilt again: all are waited for.
    rebuild, rows = found["rebuild"], found.get("environments", [])
    if rebuild and rebuild["state"] not in ("finished", "superseded", "parked"):
        return False
    going = any(row["owed"] or row["state"] in _GOING for row in rows)
    return found["state"] == "parked" or (found["state"] in ("settled", "refused") and not going)


def counted(seen: dict[str, Any] | None) -> str:
    """The decisions in numbers."""
    numbers = Counter(row["decision"] for target in (seen or {}).get("targets", []) for row in target["environments"])
    return ", ".join(f"{number} {decision}" for decision, number in sorted(numbers.items()))


def problem_of(found: dict[str, Any] | None, seen: dict[str, Any] | None, repository: Path, log: Path) -> str | None:
    """Why the job is not done, in one line; None if it is.

    Args:
        found: the release for its target; None if it was never heard of.
        seen: the app's whole answer in the end; None if it does not answer any more.
        repository: the environments.
        log: that of the Function app.
    """
    if found is None:
        return f"the release was not heard of within {PATIENCE} s; see {log}"
    rebuild = found["rebuild"]
    if rebuild and rebuild["state"] == "finished":
        lost = [e for e in rebuild["environments"] if e["state"] not in ("registered", "image built")]
        if not lost:
            return None
        whose = "; ".join(f"{e['name']} {e['state']}: {e['reason']}" for e in lost)
        return f"{len(lost)} of {len(rebuild['environments'])} environments are not registered: {whose}"
    if rebuild:
        reason = rebuild["reason"] or f"no more happened within {PATIENCE} s"
        return f"rebuild {rebuild['id']} is {rebuild['state']}: {reason}"
    if found["state"] == "settled":
        rows = seen["targets"][0]["environments"] if seen else []
        if not rows:
            return f"{repository} has no Azure ML environment (a YAML file with `name` and `build` or `conda_file`)"
        return next((row["reason"] for row in rows if row["hold"] == Hold.RULES), None)
    return f"the release is {found['state']}: {found['reason'] or f'no more happened within {PATIENCE} s'}"
