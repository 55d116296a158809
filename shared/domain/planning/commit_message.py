"""What a rebuild's commit says, and how it is known again."""

from collections.abc import Iterator

from shared.domain.files.wording import one_line
from shared.domain.planning.plan import Plan
from shared.limits import SUMMARY_ROWS

TRAILER = "Rebuild-Id"


def commit_message(plan: Plan) -> str:
    """The message of a plan's commit, made of checked values only, with the trailer that finds it again."""
    spelled = [str(release) for release in plan.releases if plan.acts_on(release.id)]
    subject = f"Bump {spelled[0]}" if len(spelled) == 1 else f"Bump {len(spelled)} packages"
    body = [f"- {release}" for release in spelled] if len(spelled) > 1 else []
    names = [f"- {environment.path}" for environment in plan.environments]
    lines = [subject, "", *body, *([""] if body else []), "Rebuilds:", *names, "", *_references(plan)]
    return "\n".join([*lines, f"{TRAILER}: {plan.id}"]) + "\n"


def _references(plan: Plan) -> Iterator[str]:
    """What names an environment that is rebuilt, and stays as it is."""
    found = plan.elsewhere
    if not found.references:
        return
    yield "Not edited:"
    yield from (f"- {one_line(line)}" for kind, line in found.lines(SUMMARY_ROWS) if kind == "reference")
    yield ""


def is_commit_of(plan: Plan, message: str) -> bool:
    """Whether a commit with this message is a plan's."""
    return f"{TRAILER}: {plan.id}" in message.splitlines()
