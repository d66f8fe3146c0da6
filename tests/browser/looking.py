"""What every page has to be: without errors, from one host, accessible, and usable on a phone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Request, Response

PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 800}
ARTEFACTS = "DICOMNODE_TEST_ARTEFACTS"

_TROUBLES: WeakKeyDictionary[Page, list[str]] = WeakKeyDictionary()
_SERIOUS = ("serious", "critical")


def watch(page: Page, host: str) -> Page:
    """Note what goes wrong on a page from now on; see `page_ok`."""
    troubles = _TROUBLES.setdefault(page, [])

    def on_console(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            troubles.append(f"console: {message.text}")

    def on_request(request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.netloc != host:
            troubles.append(f"asks another host: {request.url}")

    def on_failed(request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # the page was left, or a download began
            troubles.append(f"{request.url}: {request.failure}")

    def on_response(response: Response) -> None:
        if response.status >= 400:
            troubles.append(f"{response.url}: {response.status}")

    page.on("console", on_console)
    page.on("pageerror", lambda error: troubles.append(f"script: {error}"))
    page.on("request", on_request)
    page.on("requestfailed", on_failed)
    page.on("response", on_response)
    return page


def page_ok(page: Page) -> None:
    """No error in the console, no failed request, no request to another host since the last look."""
    found = list(_TROUBLES[page])
    forget_troubles(page)
    assert not found, f"{page.url}: " + "; ".join(found)


def forget_troubles(page: Page) -> None:
    """A test that provoked an error on purpose has seen it."""
    _TROUBLES[page].clear()


def assert_accessible(page: Page, schemes: tuple[str, ...] = ("light", "dark")) -> None:
    """No serious or critical finding of axe-core, colour contrast included, in every colour scheme."""
    for scheme in schemes:
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        violations = Axe().run(page).response["violations"]
        told = [
            f"{scheme}: {item['id']}: {item['help']}: {node['html'][:160]} ({_reasons(node)})"
            for item in violations
            if item["impact"] in _SERIOUS
            for node in item["nodes"]
        ]
        assert not told, f"{page.url}\n" + "\n".join(told)


def _reasons(node: dict[str, Any]) -> str:
    return "; ".join(str(check["message"]) for check in node["any"])[:200]


def assert_fits_phone(page: Page) -> None:
    """Nothing makes the page wider than a phone (390 px); leaves the page at a phone's size."""
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    wide = page.evaluate(
        """() => document.documentElement.scrollWidth <= innerWidth ? [] : [...document.body.querySelectorAll('*')]
          .filter((one) => one.getBoundingClientRect().right > innerWidth + 1 && !one.closest('.scroll, pre'))
          .slice(0, 5).map((one) => one.outerHTML.slice(0, 120))
          .concat([`the page is ${document.documentElement.scrollWidth} px wide`])"""
    )
    assert not wide, f"{page.url} at {PHONE['width']} px:\n" + "\n".join(wide)


def tab_to(page: Page, selector: str, most: int = 80) -> None:
    """Reach an element by the keyboard alone."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"{page.url}: {most} times Tab did not lead to {selector}")


def picture(page: Page, name: str, folder: Path, *, whole: bool = False) -> Path:
    """Keep a screenshot: in the folder that DICOMNODE_TEST_ARTEFACTS names, or in the given one."""
    kept = Path(os.environ.get(ARTEFACTS) or folder)
    kept.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=kept / f"{name}.png", full_page=whole)
    return kept / f"{name}.png"


def pages_of(context: BrowserContext) -> list[Page]:
    """The open pages of a context that are watched."""
    return [page for page in context.pages if page in _TROUBLES]
