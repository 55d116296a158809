"""`python -m shared init`: a first `rebuilder.yml` for a folder of environments, from what it holds."""

from collections.abc import Sequence
from pathlib import Path

from shared.commandline.console import Console
from shared.commandline.plan import opened
from shared.domain.planning.proposal import propose_rules
from shared.domain.rules.rules import RULES_FILE
from shared.domain.rules.schema import SCHEMA_FILE, schema_text
from shared.errors import InvalidInput

_NONE = (
    "no environment was found: is it the right folder? An environment is a YAML file that names "
    "environment.schema.json, or that has a `name` and one of `build`, `image` and `conda_file`"
)


def init(root: Path, private: Sequence[str]) -> None:
    """Show a proposal, and write it where there are no rules yet, with the schema that editors check them by.

    Raises:
        InvalidInput: the folder is none, or cannot be written.
    """
    console = Console()
    catalog = opened(root).catalog()
    text = propose_rules(catalog, private)
    is_schema_new = _written(root / SCHEMA_FILE, schema_text())
    if _written(root / RULES_FILE, text):
        note = f"wrote {root / RULES_FILE}: read it, name your packages in it, and commit it"
        note += f" with {SCHEMA_FILE}" if is_schema_new else ""
    else:
        note = f"{root / RULES_FILE} is there already and stays as it is; above is what would be proposed"
        note += f"; wrote {SCHEMA_FILE} beside it" if is_schema_new else ""
    for line in text.splitlines():
        console.line(line)
    if not catalog.environments:
        console.note(f"{root}: {_NONE}")
    console.note(note)


def _written(file: Path, text: str) -> bool:
    """Write a file that is not there; tell whether it was.

    Raises:
        InvalidInput: it cannot be written.
    """
    if file.exists() or file.is_symlink():
        return False
    try:
        file.write_text(text, encoding="utf-8", newline="\n")
    except OSError as problem:
        raise InvalidInput(f"{file} cannot be written: {problem.strerror}") from None
    return True
