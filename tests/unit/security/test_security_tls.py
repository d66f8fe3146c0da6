"""TLS contexts: what the profiles allow, who is believed, and that changed files hold for the next handshake."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
from pathlib import Path

import pytest
from pydantic import ValidationError

from dicomnode.errors import SettingsError
from dicomnode.security.certificates import Authority
from dicomnode.security.tls import certificate_names, client_context, handshake_failure, server_context
from dicomnode.settings import TlsServerSettings
from tests.tls import Certificates, now

# PS3.15 B.10: these shall all be supported (names of OpenSSL)
REQUIRED = {
    "DHE-RSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "DHE-RSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
}


def shake(server: ssl.SSLContext, client: ssl.SSLContext, name: str = "localhost") -> ssl.SSLSocket:
    """Both sides of a handshake; gives the server's end, or raises what went wrong there or here."""
    left, right = socket.socketpair()
    failed: list[BaseException] = []

    def call() -> None:
        try:
            with client.wrap_socket(right, server_hostname=name) as secured:
                secured.send(b"hello")
        except (OSError, ValueError) as error:
            failed.append(error)
            right.close()

    thread = threading.Thread(target=call)
    thread.start()
    secured = server.wrap_socket(left, server_side=True)
    try:
        secured.do_handshake()
        secured.recv(5)
    except OSError:
        secured.close()
        thread.join()
        if failed and isinstance(failed[0], ssl.SSLCertVerificationError):
            raise failed[0] from None
        raise
    thread.join()
    return secured


def pair(
    certificates: Certificates, client: str | None = None, **more: object
) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    server = server_context(certificates.server(clients=client is not None, **more), "receive.tls")
    caller = client_context(certificates.client(client), "targets.pacs.tls")
    assert server is not None and caller is not None
    return server, caller


def test_no_settings_no_context() -> None:
    assert server_context(TlsServerSettings.model_validate({}), "receive.tls") is None
    assert client_context(None, "targets.pacs.tls") is None


@pytest.mark.parametrize("profile", ["bcp195", "non-downgrading", "extended"])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_versions_of_each_profile(certificates: Certificates, profile: str, version: ssl.TLSVersion) -> None:
    server, _ = pair(certificates, profile=profile)
    plain = ssl.create_default_context(cafile=certificates / "ca.pem")
    plain.minimum_version = plain.maximum_version = version
    if (profile, version) == ("extended", ssl.TLSVersion.TLSv1_3):
        with pytest.raises(ssl.SSLError):
            shake(server, plain)
    else:
        with shake(server, plain) as secured:
            assert secured.version() == {"TLSv1_2": "TLSv1.2", "TLSv1_3": "TLSv1.3"}[version.name]


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_older_versions_are_refused(certificates: Certificates, version: ssl.TLSVersion) -> None:
    server, _ = pair(certificates)
    old = ssl.create_default_context(cafile=certificates / "ca.pem")
    old.set_ciphers("DEFAULT@SECLEVEL=0")
    old.minimum_version = old.maximum_version = version
    with pytest.raises(ssl.SSLError):
        shake(server, old)


@pytest.mark.parametrize("suite", sorted(REQUIRED))
def test_each_required_cipher_suite_works(certificates: Certificates, suite: str) -> None:
    server, _ = pair(certificates)
    plain = ssl.create_default_context(cafile=certificates / "ca.pem")
    plain.maximum_version = ssl.TLSVersion.TLSv1_2
    plain.set_ciphers(suite)
    with shake(server, plain) as secured:
        assert secured.cipher()[0] == suite


def test_a_suite_without_forward_secrecy_is_refused(certificates: Certificates) -> None:
    server, _ = pair(certificates)
    plain = ssl.create_default_context(cafile=certificates / "ca.pem")
    plain.maximum_version = ssl.TLSVersion.TLSv1_2
    plain.set_ciphers("AES128-SHA:AES256-GCM-SHA384")
    with pytest.raises(ssl.SSLError):
        shake(server, plain)


def test_a_client_certificate_is_asked_for_and_its_names_are_told(certificates: Certificates) -> None:
    server, client = pair(certificates, "modality")
    with shake(server, client) as secured:
        assert certificate_names(secured) == ("modality", "localhost", "127.0.0.1")


@pytest.mark.parametrize("name", ["taken-back", "stranger", "expired", None])
def test_a_client_that_is_not_believed(certificates: Certificates, name: str | None) -> None:
    server = server_context(certificates.server(clients=True), "receive.tls")
    client = client_context(certificates.client(name), "targets.pacs.tls")
    assert server is not None and client is not None
    with pytest.raises(ssl.SSLError):
        shake(server, client)


@pytest.mark.parametrize(
    ("client", "name"),
    [({"ca": "other-ca.pem"}, "localhost"), ({"ca": "ca.pem"}, "pacs.example.org")],
    ids=["wrong authority", "wrong host"],
)
def test_a_server_that_is_not_believed(certificates: Certificates, client: dict[str, str], name: str) -> None:
    server, _ = pair(certificates)
    caller = client_context(certificates.client(ca=certificates / client["ca"]), "targets.pacs.tls")
    assert caller is not None
    with pytest.raises(ssl.SSLCertVerificationError):
        shake(server, caller, name)


def test_the_host_name_may_be_left_unchecked(certificates: Certificates) -> None:
    server, _ = pair(certificates)
    caller = client_context(certificates.client(check_hostname=False), "targets.pacs.tls")
    assert caller is not None and not caller.check_hostname
    shake(server, caller, "pacs.example.org").close()


def test_an_exchanged_certificate_holds_for_the_next_handshake(certificates: Certificates) -> None:
    server, client = pair(certificates)
    own = client_context(certificates.client("node"), "targets.pacs.tls")
    asking = server_context(certificates.server(clients=True, name="modality"), "receive.tls")
    assert own is not None and asking is not None
    shown: dict[str, set[str]] = {"by the server": set(), "by the client": set()}
    for _ in range(2):
        with shake(asking, own) as secured:
            shown["by the client"].add(secured.getpeercert()["serialNumber"])
        shown["by the server"].add(served_serial(server, client))
        certificates.exchange()
    assert {side: len(serials) for side, serials in shown.items()} == {"by the server": 2, "by the client": 2}


def served_serial(server: ssl.SSLContext, client: ssl.SSLContext) -> str:
    """Serial number of the certificate that a server shows."""
    left, right = socket.socketpair()
    secured = server.wrap_socket(left, server_side=True)
    thread = threading.Thread(target=secured.do_handshake)
    thread.start()
    with secured, client.wrap_socket(right, server_hostname="localhost") as caller:
        thread.join()
        return str(caller.getpeercert()["serialNumber"])


def test_a_revocation_holds_for_the_next_handshake(certificates: Certificates) -> None:
    server, client = pair(certificates, "modality")
    shake(server, client).close()
    Authority.open(certificates.folder).revoke(certificates / "modality.pem", now(), 30)
    with pytest.raises(ssl.SSLError):
        shake(server, client)


def test_broken_files_leave_the_old_ones_in_force(certificates: Certificates, caplog: pytest.LogCaptureFixture) -> None:
    server, client = pair(certificates)
    (certificates / "node.pem").write_text("-----BEGIN CERTIFICATE-----\nhalf")
    with caplog.at_level(logging.ERROR):
        shake(server, client).close()
        shake(server, client).close()
    (line,) = caplog.messages
    assert "receive.tls" in line and "stay in force" in line and "node.pem" in line
    (certificates / "node.pem").unlink()
    shake(server, client).close()


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ({"certificate": "absent.pem", "key": "node.key"}, "absent.pem"),
        ({"certificate": "node.pem", "key": "modality.key"}, "modality.key"),
        ({"certificate": "node.pem", "key": "node.key", "client_ca": "node.key"}, "client_ca"),
    ],
    ids=["absent", "not of one pair", "no certificate"],
)
def test_unusable_files_are_named_at_the_start(certificates: Certificates, values: dict[str, str], names: str) -> None:
    settings = TlsServerSettings.model_validate({key: certificates / value for key, value in values.items()})
    with pytest.raises(SettingsError, match=names):
        server_context(settings, "receive.tls")


def test_a_locked_key_needs_its_password(certificates: Certificates, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization as form

    key = form.load_pem_private_key((certificates / "node.key").read_bytes(), None)
    locked = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.BestAvailableEncryption(b"sesame"))
    (certificates / "node.key").write_bytes(locked)
    with pytest.raises(SettingsError, match=r"node\.key"):
        server_context(certificates.server(), "receive.tls")
    (tmp_path / "password").write_text("sesame\n")
    assert server_context(certificates.server(key_password=f"file:{tmp_path / 'password'}"), "receive.tls")


def test_why_a_handshake_fails(certificates: Certificates) -> None:
    client = client_context(certificates.client(), "targets.pacs.tls")
    assert client is not None
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=lambda: listener.accept()[0].close())
        thread.start()
        assert handshake_failure(client, "127.0.0.1", listener.getsockname()[1], 20)
        thread.join()


def test_a_certificate_goes_with_its_key() -> None:
    with pytest.raises(ValidationError, match="together"):
        TlsServerSettings.model_validate({"certificate": "node.pem"})
