"""What the stand's processes trust."""

import ssl
from pathlib import Path

import certifi
import pytest

from local.certificates import make_certificates


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
def test_processes_of_the_stand_trust_what_the_machine_trusts(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind a proxy that inspects, the public index shows a certificate of the company's authority."""
    company = make_certificates(tmp_path / "company").certificate
    for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, str(company))

    bundle = make_certificates(tmp_path / "stand").bundle

    assert bundle.read_text().startswith(company.read_text())
    ssl.create_default_context(cafile=str(bundle))


def test_without_a_choice_of_the_machine_they_trust_the_usual_authorities(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)

    bundle = make_certificates(tmp_path).bundle.read_text()

    assert bundle.startswith(Path(certifi.where()).read_text())
    assert bundle.count("BEGIN CERTIFICATE") == Path(certifi.where()).read_text().count("BEGIN CERTIFICATE") + 1
