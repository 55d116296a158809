import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.agent.commands import read_command
from shared.domain.files.credentials import masked
from shared.steps import commands


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")))
def test_what_a_step_says_arrives_as_one_command_whatever_it_holds(text: str) -> None:
    import io
    from contextlib import redirect_stdout

    out = io.StringIO()
    with redirect_stdout(out):
        commands.log_error(text)

    (line, *rest) = out.getvalue().split("\n")
    command = read_command(line)
    assert rest == [""]
    assert command is not None
    assert command.data == masked(text)


def test_credentials_in_addresses_are_never_said(capsys: pytest.CaptureFixture[str]) -> None:
    commands.say("Looking in indexes: https://build:canary@pkgs.dev.azure.com/contoso/_packaging/x/pypi/simple")

    assert (
        capsys.readouterr().out
        == "Looking in indexes: https://***@pkgs.dev.azure.com/contoso/_packaging/x/pypi/simple\n"
    )
