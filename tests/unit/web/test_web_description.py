"""The OpenAPI description: every route, the right that it asks for, and its refusals."""

from fastapi import FastAPI
from fastapi.routing import APIRoute

from dicomnode.archive import Archive
from dicomnode.settings import Settings
from dicomnode.web.app import create_app
from dicomnode.web.description import DESCRIPTION
from tests.unit.web.conftest import Client


def operations(content: dict) -> dict[tuple[str, str], dict]:
    return {(method, path): found for path, methods in content["paths"].items() for method, found in methods.items()}


def test_every_route_is_described(client: Client, archive: Archive, settings: Settings) -> None:
    described = operations(client.get(DESCRIPTION).json())
    app: FastAPI = create_app(archive, settings)
    routes = {
        (method.lower(), r.path_format)
        for r in app.routes
        if isinstance(r, APIRoute)
        for method in r.methods - {"HEAD", "OPTIONS"}
    }
    assert set(described) == routes
    assert all(operation["summary"] for operation in described.values())
    assert len({operation["operationId"] for operation in described.values()}) == len(routes)


def test_open_routes_ask_for_nothing_and_others_refuse(client: Client) -> None:
    described = operations(client.get(DESCRIPTION).json())
    assert described["get", "/health/live"]["security"] == []
    search = described["get", "/dicom-web/studies"]
    assert search["security"] == [{"token": []}, {"password": []}]
    assert {"200", "400", "401", "403", "406", "429"} <= set(search["responses"])
    assert [parameter["name"] for parameter in search["parameters"]][:2] == ["limit", "offset"]
    assert "multipart/related" in described["post", "/dicom-web/studies"]["requestBody"]["content"]
