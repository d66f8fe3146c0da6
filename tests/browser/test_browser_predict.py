"""A picture is dropped on the page Predict: bars, boxes and a Grad-CAM come up, by mouse, keyboard and phone."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import Page, expect

from dicomnode.archive.account_records import Role
from dicomnode.archive.records import DeploymentState
from dicomnode.bundles import bundle_digest
from dicomnode.web.predicting.statements import NOT_CLEARED, NOT_KEPT
from tests.browser.conftest import SeenNode
from tests.browser.looking import assert_accessible, assert_fits_phone, forget_troubles, page_ok, picture, tab_to
from tests.seen_node import CLASSIFIER, DETECTOR, MODELS

pytestmark = pytest.mark.chromium
Open = Callable[..., Page]

# The first answer waits for torch, on a machine that does other things.
_SECONDS = 120_000
_PNG = re.compile("^data:image/png;base64,")


@pytest.fixture(autouse=True)
def _approved(node: SeenNode) -> None:
    for name in (CLASSIFIER, DETECTOR):
        if node.archive.deployments.get(name) is None:
            digest = bundle_digest(MODELS / name)
            node.archive.deployments.approve(name, digest, DeploymentState.SILENT, datetime.now(UTC))


def drawn(kind: str = "PNG") -> bytes:
    """A grey disc with a bright spot, as large as a slice."""
    image = Image.new("L", (256, 256))
    pen = ImageDraw.Draw(image)
    pen.ellipse((30, 20, 226, 236), fill=90)
    pen.ellipse((150, 90, 190, 130), fill=240)
    buffer = BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def given(content: bytes, name: str = "slice.png", kind: str = "image/png") -> dict[str, object]:
    return {"name": name, "mimeType": kind, "buffer": content}


def answered(page: Page) -> None:
    expect(page.locator("#results")).to_be_visible(timeout=_SECONDS)
    expect(page.locator("#results[aria-busy]")).to_have_count(0, timeout=_SECONDS)


def drop(page: Page, content: bytes) -> None:
    """Let go of a file over the page's field, as a mouse does."""
    page.evaluate(
        """(bytes) => {
          const transfer = new DataTransfer();
          transfer.items.add(new File([new Uint8Array(bytes)], "slice.png", { type: "image/png" }));
          const options = { dataTransfer: transfer, bubbles: true, cancelable: true };
          for (const name of ["dragenter", "dragover", "drop"])
            document.getElementById("drop").dispatchEvent(new DragEvent(name, options));
        }""",
        list(content),
    )


def test_a_dropped_picture_is_answered_with_bars_and_a_map(open_page: Open, tmp_path: Path) -> None:
    page = open_page("/predict", role=Role.VIEWER)
    for sentence in (NOT_KEPT, NOT_CLEARED):
        expect(page.locator("#statements")).to_contain_text(sentence)
    page.select_option("[name=model]", CLASSIFIER)
    drop(page, drawn())
    answered(page)
    expect(page.locator(".score-list")).to_have_count(2)
    expect(page.locator(".score-list").nth(1).locator("dt")).to_have_count(4)
    shown = page.locator(".overlay image.map")
    expect(shown).to_have_attribute("href", _PNG)
    assert coloured_share(page) > 0.2
    page.locator("#opacity").fill("20")
    expect(shown).to_have_attribute("opacity", "0.2")
    page.locator("#show-map").uncheck()
    expect(shown).to_be_hidden()
    page.select_option("[name=class]", "pituitary")
    expect(page.locator("figcaption")).to_contain_text("Neoplasm of pituitary gland", timeout=_SECONDS)
    page_ok(page)
    assert_accessible(page)
    picture(page, "predict-classifier", tmp_path, whole=True)


def coloured_share(page: Page) -> float:
    """How much of the map is not transparent."""
    return float(
        page.evaluate(
            """async () => {
              const image = new Image();
              image.src = document.querySelector(".overlay image.map").getAttribute("href");
              await image.decode();
              const { width, height } = image;
              const canvas = Object.assign(document.createElement("canvas"), { width, height });
              const pen = canvas.getContext("2d");
              pen.drawImage(image, 0, 0);
              const values = pen.getImageData(0, 0, width, height).data;
              let seen = 0;
              for (let at = 3; at < values.length; at += 4) seen += values[at] > 40;
              return 4 * seen / values.length;
            }"""
        )
    )


def test_the_keyboard_alone_is_enough_and_the_answer_is_had_as_json(open_page: Open, tmp_path: Path) -> None:
    page = open_page("/predict", role=Role.VIEWER)
    tab_to(page, "#files")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Space")
    page.select_option("[name=model]", DETECTOR)
    chooser.value.set_files([given(drawn("JPEG"), "slice.jpg", "image/jpeg")])  # type: ignore[list-item]
    answered(page)
    assert page.evaluate("document.activeElement.id") == "results"
    tab_to(page, "#download")
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    answer = json.loads(Path(download.value.path()).read_text())
    assert (answer["model"]["name"], answer["kept"]) == (DETECTOR, False)
    assert len(answer["results"][0]["images"][0]["outlines"]) == page.locator(".overlay polygon").count()
    tab_to(page, "summary")
    page.keyboard.press("Enter")
    expect(page.locator("#curl")).to_contain_text(f"/api/v1/predict?model={DETECTOR}")
    page_ok(page)


def test_boxes_lie_on_the_picture(open_page: Open) -> None:
    page = open_page("/predict", role=Role.OPERATOR)
    page.select_option("[name=model]", DETECTOR)
    page.set_input_files("#files", [given(drawn())])  # type: ignore[list-item]
    answered(page)
    image, drawing = (page.locator(f".overlay {name}").first.bounding_box() for name in ("img", "svg"))
    assert image is not None and drawing is not None
    assert np.allclose([*image.values()], [*drawing.values()], atol=1)
    assert page.locator(".overlay svg").first.get_attribute("viewBox") == "0 0 256 256"


def test_what_cannot_be_used_is_said_in_words(open_page: Open) -> None:
    page = open_page("/predict", role=Role.VIEWER, language="es-ES")
    page.select_option("[name=model]", CLASSIFIER)
    page.set_input_files("#files", [given(b"no picture", "note.png")])  # type: ignore[list-item]
    answered(page)
    expect(page.locator(".prediction .state")).to_have_text("rechazado")
    expect(page.locator(".reason")).to_contain_text("file 1 is no PNG, JPEG or TIFF picture")
    page.route("**/api/v1/predict*", lambda route: route.fulfill(status=503, headers={"Retry-After": "7"}))
    page.click("#predict [type=submit]")
    expect(page.locator("#wrong")).to_contain_text("Inténtelo de nuevo dentro de 7 s", timeout=_SECONDS)
    forget_troubles(page)


def test_it_works_on_a_phone(open_page: Open, tmp_path: Path) -> None:
    page = open_page(
        "/predict", role=Role.VIEWER, language="es-ES", scheme="dark", viewport={"width": 390, "height": 844}
    )
    assert "image/jpeg" in str(page.locator("#files").get_attribute("accept"))  # phones offer their camera
    page.select_option("[name=model]", CLASSIFIER)
    page.set_input_files("#files", [given(drawn())])  # type: ignore[list-item]
    answered(page)
    page_ok(page)
    assert_accessible(page, schemes=("dark",))
    assert_fits_phone(page)
    picture(page, "predict-phone", tmp_path, whole=True)
