"""Every page, found by the routes: no error, no other host, accessible, in both languages and colour schemes."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from dicomnode.archive.account_records import Role
from dicomnode.web.access.rights import ROUTES, Right
from tests.browser.conftest import SeenNode
from tests.browser.looking import assert_accessible, assert_fits_phone, page_ok, picture
from tests.seen_node import DETECTOR

pytestmark = pytest.mark.chromium

# What is asked for by programs, or leads elsewhere.
_NO_PAGES = re.compile(r"/(api|dicom-web|health|metrics|evidence|login/oidc|viewer|ohif|review/rows)\b")
PAGES = sorted(
    (path, right) for (method, path), right in ROUTES.items() if method == "GET" and not _NO_PAGES.match(path)
)
Open = Callable[..., Page]


def filled(path: str, node: SeenNode) -> str | None:
    """A path with something of the archive in place of its parameters; None if nothing is known to fit."""
    fitting = {
        "study_uid": node.seen.positive,
        "delivery_id": "1",
        "model": DETECTOR,
        "model_name": DETECTOR,
        "name": DETECTOR if path.startswith("/models") else None,
    }
    found = {word: fitting.get(word) for word in re.findall(r"{(\w+)", path)}
    if None in found.values():
        return None
    return re.sub(r"{(\w+)[^}]*}", lambda match: str(found[match[1]]), path)


@pytest.mark.parametrize(("path", "right"), PAGES, ids=[path for path, _ in PAGES])
def test_page_is_sound(open_page: Open, node: SeenNode, tmp_path, path: str, right: Right) -> None:
    address = filled(path, node)
    if address is None:
        pytest.skip("a test of its own knows what to ask for")
    role = None if path == "/login" else Role.ADMIN
    page = open_page(address, role=role)
    if "html" not in page.evaluate("document.contentType"):
        pytest.skip("no page")
    page_ok(page)
    assert_accessible(page, schemes=("light",))
    picture(page, f"page{address.replace('/', '-')}", tmp_path)
    assert_fits_phone(page)
    spanish = open_page(address, role=role, language="es-ES", scheme="dark", viewport={"width": 390, "height": 844})
    page_ok(spanish)
    assert spanish.locator("html").get_attribute("lang") == "es"
    assert_accessible(spanish, schemes=("dark",))
    assert_fits_phone(spanish)


def test_every_page_has_one_heading_and_landmarks(open_page: Open, node: SeenNode) -> None:
    page, looked_at = open_page("/"), set()
    for path in [filled(path, node) for path, _ in PAGES]:
        if path is not None and page.goto(path).headers["content-type"].startswith("text/html"):
            assert page.locator("h1").count() == 1, path
            assert page.locator("main").count() == 1, path
            assert page.title(), path
            looked_at.add(path)
    assert looked_at >= {
        "/",
        "/studies",
        f"/studies/{node.seen.positive}",
        f"/models/{DETECTOR}",
        "/deliveries",
        "/audit",
    }
