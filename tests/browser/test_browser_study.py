"""A study's page in a browser: what it shows, its buttons, the images by keyboard, and all of it without scripts."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from dicomnode.archive.account_records import Role
from dicomnode.archive.records import DeliveryState, JobState
from dicomnode.findings import Outcome, Result
from dicomnode.study import SourceReference
from tests.browser.conftest import SeenNode
from tests.browser.looking import assert_accessible, assert_fits_phone, forget_troubles, page_ok, picture, tab_to
from tests.evidence_cases import MODEL, answer, finding
from tests.seen_node import DETECTOR, MADE

pytestmark = pytest.mark.chromium

Open = Callable[..., Page]
_NUMBERS = itertools.count(1)


@dataclass(frozen=True, slots=True)
class OfOnesOwn:
    """A study that a test may change."""

    uid: str

    @property
    def path(self) -> str:
        return f"/studies/{self.uid}"


@pytest.fixture
def own(node: SeenNode) -> OfOnesOwn:
    """A study with one finding, whose evidence waits to be sent."""
    uid, images = routed(node)
    found = (finding("Lesion 1", images[2:3], mask=None),)
    said = answer(images[2:3])
    node.filler.answer(Result(uid, MODEL, Outcome.FINDINGS, "1 lesion", said, found, images, "2" * 64, MADE))
    return OfOnesOwn(uid)


@pytest.fixture
def failed(node: SeenNode) -> OfOnesOwn:
    """A study whose job failed."""
    uid, images = routed(node)
    node.filler.answer(Result(uid, MODEL, Outcome.FAILED, "it failed", None, (), images, "2" * 64, MADE), "no memory")
    return OfOnesOwn(uid)


def routed(node: SeenNode) -> tuple[str, tuple[SourceReference, ...]]:
    """A new study whose job waits: its UID and images."""
    uid = node.filler.store(f"own-{next(_NUMBERS)}", "Head of one's own")
    node.filler.route(uid, DETECTOR)
    return uid, node.filler.images(uid)


def ready(page: Page) -> Locator:
    """The series, once its script listens."""
    scroller = page.locator(".scroller[data-ready]")
    expect(scroller).to_be_attached()
    return scroller


def test_the_page_tells_all_there_is(open_page: Open, node: SeenNode, tmp_path: Path) -> None:
    page = open_page(f"/studies/{node.seen.positive}")
    ready(page)
    expect(page.locator("h1")).to_have_text("Head with contrast")
    expect(page.locator("#why")).to_contain_text("not for MR")
    expect(page.locator("#results .note")).to_contain_text("not cleared for diagnosis")
    first = page.locator("#results article").first
    expect(first.locator(".scroll tbody tr")).to_have_count(2)
    expect(first.locator(".keys li").first.locator("polygon").first).to_be_visible()
    expect(page.locator("#results")).to_contain_text("silent, never sent")
    expect(page.locator("#evidence .deliveries")).not_to_have_count(0)
    expect(page.locator("#trace li")).not_to_have_count(0)
    page_ok(page)
    picture(page, "study-positive", tmp_path, whole=True)


@pytest.mark.parametrize("name", ["conflict", "quarantined", "arriving", "failed"])
def test_studies_in_trouble_are_accessible_too(open_page: Open, node: SeenNode, name: str) -> None:
    page = open_page(f"/studies/{getattr(node.seen, name)}")
    page_ok(page)
    assert_accessible(page)
    assert_fits_phone(page)


def test_why_a_ct_was_not_processed(open_page: Open, node: SeenNode) -> None:
    page = open_page(f"/studies/{node.seen.unrouted}")
    row = page.locator("#why tbody tr", has_text=DETECTOR)
    expect(row).to_contain_text("not processed")
    expect(row).to_contain_text("modality CT, it takes MR")


def test_the_series_is_scrolled_by_keyboard(open_page: Open, node: SeenNode) -> None:
    page = open_page(f"/studies/{node.seen.positive}")
    scroller = ready(page)
    where, image = scroller.locator("[data-where]"), scroller.locator("img")
    expect(where).to_have_text("3")  # the first image with a finding
    tab_to(page, ".stage")
    for key, there in [("Home", "1"), ("ArrowRight", "2"), ("ArrowDown", "3"), ("ArrowLeft", "2"), ("End", "6")]:
        page.keyboard.press(key)
        expect(where).to_have_text(there)
    expect(image).to_have_attribute("alt", "Image 6 of 6")
    page.wait_for_function("document.querySelector('.scroller img').naturalWidth > 0")
    expect(scroller.locator("polygon")).to_have_count(0)
    page.keyboard.press("ArrowLeft")
    expect(scroller.locator("polygon")).to_have_count(1)  # the second lesion, on image 5
    assert "slice=5" in page.url
    page.reload()
    expect(ready(page).locator("[data-where]")).to_have_text("5")
    page_ok(page)


def test_outlines_of_script_and_server_are_the_same(open_page: Open, node: SeenNode) -> None:
    plain = open_page(f"/studies/{node.seen.positive}", scripts=False)
    drawn = plain.locator(".scroller polygon").first.get_attribute("points")
    label = plain.locator(".scroller svg text").first
    place = (label.get_attribute("x"), label.get_attribute("y"))
    anchor = label.get_attribute("text-anchor") or ""
    page = open_page(f"/studies/{node.seen.positive}")
    scroller = ready(page)
    for step in ("next", "previous"):
        scroller.locator(f"[data-step={step}]").click()
    expect(scroller.locator("[data-where]")).to_have_text("3")
    by_script = scroller.locator("polygon").first.get_attribute("points")
    assert by_script == drawn
    text = scroller.locator("svg text").first
    expect(text).to_have_attribute("text-anchor", anchor)
    assert [float(text.get_attribute(axis)) for axis in "xy"] == pytest.approx([float(at) for at in place], abs=0.06)


def test_wheel_range_presets_and_jumps(open_page: Open, node: SeenNode) -> None:
    page = open_page(f"/studies/{node.seen.positive}")
    scroller = ready(page)
    where = scroller.locator("[data-where]")
    scroller.locator("input[type=range]").fill("1")
    expect(where).to_have_text("1")
    scroller.locator(".stage").click()
    page.mouse.wheel(0, 120)
    expect(where).to_have_text("2")
    scroller.locator("[data-preset=full]").click()
    expect(scroller.locator("img")).to_have_attribute("src", re.compile(r"window=full$"))
    page.locator("#results .keys a").last.click()
    expect(where).not_to_have_text("2")
    page_ok(page)


def test_a_finding_is_hidden_and_shown(open_page: Open, node: SeenNode) -> None:
    page = open_page(f"/studies/{node.seen.positive}")
    ready(page)
    shape = page.locator(".scroller [data-layer$='-f1']").first
    expect(shape).to_be_visible()
    box = page.locator("#results [data-shows$='-f1']").first
    box.uncheck()
    expect(shape).to_be_hidden()
    expect(page.locator(".keys [data-layer$='-f1']").first).to_be_hidden()
    box.check()
    expect(shape).to_be_visible()


def test_without_scripts_everything_is_reached_by_links(open_page: Open, node: SeenNode) -> None:
    page = open_page(f"/studies/{node.seen.positive}", scripts=False)
    page.click(".scroller [data-step=next]")
    expect(page.locator(".scroller [data-where]")).to_have_text("4")
    page.click(".scroller [data-preset=full]")
    assert "window=full" in page.url
    page.locator("#evidence").get_by_role("link", name="What it says").first.click()
    expect(page.locator("#document")).to_be_visible()
    page.get_by_role("link", name="Back to the study").click()
    expect(page.locator("h1")).to_have_text("Head with contrast")


def test_a_document_opens_in_place_and_on_a_page_of_its_own(open_page: Open, node: SeenNode) -> None:
    page = open_page(f"/studies/{node.seen.positive}")
    ready(page)
    item = page.locator("#evidence article", has_text="lesions").first
    item.locator("summary", has_text="Contents and check").click()
    expect(item).to_contain_text("Imaging Measurement Report")
    expect(item).to_contain_text("no problem found")
    page_ok(page)
    item.get_by_role("link", name="What it says").click()
    expect(page.locator(".tree details").first).to_be_visible()
    page_ok(page)
    assert_accessible(page)
    assert_fits_phone(page)


def test_run_again_is_a_button(open_page: Open, node: SeenNode, own: OfOnesOwn) -> None:
    page = open_page(own.path, role=Role.OPERATOR)
    ready(page)
    page.locator("#actions").get_by_role("checkbox").check()
    page.locator("#actions").get_by_role("button", name="Run again").click()
    expect(page.locator(".toast")).to_have_text("The study runs again, behind live work.")
    replay = node.archive.replays.asked(own.uid)
    assert replay is not None
    assert replay.silent
    expect(page.locator("#trace")).to_contain_text("runs again behind live work; computed, never sent")
    page_ok(page)
    page.locator("#actions").get_by_role("button", name="Run again").click()
    expect(page.locator(".toast.wrong")).to_contain_text("cannot run again now")
    forget_troubles(page)


def test_send_to_a_target(open_page: Open, node: SeenNode, own: OfOnesOwn) -> None:
    for delivery in node.archive.deliveries.list(own.uid, target="research"):
        node.filler.end(delivery, DeliveryState.REFUSED, "HTTP 422")
    page = open_page(own.path, role=Role.OPERATOR)
    ready(page)
    page.select_option("#actions [name=target]", "research")
    page.locator("#actions").get_by_role("button", name="Send").click()
    expect(page.locator(".toast")).to_have_text("It is on its way.")
    states = {one.state for one in node.archive.deliveries.list(own.uid, target="research")}
    assert states == {DeliveryState.WAITING}
    entry = next(one for one in node.archive.audit.list(20) if one.event == "sending asked for")
    assert entry.actor.startswith("operator@")
    page_ok(page)


def test_retry_a_refused_delivery(open_page: Open, node: SeenNode, own: OfOnesOwn) -> None:
    refused = node.archive.deliveries.list(own.uid)[0]
    node.filler.end(refused, DeliveryState.REFUSED, "0x0122 SOP class not supported")
    page = open_page(own.path, role=Role.OPERATOR)
    ready(page)
    row = page.locator(".deliveries li", has_text="0x0122 SOP class not supported")
    row.get_by_role("button", name="Try again").click()
    expect(page.locator(".toast")).to_have_text("It is tried again.")
    states = {one.delivery_id: one.state for one in node.archive.deliveries.list(own.uid)}
    assert states[refused.delivery_id] is DeliveryState.WAITING


def test_retry_a_failed_job(open_page: Open, node: SeenNode, failed: OfOnesOwn) -> None:
    page = open_page(failed.path, role=Role.OPERATOR)
    ready(page)
    page.locator("#actions").get_by_role("button", name="Retry").click()
    expect(page.locator("#trace")).to_contain_text("asked for again")
    (job,) = node.archive.jobs.list(failed.uid)
    assert job.state is JobState.WAITING
    job = node.archive.jobs.lease(
        node.archive.jobs.claim_name(), datetime.now(UTC), 3600
    )  # nobody else's test is to get it
    assert job is not None


def test_viewers_have_no_buttons(open_page: Open, node: SeenNode) -> None:
    page = open_page(f"/studies/{node.seen.positive}", role=Role.VIEWER)
    ready(page)
    expect(page.locator("#actions")).to_have_count(0)
    expect(page.get_by_role("button", name="Try again")).to_have_count(0)
    expect(page.get_by_role("link", name="Download the evidence")).to_be_visible()
