"""Models in a browser: the list, a model with its charts and card, and switching it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from dicomnode.archive.account_records import Role
from tests.browser.conftest import SeenNode
from tests.browser.looking import assert_accessible, assert_fits_phone, page_ok, picture, tab_to
from tests.seen_node import DETECTOR

pytestmark = pytest.mark.chromium
Open = Callable[..., Page]
CLASSIFIER = "brain_mri_tumor_classifier"


def test_the_list_leads_to_a_model(open_page: Open, tmp_path) -> None:
    page = open_page("/models", role=Role.VIEWER)
    picture(page, "models", tmp_path, whole=True)
    page.get_by_role("link", name=CLASSIFIER).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(CLASSIFIER)
    page_ok(page)


@pytest.mark.parametrize("name", [CLASSIFIER, DETECTOR])
def test_a_model_shows_figures_charts_and_card(open_page: Open, name: str, tmp_path) -> None:
    page = open_page(f"/models/{name}")
    picture(page, f"model-{name}", tmp_path, whole=True)
    page_ok(page)
    assert_accessible(page)
    picture(page, f"model-{name}-dark", tmp_path, whole=True)
    assert_fits_phone(page)
    picture(page, f"model-{name}-phone", tmp_path, whole=True)


def test_a_model_is_switched_by_keyboard(open_page: Open, node: SeenNode) -> None:
    before = node.archive.deployments.get(CLASSIFIER)
    assert before is not None
    page = open_page(f"/models/{CLASSIFIER}")
    tab_to(page, "[name=state]")
    expect(page.locator("[name=state]:checked")).to_have_value("silent")
    page.keyboard.press("ArrowLeft")
    tab_to(page, ".switch button")
    page.keyboard.press("Enter")
    expect(page.locator("h1 + .state")).to_have_text("off")
    page_ok(page)
    node.archive.deployments.approve(CLASSIFIER, before.digest, before.state, before.approved_at)


def test_viewers_see_no_switch_and_charts_have_tables(open_page: Open) -> None:
    page = open_page(f"/models/{DETECTOR}", role=Role.VIEWER, scripts=False)
    expect(page.locator("form.switch")).to_have_count(0)
    froc = page.locator("figure.plot").filter(has_text="FROC curve")
    expect(froc.get_by_role("img", name="FROC curve")).to_be_visible()
    froc.get_by_text("As a table").click()
    expect(froc.get_by_role("row").filter(has_text="1/8")).to_contain_text("0.7")
