"""TLS with real peers: DCMTK and Orthanc call the node, and the node calls them; HTTPS with requests."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests
from pydicom import dcmread

from dicomnode.archive import Archive
from dicomnode.delivery.cstore import CStoreSender
from dicomnode.delivery.document import Document
from dicomnode.delivery.outcomes import OutcomeKind
from dicomnode.delivery.stow import StowSender
from dicomnode.peers.association import DimsePeer
from dicomnode.peers.dicomweb import DicomWebPeer
from dicomnode.peers.echo import echo
from dicomnode.peers.http import WebAccess
from dicomnode.security.certificates import Authority
from dicomnode.security.tls import client_context
from dicomnode.settings import NodeSettings, ReceiveSettings, Settings, WebSettings
from dicomnode.web.server import serve_web
from tests.archives import make_file
from tests.listeners import dcmtk, listening
from tests.peers_fixtures import free_port, running_orthanc, wait_for
from tests.tls import Certificates, now


def node(folder: Path, **tables: object) -> Settings:
    receive = ReceiveSettings.model_validate(
        {
            "port": 0,
            "accept_unknown_peers": True,
            "tls": tables.get("dimse", {}),
            "engine": tables.get("engine", "own"),
        }
    )
    web = WebSettings.model_validate({"port": 0, "accounts": {"required": False}, "tls": tables.get("web", {})})
    return Settings(node=NodeSettings(data_dir=folder / "data"), receive=receive, web=web)


def by_tls(certificates: Certificates, name: str | None = None, authority: str = "ca.pem") -> list[str | Path]:
    """DCMTK's options."""
    own = ["+tla"] if name is None else ["+tls", certificates / f"{name}.key", certificates / f"{name}.pem"]
    return [*own, "+cf", certificates / authority, "-aec", "DICOMNODE", "127.0.0.1"]


@pytest.mark.dcmtk
def test_dcmtk_without_a_client_certificate(certificates: Certificates, tmp_path: Path, engine: str) -> None:
    path = tmp_path / "one.dcm"
    path.write_bytes(make_file("1.2.3.1.1", "1.2.3", InstanceNumber=1))
    with listening(node(tmp_path, engine=engine, dimse=certificates.server())) as (port, archive):
        assert dcmtk("storescu", *by_tls(certificates), str(port), path).returncode == 0
        assert archive.instances.exists("1.2.3.1.1")
        for profile in ("--profile-bcp195-nd", "--profile-bcp195", "--profile-bcp195-ex"):
            assert dcmtk("echoscu", profile, *by_tls(certificates), str(port)).returncode == 0, profile
        assert dcmtk("echoscu", *by_tls(certificates, authority="other-ca.pem"), str(port)).returncode != 0
        assert dcmtk("echoscu", "-aec", "DICOMNODE", "-to", "5", "-ta", "5", "127.0.0.1", str(port)).returncode != 0


@pytest.mark.dcmtk
def test_dcmtk_with_a_client_certificate(certificates: Certificates, tmp_path: Path, engine: str) -> None:
    with listening(node(tmp_path, engine=engine, dimse=certificates.server(clients=True))) as (port, _):
        assert dcmtk("echoscu", *by_tls(certificates, "modality"), str(port)).returncode == 0
        for refused in ("taken-back", "stranger", "expired", None):
            assert dcmtk("echoscu", *by_tls(certificates, refused), str(port)).returncode != 0, refused
        Authority.open(certificates.folder).revoke(certificates / "modality.pem", now(), 30)
        assert dcmtk("echoscu", *by_tls(certificates, "modality"), str(port)).returncode != 0


@pytest.mark.dcmtk
def test_a_peers_certificate_must_bear_its_name(certificates: Certificates, tmp_path: Path) -> None:
    peer = {"name": "mr1", "ae_title": "ECHOSCU", "require_tls": True, "certificate_name": "MODALITY"}
    receive = {"port": 0, "tls": certificates.server(clients=True)}
    tables = {"node": {"data_dir": tmp_path / "data"}, "receive": receive, "peers": [peer]}
    with listening(Settings.model_validate(tables)) as (port, archive):
        assert dcmtk("echoscu", *by_tls(certificates, "modality"), str(port)).returncode == 0
        assert archive.audit.list() == []
        refused = dcmtk("echoscu", *by_tls(certificates, "node"), str(port))
        assert "Calling AE Title Not Recognized" in refused.stderr + refused.stdout
        assert "does not bear the name" in archive.audit.list()[0].detail


def test_a_silent_client_holds_up_nobody(certificates: Certificates, tmp_path: Path, engine: str) -> None:
    import socket

    tls = client_context(certificates.client(), "peer")
    with listening(node(tmp_path, engine=engine, dimse=certificates.server())) as (port, _):
        with socket.create_connection(("127.0.0.1", port)):
            assert echo("127.0.0.1", port, "DICOMNODE", "TEST", 30, tls).answered
        plain = echo("127.0.0.1", port, "DICOMNODE", "TEST", 30)
        assert not plain.answered
        stranger = echo(
            "127.0.0.1",
            port,
            "DICOMNODE",
            "TEST",
            30,
            client_context(certificates.client(ca=certificates / "other-ca.pem"), "peer"),
        )
        assert "no TLS: the certificate is not accepted" in stranger.text


@contextmanager
def storescp(folder: Path, certificates: Certificates, *options: str) -> Iterator[int]:
    """DCMTK's storescp, which asks for a client certificate."""
    port = free_port()
    folder.mkdir()
    own = ["+tls", certificates / "node.key", certificates / "node.pem", "+cf", certificates / "ca.pem"]
    command = ["storescp", *own, *options, "-od", folder, str(port)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([str(word) for word in command], stdout=log, stderr=log)
    try:
        tls = client_context(certificates.client("modality"), "peer")
        wait_for(lambda: echo("127.0.0.1", port, "PACS", "DICOMNODE", 5, tls).answered, 30, "storescp")
        yield port
    finally:
        process.terminate()
        process.wait(20)


@pytest.mark.dcmtk
def test_delivery_to_dcmtk(certificates: Certificates, tmp_path: Path) -> None:
    path = tmp_path / "one.dcm"
    path.write_bytes(make_file("1.2.3.1.1", "1.2.3"))
    document = document_of(path)
    with storescp(tmp_path / "pacs", certificates) as port:
        for name, kind in (("modality", OutcomeKind.SUCCESS), (None, OutcomeKind.TRANSIENT)):
            tls = client_context(certificates.client(name), "targets.pacs.tls")
            sender = CStoreSender(DimsePeer("127.0.0.1", port, "PACS", "DICOMNODE", 20, tls))
            ((_, outcome),) = sender.send([document])
            assert outcome.kind is kind, outcome.status
    assert "certificate" in outcome.status


def document_of(path: Path) -> Document:
    meta = dcmread(path).file_meta
    return Document(path, meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID, meta.TransferSyntaxUID)


@pytest.mark.orthanc
def test_delivery_to_orthanc(certificates: Certificates, tmp_path: Path) -> None:
    path = tmp_path / "one.dcm"
    path.write_bytes(make_file("1.2.3.1.1", "1.2.3"))
    configuration = {
        "DicomTlsEnabled": True,
        "DicomTlsCertificate": str(certificates / "node.pem"),
        "DicomTlsPrivateKey": str(certificates / "node.key"),
        "DicomTlsTrustedCertificates": str(certificates / "ca.pem"),
    }
    with running_orthanc(tmp_path / "orthanc", **configuration) as orthanc:
        tls = client_context(certificates.client("modality"), "targets.pacs.tls")
        sender = CStoreSender(DimsePeer("127.0.0.1", orthanc.port, "ORTHANC", "DICOMNODE", 20, tls))
        ((_, outcome),) = sender.send([document_of(path)])
        assert outcome.kind is OutcomeKind.SUCCESS, outcome.status
        assert len(orthanc.get("/instances")) == 1


@contextmanager
def https(settings: Settings) -> Iterator[str]:
    """The web role on a free port."""
    stop, started, ports = threading.Event(), threading.Event(), []

    def ready(port: int) -> None:
        ports.append(port)
        started.set()

    with Archive.open(settings) as archive:
        thread = threading.Thread(target=serve_web, args=(archive, settings, ready, stop))
        thread.start()
        try:
            assert started.wait(60)
            yield f"https://localhost:{ports[0]}"
        finally:
            stop.set()
            thread.join(20)


def test_https(certificates: Certificates, tmp_path: Path) -> None:
    authority = str(certificates / "ca.pem")
    with https(node(tmp_path, web=certificates.server())) as url:
        assert requests.get(f"{url}/health/live", verify=authority, timeout=30).status_code == 200
        with pytest.raises(requests.exceptions.SSLError):
            requests.get(f"{url}/health/live", verify=str(certificates / "other-ca.pem"), timeout=30)
        path = tmp_path / "one.dcm"
        path.write_bytes(make_file("1.2.3.1.1", "1.2.3"))
        trusting = WebAccess.of("targets.pacs", certificates.client(), None)
        sender = StowSender(f"{url}/dicom-web", 30, lambda: datetime.now(UTC), trusting)
        ((_, outcome),) = sender.send([document_of(path)])
        assert outcome.kind is OutcomeKind.SUCCESS, outcome.status
        certificates.exchange()
        with DicomWebPeer(f"{url}/dicom-web", 30, trusting) as peer:
            assert [study.study_instance_uid for study in peer.search_studies({}, 10, 0)] == ["1.2.3"]
        sender.close()
        wary = WebAccess.of("targets.pacs", certificates.client(ca=certificates / "other-ca.pem"), None)
        with pytest.raises(Exception, match="SSLError"), DicomWebPeer(f"{url}/dicom-web", 30, wary) as peer:
            peer.health()


def test_https_with_client_certificates(certificates: Certificates, tmp_path: Path) -> None:
    with https(node(tmp_path, web=certificates.server(clients=True))) as url:
        for name in ("modality", "taken-back", None):
            access = WebAccess.of("pacs.archive", certificates.client(name), None)
            with DicomWebPeer(f"{url}/dicom-web", 30, access) as peer:
                if name == "modality":
                    peer.health()
                else:
                    with pytest.raises(Exception, match="failed"):
                        peer.health()
