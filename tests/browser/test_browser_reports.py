"""Reports in a browser: the list, a report in its own origin, and how to set a folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from dicomnode.archive.account_records import Role
from dicomnode.bundles import write_measured
from tests.browser.conftest import SeenNode, serving
from tests.browser.looking import assert_accessible, assert_fits_phone, page_ok, picture, watch
from tests.measurements import measured

pytestmark = pytest.mark.chromium

_PAGE = """<!doctype html><html lang="en"><title>report</title><style>h1 { color: rgb(1, 2, 3) }</style>
<h1>The report</h1>
<img alt="plot" src="data:image/svg+xml;base64,PHN2ZyB4bWxucz0iaHR0cDovL3d3dy53My5vcmcvMjAwMC9zdmciLz4=">
<p id="said">nothing ran</p><script>document.getElementById("said").textContent = "a script ran"</script></html>"""


def test_without_a_folder_the_page_says_what_to_do(open_page: Callable[..., Page], tmp_path: Path) -> None:
    page = open_page("/reports", role=Role.VIEWER)
    expect(page.get_by_text("No folder of reports is set")).to_be_visible()
    expect(page.get_by_text("dicomnode review TABLE.csv")).to_be_visible()
    page_ok(page)
    assert_accessible(page)
    picture(page, "reports-none", tmp_path)


def test_a_report_is_opened_and_runs_nothing(node: SeenNode, chromium: Browser, tmp_path: Path) -> None:
    folder = tmp_path / "reports" / "classifier"
    folder.mkdir(parents=True)
    (folder / "report.html").write_text(_PAGE)
    write_measured(folder / "evaluation.json", measured("1" * 64))
    web = {"reports": tmp_path / "reports", "accounts": {"required": False}, "port": 0}
    settings = node.settings.model_validate(node.settings.model_dump() | {"web": web})
    with serving(node.archive, settings) as url, chromium.new_context(base_url=url) as context:
        page = watch(context.new_page(), url.removeprefix("http://"))
        page.goto("/reports")
        page_ok(page)
        assert_accessible(page)
        picture(page, "reports", tmp_path)
        assert_fits_phone(page)
        picture(page, "reports-phone", tmp_path)
        page.get_by_role("link", name="small").click()
        expect(page.get_by_role("heading", name="The report")).to_have_css("color", "rgb(1, 2, 3)")
        expect(page.locator("#said")).to_have_text("nothing ran")
