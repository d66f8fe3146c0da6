"""A result drawn on its images, for people who look without a viewer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from dicomnode.dicom.picture import draw_overlay, to_8_bit
from dicomnode.findings import Finding, Polygon, Result, StudyAnswer
from dicomnode.inference.slice_group import PixelsByImage, SliceGroup
from dicomnode.study import SourceReference

_MOST_IMAGES = 12
_UNVERIFIED = "AI result, not verified"
_MAP_SIDE, _LONGEST = 512, 4
_NOT_EXAMINED = np.array((225.0, 225.0, 225.0))
_PALE_BLUE, _BLUE = np.array((222.0, 235.0, 247.0)), np.array((107.0, 174.0, 214.0))
_PALE_RED, _RED = np.array((253.0, 187.0, 132.0)), np.array((179.0, 0.0, 0.0))


@dataclass(frozen=True, slots=True)
class Overlay:
    """A drawn image.

    Attributes:
        image: Which source image it shows.
        position: Its place in the series, counted from 1.
        picture: The drawing, RGB.
    """

    image: SourceReference
    position: int
    picture: Image.Image


def draw_result(result: Result, groups: Sequence[SliceGroup]) -> tuple[Overlay, ...]:
    """The images that carry a result, with outlines of its findings; at most twelve, most important first.

    Of an exam every image is drawn, with the patches that the network looked at closely.

    Args:
        result: A result with an answer; any other gives nothing.
        groups: The source images that it was made from.
    """
    if result.answer is None:
        return ()
    pixels = PixelsByImage(groups)
    positions = {image: number for number, image in enumerate(pixels, start=1)}
    drawn = [image for image in key_images(result, result.answer) if image in pixels]
    return tuple(Overlay(image, positions[image], _draw(result, image, pixels[image])) for image in drawn)


def draw_heat_maps(result: Result) -> tuple[Overlay, ...]:
    """The heat maps of a result, at most twelve: grey where nothing was examined, blue below the threshold, red above.

    Args:
        result: A result; one without heat maps gives nothing.
    """
    if result.answer is None:
        return ()
    threshold, caption = result.answer.threshold, caption_of(result)
    return tuple(
        Overlay(item.image, number, draw_overlay(_coloured(item.scores, threshold), [], [], caption))
        for number, item in enumerate(result.heat_maps[:_MOST_IMAGES], start=1)
    )


def _coloured(scores: npt.NDArray[np.float32], threshold: float) -> npt.NDArray[np.uint8]:
    """(Rows, Columns, 3), every element of the map as a square of some pixels; a very long map is widened in grey."""
    least = -(-max(scores.shape) // _LONGEST)
    margin = [(0, max(0, least - length)) for length in scores.shape]
    scores = np.pad(scores, margin, constant_values=np.nan)
    known = np.isfinite(scores)
    values = np.where(known, scores, 0.0)[..., np.newaxis]
    below = _PALE_BLUE + (_BLUE - _PALE_BLUE) * np.clip(values / max(threshold, 1e-6), 0, 1)
    above = _PALE_RED + (_RED - _PALE_RED) * np.clip((values - threshold) / max(1 - threshold, 1e-6), 0, 1)
    colours = np.where(values >= threshold, above, below)
    picture = np.where(known[..., np.newaxis], colours, _NOT_EXAMINED).round().astype(np.uint8)
    side = max(1, round(_MAP_SIDE / min(scores.shape)))
    return picture.repeat(side, axis=0).repeat(side, axis=1)


def key_images(result: Result, answer: StudyAnswer) -> tuple[SourceReference, ...]:
    """The images that are worth looking at, at most twelve.

    Key images, other images with outlines, images of an exam, in this order; without any, the one that carried.
    """
    keys = [finding.contours[0].image for finding in result.findings if finding.contours]
    others = [contour.image for finding in result.findings for contour in finding.contours]
    sides = sorted(answer.sides, key=lambda side: -side.score)
    of_exam = [image for side in sides for image in side.carried_by]
    return tuple(dict.fromkeys([*keys, *others, *of_exam] or answer.carried_by[:1]))[:_MOST_IMAGES]


def _draw(result: Result, image: SourceReference, pixels: npt.NDArray[np.float32]) -> Image.Image:
    shown = pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0)
    outlines = [(finding, contour) for finding in result.findings for contour in finding.contours]
    here = [(finding, contour) for finding, contour in outlines if contour.image == image]
    outlined, labels = [_points(item) for _, item in here], [_label(item) for item, _ in here]
    looked_at = [item for item in result.attention if item.box.image == image]
    outlined += [_points(item.box) for item in looked_at]
    labels += [f"attention {item.weight:.2f}" for item in looked_at]
    return draw_overlay(to_8_bit(shown), outlined, labels, caption_of(result))


def carrying_images(result: Result, answer: StudyAnswer) -> tuple[SourceReference, ...]:
    """As `key_images`, and the others that carried the answer behind them."""
    return tuple(dict.fromkeys([*key_images(result, answer), *answer.carried_by]))[:_MOST_IMAGES]


def caption_of(result: Result) -> str:
    """Which model said what, and that nobody has verified it."""
    return f"{result.model.name} {result.model.version}: {result.reason} ({_UNVERIFIED})"


def _points(contour: Polygon) -> npt.NDArray[np.float64]:
    return contour.points


def _label(finding: Finding) -> str:
    return f"{finding.label}: {finding.concept.meaning} {finding.score:.2f}"
