"""Certificates that the tests of TLS share: made once a session, small keys, on this machine's loopback address."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dicomnode.security.certificates import Authority
from dicomnode.settings import TlsClientSettings, TlsServerSettings

HOSTS = ["localhost", "127.0.0.1"]


def now() -> datetime:
    return datetime.now(UTC)


class Certificates:
    """A folder with an authority.

    Of it: `node`, `modality`, `taken-back` (revoked) and `expired`; not of it: `stranger`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __truediv__(self, name: str) -> Path:
        return self.folder / name

    def server(self, *, clients: bool = False, name: str = "node", **more: object) -> TlsServerSettings:
        values = {"certificate": self / f"{name}.pem", "key": self / f"{name}.key", **more}
        if clients:
            values |= {"client_ca": self / "ca.pem", "revocation_list": self / "revoked.pem"}
        return TlsServerSettings.model_validate(values)

    def client(self, name: str | None = None, **more: object) -> TlsClientSettings:
        own = {} if name is None else {"certificate": self / f"{name}.pem", "key": self / f"{name}.key"}
        return TlsClientSettings.model_validate({"ca": self / "ca.pem", **own, **more})

    def exchange(self, name: str = "node") -> None:
        """Put another certificate of the authority in the place of one."""
        (self / f"{name}.pem").unlink()
        (self / f"{name}.key").unlink()
        Authority.open(self.folder).issue(name, HOSTS, now(), 30)


@pytest.fixture(scope="session")
def made_certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    authority = Authority.create(folder, now(), 30)
    for name in ("node", "modality", "taken-back"):
        authority.issue(name, HOSTS, now(), 30)
    authority.issue("expired", HOSTS, now() - timedelta(days=60), 30)
    authority.revoke(folder / "taken-back.pem", now(), 30)
    other = tmp_path_factory.mktemp("other")
    Authority.create(other, now(), 30).issue("stranger", HOSTS, now(), 30)
    for name in ("stranger.pem", "stranger.key"):
        shutil.copy(other / name, folder / name)
    shutil.copy(other / "ca.pem", folder / "other-ca.pem")
    return folder


@pytest.fixture
def certificates(made_certificates: Path, tmp_path: Path) -> Iterator[Certificates]:
    """The session's certificates in a folder of the test's own."""
    folder = tmp_path / "certificates"
    shutil.copytree(made_certificates, folder)
    yield Certificates(folder)
