"""Signing in and out, passwords and refusals in a browser; the frame by keyboard and on a phone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Page, expect

from dicomnode.archive.account_records import Role
from dicomnode.web.access.accounts import add_account
from tests.browser.conftest import SeenNode, sign_in
from tests.browser.looking import (
    PHONE,
    assert_accessible,
    assert_fits_phone,
    forget_troubles,
    page_ok,
    picture,
    tab_to,
)
from tests.unit.web.signed_in import PASSWORD, QUICK

pytestmark = pytest.mark.chromium
Open = Callable[..., Page]


def test_a_wrong_password_is_told_and_a_right_one_leads_on(open_page: Open, tmp_path) -> None:
    page = open_page("/login?next=/deliveries", role=None)
    picture(page, "login", tmp_path)
    sign_in(page, "viewer", "not the password")
    expect(page.get_by_role("alert")).to_be_visible()
    assert_accessible(page)
    sign_in(page, "viewer")
    assert page.url.endswith("/deliveries")
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url("/login")


def test_login_by_keyboard_alone(open_page: Open) -> None:
    page = open_page("/login", role=None)
    expect(page.locator("[name=name]")).to_be_focused()
    page.keyboard.type("viewer")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page).to_have_url("/")
    page_ok(page)


def test_a_password_made_by_somebody_else_is_changed_first(open_page: Open, node: SeenNode, tmp_path) -> None:
    add_account(node.archive, QUICK, "new", Role.VIEWER, PASSWORD, datetime.now(UTC), True)
    page = open_page("/login", role=None)
    sign_in(page, "new")
    expect(page).to_have_url("/password")
    page_ok(page)
    assert_accessible(page)
    picture(page, "password", tmp_path)
    page.fill("[name=old]", PASSWORD)
    page.fill("[name=new]", "other words of this test")
    page.fill("[name=again]", "other words of that test")
    page.get_by_role("button", name="Change").click()
    expect(page.get_by_role("alert")).to_contain_text("typed in two ways")
    forget_troubles(page)
    for name, value in (("old", PASSWORD), ("new", "other words of this test"), ("again", "other words of this test")):
        page.fill(f"[name={name}]", value)
    page.get_by_role("button", name="Change").click()
    expect(page).to_have_url("/")


def test_a_refusal_says_why_and_leads_back(open_page: Open, tmp_path) -> None:
    page = open_page("/accounts", role=Role.VIEWER)
    expect(page.get_by_role("alert")).to_contain_text("ask an administrator")
    assert_accessible(page)
    picture(page, "refused", tmp_path)
    assert_fits_phone(page)
    page.get_by_role("link", name="To the overview").click()
    expect(page).to_have_url("/")


def test_the_navigation_shows_what_one_may_see(open_page: Open) -> None:
    ways = open_page("/", role=Role.VIEWER).get_by_role("navigation", name="Pages").get_by_role("link")
    titles = ways.all_inner_texts()
    assert titles[:2] == ["Overview", "Studies"]
    assert "Accounts" not in titles
    page = open_page("/accounts")
    expect(page.locator("#menu [aria-current=page]")).to_have_text("Accounts")


def test_the_content_is_one_key_away(open_page: Open) -> None:
    page = open_page("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="To the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


@pytest.mark.parametrize("scripts", [True, False])
def test_the_menu_of_a_phone_opens_without_scripts_too(open_page: Open, scripts: bool, tmp_path) -> None:
    page = open_page("/", viewport=PHONE, scripts=scripts)
    link = page.locator("#menu a", has_text="Deliveries")
    expect(link).to_be_hidden()
    if scripts:
        tab_to(page, ".menu-button")
        page.keyboard.press("Enter")
    else:
        page.get_by_role("button", name="Menu").click()
    expect(link).to_be_visible()
    picture(page, f"menu-{scripts}", tmp_path)
    link.click()
    expect(page).to_have_url("/deliveries")
