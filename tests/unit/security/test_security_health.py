"""What is told about certificates, keys and secrets."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from dicomnode.security.health import certificate_problems, open_secrets
from dicomnode.settings import PollerSettings, ReceiveSettings, Settings, TargetSettings
from tests.tls import Certificates, now


def settings(certificates: Certificates, name: str, authorization: str | None = None) -> Settings:
    target = {"name": "pacs", "url": "https://pacs.example.org", "authorization": authorization}
    return Settings(
        receive=ReceiveSettings(tls=certificates.server(name=name)),
        targets=(TargetSettings.model_validate(target),),
        pollers=(PollerSettings(name="web", url="https://pacs.example.org", tls=certificates.client()),),
    )


def test_nothing_to_mend(certificates: Certificates) -> None:
    assert certificate_problems(settings(certificates, "node"), now() - timedelta(days=1)) == []
    assert open_secrets(settings(certificates, "node")) == []


def test_certificates_that_end(certificates: Certificates) -> None:
    (old,) = certificate_problems(settings(certificates, "expired"), now())
    assert old.startswith("receive.tls: certificate ") and old.endswith("expired.pem has expired")
    (soon,) = certificate_problems(settings(certificates, "node"), now() + timedelta(days=20, minutes=1))
    assert soon.endswith("node.pem expires in 10 day(s)")


def test_files_that_cannot_be_used(certificates: Certificates) -> None:
    (certificates / "ca.pem").unlink()
    (line,) = certificate_problems(settings(certificates, "node"), now() - timedelta(days=1))
    assert line.startswith("pollers.web.tls.ca: ") and "keeps to what it read before" in line


def test_files_that_everybody_may_read(certificates: Certificates, tmp_path: Path) -> None:
    secret = tmp_path / "authorization"
    secret.write_text("Bearer x")
    secret.chmod(0o644)
    (certificates / "node.key").chmod(0o644)
    lines = open_secrets(settings(certificates, "node", f"file:{secret}"))
    assert [line.split(":")[0] for line in lines] == ["receive.tls.key", "targets.pacs.authorization"]
