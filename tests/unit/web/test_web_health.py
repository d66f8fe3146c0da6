"""Liveness and readiness."""

from pathlib import Path

from dicomnode.settings import Settings
from tests.unit.web.conftest import Client


def test_live_looks_at_nothing(client: Client) -> None:
    assert client.get("/health/live").json() == {"status": "ok"}


def test_ready_names_every_dependency(client: Client) -> None:
    answer = client.get("/health/ready")
    assert answer.status_code == 200
    assert {name: check["status"] for name, check in answer.json()["checks"].items()} == {
        "index": "ok",
        "storage": "ok",
        "models": "ok",
    }


def test_missing_models_folder_is_told(client: Client, settings: Settings) -> None:
    Path(settings.models.folder).rmdir()
    answer = client.get("/health/ready")
    assert answer.status_code == 503
    assert "models.folder" in answer.json()["checks"]["models"]["problem"]
