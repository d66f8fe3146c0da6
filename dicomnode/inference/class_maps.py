"""Where a classifier's answer comes from, drawn on its images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from dicomnode.dicom.picture import draw_overlay, to_8_bit
from dicomnode.findings import Result
from dicomnode.inference.loaded import LoadedModel
from dicomnode.inference.overlay import Overlay, caption_of, carrying_images
from dicomnode.inference.predictor import Predictor
from dicomnode.inference.slice_group import PixelsByImage, SliceGroup

MOST_CLASS_MAPS = 4
"""Of one result: each takes as long as one to three predictions, and somebody waits."""
_WEAK, _STRONG = np.array((30.0, 190.0, 180.0)), np.array((215.0, 25.0, 28.0))
_OPACITY = 0.6


def draw_class_maps(result: Result, groups: Sequence[SliceGroup], model: LoadedModel) -> tuple[Overlay, ...]:
    """Grad-CAM of the strongest class over the images that carry the answer, at most four.

    Args:
        result: What the model said.
        groups: The source images that it was made from.
        model: The same model; a detector, and one of tiles or exams, which has maps of its own, gives nothing.
    """
    answer = result.answer
    if answer is None or not answer.classes or not isinstance(model, Predictor) or model.bundle.node.tiling is not None:
        return ()
    images = [image for group in groups for image in group.images]
    pixels = PixelsByImage(groups)
    concept, drawn = answer.classes[0].concept, []
    for image in carrying_images(result, answer)[:MOST_CLASS_MAPS]:
        shown = pixels[image]
        rows, columns = shown.shape[1:]
        found = model.class_map(shown, concept, (rows, columns))
        if found is not None:
            picture = draw_overlay(_blended(shown, found), [], [], f"{concept.meaning}? {caption_of(result)}")
            drawn.append(Overlay(image, images.index(image) + 1, picture))
    return tuple(drawn)


def _blended(pixels: npt.NDArray[np.float32], found: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    """(Rows, Columns, 3): the image, the more coloured the higher the map."""
    grey = np.repeat(pixels, 3, axis=0) if len(pixels) == 1 else pixels
    picture = to_8_bit(grey.transpose(1, 2, 0)).astype(np.float64)
    share = (found / max(float(found.max()), 1e-12))[..., np.newaxis]
    colour = _WEAK + (_STRONG - _WEAK) * share
    return np.asarray((picture + (colour - picture) * _OPACITY * share).round(), dtype=np.uint8)
