"""Boxes and masks of a picture's lesions on an augmented image, for training."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import torch

from dicomnode.learning.data.augmentation import ellipses
from dicomnode.learning.data.pictures import processed_boxes
from dicomnode.learning.data.plane_maps import PlaneMap, augmented_to_processed, processed_to_source
from dicomnode.learning.data.samples import Sample
from dicomnode.learning.data.shapes import BoolMask, Outline, Shape, mask_box, shape_mask

Size: TypeAlias = tuple[int, int]


def moved_lesions(
    sample: Sample, affine: torch.Tensor, theta: torch.Tensor, size: Size, source: Size, *, drawn: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Where the lesions of a picture lie on its processed and augmented image.

    Args:
        sample: With its boxes and, where they are known, shapes.
        affine: (4, 4) from processed pixel indices (row, column) to those of the picture.
        theta: (2, 3) from augmented to processed image in ``affine_grid``'s coordinates.
        size: Rows and columns of the augmented image.
        source: Rows and columns of the picture.
        drawn: Take a lesion's own shape where it is known, instead of the ellipse inscribed in its box.

    Returns:
        (N, 4) xyxy boxes clipped to the image, and (N, h, w) uint8 masks; of a shape nothing of which is left, zeros.
    """
    boxes = torch.tensor(sample.boxes, dtype=torch.float32).reshape(-1, 4)
    boxes, masks = ellipses(processed_boxes(boxes, affine), theta, *size)
    if drawn and any(shape is not None for shape in sample.shapes):
        to_source = processed_to_source(affine).after(augmented_to_processed(theta, *size))
        for index, shape in enumerate(sample.shapes):
            if shape is not None:
                mask = _moved(shape, to_source, size, source)
                masks[index] = torch.from_numpy(mask)
                boxes[index] = torch.tensor(mask_box(mask) or (0.0, 0.0, 0.0, 0.0))
    return boxes, masks


def _moved(shape: Shape, to_source: PlaneMap, size: Size, source: Size) -> BoolMask:
    """A shape on the augmented image: outlines point by point, masks pixel by pixel."""
    if isinstance(shape, Outline):
        back = to_source.inverse()
        rings = (back(np.array(ring, np.float64)).tolist() for ring in shape.rings)
        return shape_mask(Outline(tuple(tuple((x, y) for x, y in ring) for ring in rings)), *size)
    return _sampled(shape_mask(shape, *source), to_source, size)


def _sampled(mask: BoolMask, to_source: PlaneMap, size: Size) -> BoolMask:
    """The nearest pixel of ``mask``, looked up around its region only."""
    moved = np.zeros(size, np.bool_)
    box = mask_box(mask)
    if box is None:
        return moved
    corners = to_source.inverse()(np.array([[x, y] for x in box[::2] for y in box[1::2]], np.float64))
    left, top = np.floor(corners.min(axis=0)).astype(int).clip(0, [size[1], size[0]])
    right, bottom = np.ceil(corners.max(axis=0)).astype(int).clip(0, [size[1], size[0]])
    rows, columns = np.mgrid[top:bottom, left:right] + 0.5
    points = np.floor(to_source(np.stack([columns.ravel(), rows.ravel()], axis=1))).astype(int)
    inside = ((points >= 0) & (points < [mask.shape[1], mask.shape[0]])).all(axis=1)
    values = np.zeros(len(points), np.bool_)
    values[inside] = mask[points[inside, 1], points[inside, 0]]
    moved[top:bottom, left:right] = values.reshape(bottom - top, right - left)
    return moved
