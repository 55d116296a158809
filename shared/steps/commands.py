"""Azure Pipelines' logging commands (learn.microsoft.com, "Logging commands")."""

import re
import sys
from pathlib import Path

from shared.domain.files.credentials import masked

# The agent looks for commands anywhere in a line, whoever wrote it: a package's metadata, a file's path.
_COMMAND = re.compile(r"##(?=(?:vso)?\[)", re.IGNORECASE)


def say(text: str) -> None:
    """Write a line to the log, without credentials that stand in addresses, and nothing that is a command."""
    sys.stdout.write(_COMMAND.sub("# #", masked(text)) + "\n")
    sys.stdout.flush()


def log_error(text: str) -> None:
    """Make a line the job's error: it is shown on the run's page and read by the app."""
    _command("task.logissue type=error", text)


def log_warning(text: str) -> None:
    """Make a line one of the job's warnings."""
    _command("task.logissue type=warning", text)


def set_variable(name: str, value: str) -> None:
    """Set a variable for the steps that follow in this job."""
    _command(f"task.setvariable variable={name}", value)


def add_tag(tag: str) -> None:
    """Tag the build."""
    _command("build.addbuildtag", tag)


def upload_summary(path: Path) -> None:
    """Show a Markdown file on the run's page."""
    _command("task.uploadsummary", str(path))


def _command(command: str, data: str) -> None:
    # A line break would end the command, and let the rest of an error pass for a command of its own.
    text = _COMMAND.sub("# #", masked(data)).replace("%", "%AZP25").replace("\r", "%0D").replace("\n", "%0A")
    sys.stdout.write(f"##vso[{command}]{text}\n")
    sys.stdout.flush()
