"""Credentials in addresses are found, told by their line, and never shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.files.credentials import credential_lines, masked, masked_within

SECRET = "s3cr3t-t0ken"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"--index-url https://user:{SECRET}@host.test/simple", "--index-url https://***@host.test/simple"),
        (f"https://{SECRET}@host.test/x", "https://***@host.test/x"),
        (f"https://{SECRET}:@host.test/x", "https://***@host.test/x"),
        (f"https://{SECRET}:x-oauth-basic@host.test", "https://***@host.test"),
        (f"git+https://user:{SECRET}@host.test/x.git@v1", "git+https://***@host.test/x.git@v1"),
        (f"ssh://git:{SECRET}@host.test/x", "ssh://***@host.test/x"),
        (f"https://user:pa@{SECRET}@host.test/x", "https://***@host.test/x"),
        (f"https://${{USER}}:{SECRET}@host.test/x", "https://***@host.test/x"),
        (f"1https://user:{SECRET}@host.test", "1https://***@host.test"),
        (f"a https://u:{SECRET}@one.test b http://u:{SECRET}@two.test", "a https://***@one.test b http://***@two.test"),
        (f"<https://u:{SECRET}@host.test>", "<https://***@host.test>"),
        (f"'https://u:{SECRET}@host.test'", "'https://***@host.test'"),
        (f"https://user:%40{SECRET}%2F@host.test", "https://***@host.test"),
    ],
)
def test_a_credential_is_never_shown(text: str, shown: str) -> None:
    assert masked(text) == shown
    assert credential_lines(f"first\n{text}\nlast") == (2,)


@pytest.mark.parametrize(
    "text",
    [
        "https://host.test/simple", "ssh://git@host.test/x.git", "git+ssh://git@host.test/x.git@v1", "user@host.test",
        "https://${TOKEN}@host.test", "https://$TOKEN@host.test", "https://${USER}:${TOKEN}@host.test",
        "https://build:${TOKEN}@host.test", "https://build:$(System.AccessToken)@host.test",
        "https://x:{{token}}@host.test", "https://***@host.test", "https://host.test/a@b",
        "https://host.test?mail=a@b", "https://host.test#a@b", "our-pkg @ https://host.test/x.whl", "://@",
        "://:@x", "",
    ],
)  # fmt: skip
def test_what_is_no_credential_is_left_as_it_is(text: str) -> None:
    assert masked(text) == text
    assert credential_lines(text) == ()


def test_every_text_of_a_value_is_masked() -> None:
    address, shown = f"https://u:{SECRET}@host.test", "https://***@host.test"

    assert masked_within({"a": [address, 1, None, {address: (True, address)}]}) == {
        "a": [shown, 1, None, {shown: [True, shown]}]
    }


def test_every_line_is_told_once_and_in_order() -> None:
    line = f"https://u:{SECRET}@host.test https://u:{SECRET}@host.test\n"

    assert credential_lines(f"{line}x\r\n{line}") == (1, 3)


_PIECES = st.sampled_from(
    ("https://", "ssh://", "a", ":", "@", "/", " ", "\n", "${T}", "<", ">", "'", '"', "://", "?", "é")
)


@given(st.lists(_PIECES).map("".join))
def test_what_is_masked_holds_no_credential(text: str) -> None:
    once = masked(text)

    assert masked(once) == once
    assert credential_lines(once) == ()
    assert (once == text) is (credential_lines(text) == ())


@given(st.text("abcXYZ019!$%&()*+,-.;=_~", min_size=1), st.sampled_from(("https", "http", "git+https", "ssh")))
def test_a_password_of_any_characters_is_masked(password: str, scheme: str) -> None:
    text = f"-i {scheme}://user:{password}{SECRET}@host.test/simple"

    assert SECRET not in masked(text)
    assert credential_lines(text) == (1,)


@pytest.mark.parametrize("filler", ["a", "https://", "https://u:p@", "://a", "$", "${", "https://u:p@h\n", "a+", "<"])
def test_a_long_text_is_searched_without_delay(filler: str) -> None:
    text = f"{filler * 40_000}@ ://"

    masked(text)
    credential_lines(text)
