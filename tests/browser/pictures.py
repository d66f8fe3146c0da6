"""`python -m tests.browser.pictures`: the pictures of the pages in the README, taken from the demo's node."""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from dicomnode.archive import Archive
from dicomnode.archive.account_records import Role
from dicomnode.web.access.accounts import add_account
from tests.browser.conftest import seen_settings
from tests.browser.looking import DESK
from tests.peers_fixtures import CHROMIUM
from tests.seen_node import Filler
from tests.serving import serving
from tests.unit.web.signed_in import PASSWORD, QUICK

_ROOT = Path(__file__).parents[2]
_FOLDER = _ROOT / ".github" / "pictures"
_WIDTH, _QUALITY = 1000, 80
_SECONDS = 120_000


def main() -> int:
    """Take every picture anew."""
    parser = argparse.ArgumentParser(prog="python -m tests.browser.pictures", description=__doc__)
    parser.add_argument("--out", type=Path, default=_FOLDER)
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="dicomnode-pictures-") as folder, _demo(Path(folder)) as told:
        pages, study = told["addresses"]["the node's pages"], told["study_instance_uid"]
        ct = told["addresses"]["why the CT was not processed"]
        shots: dict[str, tuple[str, Callable[[Page], None]]] = {
            "overview": (pages, _still),
            "studies": (f"{pages}/studies", _still),
            "study": (f"{pages}/studies/{study}", _still),
            "not-processed": (ct, _still),
            "models": (f"{pages}/models", _still),
            "model": (f"{pages}/models/brain_mri_tumor_classifier", _still),
            "peers": (f"{pages}/peers", _still),
            "predict": (f"{pages}/predict", lambda page: _predict(page, Path(folder) / "out" / "study" / "MR013.dcm")),
            "deliveries": (f"{pages}/deliveries?state=delivered", _still),
            "reports": (f"{pages}/reports", _still),
        }
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
            page = browser.new_page(viewport=DESK, color_scheme="light", locale="en")  # type: ignore[arg-type]
            page.set_default_timeout(_SECONDS)
            for name, (address, prepare) in shots.items():
                page.goto(address)
                prepare(page)
                _keep(page.screenshot(), out / f"{name}.jpg")
            with _seen_node(Path(folder) / "seen") as address:
                _of_administrators(page, address, out)
            browser.close()
    return 0


@contextmanager
def _seen_node(folder: Path) -> Iterator[str]:
    """A node with accounts, since the demo has none, and an administrator among them."""
    settings = seen_settings(folder)
    with Archive.open(settings) as archive:
        Filler(archive, datetime.now(UTC)).fill()
        for role in Role:
            add_account(archive, QUICK, str(role), role, PASSWORD, datetime.now(UTC), False)
        with serving(archive, settings) as address:
            yield address


def _of_administrators(page: Page, address: str, out: Path) -> None:
    page.goto(f"{address}/login")
    page.get_by_label("Name").fill("admin")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    for name in ("audit", "accounts", "settings"):
        page.goto(f"{address}/{name}")
        _still(page)
        _keep(page.screenshot(), out / f"{name}.jpg")


@contextmanager
def _demo(folder: Path) -> Iterator[dict[str, Any]]:
    """The demo, kept running; what it told as JSON."""
    command = [sys.executable, "-m", "dicomnode", "demo", "--keep", "--json", "--out", str(folder / "out")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=_ROOT) as demo:
        try:
            assert demo.stdout is not None
            lines = ""
            for line in demo.stdout:
                lines += line
                if line.startswith("}"):
                    break
            yield json.loads(lines)
        finally:
            demo.send_signal(signal.SIGINT)


def _still(page: Page) -> None:
    page.wait_for_load_state("load")
    page.wait_for_function("() => [...document.images].every((image) => image.complete)")


def _predict(page: Page, image: Path) -> None:
    page.locator("select[name=model]").select_option("brain_mri_lesion_detector")
    page.locator("#files").set_input_files(image)
    page.locator("#predict button[type=submit]").click()
    page.locator("#results").wait_for(state="visible")
    _still(page)
    page.locator("#results").scroll_into_view_if_needed()
    page.evaluate("() => scrollTo(0, document.getElementById('state').offsetTop - 70)")


def _keep(screenshot: bytes, path: Path) -> None:
    with Image.open(BytesIO(screenshot)) as image:
        small = image.convert("RGB").resize(
            (_WIDTH, round(image.height * _WIDTH / image.width)), Image.Resampling.LANCZOS
        )
    small.save(path, quality=_QUALITY, optimize=True)


if __name__ == "__main__":
    sys.exit(main())
