"""A radiologist at OHIF: opens studies, hangs series, and reads what is on the screen and in the viewer's own services.

Every ``expect_...`` raises AssertionError where something is not shown, or not as it should be. None of them asks
the documents: what counts is what the viewer made of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page

from tests.browser.conftest import sign_in
from tests.browser.looking import picture

# Software rendering: WebGL 2 without a graphics card.
FLAGS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
RADIOLOGIST = "radiologist"
SIZE = {"width": 1100, "height": 700}
_LONG, _PATIENT, _IMPATIENT, _PAUSE = 240_000, 120_000, 4_000, 250  # ms
_CLICKS, _OVERLAY = 2, 50
_PANE = "[data-cy=viewport-pane]"
_NO_TOUR = "localStorage.setItem('shownTours', JSON.stringify(['basicViewerTour', 'basicTour']))"

_SEGMENTS = """() => {
  const service = window.services.segmentationService, pane = window.services.viewportGridService.getState();
  return service.getSegmentations().flatMap((one) => Object.values(one.segments).filter(Boolean).map((part) => {
    const found = (part.cachedStats && part.cachedStats.namedStats) || {};
    return {
      of: one.label, label: part.label, kind: part.cachedStats && part.cachedStats.type,
      volume: found.volume && found.volume.value, centre: found.center && found.center.value,
      colour: service.getSegmentColor(pane.activeViewportId, one.segmentationId, part.segmentIndex),
    };
  }));
}"""
_IMAGE = """() => {
  const pane = window.services.viewportGridService.getState().activeViewportId;
  const shown = window.services.cornerstoneViewportService.getCornerstoneViewport(pane);
  return shown && shown.getCurrentImageId ? shown.getCurrentImageId() : null;
}"""
# Of the viewport's own canvas, without what stands over it: how many greys it shows, and how many pixels are of about
# the wanted hue. Images are grey; overlays are blended with them.
_PIXELS = """(wanted) => {
  const canvas = document.querySelector('[data-cy=viewport-pane] canvas');
  if (!canvas || !canvas.width || !canvas.height) return {greys: 0, painted: 0};
  const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  const mean = (pixel) => (pixel[0] + pixel[1] + pixel[2]) / 3;
  const centred = (pixel) => pixel.map((one) => one - mean(pixel));
  const length = (pixel) => Math.hypot(...pixel), hue = centred(wanted), greys = new Set();
  let painted = 0;
  for (let place = 0; place < data.length; place += 4) {
    const pixel = [data[place], data[place + 1], data[place + 2]];
    greys.add(pixel[0]);
    if (Math.max(...pixel) - Math.min(...pixel) < 60) continue;
    const found = centred(pixel);
    const likeness = (found[0] * hue[0] + found[1] * hue[1] + found[2] * hue[2]) / (length(found) * length(hue) || 1);
    if (likeness > 0.9) painted += 1;
  }
  return {greys: greys.size, painted};
}"""
_HANGS = """(description) => {
  const {displaySetService, viewportGridService, segmentationService} = window.services;
  const hung = [...viewportGridService.getState().viewports.values()].flatMap((one) => one.displaySetInstanceUIDs);
  const named = hung.map((one) => displaySetService.getDisplaySetByUID(one)?.SeriesDescription);
  return named.includes(description) || segmentationService.getSegmentations().some((one) => one.label === description);
}"""
# Whether the viewer knows every series of the study that its page is about, by asking the archive which there are: what
# is hung before its images are known stays blank.
_KNOWS_ALL = """async () => {
  const study = new URLSearchParams(location.search).get('StudyInstanceUIDs');
  const answer = await fetch(`/dicom-web/studies/${study}/series`, {headers: {accept: 'application/dicom+json'}});
  const known = window.services.displaySetService.getActiveDisplaySets().map((one) => one.SeriesInstanceUID);
  return (await answer.json()).every((one) => known.includes(one['0020000E'].Value[0]));
}"""
_PLACED = """(description) => window.services.displaySetService.getActiveDisplaySets()
  .filter((one) => one.Modality === 'SR' && one.SeriesDescription === description)
  .flatMap((one) => (one.measurements || []).filter((found) => found.loaded).map((found) => found.imageId))"""


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment as the viewer holds it.

    Attributes:
        of: Its segmentation's series description.
        volume: mm3; None until it was computed.
        centre: mm, patient coordinates.
        colour: Red, green, blue, 0 to 255; None where it is not drawn.
    """

    of: str
    label: str
    kind: str
    volume: float | None
    centre: tuple[float, ...] | None
    colour: tuple[int, ...] | None


class Ohif:
    """One page of the viewer."""

    def __init__(self, browser: Browser, artefacts: Path) -> None:
        context = browser.new_context(viewport=SIZE)  # type: ignore[arg-type]
        context.set_default_timeout(_LONG)
        self.page: Page = context.new_page()
        self.page.add_init_script(_NO_TOUR)
        self.refused: list[str] = []
        self.page.on("console", self._note)
        self._artefacts = artefacts
        self._patience = _PATIENT

    def expect_little(self) -> None:
        """Wait less from now on: what comes is meant to fail."""
        self._patience = _IMPATIENT

    def _note(self, message: Any) -> None:
        if "Content Security Policy" in message.text:
            self.refused.append(message.text)

    def close(self) -> None:
        self.page.context.close()

    def picture(self, name: str) -> None:
        picture(self.page, name, self._artefacts)

    def go(self, url: str) -> None:
        """Go to an address, and sign in where the node asks who is there."""
        self.page.goto(url)
        if self.page.locator("main [name=password]").count():
            sign_in(self.page, RADIOLOGIST)

    def open(self, url: str) -> Ohif:
        """Open a study; returns once an image is drawn, and every series is known."""
        self.go(url)
        self.page.locator(f"{_PANE} canvas").first.wait_for()
        self._wait(self.is_drawn, "an image of the study")
        self._wait(lambda: bool(self.page.evaluate(_KNOWS_ALL)), "all series of the study in its list")
        return self

    def slow_down(self, times: float) -> None:
        """Make the browser's machine so many times slower."""
        session = self.page.context.new_cdp_session(self.page)
        session.send("Emulation.setCPUThrottlingRate", {"rate": times})

    def hang(self, description: str) -> Ohif:
        """Put a series into the viewport, by double click as radiologists do: again where nothing came of the first."""
        for _ in range(_CLICKS):
            self.page.get_by_text(description, exact=True).first.dblclick()
            for _ in range(_PATIENT // _CLICKS // _PAUSE):
                if self.page.evaluate(_HANGS, description):
                    return self
                self.page.wait_for_timeout(_PAUSE)
        return self

    def is_drawn(self) -> bool:
        """Whether the viewport shows an image, and not one colour only."""
        return int(self.page.evaluate(_PIXELS, [255, 0, 0])["greys"]) > 2

    def image_uid(self) -> str:
        """SOP Instance UID of the image in the viewport; empty if there is none."""
        found = re.search(r"/instances/([0-9.]+)", str(self.page.evaluate(_IMAGE)))
        return found[1] if found else ""

    def segments(self) -> list[Segment]:
        """The segments that the viewer holds."""
        return [
            Segment(
                one["of"],
                one["label"],
                one["kind"] or "",
                one["volume"],
                one["centre"] and tuple(one["centre"]),
                one["colour"] and tuple(one["colour"][:3]),
            )
            for one in self.page.evaluate(_SEGMENTS)
        ]

    def text(self) -> str:
        """All words in the viewports."""
        return " ".join(self.page.locator(_PANE).all_inner_texts())

    def expect_segments(self, description: str, labels: Sequence[str]) -> list[Segment]:
        """A segmentation is loaded with these segments, measured and coloured, each in a colour of its own."""
        found: list[Segment] = []

        def loaded() -> bool:
            found[:] = [one for one in self.segments() if one.of == description]
            return len(found) == len(labels) and all(one.volume is not None and one.colour for one in found)

        self._wait(loaded, lambda: f"segments {labels} of {description}; there are {self.segments()}")
        assert [one.label for one in found] == list(labels)
        assert len({one.colour for one in found}) == len(found)
        return found

    def expect_overlay(self, colour: Sequence[int]) -> None:
        """Some pixels of the viewport have about this hue: an overlay is blended with a grey image."""

        def painted() -> bool:
            return int(self.page.evaluate(_PIXELS, list(colour))["painted"]) > _OVERLAY

        self._wait(painted, f"an overlay of colour {tuple(colour)}")

    def jump_to(self, label: str) -> None:
        """Click a segment in the panel of segmentations."""
        row = self.page.get_by_text(label, exact=True).last
        if not row.is_visible():
            self.page.locator("[data-cy=panelSegmentation-btn]").click()
        row.click()

    def expect_image(self, *uids: str) -> None:
        """The viewport shows one of these images."""
        self._wait(lambda: self.image_uid() in uids, lambda: f"one of {uids}; it shows {self.image_uid()}")

    def expect_contours(self, *words: str) -> None:
        """The viewport shows as many outlines as sets of words, and these words beside them."""
        self._wait(lambda: self.outlines() == len(words), lambda: f"{len(words)} outlines; there are {self.outlines()}")
        self._wait(
            lambda: self.outlines() == len(words) and not self._missing(words),
            lambda: f"beside an outline: {self._missing(words)}; there are {self._labels()}",
        )
        self._wait(self.is_drawn, "an image under the outlines")

    def _labels(self) -> list[str]:
        """The words beside outlines."""
        return self.page.locator(f"{_PANE} svg.svg-layer > g").all_text_contents()

    def _missing(self, words: Sequence[str]) -> list[str]:
        shown = [_squeezed(one) for one in self._labels()]
        return [one for one in words if not any(_squeezed(one) in label for label in shown)]

    def outlines(self) -> int:
        """Closed lines with more than a handful of points in the viewport."""
        points = self.page.locator(f"{_PANE} svg.svg-layer > polyline").evaluate_all(
            "(lines) => lines.map((line) => line.getAttribute('points').trim().split(/\\s+/).length)"
        )
        return sum(count > 5 for count in points)

    def expect_placed(self, description: str, *uids: str) -> None:
        """The viewer found the image of each outline of a report."""
        found: list[str] = []

        def placed() -> bool:
            found[:] = [
                re.sub(r".*/instances/([0-9.]+).*", r"\1", one) for one in self.page.evaluate(_PLACED, description)
            ]
            return sorted(found) == sorted(uids)

        self._wait(placed, lambda: f"outlines on {uids}; they are on {found}")

    def expect_sentences(self, *sentences: str) -> None:
        """The viewport shows these words."""
        self._wait(
            lambda: all(one in _spaced(self.text()) for one in sentences), lambda: f"{sentences} in {self.text()!r}"
        )

    def _wait(self, condition: Callable[[], bool], what: str | Callable[[], str]) -> None:
        for _ in range(self._patience // _PAUSE):
            if condition():
                return
            self.page.wait_for_timeout(_PAUSE)
        raise AssertionError(f"the viewer does not show {what if isinstance(what, str) else what()}")


def _squeezed(words: str) -> str:
    return re.sub(r"\s+", "", words)


def _spaced(words: str) -> str:
    return re.sub(r"\s+", " ", words)
