"""The way from processed pixels back to source pixels, exact to the half pixel.

MONAI's affine counts in pixel indices, where an index names a pixel's centre. Boxes and SCOORD count from
the top-left corner of the top-left pixel, so that pixel's centre is (0.5, 0.5) (PS3.3 C.18.6.1.2).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from monai.data import MetaTensor

from dicomnode.dicom.outline import outline

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Region:
    """A mask on the source image, kept as the part of it that is not empty.

    Attributes:
        left: Column of its first pixel.
        top: Row of its first pixel.
        pixels: (h, w) bool.
        outline: (N, 2) column, row from the corner of the source image, N >= 6.
    """

    left: int
    top: int
    pixels: npt.NDArray[np.bool_]
    outline: FloatArray

    def on(self, shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
        """The mask on a whole image (Rows, Columns)."""
        whole = np.zeros(shape, dtype=np.bool_)
        rows, columns = self.pixels.shape
        whole[self.top : self.top + rows, self.left : self.left + columns] = self.pixels
        return whole


@dataclass(frozen=True, slots=True)
class PixelMap:
    """An affine map from processed pixel indices to source pixel indices.

    Attributes:
        matrix: (2, 3); row, column of the source = matrix @ (row, column, 1) of the processed image.
        shape: Rows, columns of the source image.
    """

    matrix: FloatArray
    shape: tuple[int, int]

    def to_source(self, points: FloatArray) -> FloatArray:
        """Map (N, 2) column, row points, counted from the pixel corner, to the source image."""
        indices = points[:, ::-1] - 0.5
        mapped: FloatArray = (indices @ self.matrix[:, :2].T + self.matrix[:, 2] + 0.5)[:, ::-1]
        return mapped

    def to_processed(self, points: FloatArray) -> FloatArray:
        """Map (N, 2) column, row points of the source image, counted from the pixel corner, back."""
        indices = points[:, ::-1] - 0.5 - self.matrix[:, 2]
        mapped = np.linalg.solve(self.matrix[:, :2], indices.T).T + 0.5
        return np.asarray(mapped[:, ::-1], dtype=np.float64)

    def box_to_source(self, box: FloatArray) -> FloatArray:
        """Map a box, xyxy, to the source box around it, cut to the image."""
        x1, y1, x2, y2 = box
        corners = self.to_source(np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]]))
        limits = np.array([self.shape[1], self.shape[0]], dtype=np.float64)
        return np.concatenate([np.clip(corners.min(axis=0), 0, limits), np.clip(corners.max(axis=0), 0, limits)])

    def region_to_source(self, mask: torch.Tensor, box: FloatArray) -> Region | None:
        """Sample a mask at the centres of the source pixels around a box; True where it is above 0.5.

        Args:
            mask: (h, w) float 0..1 on the processed image, on the CPU.
            box: xyxy in source pixels; pixels further out than one pixel stay out.

        Returns:
            None if no source pixel is in the mask.
        """
        rows, columns = self.shape
        left, top = np.maximum(np.floor(box[:2]).astype(int) - 1, 0).tolist()
        right, bottom = np.minimum(np.ceil(box[2:]).astype(int) + 1, [columns, rows]).tolist()
        if right <= left or bottom <= top:
            return None
        values = self._sample(mask, left, top, right, bottom)
        points = outline(values)
        if points is None:
            return None
        return Region(left, top, values > 0.5, points + np.array([left, top], dtype=np.float64))

    def map_to_source(self, values: torch.Tensor, shape: tuple[int, int]) -> FloatArray:
        """Sample values on a raster that covers the source image; 0 where preprocessing cut the image away.

        Args:
            values: (h, w) float on the processed image, on the CPU.
            shape: Rows and columns of the raster; those of the source image sample at the centres of its pixels.
        """
        y, x = (np.mgrid[: shape[0], : shape[1]] + 0.5) * (np.array(self.shape) / shape).reshape(2, 1, 1)
        scaled = self._scaled(x, y, (values.shape[0], values.shape[1]))
        sampled = _sampled(values, scaled, "border")
        return np.where((np.abs(scaled) <= 1.0).all(axis=-1), sampled, 0.0)

    def _sample(self, mask: torch.Tensor, left: int, top: int, right: int, bottom: int) -> FloatArray:
        y, x = np.mgrid[top:bottom, left:right].astype(np.float64) + 0.5
        return _sampled(mask, self._scaled(x, y, (mask.shape[0], mask.shape[1])), "zeros")

    def _scaled(self, x: FloatArray, y: FloatArray, size: tuple[int, int]) -> FloatArray:
        """(rows, columns, 2) places of source points on the processed image, which reaches from -1 to 1 (x, y)."""
        points = self.to_processed(np.stack([x.ravel(), y.ravel()], axis=1))
        return np.asarray((2 * points / np.array([size[1], size[0]]) - 1).reshape(*x.shape, 2), dtype=np.float64)


def _sampled(values: torch.Tensor, scaled: FloatArray, beyond: str) -> FloatArray:
    grid = torch.from_numpy(scaled[np.newaxis]).float()
    sampled = torch.nn.functional.grid_sample(
        values[None, None].float(), grid, padding_mode=beyond, align_corners=False
    )
    return np.asarray(sampled[0, 0].numpy(), dtype=np.float64)


def pixel_map(processed: MetaTensor, shape: tuple[int, int]) -> PixelMap:
    """The map of an image that was given to preprocessing with the identity as its affine."""
    affine = processed.affine.cpu().numpy().astype(np.float64)
    return PixelMap(affine[:2][:, [0, 1, -1]], shape)
