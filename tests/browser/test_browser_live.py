"""Forms that are sent in place, and what happens when the node does not answer."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from dicomnode.archive.account_records import Role
from dicomnode.archive.records import DeliveryState
from dicomnode.findings import Outcome, Result
from tests.browser.conftest import SeenNode
from tests.browser.looking import assert_accessible, forget_troubles, page_ok
from tests.evidence_cases import MODEL, answer
from tests.seen_node import DETECTOR, MADE

pytestmark = pytest.mark.chromium
Open = Callable[..., Page]


def deliver(node: SeenNode, name: str) -> tuple[str, list[int]]:
    """A study of its own whose answer was refused; gives its UID and the numbers of its deliveries."""
    study = node.filler.store(name, f"Head, {name}")
    node.filler.route(study, DETECTOR)
    images = node.filler.images(study)
    result = Result(study, MODEL, Outcome.FINDINGS, "positive", answer(images[:1]), (), images, "2" * 64, MADE)
    node.filler.answer(result)
    numbers = []
    for delivery in node.archive.deliveries.list(study):
        node.filler.end(delivery, DeliveryState.REFUSED, "0xA900 refused")
        numbers.append(delivery.delivery_id)
    return study, numbers


def test_a_delivery_is_tried_again_in_place(open_page: Open, node: SeenNode) -> None:
    study, numbers = deliver(node, "quiet")
    page = open_page("/deliveries?state=refused", role=Role.OPERATOR)
    page.evaluate("window.loadedOnce = true")
    button = page.locator(f"form[action='/deliveries/{numbers[0]}/retry'] button")
    button.press("Enter")
    expect(page.locator(".toast")).to_have_text("It is tried again.")
    expect(button).to_have_count(0)
    assert page.evaluate("window.loadedOnce")
    assert_accessible(page, schemes=("light",))
    page_ok(page)
    states = {delivery.delivery_id: delivery.state for delivery in node.archive.deliveries.list(study)}
    assert states[numbers[0]] is DeliveryState.WAITING


def test_a_form_that_is_refused_says_why(open_page: Open, node: SeenNode) -> None:
    _, numbers = deliver(node, "too old")
    page = open_page("/deliveries?state=refused", role=Role.OPERATOR)
    form = page.locator(f"form[action='/deliveries/{numbers[0]}/retry']")
    form.locator("[name=csrf]").evaluate("(field) => { field.value = 'wrong'; }")
    form.get_by_role("button").click()
    expect(page.locator(".toast.wrong")).to_contain_text("load the page again")
    forget_troubles(page)


def test_a_node_that_is_away_is_told(open_page: Open, node: SeenNode) -> None:
    _, numbers = deliver(node, "away")
    page = open_page("/deliveries?state=refused", role=Role.OPERATOR)
    page.context.set_offline(True)
    page.locator(f"form[action='/deliveries/{numbers[0]}/retry'] button").click()
    expect(page.locator(".toast.wrong")).to_have_text("That did not work: the node did not answer.")
    page.context.set_offline(False)
    forget_troubles(page)


def test_without_scripts_the_form_is_sent_as_ever(open_page: Open, node: SeenNode) -> None:
    study, numbers = deliver(node, "plain")
    page = open_page("/deliveries?state=refused", role=Role.OPERATOR, scripts=False)
    page.locator(f"form[action='/deliveries/{numbers[0]}/retry'] button").click()
    expect(page).to_have_url("/deliveries")
    states = {delivery.state for delivery in node.archive.deliveries.list(study)}
    assert DeliveryState.WAITING in states


def test_a_login_that_ended_leads_to_the_login_page(open_page: Open) -> None:
    page = open_page("/", role=Role.VIEWER)
    page.context.clear_cookies()
    page.evaluate("dicomnode.refresh()")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    forget_troubles(page)
