"""One node's web application on an archive with everything in it, one Chromium, and somebody of every role."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, StorageState, expect, sync_playwright

from dicomnode.archive import Archive
from dicomnode.archive.account_records import Role
from dicomnode.settings import Settings
from dicomnode.web.access.accounts import add_account
from tests.browser.looking import DESK, watch
from tests.peers_fixtures import CHROMIUM
from tests.seen_node import AE_TITLE, DETECTOR, MODELS, Filler, Seen
from tests.serving import serving
from tests.unit.web.signed_in import PASSWORD, QUICK

_SECONDS = 20_000
expect.set_options(timeout=_SECONDS)  # a busy machine takes its time


@dataclass(frozen=True, slots=True)
class SeenNode:
    """A web application that runs, with what is in its archive.

    Attributes:
        url: Without a slash at the end.
        filler: Puts more in, for tests that need a study of their own.
        seen: The studies that every test may look at. Tests that change something bring their own.
    """

    url: str
    settings: Settings
    archive: Archive
    filler: Filler
    seen: Seen

    @property
    def host(self) -> str:
        return self.url.removeprefix("http://")


def seen_settings(folder: Path) -> Settings:
    """Targets and a PACS that nobody answers for; any port; logins."""
    pacs = {"name": "pacs", "ae_title": "PACS", "host": "127.0.0.1", "port": 1, "pacs": "archive"}
    archive = {"name": "archive", "ae_title": "ARCHIVE", "host": "127.0.0.1", "port": 1}
    return Settings.model_validate(
        {
            "node": {"ae_title": AE_TITLE, "data_dir": folder / "data"},
            "models": {"folder": MODELS},
            "web": {"port": 0},
            "targets": [pacs, {"name": "research", "url": "http://127.0.0.1:1/dicom-web"}],
            "pacs": [archive],
            "rules": [{"model": DETECTOR, "modality": ["MR"]}],
        }
    )


@pytest.fixture(scope="package")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeenNode]:
    """The application on a free port, in a thread of its own."""
    settings = seen_settings(tmp_path_factory.mktemp("seen"))
    with Archive.open(settings) as archive:
        filler = Filler(archive, datetime.now(UTC))
        seen = filler.fill()
        for role in Role:
            add_account(archive, QUICK, str(role), role, PASSWORD, datetime.now(UTC), False)
        with serving(archive, settings) as url:
            yield SeenNode(url, settings, archive, filler, seen)


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """The system's Chromium, headless."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def logins(chromium: Browser, node: SeenNode) -> Callable[[Role], StorageState]:
    """Cookies of a login of each role; signs in when first asked."""
    kept: dict[Role, StorageState] = {}

    def login(role: Role) -> StorageState:
        if role not in kept:
            with chromium.new_context() as context:
                page = context.new_page()
                page.goto(f"{node.url}/login")
                sign_in(page, str(role))
                kept[role] = context.storage_state()
        return kept[role]

    return login


def sign_in(page: Page, name: str, password: str = PASSWORD) -> None:
    """Fill in the login page that is shown."""
    page.fill("[name=name]", name)
    page.fill("[name=password]", password)
    page.click("main button[type=submit]")
    page.wait_for_load_state()


@pytest.fixture
def open_page(
    chromium: Browser, node: SeenNode, logins: Callable[[Role], StorageState]
) -> Iterator[Callable[..., Page]]:
    """Open pages: ``open_page("/studies", role=Role.VIEWER, language="es-ES", scheme="dark", scripts=False)``.

    ``role=None`` is nobody. A context of its own for each, with whatever else `Browser.new_context` takes; all are
    closed at the end.
    """
    contexts: list[BrowserContext] = []

    def open_one(
        path: str,
        *,
        role: Role | None = Role.ADMIN,
        language: str = "en-US",
        scheme: str = "light",
        scripts: bool = True,
        **more: Any,
    ) -> Page:
        state = None if role is None else logins(role)
        look = {"locale": language, "color_scheme": scheme, "viewport": DESK, "java_script_enabled": scripts}
        context = chromium.new_context(base_url=node.url, storage_state=state, **{**look, **more})
        context.set_default_timeout(_SECONDS)
        contexts.append(context)
        page = watch(context.new_page(), node.host)
        page.goto(path)
        return page

    yield open_one
    for context in contexts:
        context.close()
