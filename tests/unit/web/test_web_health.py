"""Liveness and readiness."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dicomnode.archive import Archive
from dicomnode.archive.devices import DeviceRecord
from dicomnode.archive.echoes import Echo, PeerKind
from dicomnode.settings import Settings
from dicomnode.web.app import create_app
from tests.archives import NOW, at
from tests.unit.web.conftest import Client

REQUIRED = {"index", "storage", "models"}
ROLES = {"role receive", "role dispatch", "role infer", "role web"}


@pytest.fixture
def running(archive: Archive, settings: Settings) -> Iterator[Client]:
    """A node with a target and a PACS, all of whose roles run."""
    for role in ("receive", "dispatch", "infer", "web"):
        archive.node_leases.claim(role, at(0), 30.0, alone=role == "dispatch")
    more = {
        "targets": [{"name": "pacs", "url": "http://127.0.0.1:1/dicom-web"}],
        "pacs": [{"name": "archive", "url": "http://127.0.0.1:1/dicom-web"}],
    }
    changed = Settings.model_validate({**settings.model_dump(), **more})
    yield Client(create_app(archive, changed, lambda: at(10)))


def test_live_looks_at_nothing(client: Client) -> None:
    assert client.get("/health/live").json() == {"status": "ok"}


def test_ready_names_every_dependency(running: Client) -> None:
    answer = running.get("/health/ready")
    assert answer.status_code == 200
    content = answer.json()
    assert content["status"] == "ok"
    assert set(content["checks"]) == REQUIRED | ROLES | {"clock", "certificates", "target pacs", "pacs archive"}
    assert {check["status"] for check in content["checks"].values()} == {"ok"}


def test_more_is_told_to_who_asks_for_it(running: Client, archive: Archive) -> None:
    archive.devices.note(DeviceRecord("w1", "cpu", "x86", 1 << 20, 4 << 20, ("brain",), at(1)), at(0))
    archive.echoes.note(Echo(PeerKind.TARGET, "pacs", at(2), True, "0x0000", 20))
    checks = running.get("/health/ready?verbose").json()["checks"]
    assert {name for name, check in checks.items() if check["required"]} == REQUIRED
    assert checks["target pacs"]["found"] == "0x0000; 20 ms"
    assert checks["target pacs"]["at"] == at(2).isoformat()
    assert checks["pacs archive"]["found"] == "not asked yet"
    assert checks["device cpu"]["found"] == "x86: 1 of 4 MiB used, 1 model(s) loaded"
    assert checks["role infer"]["found"] == "1 process(es)"


def test_what_the_node_can_do_without_leaves_it_ready(running: Client, archive: Archive) -> None:
    archive.echoes.note(Echo(PeerKind.PACS, "archive", at(2), False, "connection refused", 20))
    archive.devices.note(DeviceRecord("w1", "cpu", "x86", 1, 1, (), at(-600)), at(-700))
    archive.node_leases.release()
    archive.node_leases.claim("web", at(100), 30.0, alone=False)
    answer = running.get("/health/ready")
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    failed = {name for name, check in answer.json()["checks"].items() if check["problem"]}
    assert failed == (ROLES - {"role web"}) | {"pacs archive", "device cpu", "clock"}


def test_certificates_are_looked_at(archive: Archive, settings: Settings, tmp_path: Path) -> None:
    tls = {"certificate": tmp_path / "none.pem", "key": tmp_path / "none.key"}
    changed = settings.model_copy(update={"receive": settings.receive.model_validate({"tls": tls})})
    checks = Client(create_app(archive, changed, lambda: NOW)).get("/health/ready").json()["checks"]
    assert "receive.tls" in checks["certificates"]["problem"]


def test_missing_models_folder_is_told(client: Client, settings: Settings) -> None:
    Path(settings.models.folder).rmdir()
    answer = client.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json()["status"] == "not ready"
    assert "models.folder" in answer.json()["checks"]["models"]["problem"]
