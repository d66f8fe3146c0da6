"""The overview and the list of studies in a browser: content, live updates, search by keyboard, one screen."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
from playwright.sync_api import Page, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from dicomnode.archive.account_records import Role
from tests.browser.conftest import SeenNode
from tests.browser.looking import PHONE, assert_accessible, assert_fits_phone, page_ok, picture, tab_to

pytestmark = pytest.mark.chromium
Open = Callable[..., Page]


def test_the_overview_fits_one_screen(open_page: Open, tmp_path) -> None:
    page = open_page("/", role=Role.VIEWER)
    for title in ("In flight", "Queue of models", "Deliveries", "Disk", "Devices", "Peers"):
        expect(page.get_by_role("region", name=title, exact=True)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollHeight <= innerHeight")
    expect(page.get_by_role("region", name="Peers")).to_contain_text("no answer")
    expect(page.get_by_role("region", name="Devices")).to_contain_text("brain_mri_lesion_detector")
    picture(page, "overview", tmp_path)
    page_ok(page)


def test_alarms_say_what_to_do_and_lead_there(open_page: Open) -> None:
    page = open_page("/")
    page.get_by_text("more alarms").click()
    alarm = page.get_by_role("listitem").filter(has_text="Deliveries that pacs refused for good")
    expect(alarm).to_contain_text("Mend there what it complains of")
    alarm.get_by_role("link").click()
    expect(page).to_have_url("/deliveries?state=refused")


def test_a_study_that_arrives_shows_up_by_itself(open_page: Open, node: SeenNode) -> None:
    page = open_page("/studies", role=Role.VIEWER)
    with page.expect_response(lambda answer: "/api/v1/events" in answer.url):
        page.reload()
    tab_to(page, "td a")
    focused = page.evaluate("document.activeElement.getAttribute('href')")
    came = page.get_by_role("link", name="Head that came by itself").first
    for number in range(20):  # the first look at the index is what later ones are compared with, and may come late
        node.filler.store(f"by itself {number}", "Head that came by itself", count=1)
        with suppress(PlaywrightTimeout):
            came.wait_for(timeout=3000)
            break
    expect(came).to_be_visible()
    assert page.evaluate("document.activeElement.getAttribute('href')") == focused
    page_ok(page)


def test_nothing_is_swapped_under_somebody_who_types(open_page: Open) -> None:
    page = open_page("/studies")
    with page.expect_response(lambda answer: "auto=1" in answer.url and "/studies" in answer.url) as fresh:
        page.evaluate(
            """() => { const part = document.getElementById('studies');
              part.insertAdjacentHTML('afterbegin', '<input id="typing">'); document.getElementById('typing').focus();
              dicomnode.refresh(); }"""
        )
    fresh.value.finished()
    page.wait_for_timeout(500)  # what it would be swapped in
    expect(page.locator("#typing")).to_be_focused()


def test_studies_are_searched_by_keyboard(open_page: Open, node: SeenNode, tmp_path) -> None:
    page = open_page("/studies", role=Role.VIEWER)
    tab_to(page, "input[type=search]")
    page.keyboard.type("ACC-POSITIVE")
    page.keyboard.press("Enter")
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("tbody")).to_contain_text(node.seen.positive)
    expect(page.locator("tbody")).to_contain_text("findings")
    picture(page, "studies-found", tmp_path)
    page.get_by_role("link", name="Show all").click()
    expect(page).to_have_url("/studies")


@pytest.mark.parametrize(
    ("name", "value", "found"), [("standing", "quarantined", "quarantined"), ("modality", "CT", "unrouted")]
)
def test_studies_are_filtered_without_scripts(
    open_page: Open, node: SeenNode, name: str, value: str, found: str
) -> None:
    page = open_page("/studies", scripts=False)
    page.select_option(f"[name={name}]", value)
    page.get_by_role("button", name="Search").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("tbody .uid")).to_have_text(getattr(node.seen, found))


def test_the_list_is_readable_on_a_phone(open_page: Open, tmp_path) -> None:
    page = open_page("/studies", viewport=PHONE, language="es-ES")
    assert_fits_phone(page)
    picture(page, "studies-phone", tmp_path)
    assert_accessible(page)


def test_no_patient_is_named(open_page: Open) -> None:
    page = open_page("/studies?q=TEST-1")
    assert page.locator("tbody tr").count() > 5
    for text in ("Generated", "TEST-1", "TEST-2"):
        assert text not in page.locator("#studies").inner_text()


def test_pages_load_themselves_without_scripts(open_page: Open) -> None:
    page = open_page("/", scripts=False)
    assert page.locator("noscript meta").get_attribute("content") == "15; url=/?auto=1"
