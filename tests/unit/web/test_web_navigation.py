"""The way round the pages: what each role is shown, and which page is marked."""

from __future__ import annotations

import re

import pytest
from fastapi import FastAPI

from dicomnode.archive import Archive
from dicomnode.archive.account_records import Role
from dicomnode.web.pages.words import word_of
from tests.unit.web.signed_in import Browser, Clock, make_account


@pytest.fixture
def guarded(guarded: FastAPI, archive: Archive, clock: Clock) -> FastAPI:
    for role in (Role.VIEWER, Role.ADMIN):
        make_account(archive, str(role), role, clock)
    return guarded


def ways(page: str) -> list[str]:
    return re.findall(r'<li[^>]*><a href="([^"]*)"', page.partition('id="menu"')[2].partition("</nav>")[0])


def signed_in(app: FastAPI, role: Role) -> Browser:
    browser = Browser(app)
    assert browser.sign_in(str(role)).status_code == 303
    return browser


def test_each_role_sees_the_pages_that_it_may_open(guarded: FastAPI) -> None:
    viewer, admin = (signed_in(guarded, role) for role in (Role.VIEWER, Role.ADMIN))
    seen = ways(viewer.get("/").text)
    assert seen[:2] == ["/", "/studies"]
    assert set(ways(admin.get("/").text)) - set(seen) >= {"/audit", "/accounts"}
    assert all(admin.get(way).status_code == 200 for way in ways(admin.get("/").text))
    assert ways(Browser(guarded).get("/login").text) == []


@pytest.mark.parametrize(
    ("path", "marked"), [("/", "/"), ("/studies", "/studies"), ("/deliveries?state=held", "/deliveries")]
)
def test_the_page_that_is_shown_is_marked(guarded: FastAPI, path: str, marked: str) -> None:
    page = signed_in(guarded, Role.VIEWER).get(path).text
    assert re.findall(r'<a href="([^"]*)" aria-current="page"', page) == [marked]


def test_who_is_refused_is_still_shown_the_way_round(guarded: FastAPI) -> None:
    refused = signed_in(guarded, Role.VIEWER).get("/accounts")
    assert refused.status_code == 403
    assert "/studies" in ways(refused.text)


def test_what_has_no_word_is_shown_as_it_is() -> None:
    assert word_of("no_findings") == "no findings"
    assert word_of("leased") == "running"
    assert word_of("of_another_kind") == "of another kind"
