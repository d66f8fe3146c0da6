"""The test authority and the command that makes it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography import x509

from dicomnode.cli.main import main
from dicomnode.errors import UsageError
from dicomnode.security.certificates import Authority
from tests.tls import Certificates, now


def revoked(folder: Path) -> list[int]:
    return [item.serial_number for item in x509.load_pem_x509_crl((folder / "revoked.pem").read_bytes())]


def serial(path: Path) -> int:
    return x509.load_pem_x509_certificate(path.read_bytes()).serial_number


def test_the_revocation_list_grows(certificates: Certificates) -> None:
    first, second = serial(certificates / "taken-back.pem"), serial(certificates / "modality.pem")
    assert revoked(certificates.folder) == [first]
    for _ in range(2):
        Authority.open(certificates.folder).revoke(certificates / "modality.pem", now(), 30)
        assert sorted(revoked(certificates.folder)) == sorted([first, second])


def test_another_authoritys_certificate_cannot_be_revoked(certificates: Certificates) -> None:
    with pytest.raises(UsageError, match="stranger"):
        Authority.open(certificates.folder).revoke(certificates / "stranger.pem", now(), 30)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "tls"
    assert main(["certificates", str(folder), "--host", "localhost", "--host", "127.0.0.1", "--client", "mr1"]) == 0
    said = capsys.readouterr().out
    assert "[receive]" in said and f'client_ca = "{folder}/ca.pem"' in said
    assert {path.name for path in folder.iterdir()} == {
        *("ca.pem", "ca.key", "revoked.pem"),
        *("node.pem", "node.key", "mr1.pem", "mr1.key"),
    }
    assert {path.stat().st_mode & 0o777 for path in folder.glob("*.key")} == {0o600}
    node = x509.load_pem_x509_certificate((folder / "node.pem").read_bytes())
    names = node.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    before = (folder / "mr1.pem").read_bytes()
    assert main(["certificates", str(folder), "--client", "mr1"]) == 2
    assert "not overwritten" in capsys.readouterr().err
    assert (folder / "mr1.pem").read_bytes() == before
    assert main(["--json", "certificates", str(folder), "--revoke", str(folder / "mr1.pem")]) == 0
    assert json.loads(capsys.readouterr().out)["made"] == []
    assert revoked(folder) == [serial(folder / "mr1.pem")]


@pytest.mark.parametrize("words", [[], ["--client", "../mr1"], ["--client", "ca"]])
def test_what_the_command_refuses(tmp_path: Path, words: list[str]) -> None:
    assert main(["certificates", str(tmp_path / "tls"), *words]) == 2
