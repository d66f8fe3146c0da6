"""Peers and rules in a browser: echo and probe, the sentences of the rules, and their tester."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from dicomnode.archive.account_records import Role
from tests.browser.conftest import SeenNode
from tests.browser.looking import (
    assert_accessible,
    assert_fits_phone,
    forget_troubles,
    page_ok,
    picture,
    tab_to,
)
from tests.seen_node import DETECTOR
from tests.unit.web.conftest import file_bytes, make_dataset

pytestmark = pytest.mark.chromium
Open = Callable[..., Page]


@pytest.fixture
def slices(tmp_path: Path) -> list[str]:
    """Three files of one MR series, and one that is no DICOM."""
    paths = [tmp_path / f"{number}.dcm" for number in (1, 2, 3)]
    for number, path in enumerate(paths, start=1):
        path.write_bytes(file_bytes(make_dataset(number=number, BodyPartExamined="BRAIN")))
    other = tmp_path / "letter.txt"
    other.write_text("no image")
    return [str(path) for path in (*paths, other)]


def test_an_echo_that_nobody_answers_is_told(open_page: Open, node: SeenNode) -> None:
    page = open_page("/peers", role=Role.OPERATOR)
    card = page.locator("article").filter(has=page.get_by_role("heading", name="pacs", exact=True))
    tab_to(page, "form[action$='/target/pacs/echo'] button")
    page.keyboard.press("Enter")
    expect(card.get_by_text("no answer")).to_be_visible()
    expect(card.locator(".alert")).to_contain_text("127.0.0.1:1")
    page_ok(page)
    page.locator("form[action$='/target/research/probe'] button").click()
    research = page.locator("article").filter(has=page.get_by_role("heading", name="research"))
    expect(research.get_by_text("What it takes, ")).to_be_visible()
    page_ok(page)
    page.locator("form[action$='/target/pacs/probe'] button").click()
    expect(page.locator(".toast.wrong")).to_contain_text("127.0.0.1:1")
    forget_troubles(page)


def test_the_tester_says_what_would_run_and_why_not(open_page: Open, slices: list[str], tmp_path: Path) -> None:
    page = open_page("/peers", role=Role.VIEWER)
    expect(page.locator(".rules li")).to_contain_text(f"{DETECTOR} is asked about studies of the modality MR.")
    page.locator("[name=files]").set_input_files(slices)
    tried = page.locator("#tried")
    expect(tried.get_by_role("alert")).to_contain_text("file 4")
    expect(tried.locator("h3")).to_have_text("MR: 1 series, 3 instances")
    row = tried.locator("li").filter(has_text=DETECTOR)
    expect(row).to_contain_text("would run by rule 1; answer to pacs, research")
    expect(row).to_contain_text("runs on series 1.2.1.1 (3 images)")
    expect(tried.locator("li").filter(has_text="brain_mri_tumor_classifier")).to_contain_text(
        "no rule gives this study"
    )
    page_ok(page)
    assert_accessible(page)
    picture(page, "peers-tried", tmp_path, whole=True)
    assert_fits_phone(page)
    picture(page, "peers-phone", tmp_path, whole=True)


def test_viewers_have_no_buttons_and_the_page_works_without_scripts(open_page: Open) -> None:
    page = open_page("/peers", role=Role.VIEWER, scripts=False)
    expect(page.locator("form[data-quiet]")).to_have_count(0)
    expect(page.locator("noscript .note")).to_be_visible()
    operated = open_page("/peers", role=Role.OPERATOR, scripts=False)
    operated.locator("form[action$='/pacs/archive/echo'] button").click()
    expect(operated.get_by_role("row").filter(has_text="archive").locator(".state.no_answer")).to_be_visible()
