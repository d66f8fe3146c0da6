"""Pictures of the answer: source slices with the outlines of the SR and the mask of the SEG on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont
from pydicom.dataset import Dataset

from dicomnode.demo.objects import Outline
from dicomnode.dicom.display import display_picture
from dicomnode.dicom.picture import draw_overlay
from dicomnode.dicom.pixels import read_frames

SYNTHETIC = "Synthetic picture: this shows the path, not the accuracy."
UNVERIFIED = "AI result, not verified by a human."

_MASK_COLOUR, _MASK_SHARE = np.array([255, 196, 0]), 0.16
_GROUND, _INK, _QUIET, _AMBER = (15, 19, 23), (232, 236, 240), (150, 162, 173), (255, 196, 0)
_KEY_PIXELS, _SMALL_PIXELS, _GAP = 860, 230, 12
_DRAWN_PIXELS = 342  # small pictures are drawn larger, so that their outlines stay lines
_TEXT_LEFT, _TEXT_TOP, _TEXT_WIDTH = 880, 500, 704


@dataclass(frozen=True, slots=True)
class Slice:
    """A source image and what was found on it.

    Attributes:
        number: Instance Number.
        grey: (Rows, Columns) uint8, windowed as its header says.
        outlines: From the SR.
        mask: From the SEG, None if it has no frame for this image.
    """

    number: int
    grey: npt.NDArray[np.uint8]
    outlines: tuple[Outline, ...]
    mask: npt.NDArray[np.bool_] | None


@dataclass(frozen=True, slots=True)
class View:
    """The square of the source images that is shown.

    Attributes:
        left: First column.
        top: First row.
        side: Columns and rows.
    """

    left: int
    top: int
    side: int


def make_slices(
    images: Sequence[Dataset],
    outlines: Mapping[str, Sequence[Outline]],
    masks: Mapping[str, npt.NDArray[np.bool_]],
) -> tuple[Slice, ...]:
    """Bring source images together with what was found on them, by SOP Instance UID."""
    return tuple(
        Slice(
            int(image.InstanceNumber),
            display_picture(image, next(read_frames(image))),
            tuple(outlines.get(image.SOPInstanceUID, ())),
            masks.get(image.SOPInstanceUID),
        )
        for image in images
    )


def draw_pictures(slices: Sequence[Slice], title: str, sentences: Sequence[str], folder: Path) -> tuple[Path, ...]:
    """Write one picture per slice with an outline, a montage of all slices, and an overview.

    Args:
        slices: The whole series, caudal slice first.
        title: Heading of the overview.
        sentences: What the overview tells beside the pictures.
        folder: Where the PNG files go.

    Returns:
        The files, the overview first.
    """
    view = _view(slices)
    outlined = [item for item in slices if item.outlines] or [_key(slices)]
    pictures = {"overview.png": _overview(slices, view, title, sentences), "montage.png": _montage(slices, view)}
    for item in outlined:
        pictures[f"slice-{item.number:02d}.png"] = _captioned(item, view)
    for name, picture in pictures.items():
        picture.save(folder / name)
    return tuple(folder / name for name in pictures)


def _key(slices: Sequence[Slice]) -> Slice:
    """The slice that shows most of the surest lesion; the middle one if nothing was found."""
    found = [outline for item in slices for outline in item.outlines]
    if not found:
        return slices[len(slices) // 2]
    surest = max(found, key=lambda outline: outline.score or 0.0).label
    return max(slices, key=lambda item: max((o.area for o in item.outlines if o.label == surest), default=-1.0))


def _view(slices: Sequence[Slice]) -> View:
    """A square around the head, the same for every slice."""
    bright = np.max([item.grey for item in slices], axis=0) > 60
    rows, columns = np.flatnonzero(bright.any(axis=1)), np.flatnonzero(bright.any(axis=0))
    side = min(max(np.ptp(rows), np.ptp(columns)) + 17, *bright.shape)
    top = int(np.clip((rows[0] + rows[-1] - side) // 2, 0, bright.shape[0] - side))
    left = int(np.clip((columns[0] + columns[-1] - side) // 2, 0, bright.shape[1] - side))
    return View(left, top, int(side))


def _rendered(item: Slice, view: View, pixels: int, labelled: bool) -> Image.Image:
    """A slice, cut to the view and enlarged to ``pixels``, with mask and outlines."""
    colour = np.repeat(item.grey[:, :, np.newaxis], 3, axis=2)
    if item.mask is not None:
        tinted = (1 - _MASK_SHARE) * colour[item.mask] + _MASK_SHARE * _MASK_COLOUR
        colour[item.mask] = tinted.astype(np.uint8)
    box = (view.left, view.top, view.left + view.side, view.top + view.side)
    picture = Image.fromarray(colour).crop(box).resize((pixels, pixels), Image.Resampling.BICUBIC)
    scale = pixels / view.side
    points = [(outline.points - (view.left, view.top)) * scale for outline in item.outlines]
    labels = [_label(outline) if labelled else "" for outline in item.outlines]
    return draw_overlay(np.asarray(picture), points, labels)


def _label(outline: Outline) -> str:
    return outline.label if outline.score is None else f"{outline.label}  {outline.score:.3g} %"


def _captioned(item: Slice, view: View) -> Image.Image:
    picture = Image.new("RGB", (_KEY_PIXELS, _KEY_PIXELS + 40), _GROUND)
    picture.paste(_rendered(item, view, _KEY_PIXELS, labelled=True))
    text = f"Image {item.number}. {UNVERIFIED} {SYNTHETIC}"
    ImageDraw.Draw(picture).text((12, _KEY_PIXELS + 10), text, fill=_QUIET, font=ImageFont.load_default(17))
    return picture


def _grid(items: Sequence[Slice], view: View, columns: int) -> Image.Image:
    """Small pictures in rows, each with its image number."""
    step = _SMALL_PIXELS + _GAP
    lines = -(-len(items) // columns)
    sheet = Image.new("RGB", (columns * step - _GAP, lines * step - _GAP), _GROUND)
    draw = ImageDraw.Draw(sheet)
    for place, item in enumerate(items):
        corner = (place % columns * step, place // columns * step)
        small = _rendered(item, view, _DRAWN_PIXELS, labelled=False)
        sheet.paste(small.resize((_SMALL_PIXELS, _SMALL_PIXELS), Image.Resampling.LANCZOS), corner)
        draw.text((corner[0] + 8, corner[1] + 6), str(item.number), fill=_QUIET, font=ImageFont.load_default(15))
    return sheet


def _montage(slices: Sequence[Slice], view: View) -> Image.Image:
    grid = _grid(slices, view, columns=5)
    sheet = Image.new("RGB", (grid.width + 2 * _GAP, grid.height + 2 * _GAP + 30), _GROUND)
    sheet.paste(grid, (_GAP, _GAP))
    text = f"{UNVERIFIED} {SYNTHETIC}"
    ImageDraw.Draw(sheet).text((_GAP, sheet.height - 32), text, fill=_QUIET, font=ImageFont.load_default(17))
    return sheet


def _overview(slices: Sequence[Slice], view: View, title: str, sentences: Sequence[str]) -> Image.Image:
    sheet = Image.new("RGB", (1606, _KEY_PIXELS + 2 * _GAP), _GROUND)
    key = _key(slices)
    sheet.paste(_rendered(key, view, _KEY_PIXELS, labelled=True), (_GAP, _GAP))
    first = int(np.clip(slices.index(key) - 2, 0, max(0, len(slices) - 6)))
    sheet.paste(_grid(slices[first : first + 6], view, columns=3), (_TEXT_LEFT, _GAP))
    _write(sheet, title, sentences)
    return sheet


def _write(sheet: Image.Image, title: str, sentences: Sequence[str]) -> None:
    """The words of the overview, wrapped to its right column."""
    draw = ImageDraw.Draw(sheet)
    body, heading = ImageFont.load_default(19), ImageFont.load_default(25)
    draw.text((_TEXT_LEFT, _TEXT_TOP), title, fill=_INK, font=heading)
    y = _TEXT_TOP + 46
    for sentence in sentences:
        for line in _wrapped(sentence, body):
            draw.text((_TEXT_LEFT, y), line, fill=_INK, font=body)
            y += 26
        y += 9
    draw.text((_TEXT_LEFT, sheet.height - 68), UNVERIFIED, fill=_AMBER, font=body)
    draw.text((_TEXT_LEFT, sheet.height - 40), SYNTHETIC, fill=_QUIET, font=body)


def _wrapped(sentence: str, font: ImageFont.ImageFont | ImageFont.FreeTypeFont) -> list[str]:
    lines = [""]
    for word in sentence.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) > _TEXT_WIDTH and lines[-1]:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines
