"""The message of a rebuild's commit, and the trailer that identifies it."""

from collections.abc import Iterator

from shared.domain.files.wording import one_line
from shared.domain.planning.plan import Plan
from shared.limits import SUMMARY_ROWS

TRAILER = "Rebuild-Id"


def commit_message(plan: Plan) -> str:
    """Write the message of a plan's commit, from checked values only, with the trailer that identifies it."""
    spelled = [str(release) for release in plan.releases if plan.acts_on(release.id)]
    subject = f"Bump {spelled[0]}" if len(spelled) == 1 else f"Bump {len(spelled)} packages"
    body = [f"- {release}" for release in spelled] if len(spelled) > 1 else []
    names = [f"- {environment.path}" for environment in plan.environments]
    lines = [subject, "", *body, *([""] if body else []), "Rebuilds:", *names, "", *_references(plan)]
    return "\n".join([*lines, f"{TRAILER}: {plan.id}"]) + "\n"


def _references(plan: Plan) -> Iterator[str]:
    """Yield the references to rebuilt environments, which are not edited."""
    found = plan.elsewhere
    if not found.references:
        return
    yield "Not edited:"
    yield from (f"- {one_line(line)}" for kind, line in found.lines(SUMMARY_ROWS) if kind == "reference")
    yield ""


def is_commit_of(plan: Plan, message: str) -> bool:
    """Tell whether a commit with this message belongs to a plan."""
    return f"{TRAILER}: {plan.id}" in message.splitlines()
