"""`python -m shared init`: a first `rebuilder.yml` for a folder of environments, from what it holds."""

from collections.abc import Sequence
from pathlib import Path

from shared.commandline.console import Console
from shared.commandline.plan import opened
from shared.domain.proposal import propose_rules
from shared.domain.rules import RULES_FILE
from shared.errors import InvalidInput


def init(root: Path, private: Sequence[str]) -> None:
    """Show a proposal, and write it where there are no rules yet.

    Raises:
        InvalidInput: the folder is none, or cannot be written.
    """
    console = Console()
    folder = opened(root)
    text = propose_rules(folder.catalog(), private)
    file = root / RULES_FILE
    if file.exists() or file.is_symlink():
        note = f"{file} is there already and stays as it is; above is what would be proposed"
    else:
        try:
            file.write_text(text, encoding="utf-8")
        except OSError as problem:
            raise InvalidInput(f"{file} cannot be written: {problem.strerror}") from None
        note = f"wrote {file}: read it, name your packages in it, and commit it"
    for line in text.splitlines():
        console.line(line)
    console.note(note)
