"""The OpenAPI description: every route, the right that it asks for, and its refusals."""

from fastapi import FastAPI
from fastapi.routing import APIRoute

from dicomnode.archive import Archive
from dicomnode.settings import Settings
from dicomnode.web.access.rights import ROUTES
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


# Forms whose like for programs has another address. A login, a password of one's own and the review of training
# images are for people.
OTHERWISE = {
    "/accounts/add": ("POST", "/api/v1/accounts"),
    "/accounts/role": ("PATCH", "/api/v1/accounts/{name}"),
    "/accounts/disable": ("PATCH", "/api/v1/accounts/{name}"),
    "/accounts/enable": ("PATCH", "/api/v1/accounts/{name}"),
    "/accounts/reset": ("POST", "/api/v1/accounts/{name}/password"),
    "/tokens/add": ("POST", "/api/v1/tokens"),
    "/tokens/revoke": ("DELETE", "/api/v1/tokens/{token_id}"),
}
FOR_PEOPLE = {"/login", "/logout", "/password", "/review/rows/{number}"}


def test_programs_can_do_what_the_pages_do() -> None:
    forms = [path for method, path in ROUTES if method == "POST" and not path.startswith(("/api/v1", "/dicom-web"))]
    assert set(FOR_PEOPLE) < set(forms)
    for path in set(forms) - FOR_PEOPLE:
        twin = OTHERWISE.get(path, ("POST", f"/api/v1{path}"))
        assert twin in ROUTES, f"{path} has no like for programs"
        assert ROUTES[twin] is ROUTES["POST", path]
    shown = [path for method, path in ROUTES if method == "GET" and path.count("/") == 1 and path != "/"]
    for path in set(shown) - {"/login", "/password", "/viewer", "/review", "/metrics"}:
        assert ("GET", f"/api/v1{path}") in ROUTES, f"{path} has no like for programs"
