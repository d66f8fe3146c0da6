"""The image that a model is asked about, and the source instances behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from monai.data import MetaTensor
from monai.utils import MetaKeys, SpaceKeys

from dicomnode.study import SourceReference


@dataclass(frozen=True, slots=True)
class SourceImage:
    """A volume, or one picture.

    Axes are counted as Pixel Data counts them: rows first. ``data[c, i, j, k]`` is row i, column j of
    ``slices[k]``, and ``data.affine @ (i, j, k, 1)`` is its centre in RAS mm, MONAI's and NIfTI's
    frame. (MONAI's own DICOM readers put columns first; their affine differs by that swap.)
    Slices ascend along the normal, which is row direction x column direction.

    Attributes:
        data: Volume (C, Rows, Columns, Slices), picture (C, Rows, Columns); float32 modality values with
            high = bright (MONOCHROME1 is mirrored), C = 1; or RGB 0..255, C = 3. The affine is in RAS mm
            for a volume; for a picture diag(row spacing, column spacing, 1, 1), 1 where unknown.
        slices: Source of each slice; one for a picture, none for a picture file that is no DICOM.
        spacing: Distance between rows, columns and (volume) slices, mm; None if it cannot be trusted.
        kind: ``volume`` or ``planar``.
    """

    data: MetaTensor
    slices: tuple[SourceReference, ...]
    spacing: tuple[float, ...] | None
    kind: Literal["volume", "planar"]

    @property
    def rows(self) -> int:
        """Rows of a slice."""
        return int(self.data.shape[1])

    @property
    def columns(self) -> int:
        """Columns of a slice."""
        return int(self.data.shape[2])

    @property
    def number_of_slices(self) -> int:
        """Slices of a volume; 1 for a picture."""
        return int(self.data.shape[3]) if self.kind == "volume" else 1

    @property
    def pixel_spacing(self) -> tuple[float, float] | None:
        """Distance between rows and between columns, mm; None if it cannot be trusted."""
        return None if self.spacing is None else (self.spacing[0], self.spacing[1])

    def slice_array(self, index: int) -> npt.NDArray[np.float32]:
        """(C, Rows, Columns) float32 of one slice: a view, not a copy.

        Raises:
            IndexError: No such slice.
        """
        if not 0 <= index < self.number_of_slices:
            raise IndexError(f"slice {index} of {self.number_of_slices}")
        array: npt.NDArray[np.float32] = self.data.as_tensor().numpy()
        return array[..., index] if self.kind == "volume" else array


def volume(
    array: npt.NDArray[np.float32],
    ras_affine: npt.NDArray[np.float64],
    slices: tuple[SourceReference, ...],
    spacing: tuple[float, float, float],
) -> SourceImage:
    """Wrap an array (Slices, C, Rows, Columns) without copying it."""
    tensor = torch.from_numpy(array).permute(1, 2, 3, 0)
    return SourceImage(_meta_tensor(tensor, ras_affine), slices, spacing, "volume")


def planar(
    array: npt.NDArray[np.float32],
    slices: tuple[SourceReference, ...],
    spacing: tuple[float, float] | None,
) -> SourceImage:
    """Wrap an array (C, Rows, Columns) without copying it."""
    affine = np.diag([*(spacing or (1.0, 1.0)), 1.0, 1.0])
    return SourceImage(_meta_tensor(torch.from_numpy(array), affine), slices, spacing, "planar")


def _meta_tensor(tensor: torch.Tensor, affine: npt.NDArray[np.float64]) -> MetaTensor:
    return MetaTensor(tensor, affine=torch.from_numpy(affine), meta={MetaKeys.SPACE: SpaceKeys.RAS})
