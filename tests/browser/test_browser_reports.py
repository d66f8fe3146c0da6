"""Reports in a browser: the list, a report in its own origin, and how to set a folder."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from dicomnode.archive.account_records import Role
from dicomnode.bundles import write_measured
from dicomnode.node.reviewing import review_of
from tests.browser.conftest import SeenNode, sign_in
from tests.browser.looking import assert_accessible, assert_fits_phone, page_ok, picture, watch
from tests.measurements import measured
from tests.serving import serving

pytestmark = pytest.mark.chromium

_PAGE = """<!doctype html><html lang="en"><title>report</title><style>h1 { color: rgb(1, 2, 3) }</style>
<h1>The report</h1>
<img alt="plot" src="data:image/svg+xml;base64,PHN2ZyB4bWxucz0iaHR0cDovL3d3dy53My5vcmcvMjAwMC9zdmciLz4=">
<p id="said">nothing ran</p><script>document.getElementById("said").textContent = "a script ran"</script></html>"""


def test_without_a_folder_the_page_says_what_to_do(open_page: Callable[..., Page], tmp_path: Path) -> None:
    page = open_page("/reports", role=Role.VIEWER)
    expect(page.get_by_text("No folder of reports is set")).to_be_visible()
    expect(page.get_by_text("dicomnode review TABLE.csv")).to_be_visible()
    page.goto("/review")
    expect(page).to_have_url("/reports#review-title")
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


def test_a_table_is_reviewed_by_whoever_signed_in(node: SeenNode, chromium: Browser, tmp_path: Path) -> None:
    for name in ("one", "two"):
        Image.new("L", (60, 40), 128).save(tmp_path / f"{name}.png")
    table = tmp_path / "labels.csv"
    table.write_text("path,label\none.png,benign\ntwo.png,malignant\n")
    review = {"table": table, "data": tmp_path}
    web = {"port": 0, "review": review}
    settings = node.settings.model_validate(node.settings.model_dump() | {"web": web})
    opened = review_of(settings.web.review)
    with serving(node.archive, settings, opened) as url, chromium.new_context(base_url=url) as context:
        page = watch(context.new_page(), url.removeprefix("http://"))
        page.goto("/login?next=/reports")
        sign_in(page, "operator")
        page.get_by_role("link", name="Open the review").click()
        expect(page.get_by_role("button", name="benign")).to_have_attribute("aria-pressed", "true")  # the row is there
        page.keyboard.press("2")
        expect(page.get_by_role("button", name="malignant")).to_have_attribute("aria-pressed", "true")
        expect(page.locator("#changes")).to_contain_text("relabelled")
        page.keyboard.press("ArrowRight")
        expect(page.locator("#image img")).to_have_attribute("src", re.compile("/review/rows/1/image.png"))
        page_ok(page)
        picture(page, "review", tmp_path)
    assert "relabelled" in (tmp_path / "labels_reviewed.csv").read_text()
