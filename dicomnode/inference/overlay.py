"""A result drawn on its images, for people who look without a viewer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from dicomnode.dicom.picture import draw_overlay, to_8_bit
from dicomnode.findings import Finding, Polygon, Result
from dicomnode.inference.slice_group import SliceGroup
from dicomnode.study import SourceReference

_MOST_IMAGES = 12
_UNVERIFIED = "AI result, not verified"


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

    Args:
        result: A result with an answer; any other gives nothing.
        groups: The source images that it was made from.
    """
    if result.answer is None:
        return ()
    pixels = {image: item for group in groups for image, item in zip(group.images, group.pixels, strict=True)}
    positions = {image: number for number, image in enumerate(pixels, start=1)}
    drawn = [image for image in _images(result, result.answer.carried_by) if image in pixels][:_MOST_IMAGES]
    return tuple(Overlay(image, positions[image], _draw(result, image, pixels[image])) for image in drawn)


def _images(result: Result, carried_by: Sequence[SourceReference]) -> tuple[SourceReference, ...]:
    """Key images first, then the other images with outlines; without outlines, those that carried the answer."""
    keys = [finding.contours[0].image for finding in result.findings if finding.contours]
    others = [contour.image for finding in result.findings for contour in finding.contours]
    return tuple(dict.fromkeys([*keys, *others] or carried_by[:1]))


def _draw(result: Result, image: SourceReference, pixels: npt.NDArray[np.float32]) -> Image.Image:
    shown = pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0)
    outlines = [(finding, contour) for finding in result.findings for contour in finding.contours]
    here = [(finding, contour) for finding, contour in outlines if contour.image == image]
    caption = f"{result.model.name} {result.model.version}: {result.reason} ({_UNVERIFIED})"
    return draw_overlay(
        to_8_bit(shown), [_points(item) for _, item in here], [_label(item) for item, _ in here], caption
    )


def _points(contour: Polygon) -> npt.NDArray[np.float64]:
    return contour.points


def _label(finding: Finding) -> str:
    return f"{finding.label}: {finding.concept.meaning} {finding.score:.2f}"
