"""Shows on the run's page what became of the environment, whether it succeeded or not."""

from collections.abc import Iterator
from dataclasses import replace

from shared.domain.files.credentials import masked
from shared.domain.files.wording import one_line
from shared.limits import SUMMARY_ROWS
from shared.steps.commands import add_tag, say, upload_summary
from shared.steps.job_state import Job, StepFailed, Work


def report(job: Job) -> None:
    """Write the summary of the job, and tag the build."""
    try:
        work = Work.load(job)
    except StepFailed as problem:
        say(f"{job.environment}: {problem}")
        return
    path = job.folder / "summary.md"
    path.write_text(masked(summary(job, work)))
    upload_summary(path)
    add_tag(f"rebuild-{job.rebuild}")


def summary(job: Job, work: Work) -> str:
    """The summary as Markdown."""
    lines = [f"## {work.name}", "", f"`{job.environment}` at commit `{job.commit[:8]}`, rebuild `{job.rebuild}`", ""]
    if work.problem:
        lines += [f"**Failed:** {work.problem}", ""]
    lines += [
        f"- registered as version **{one.version}** in {one.workspace}" + (" (unchanged)" if one.unchanged else "")
        for one in work.registered
    ]
    private = [f"{name} {version}" for name, version in work.packages.items() if name in work.private]
    if work.python:
        lines += [
            f"- Python {work.python}, {len(work.packages)} packages, of them ours: {', '.join(private) or 'none'}"
        ]
    lines += [f"- warning: {warning}" for warning in work.warnings]
    lines += _elsewhere(work)
    return "\n".join(lines) + "\n"


def _elsewhere(work: Work) -> Iterator[str]:
    """What the run leaves as it is: references to the environment, and inline environments."""
    versions = {one.version for one in work.registered}
    new = versions.pop() if len(versions) == 1 else None
    # Before it is registered nothing is behind.
    references = tuple(replace(one, new=new) for one in work.elsewhere.references) if work.registered else ()
    found = replace(
        work.elsewhere, references=references, reference_count=len(references) and work.elsewhere.reference_count
    )
    for kind, head in (("reference", "Not edited:"), ("inline", "Inline environments, built at their next run:")):
        lines = [line for known, line in found.lines(SUMMARY_ROWS) if known == kind]
        if lines:
            yield from ("", head, "")
            # In code, so that no path is read as Markdown.
            yield from (f"- `{one_line(line).replace('`', '')}`" for line in lines)
