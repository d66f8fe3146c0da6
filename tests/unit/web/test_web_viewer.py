"""The viewer's origin: what it gives out, to whom, and with which promises; and the ways that lead there."""

import base64
from hashlib import sha256
from pathlib import Path

import anyio
import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.types import ASGIApp

from dicomnode.archive import Archive
from dicomnode.archive.account_records import Role
from dicomnode.settings import Settings
from dicomnode.web.access.rights import VIEWER_ROUTES
from dicomnode.web.app import create_app
from dicomnode.web.viewer.installing import install
from dicomnode.web.viewer.origin import ByPort, create_viewer
from tests.unit.web.conftest import Client, Store
from tests.unit.web.signed_in import Browser, Clock, make_account
from tests.unit.web.viewer_package import SCRIPT, write_package

HASHED = "/app.0123456789abcdef.js"


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    return install(tmp_path / "viewer", lambda into, told: write_package(into) and None, lambda *words: None).dist


@pytest.fixture
def viewer(archive: Archive, settings: Settings, dist: Path) -> Client:
    return Client(create_viewer(create_app(archive, settings), settings, dist))


@pytest.fixture
def guarded(archive: Archive, closed: Settings, dist: Path) -> ASGIApp:
    return create_viewer(create_app(archive, closed, Clock()), closed, dist)


@pytest.mark.parametrize("path", ["/", "/viewer?StudyInstanceUIDs=1.2.1", "/index.html", "/sw.js", "/..%2f..%2fx"])
def test_every_path_of_its_own_is_the_one_page(viewer: Client, path: str) -> None:
    page = viewer.get(path)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "PUBLIC_URL" in page.text
    assert page.headers["cache-control"] == "no-store"


def test_its_policy_names_inline_scripts_by_digest_and_no_other_origin(viewer: Client) -> None:
    policy = viewer.get("/").headers["content-security-policy"]
    digest = base64.b64encode(sha256(b'window.PUBLIC_URL="/"').digest()).decode()
    rules = {rule.split()[0]: rule.split()[1:] for rule in policy.split(";")}
    assert rules["script-src"] == ["'self'", "'unsafe-eval'", "'wasm-unsafe-eval'", f"'sha256-{digest}'"]
    assert rules["default-src"] == ["'none'"]
    assert "http" not in policy


def test_its_origin_is_isolated(viewer: Client) -> None:
    for path in ("/", HASHED):
        headers = viewer.get(path).headers
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["cross-origin-embedder-policy"] == "require-corp"
        assert headers["x-frame-options"] == "DENY"


def test_its_configuration_is_ours_and_no_service_worker_starts(viewer: Client) -> None:
    script = viewer.get("/app-config.js")
    assert script.headers["content-type"].startswith("text/javascript")
    assert '"qidoRoot": "/dicom-web"' in script.text
    assert "VIEWPORT_DATA_CHANGED" in script.text  # of what mends how OHIF shows reports
    assert "elsewhere" not in script.text + viewer.get("/init-service-worker.js").text


def test_files_named_by_their_content_are_kept_for_ever(viewer: Client) -> None:
    plain = viewer.get(HASHED, headers={"accept-encoding": "identity"})
    assert plain.content == SCRIPT
    assert "immutable" in plain.headers["cache-control"]
    packed = viewer.get(HASHED, headers={"accept-encoding": "gzip, br"})
    assert (packed.headers["content-encoding"], packed.headers["vary"]) == ("gzip", "Accept-Encoding")
    assert packed.content == SCRIPT
    assert packed.headers["etag"] != plain.headers["etag"]
    assert viewer.get("/assets/icon.svg").headers["cache-control"] == "no-cache"


def test_what_a_browser_has_is_not_sent_again(viewer: Client) -> None:
    etag = viewer.get(HASHED, headers={"accept-encoding": "identity"}).headers["etag"]
    again = {"accept-encoding": "identity", "if-none-match": f'"other", W/{etag}'}
    answer = viewer.get(HASHED, headers=again)
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)


def test_images_are_the_node_s(viewer: Client, store: Store) -> None:
    store()
    (study,) = viewer.get("/dicom-web/studies").json()
    assert study["0020000D"]["Value"] == ["1.2.1"]
    assert viewer.get("/dicom-webs").headers["content-type"].startswith("text/html")


def test_other_pages_of_the_node_are_not_there(viewer: Client) -> None:
    assert "PUBLIC_URL" in viewer.get("/accounts").text
    assert viewer.request("POST", "/accounts/add", data={"name": "x"}).status_code == 405


def test_nobody_enters_without_a_login_and_a_login_leads_on(archive: Archive, guarded: FastAPI) -> None:
    goal = "/viewer?StudyInstanceUIDs=1.2.1"
    browser = Browser(guarded, origin="http://localhost:8081")
    assert browser.get("/dicom-web/studies").status_code == 401
    refused = browser.get(goal)
    assert (refused.status_code, "PUBLIC_URL" in refused.text) == (401, False)
    make_account(archive, "eva", Role.VIEWER, Clock())
    entered = browser.submit(goal, "/login", name="eva", password="four words of a test")
    assert (entered.status_code, entered.headers["location"]) == (303, goal)
    assert "PUBLIC_URL" in browser.get(goal).text
    assert browser.get("/dicom-web/studies", headers={"Accept": "application/dicom+json"}).status_code == 200


def test_a_sender_sees_nothing(archive: Archive, guarded: FastAPI) -> None:
    make_account(archive, "ct", Role.SENDER, Clock())
    browser = Browser(guarded)
    browser.sign_in("ct")
    assert browser.get("/").status_code == 403


def test_a_login_at_the_node_opens_the_viewer(archive: Archive, closed: Settings, dist: Path) -> None:
    node = create_app(archive, closed, Clock())
    make_account(archive, "eva", Role.VIEWER, Clock())
    at_node = Browser(node, origin="http://localhost:8080")
    at_node.sign_in("eva")
    at_viewer = Browser(create_viewer(node, closed, dist), origin="http://localhost:8081")
    at_viewer.cookies = at_node.cookies  # cookies know hosts, not ports (RFC 6265 8.5)
    assert "PUBLIC_URL" in at_viewer.get("/").text


def test_other_names_are_refused(viewer: Client) -> None:
    for path in ("/", HASHED, "/dicom-web/studies"):
        assert viewer.get(path, headers={"host": "evil.example"}).status_code == 421


def test_the_table_of_rights_holds_every_route_of_the_viewer(archive: Archive, settings: Settings, dist: Path) -> None:
    node = create_app(archive, settings)
    app = create_viewer(node, settings, dist).viewer
    found = {(next(iter(route.methods)), route.path) for route in app.routes if isinstance(route, APIRoute)}
    assert found == set(VIEWER_ROUTES)


def test_without_a_viewer_its_pages_say_how_to_get_it(client: Client) -> None:
    for path in ("/viewer", "/studies/1.2.1/viewer"):
        page = client.get(path, headers={"accept": "text/html"})
        assert page.status_code == 200
        assert "dicomnode viewer install" in page.text
    assert "Visor" in client.get("/viewer", headers={"accept-language": "es"}).text
    assert client.get("/studies/x/viewer").status_code == 400


@pytest.mark.parametrize(
    ("origin", "address", "expected"),
    [
        ("http://testserver:8080", "", "http://testserver:8081"),
        ("https://testserver", "", "https://testserver:8081"),
        ("http://[::1]:8080", "", "http://[::1]:8081"),
        ("http://testserver", "https://node.example:8443", "https://node.example:8443"),
    ],
)
def test_a_study_opens_on_the_host_that_the_browser_knows(
    archive: Archive, settings: Settings, origin: str, address: str, expected: str
) -> None:
    viewer = settings.web.viewer.model_copy(update={"address": address})
    changed = settings.model_copy(update={"web": settings.web.model_copy(update={"viewer": viewer})})
    app = create_app(archive, changed)
    app.state.viewer_port = 8081
    browser = Browser(app, origin=origin)
    assert f'<a href="{expected}/">' in browser.get("/viewer").text
    study = f"{expected}/viewer?StudyInstanceUIDs=1.2.1"
    page = browser.get("/studies/1.2.1/viewer").text
    assert f'<a href="{study}">' in page
    assert f'<meta http-equiv="refresh" content="0; url={study}">' in page


@pytest.mark.parametrize(("port", "answer"), [(8080, b"node"), (8081, b"viewer")])
def test_the_port_decides_who_answers(port: int, answer: bytes) -> None:
    def saying(what: bytes) -> ASGIApp:
        async def app(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": what})

        return app

    async def ask() -> bytes:
        transport = httpx.ASGITransport(ByPort(saying(b"node"), saying(b"viewer"), 8081))
        async with httpx.AsyncClient(transport=transport, base_url=f"http://testserver:{port}") as client:
            return (await client.get("/")).content

    assert anyio.run(ask) == answer
